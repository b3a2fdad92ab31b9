//! Looks at the rows: which forms of hashes there are, and who could not reset.

use diesel::{
    QueryableByName,
    prelude::*,
    sql_query,
    sql_types::{BigInt, Text},
};
use reset_core::email::EmailAddress;

use super::{
    super::{
        describe::hides_rows,
        engine::{Db, OUR_TABLES, SPEECH, database},
    },
    found,
};
use crate::foreign_users::{
    ColumnKind, Columns, Mapping, Matching, Ours, Plan, Speech, Survey, Unfit, grants, has_password, literal,
    qualified, quoted,
};

/// Addresses that are read at a time.
const PAGE: usize = 10_000;

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

#[derive(QueryableByName)]
struct Form {
    #[diesel(sql_type = Text)]
    form: String,
    #[diesel(sql_type = BigInt)]
    number: i64,
}

#[derive(QueryableByName)]
struct Address {
    #[diesel(sql_type = Text)]
    email: String,
}

/// The users table as it is, and what would be done with it; nothing is changed. `role` is who would do it.
pub(in super::super) fn survey(
    db: &mut Db,
    mapping: &Mapping,
    role: &str,
) -> QueryResult<Result<Survey, Unfit>> {
    let (mapping, columns, sessions) = found(db, mapping)?;
    let plan = match Plan::new(&mapping, SPEECH, &columns, &sessions) {
        Ok(plan) => plan,
        Err(unfit) => return Ok(Err(unfit)),
    };
    let table = qualified(SPEECH, mapping.schema.as_ref(), &mapping.table);
    let look = Look { db, mapping: &mapping, columns: &columns, table: &table };
    look.take(plan, role).map(Ok)
}

struct Look<'a> {
    db: &'a mut Db,
    mapping: &'a Mapping,
    columns: &'a Columns,
    table: &'a str,
}

