//! Table metadata of MySQL and `MariaDB`.

use diesel::QueryResult;

use super::engine::Db;
use crate::foreign_users::ColumnKind;

/// Selects the columns of a table in the given database, or in the connection's. Columns without a privilege for this
/// user are not returned.
pub(super) const COLUMNS: &str = "SELECT CAST(table_schema AS CHAR) AS home, CAST(column_name AS CHAR) AS name, \
     CAST(data_type AS CHAR) AS kind, CAST(collation_name AS CHAR) AS detail, \
     CAST(character_maximum_length AS SIGNED) AS length, CAST(is_nullable AS CHAR) AS nullable \
     FROM information_schema.columns WHERE table_name = ? AND table_schema = COALESCE(?, DATABASE())";

/// Returns the kind of a column, and whether its comparisons ignore case.
pub(super) fn kind(data_type: &str, collation: Option<&str>) -> (ColumnKind, bool) {
    let kind = match data_type.to_ascii_lowercase().as_str() {
        "uuid" => ColumnKind::Uuid,
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" => ColumnKind::Integer,
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => ColumnKind::Text,
        "timestamp" => ColumnKind::Instant,
        "datetime" => ColumnKind::LocalTime,
        _ => ColumnKind::Other,
    };
    (kind, collation.is_some_and(|collation| collation.ends_with("_ci")))
}

/// Returns `false`: MySQL has no row-level security.
#[expect(clippy::unnecessary_wraps, reason = "other engines query the database")]
pub(super) fn hides_rows(_: &mut Db, _: &str) -> QueryResult<bool> {
    Ok(false)
}
