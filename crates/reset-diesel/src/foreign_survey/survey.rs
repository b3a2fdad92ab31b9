//! The report: rows per form of hash, rows that cannot be reset, and what the first users would find.

use std::collections::BTreeMap;

use diesel::{
    QueryableByName,
    prelude::*,
    sql_query,
    sql_types::{BigInt, Nullable, Text},
};
use reset_core::{email::EmailAddress, hasher::HashForm};

use super::{
    super::{
        describe::{current_role, has_lower_index, tables_of_view},
        engine::{Db, OWN_TABLES, SYNTAX, database},
    },
    Found, checks, resolve,
};
use crate::foreign_users::{
    ColumnKind, Extent, HashCount, MappingError, Matching, OwnTables, Plan, SaltColumn, SqlSyntax, Survey,
    bound, grants, has_password, id_text, qualified, quoted, text, without_salt,
};

/// Number of rows per query.
const PAGE: usize = 10_000;
/// The form of rows without a password.
const NONE: &str = "none";
/// The form of rows with a salt.
const SALTED: &str = "with a salt in another column";

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// What the report reads of a row.
#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Nullable<Text>)]
    email: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    password: Option<String>,
    #[diesel(sql_type = BigInt)]
    has_password: i64,
    #[diesel(sql_type = BigInt)]
    has_salt: i64,
    #[diesel(sql_type = BigInt)]
    counts: i64,
}

/// Inspects the users table and returns a report. Changes nothing.
pub(in super::super) fn survey(
    db: &mut Db,
    mapping: &crate::foreign_users::Mapping,
    extent: &Extent,
) -> QueryResult<Result<Survey, MappingError>> {
    let found = resolve(db, mapping)?;
    let plan = match found.plan() {
        Ok(plan) => plan,
        Err(error) => return Ok(Err(error)),
    };
    if let Err(error) = checks::units(db, &found)? {
        return Ok(Err(error));
    }
    let table = qualified(SYNTAX, found.mapping.schema.as_ref(), &found.mapping.table);
    let surveyor = Surveyor { db, found: &found, plan, table: &table };
    match extent {
        Extent::Everything { .. } => surveyor.report(extent).map(Ok),
        Extent::Hashes => surveyor.hashes(extent).map(Ok),
    }
}

struct Surveyor<'a> {
    db: &'a mut Db,
    found: &'a Found,
    plan: Plan,
    table: &'a str,
}