impl Look<'_> {
    fn take(mut self, plan: Plan, role: &str) -> QueryResult<Survey> {
        let mapping = self.mapping;
        let database = database(self.db)?;
        let ours = Ours { database: database.as_ref(), tables: OUR_TABLES };
        let (rows, hashes) = (self.count("")?, self.hashes()?);
        let (refused, twins) = self.refused()?;
        let mut statements = vec![plan.by_email, plan.by_id, plan.lock, plan.set_password];
        statements.extend(plan.end_sessions);
        let columns = mapping.columns().into_iter().map(|(name, role)| {
            let kind = self.columns.get(name.as_str()).map_or("", |column| column.kind.name());
            (role, name.to_string(), kind)
        });
        let mut advice = self.advice()?;
        if twins > 0 {
            advice.push(format!(
                "{twins} addresses are those of several rows but for case; the row in lower case is meant, or none"
            ));
        }
        Ok(Survey {
            table: self.table.to_owned(),
            rows,
            columns: columns.collect(),
            statements,
            grants: grants(mapping, SPEECH, &ours, role),
            hashes,
            refused,
            advice,
        })
    }

    /// How many rows there are that are so.
    fn count(&mut self, condition: &str) -> QueryResult<i64> {
        let rows = sql_query(format!("SELECT COUNT(*) AS number FROM {} {condition}", self.table));
        Ok(rows.get_result::<Count>(self.db)?.number)
    }

    /// The forms by what a hash begins with; nothing of the hash itself.
    fn hashes(&mut self) -> QueryResult<Vec<(String, i64)>> {
        let hash = quoted(SPEECH, &self.mapping.password);
        let forms = format!(
            "SELECT CASE WHEN {hash} IS NULL OR {hash} = '' OR {hash} LIKE '!%' THEN 'none' \
             WHEN {hash} LIKE '$2_$__$%' THEN CONCAT('bcrypt ', LEFT({hash}, 7)) \
             WHEN {hash} LIKE '$argon2id$%' THEN 'argon2id' \
             WHEN {hash} LIKE 'pbkdf2!_sha256$%' ESCAPE '!' THEN 'pbkdf2-sha256, as Django writes it' \
             WHEN {hash} LIKE 'scrypt$%' THEN 'scrypt, as Django writes it' \
             WHEN {hash} LIKE '$P$%' OR {hash} LIKE '$H$%' THEN 'phpass' \
             ELSE 'another' END AS form, COUNT(*) AS number FROM {} GROUP BY 1 ORDER BY 2 DESC, 1",
            self.table
        );
        let forms = sql_query(forms).load::<Form>(self.db)?;
        Ok(forms.into_iter().map(|form| (form.form, form.number)).collect())
    }

    /// Who cannot reset, and how many addresses are those of several rows.
    fn refused(&mut self) -> QueryResult<(Vec<(&'static str, i64)>, i64)> {
        let mut refused = Vec::new();
        let has_password = has_password(&quoted(SPEECH, &self.mapping.password));
        let without = self.count(&format!("WHERE NOT ({has_password})"))?;
        refused.push(("no password: they log in by other means", without));
        if let Some(only) = &self.mapping.only {
            let (column, value) = (quoted(SPEECH, &only.column), literal(SPEECH, &only.value));
            let others = self.count(&format!("WHERE {column} IS NULL OR {column} <> {value}"))?;
            refused.push(("another provider", others));
        }
        if let Some(flag) = &self.mapping.blocked {
            let column = quoted(SPEECH, &flag.column);
            let boolean =
                self.columns.get(flag.column.as_str()).is_some_and(|known| known.kind == ColumnKind::Boolean);
            let truth = if boolean { column } else { format!("{column} <> 0") };
            let (then, otherwise) = if flag.blocked_when { (1, 0) } else { (0, 1) };
            let blocked = format!("WHERE CASE WHEN {truth} THEN {then} ELSE {otherwise} END = 1");
            refused.push(("blocked", self.count(&blocked)?));
        }
        refused.push(("an address that cannot be mailed to safely", self.unservable()?));
        let email = quoted(SPEECH, &self.mapping.email);
        let twins = format!(
            "SELECT COUNT(*) AS number FROM (SELECT 1 FROM {} GROUP BY lower({email}) HAVING COUNT(*) > 1) AS twins",
            self.table
        );
        Ok((refused, sql_query(twins).get_result::<Count>(self.db)?.number))
    }

    /// How many addresses are none that we serve. Read by the page: the table may be large.
    fn unservable(&mut self) -> QueryResult<i64> {
        let (email, id) = (quoted(SPEECH, &self.mapping.email), quoted(SPEECH, &self.mapping.id));
        let (mut unservable, mut offset) = (0, 0);
        loop {
            let page = format!(
                "SELECT CAST({email} AS {}) AS email FROM {} WHERE {email} IS NOT NULL ORDER BY {id} LIMIT {PAGE} \
                 OFFSET {offset}",
                text(),
                self.table
            );
            let page = sql_query(page).load::<Address>(self.db)?;
            let bad = page.iter().filter(|row| EmailAddress::parse(&row.email).is_err()).count();
            unservable += i64::try_from(bad).unwrap_or(i64::MAX);
            offset += PAGE;
            if page.len() < PAGE {
                return Ok(unservable);
            }
        }
    }

    fn advice(&mut self) -> QueryResult<Vec<String>> {
        let email = quoted(SPEECH, &self.mapping.email);
        let caseless = self.columns.get(self.mapping.email.as_str()).is_some_and(|column| column.caseless);
        let mut advice = Vec::new();
        if self.mapping.matching == Matching::AsciiLower && !caseless {
            advice.push(match SPEECH {
                Speech::Postgres => format!(
                    "each look-up reads the whole table unless there is an index: CREATE INDEX ON {} (lower({email}))",
                    self.table
                ),
                Speech::Mysql => format!(
                    "each look-up reads the whole table: give {email} a collation without regard to case (…_ci), or \
                     set users.email_match = \"exact\""
                ),
            });
        } else if !caseless {
            let capitals = self.count(&format!("WHERE {email} <> lower({email})"))?;
            if capitals > 0 {
                advice.push(format!(
                    "{capitals} addresses have capitals and will not be found: set users.email_match = \"ascii-lower\""
                ));
            }
        }
        if hides_rows(self.db, self.table)? {
            advice.push(format!(
                "{} has row-level security: the role that serves needs a policy that shows it every row",
                self.table
            ));
        }
        Ok(advice)
    }
}

/// The type that any text can be cast to.
fn text() -> &'static str {
    match SPEECH {
        Speech::Postgres => "text",
        Speech::Mysql => "CHAR",
    }
}
