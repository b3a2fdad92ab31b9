//! Table metadata of MySQL and `MariaDB`.

use diesel::{QueryResult, QueryableByName, prelude::*, sql_query, sql_types::Text};

use super::engine::Db;
use crate::foreign_users::ColumnKind;

/// Selects the columns of a table in the given database, or in the connection's. Columns without a privilege for this
/// user are not returned.
pub(super) const COLUMNS: &str = "SELECT CAST(table_schema AS CHAR) AS home, CAST(column_name AS CHAR) AS name, \
     CAST(data_type AS CHAR) AS kind, CAST(column_type AS CHAR) AS declared, CAST(collation_name AS CHAR) AS detail, \
     CAST(character_maximum_length AS SIGNED) AS length, CAST(is_nullable AS CHAR) AS nullable \
     FROM information_schema.columns WHERE table_name = ? AND table_schema = COALESCE(?, DATABASE())";

/// Returns the kind of a column, and whether its comparisons ignore case.
pub(super) fn kind(data_type: &str, declared: &str, collation: Option<&str>) -> (ColumnKind, bool) {
    let declared = declared.to_ascii_lowercase();
    let kind = match data_type.to_ascii_lowercase().as_str() {
        "uuid" => ColumnKind::Uuid,
        "bigint" if declared.contains("unsigned") => ColumnKind::Unsigned,
        "decimal" if declared.contains(",0)") => ColumnKind::Decimal,
        "bit" if declared == "bit(1)" => ColumnKind::Boolean,
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => ColumnKind::Binary,
        "enum" => ColumnKind::Enumerated,
        "date" => ColumnKind::Date,
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" => ColumnKind::Integer,
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => ColumnKind::Text,
        "timestamp" => ColumnKind::Instant,
        "datetime" => ColumnKind::LocalTime,
        _ => ColumnKind::Other,
    };
    (kind, collation.is_some_and(|collation| collation.ends_with("_ci")))
}

/// Returns the number of bits of an integer type; 0 for others.
pub(super) fn bits(data_type: &str) -> u8 {
    match data_type.to_ascii_lowercase().as_str() {
        "tinyint" => 8,
        "smallint" => 16,
        "mediumint" => 24,
        "int" => 32,
        "bigint" => 64,
        _ => 0,
    }
}

/// Put before a statement to check it: nothing. `EXPLAIN` of a view would need more privileges than the statement.
pub(super) const PROBE: &str = "";
/// Starts a check, in a transaction that changes nothing.
pub(super) const BEGIN_PROBE: &str = "START TRANSACTION";
/// Ends a check.
pub(super) const END_PROBE: &str = "ROLLBACK";

#[derive(QueryableByName)]
struct Named {
    #[diesel(sql_type = Text)]
    name: String,
}

/// Returns the user of this connection.
pub(super) fn current_role(db: &mut Db) -> QueryResult<String> {
    let role: Named = sql_query("SELECT CAST(CURRENT_USER() AS CHAR) AS name").get_result(db)?;
    Ok(role.name)
}

/// Returns no columns: the database does not show columns without a privilege.
#[expect(clippy::unnecessary_wraps, reason = "other engines query the database")]
pub(super) fn all_columns(_: &mut Db, _: &str) -> QueryResult<Vec<String>> {
    Ok(Vec::new())
}

/// Returns no tables: the database does not say in a portable way which tables a view reads.
#[expect(clippy::unnecessary_wraps, reason = "other engines query the database")]
pub(super) fn tables_of_view(_: &mut Db, _: &str) -> QueryResult<Vec<String>> {
    Ok(Vec::new())
}

/// Returns no tables: MySQL has no row-level security.
#[expect(clippy::unnecessary_wraps, reason = "other engines query the database")]
pub(super) fn tables_hiding_rows(_: &mut Db, _: &str, _: &str, _: Option<&str>) -> QueryResult<Vec<String>> {
    Ok(Vec::new())
}

/// Returns `false`: no index on an expression replaces a collation that ignores case.
#[expect(clippy::unnecessary_wraps, reason = "other engines query the database")]
pub(super) fn has_lower_index(_: &mut Db, _: &str) -> QueryResult<bool> {
    Ok(false)
}