impl Surveyor<'_> {
    /// Reports only the hashes.
    fn hashes(mut self, extent: &Extent) -> QueryResult<Survey> {
        let mut survey = Survey { table: self.table.to_owned(), ..Survey::default() };
        self.walk(&mut survey, extent)?;
        Ok(survey)
    }

    fn report(mut self, extent: &Extent) -> QueryResult<Survey> {
        let (mapping, role) = (&self.found.mapping, extent.role());
        let database = database(self.db)?;
        let own = OwnTables { database: database.as_ref(), tables: OWN_TABLES };
        let grantee = match role {
            Some(role) => role.to_owned(),
            None => current_role(self.db)?,
        };
        let mut survey = Survey {
            table: self.table.to_owned(),
            view_of: tables_of_view(self.db, self.table)?,
            rows: self.count("1 = 1")?,
            grants: grants(mapping, SYNTAX, &own, &grantee),
            ..Survey::default()
        };
        let statements = [&self.plan.by_email, &self.plan.by_id, &self.plan.lock, &self.plan.set_password];
        survey.statements = statements.map(Clone::clone).to_vec();
        survey.statements.extend(self.plan.deletes.iter().map(|delete| delete.statement.clone()));
        let kind = |name: &str| self.found.columns.get(name).map_or("", |column| column.kind.name());
        let columns = mapping.columns().into_iter();
        survey.columns = columns.map(|(name, role)| (role, name.to_string(), kind(name.as_str()))).collect();
        let unsupported = self.walk(&mut survey, extent)?;
        self.refused(&mut survey)?;
        survey.refused.push(("address not supported".to_owned(), unsupported));
        self.deleted_rows(&mut survey)?;
        let hidden = checks::hidden_rows(self.db, self.found, role)?;
        survey.problems.extend(hidden.iter().map(ToString::to_string));
        self.rejected(&mut survey)?;
        self.advice(&mut survey)?;
        Ok(survey)
    }

    /// Counts the rows that meet a condition.
    fn count(&mut self, condition: &str) -> QueryResult<i64> {
        let rows = sql_query(format!("SELECT COUNT(*) AS number FROM {} WHERE {condition}", self.table));
        Ok(rows.get_result::<Count>(self.db)?.number)
    }

    /// The conditions on rows that count as accounts, the password aside.
    fn counts(&self) -> String {
        self.plan.counts.clone().unwrap_or_else(|| "1 = 1".to_owned())
    }

    /// Reads the rows, page by page, because the table may be large. Counts the forms of hashes, of which it returns
    /// nothing else, and returns the number of addresses that polyreset does not support.
    fn walk(&mut self, survey: &mut Survey, extent: &Extent) -> QueryResult<i64> {
        let mapping = &self.found.mapping;
        let [id, email, password] =
            [&mapping.id, &mapping.email, &mapping.password].map(|name| quoted(SYNTAX, name));
        let salted = match &mapping.salt {
            SaltColumn::Named(salt) => format!("NOT {}", without_salt(&quoted(SYNTAX, salt))),
            SaltColumn::Detected | SaltColumn::None => "1 = 0".to_owned(),
        };
        let number = |condition: &str| {
            let kind = if SYNTAX == SqlSyntax::Mysql { "SIGNED" } else { "bigint" };
            format!("CAST(CASE WHEN {condition} THEN 1 ELSE 0 END AS {kind})")
        };
        let kind = |name: &crate::foreign_users::Name| {
            self.found.columns.get(name.as_str()).map_or(ColumnKind::Other, |column| column.kind)
        };
        let id_kind = kind(&mapping.id);
        let fields = format!(
            "{} AS id, {} AS email, {} AS password, {} AS has_password, {} AS has_salt, {} AS counts",
            id_text(SYNTAX, id_kind, &id),
            text(SYNTAX, kind(&mapping.email), &email),
            text(SYNTAX, kind(&mapping.password), &password),
            number(&has_password(&password)),
            number(&salted),
            number(&self.counts()),
        );
        let after = bound(SYNTAX, id_kind, 1);
        let (mut forms, mut stuck, mut unsupported) = (BTreeMap::new(), BTreeMap::new(), 0);
        let mut last: Option<String> = None;
        let (page_rows, mut left) = (PAGE.min(extent.rows()), extent.rows());
        while left > 0 {
            let from = if last.is_some() { format!("WHERE {id} > {after}") } else { String::new() };
            let page = format!("SELECT {fields} FROM {} {from} ORDER BY {id} LIMIT {page_rows}", self.table);
            let mut page = sql_query(page).into_boxed();
            if let Some(last) = last.take() {
                page = page.bind::<Text, _>(last);
            }
            let page: Vec<Row> = page.load(self.db)?;
            for row in &page {
                let (form, algorithm, replaceable) = self.form(row);
                let count = forms.entry(form.clone()).or_insert((algorithm, replaceable, 0));
                count.2 += 1;
                if !replaceable && form != NONE && row.counts != 0 {
                    *stuck.entry(form).or_insert(0) += 1;
                }
                let unknown = |email: &String| EmailAddress::parse(email).is_err();
                unsupported += i64::from(row.email.as_ref().is_some_and(unknown));
            }
            if page.len() < page_rows {
                break;
            }
            left = left.saturating_sub(page.len());
            last = page.last().map(|row| row.id.clone());
        }
        let count = |(form, (algorithm, replaceable, rows))| HashCount { form, algorithm, replaceable, rows };
        survey.hashes = forms.into_iter().map(count).collect();
        survey.hashes.sort_by_key(|count: &HashCount| std::cmp::Reverse(count.rows));
        if !stuck.is_empty() {
            let forms: Vec<String> =
                stuck.iter().map(|(form, rows)| format!("{form}: {rows} rows")).collect();
            survey.problems.push(format!(
                "users.password: the hashes of some rows are not replaced, so these rows get no mail ({}): set \
                 password.hash to a form that the login reads, and users.replace_unknown_hashes = true for unknown \
                 forms and salts",
                forms.join(", ")
            ));
        }
        Ok(unsupported)
    }

    /// Returns the form of a row's hash, its algorithm if that can be written, and whether a reset replaces the hash.
    fn form(&self, row: &Row) -> (String, Option<&'static str>, bool) {
        let Some(password) = row.password.as_deref().filter(|_| row.has_password != 0) else {
            return (NONE.to_owned(), None, false);
        };
        if row.has_salt != 0 {
            return (SALTED.to_owned(), None, false);
        }
        let form = HashForm::of(password);
        let algorithm = form.and_then(|form| match form {
            HashForm::Written(scheme) | HashForm::Foreign { scheme, .. } => Some(scheme.name()),
            HashForm::Legacy(_) => None,
        });
        let form = form.map_or_else(|| "unknown form".to_owned(), |form| form.describe());
        (form, algorithm, self.plan.replaces(password))
    }

    /// Counts the rows that cannot be reset, per reason.
    fn refused(&mut self, survey: &mut Survey) -> QueryResult<()> {
        let has_password = has_password(&quoted(SYNTAX, &self.found.mapping.password));
        let without = self.count(&format!("NOT ({has_password})"))?;
        survey.refused.push(("no password, other login methods".to_owned(), without));
        for (filter, condition) in self.plan.filters.clone() {
            let others = self.count(&format!("NOT COALESCE({condition}, false)"))?;
            survey.refused.push((format!("not {filter}"), others));
        }
        if let Some(blocked) = self.plan.blocked.clone() {
            survey.refused.push(("blocked".to_owned(), self.count(&blocked)?));
        }
        Ok(())
    }

    /// Reports rows that another column marks as deleted although they count.
    fn deleted_rows(&mut self, survey: &mut Survey) -> QueryResult<()> {
        let mapping = &self.found.mapping;
        let mapped: Vec<&str> = mapping.columns().iter().map(|(name, _)| name.as_str()).collect();
        let marks = self.found.columns.iter().filter(|(name, _)| {
            let plain = name.to_ascii_lowercase().replace('_', "");
            let marks = ["deleted", "isdeleted", "deletedat", "deletedon", "softdeleted", "datedeleted"];
            marks.contains(&plain.as_str()) && !mapped.contains(&name.as_str())
        });
        let marks: Vec<(Option<crate::foreign_users::Name>, ColumnKind)> =
            marks.map(|(name, column)| (checks::name(Some(name)), column.kind)).collect();
        for (name, kind) in marks {
            let Some(name) = name else { continue };
            let column = quoted(SYNTAX, &name);
            let (is_set, filter) = match kind {
                ColumnKind::Boolean => (column, format!("{name} = false")),
                kind if kind.is_number() => (format!("{column} <> 0"), format!("{name} = 0")),
                kind if kind.is_time() => (format!("{column} IS NOT NULL"), format!("{name} = null")),
                _ => continue,
            };
            let rows = self.count(&format!("{is_set} AND {}", self.counts()))?;
            if rows > 0 {
                survey.problems.push(format!(
                    "users.where: {rows} rows are marked as deleted in the column `{name}`, but would get mail: set \
                     users.where = \"{filter}\""
                ));
            }
        }
        Ok(())
    }

    /// Reports a statement that the database rejects, which would stop the start. A missing privilege of this role is only
    /// advice, because another role serves.
    fn rejected(&mut self, survey: &mut Survey) -> QueryResult<()> {
        match checks::rejected(self.db, self.found, &self.plan)? {
            Some(MappingError::Rejected { what, reason, .. }) if reason.contains("denied") => {
                survey.advice.push(format!(
                    "this role may not do what a reset does ({what}: {reason}), so it was not checked whether the \
                     statements run: run `adopt` as the owner of the table"
                ));
            }
            rejected => survey.problems.extend(rejected.iter().map(ToString::to_string)),
        }
        Ok(())
    }

    fn advice(&mut self, survey: &mut Survey) -> QueryResult<()> {
        let mapping = &self.found.mapping;
        let (email, counts) = (quoted(SYNTAX, &mapping.email), self.counts());
        let ambiguous = format!(
            "SELECT COUNT(*) AS number FROM (SELECT 1 FROM {} WHERE {counts} GROUP BY lower({email}) HAVING COUNT(*) > 1) \
             AS addresses",
            self.table
        );
        let ambiguous = sql_query(ambiguous).get_result::<Count>(self.db)?.number;
        if ambiguous > 0 {
            survey.advice.push(format!(
                "{ambiguous} addresses belong to several rows: they get no mail, unless exactly one of the rows has \
                 the address in lower case"
            ));
        }
        let ignores_case =
            self.found.columns.get(mapping.email.as_str()).is_some_and(|column| column.ignores_case);
        if mapping.matching == Matching::AsciiLower && !ignores_case {
            let base = survey.view_of.first().map_or(self.table, String::as_str);
            let indexed = has_lower_index(self.db, base)?;
            let lookup = match SYNTAX {
                SqlSyntax::Postgres => format!(
                    "each lookup scans the whole table unless there is an index: CREATE INDEX ON {base} (lower({email}))"
                ),
                SqlSyntax::Sqlite => format!(
                    "each lookup scans the whole table, which takes a moment from some 100 000 rows on; an index on \
                     lower({email}), created by the system that owns the table, avoids that"
                ),
                SqlSyntax::Mysql => format!(
                    "each lookup scans the whole table: give {email} a case-insensitive collation (…_ci), or set \
                     users.email_match = \"exact\""
                ),
            };
            survey.advice.extend((!indexed).then_some(lookup));
        } else if !ignores_case {
            let capitals = self.count(&format!("{email} <> lower({email})"))?;
            if capitals > 0 {
                survey.advice.push(format!(
                    "{capitals} addresses contain capitals and will not be found: set users.email_match = \"ascii-lower\""
                ));
            }
        }
        if self.found.columns.contains_key("fs_uniquifier") {
            survey.advice.push(
                "Flask-Security hashes a keyed digest of the password by default, which polyreset cannot write: set \
                 SECURITY_PASSWORD_SINGLE_HASH, and users.stamp = \"fs_uniquifier\" so that sessions end"
                    .to_owned(),
            );
        }
        Ok(())
    }
}
