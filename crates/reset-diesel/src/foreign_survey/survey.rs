//! Counts rows per hash format, and rows that cannot be reset.

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
        engine::{Db, OWN_TABLES, SYNTAX, database},
    },
    resolve,
};
use crate::foreign_users::{
    ColumnKind, Columns, Mapping, MappingError, Matching, OwnTables, Plan, SqlSyntax, Survey, grants,
    has_password, literal, qualified, quoted,
};

/// Number of addresses per query.
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

/// Inspects the users table and returns a report, with the grants that `role` needs. Changes nothing.
pub(in super::super) fn survey(
    db: &mut Db,
    mapping: &Mapping,
    role: &str,
) -> QueryResult<Result<Survey, MappingError>> {
    let (mapping, columns, sessions) = resolve(db, mapping)?;
    let plan = match Plan::new(&mapping, SYNTAX, &columns, &sessions) {
        Ok(plan) => plan,
        Err(error) => return Ok(Err(error)),
    };
    let table = qualified(SYNTAX, mapping.schema.as_ref(), &mapping.table);
    let surveyor = Surveyor { db, mapping: &mapping, columns: &columns, table: &table };
    surveyor.report(plan, role).map(Ok)
}

struct Surveyor<'a> {
    db: &'a mut Db,
    mapping: &'a Mapping,
    columns: &'a Columns,
    table: &'a str,
}

