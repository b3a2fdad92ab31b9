//! Table metadata of SQLite.

use diesel::{
    QueryResult, QueryableByName,
    prelude::*,
    sql_query,
    sql_types::{BigInt, Text},
};

use super::engine::Db;
use crate::foreign_users::ColumnKind;

/// Selects the columns of a table.
pub(super) const COLUMNS: &str = "SELECT 'main' AS home, name, type AS kind, type AS declared, NULL AS detail, NULL AS length, \
     CASE \"notnull\" WHEN 0 THEN 'YES' ELSE 'NO' END AS nullable FROM pragma_table_xinfo(?) \
     WHERE hidden <> 1 AND COALESCE(?, 'main') = 'main'";

/// Returns the kind of a column. SQLite accepts any word as a type; the owners of tables use those of other databases.
pub(super) fn kind(declared: &str, _: &str, _: Option<&str>) -> (ColumnKind, bool) {
    let declared = declared.to_ascii_uppercase();
    let has = |words: &[&str]| words.iter().any(|word| declared.contains(word));
    let kind = if has(&["INT"]) {
        ColumnKind::Integer
    } else if has(&["BOOL"]) {
        ColumnKind::Boolean
    } else if has(&["UUID"]) {
        ColumnKind::Uuid
    } else if has(&["CHAR", "CLOB", "TEXT"]) {
        ColumnKind::Text
    } else if has(&["DATE", "TIME"]) {
        ColumnKind::LocalTime
    } else {
        ColumnKind::Other
    };
    (kind, false)
}

/// Returns the number of bits of an integer: SQLite has only one size.
pub(super) fn bits(declared: &str) -> u8 {
    if declared.to_ascii_uppercase().contains("INT") { 64 } else { 0 }
}

/// Put before a statement to check it: nothing. `EXPLAIN` would not show that the file is read-only.
pub(super) const PROBE: &str = "";
/// Starts a check, in a transaction that changes nothing.
pub(super) const BEGIN_PROBE: &str = "BEGIN";
/// Ends a check.
pub(super) const END_PROBE: &str = "ROLLBACK";

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// Returns an empty name: a file has no roles.
#[expect(clippy::unnecessary_wraps, reason = "other engines query the database")]
pub(super) fn current_role(_: &mut Db) -> QueryResult<String> {
    Ok(String::new())
}

/// Returns no columns: a file hides none.
#[expect(clippy::unnecessary_wraps, reason = "other engines query the database")]
pub(super) fn all_columns(_: &mut Db, _: &str) -> QueryResult<Vec<String>> {
    Ok(Vec::new())
}

/// Returns no tables: views are not used.
#[expect(clippy::unnecessary_wraps, reason = "other engines query the database")]
pub(super) fn tables_of_view(_: &mut Db, _: &str) -> QueryResult<Vec<String>> {
    Ok(Vec::new())
}

/// Returns no tables: SQLite has no row-level security.
#[expect(clippy::unnecessary_wraps, reason = "other engines query the database")]
pub(super) fn tables_hiding_rows(_: &mut Db, _: &str, _: &str, _: Option<&str>) -> QueryResult<Vec<String>> {
    Ok(Vec::new())
}

/// Whether the table has an index on a column in lower case. `table` is quoted, with its schema.
pub(super) fn has_lower_index(db: &mut Db, table: &str) -> QueryResult<bool> {
    let query = "SELECT COUNT(*) AS number FROM sqlite_schema WHERE type = 'index' AND ? LIKE '%`' || tbl_name || '`' \
         AND lower(sql) LIKE '%(lower(%'";
    Ok(sql_query(query).bind::<Text, _>(table).get_result::<Count>(db)?.number > 0)
}

/// Whether the name is that of a view.
pub(super) fn is_view(db: &mut Db, table: &str) -> QueryResult<bool> {
    let query = "SELECT COUNT(*) AS number FROM sqlite_schema WHERE type = 'view' AND lower(name) = lower(?)";
    Ok(sql_query(query).bind::<Text, _>(table).get_result::<Count>(db)?.number > 0)
}