impl Surveyor<'_> {
    fn report(mut self, plan: Plan, role: &str) -> QueryResult<Survey> {
        let mapping = self.mapping;
        let database = database(self.db)?;
        let own = OwnTables { database: database.as_ref(), tables: OWN_TABLES };
        let (rows, hashes) = (self.count("")?, self.hashes()?);
        let (refused, ambiguous) = self.refused()?;
        let mut statements = vec![plan.by_email, plan.by_id, plan.lock, plan.set_password];
        statements.extend(plan.end_sessions);
        let columns = mapping.columns().into_iter().map(|(name, role)| {
            let kind = self.columns.get(name.as_str()).map_or("", |column| column.kind.name());
            (role, name.to_string(), kind)
        });
        let mut advice = self.advice()?;
        if ambiguous > 0 {
            advice.push(format!(
                "{ambiguous} addresses occur in several rows that differ only in case: only a row in lower case \
                 can be reset"
            ));
        }
        Ok(Survey {
            table: self.table.to_owned(),
            rows,
            columns: columns.collect(),
            statements,
            grants: grants(mapping, SYNTAX, &own, role),
            hashes,
            refused,
            advice,
        })
    }

    /// Counts the rows that match a `WHERE` clause.
    fn count(&mut self, condition: &str) -> QueryResult<i64> {
        let rows = sql_query(format!("SELECT COUNT(*) AS number FROM {} {condition}", self.table));
        Ok(rows.get_result::<Count>(self.db)?.number)
    }

    /// Counts the rows per hash format, by the prefix of the hash. Returns nothing else of a hash.
    fn hashes(&mut self) -> QueryResult<Vec<(String, i64)>> {
        let hash = quoted(SYNTAX, &self.mapping.password);
        let forms = format!(
            "SELECT CASE WHEN {hash} IS NULL OR {hash} = '' OR {hash} LIKE '!%' THEN 'none' \
             WHEN {hash} LIKE '$2_$__$%' THEN CONCAT('bcrypt ', LEFT({hash}, 7)) \
             WHEN {hash} LIKE '$argon2id$%' THEN 'argon2id' \
             WHEN {hash} LIKE 'pbkdf2!_sha256$%' ESCAPE '!' THEN 'pbkdf2-sha256 (Django)' \
             WHEN {hash} LIKE 'scrypt$%' THEN 'scrypt (Django)' \
             WHEN {hash} LIKE '$P$%' OR {hash} LIKE '$H$%' THEN 'phpass' \
             ELSE 'unrecognized' END AS form, COUNT(*) AS number FROM {} GROUP BY 1 ORDER BY 2 DESC, 1",
            self.table
        );
        let forms = sql_query(forms).load::<Form>(self.db)?;
        Ok(forms.into_iter().map(|form| (form.form, form.number)).collect())
    }

    /// Counts the rows that cannot be reset, per reason, and the addresses that occur in several rows.
    fn refused(&mut self) -> QueryResult<(Vec<(&'static str, i64)>, i64)> {
        let mut refused = Vec::new();
        let has_password = has_password(&quoted(SYNTAX, &self.mapping.password));
        let without = self.count(&format!("WHERE NOT ({has_password})"))?;
        refused.push(("no password, other login methods", without));
        if let Some(only) = &self.mapping.only {
            let (column, value) = (quoted(SYNTAX, &only.column), literal(SYNTAX, &only.value));
            let others = self.count(&format!("WHERE {column} IS NULL OR {column} <> {value}"))?;
            refused.push(("other login provider", others));
        }
        if let Some(flag) = &self.mapping.blocked {
            let column = quoted(SYNTAX, &flag.column);
            let boolean =
                self.columns.get(flag.column.as_str()).is_some_and(|known| known.kind == ColumnKind::Boolean);
            let is_set = if boolean { column } else { format!("{column} <> 0") };
            let (then, otherwise) = if flag.blocked_when { (1, 0) } else { (0, 1) };
            let blocked = format!("WHERE CASE WHEN {is_set} THEN {then} ELSE {otherwise} END = 1");
            refused.push(("blocked", self.count(&blocked)?));
        }
        refused.push(("address not supported", self.unsupported_addresses()?));
        let email = quoted(SYNTAX, &self.mapping.email);
        let ambiguous = format!(
            "SELECT COUNT(*) AS number FROM (SELECT 1 FROM {} GROUP BY lower({email}) HAVING COUNT(*) > 1) AS addresses",
            self.table
        );
        Ok((refused, sql_query(ambiguous).get_result::<Count>(self.db)?.number))
    }

    /// Counts the addresses that polyreset does not support. Reads page by page, because the table may be large.
    fn unsupported_addresses(&mut self) -> QueryResult<i64> {
        let (email, id) = (quoted(SYNTAX, &self.mapping.email), quoted(SYNTAX, &self.mapping.id));
        let (mut unsupported, mut offset) = (0, 0);
        loop {
            let page = format!(
                "SELECT CAST({email} AS {}) AS email FROM {} WHERE {email} IS NOT NULL ORDER BY {id} LIMIT {PAGE} \
                 OFFSET {offset}",
                text(),
                self.table
            );
            let page = sql_query(page).load::<Address>(self.db)?;
            let bad = page.iter().filter(|row| EmailAddress::parse(&row.email).is_err()).count();
            unsupported += i64::try_from(bad).unwrap_or(i64::MAX);
            offset += PAGE;
            if page.len() < PAGE {
                return Ok(unsupported);
            }
        }
    }

    fn advice(&mut self) -> QueryResult<Vec<String>> {
        let email = quoted(SYNTAX, &self.mapping.email);
        let ignores_case =
            self.columns.get(self.mapping.email.as_str()).is_some_and(|column| column.ignores_case);
        let mut advice = Vec::new();
        if self.mapping.matching == Matching::AsciiLower && !ignores_case {
            advice.push(match SYNTAX {
                SqlSyntax::Postgres => format!(
                    "each lookup scans the whole table unless there is an index: CREATE INDEX ON {} (lower({email}))",
                    self.table
                ),
                SqlSyntax::Mysql => format!(
                    "each lookup scans the whole table: give {email} a case-insensitive collation (…_ci), or set \
                     users.email_match = \"exact\""
                ),
            });
        } else if !ignores_case {
            let capitals = self.count(&format!("WHERE {email} <> lower({email})"))?;
            if capitals > 0 {
                advice.push(format!(
                    "{capitals} addresses contain capitals and will not be found: set users.email_match = \"ascii-lower\""
                ));
            }
        }
        if hides_rows(self.db, self.table)? {
            advice.push(format!(
                "{} has row-level security: the role of `serve` needs a policy that exposes every row",
                self.table
            ));
        }
        Ok(advice)
    }
}

/// Returns the text type for casts.
fn text() -> &'static str {
    match SYNTAX {
        SqlSyntax::Postgres => "text",
        SqlSyntax::Mysql => "CHAR",
    }
}
