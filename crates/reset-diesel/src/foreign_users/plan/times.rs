//! Times in SQLite files. SQLite has no type for them: each system writes integers or texts of its own form, in columns of
//! any declared type. They are read and written in the form that the rows have.

use super::{super::mapping::TimeUnit, ColumnKind};

/// Milliseconds since the Unix epoch on 1973-03-03; larger integers are not seconds.
const LEAST_MILLISECONDS: i64 = 100_000_000_000;
/// The current time in milliseconds.
const NOW: &str = "CAST(unixepoch('subsec') * 1000 AS bigint)";
/// The current time in seconds, rounded down.
const NOW_SECONDS: &str = "unixepoch()";

/// Returns the column as milliseconds since the Unix epoch, 0 if it is NULL or no time.
pub(super) fn millis(column: &str, unit: Option<TimeUnit>) -> String {
    let number = match unit {
        Some(TimeUnit::Seconds) => format!("{column} * 1000"),
        Some(TimeUnit::Milliseconds) => column.to_owned(),
        None => {
            format!("CASE WHEN abs({column}) >= {LEAST_MILLISECONDS} THEN {column} ELSE {column} * 1000 END")
        }
    };
    format!(
        "COALESCE(CASE typeof({column}) WHEN 'text' THEN unixepoch({column}, 'subsec') * 1000 WHEN 'blob' THEN 0 \
         ELSE {number} END, 0)"
    )
}

/// Returns the current time in the form of the row's present value, else of another row's, else as the column is declared.
pub(super) fn current(table: &str, column: &str, kind: ColumnKind, unit: Option<TimeUnit>) -> String {
    let number = match unit {
        Some(TimeUnit::Seconds) => NOW_SECONDS.to_owned(),
        Some(TimeUnit::Milliseconds) => NOW.to_owned(),
        None => format!("CASE WHEN abs(present) >= {LEAST_MILLISECONDS} THEN {NOW} ELSE {NOW_SECONDS} END"),
    };
    let other = match (kind, unit) {
        (ColumnKind::Integer, Some(TimeUnit::Seconds)) => NOW_SECONDS,
        (ColumnKind::Integer, _) => NOW,
        (ColumnKind::Text, _) => "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')",
        _ => "strftime('%Y-%m-%d %H:%M:%S', 'now')",
    };
    // Seconds with or without a fraction of three or six digits, and the designation of UTC if there is one.
    let text = "strftime(CASE WHEN present LIKE '____-__-__T%' THEN '%Y-%m-%dT%H:%M:' ELSE '%Y-%m-%d %H:%M:' END || \
         CASE WHEN present LIKE '%.%' THEN '%f' ELSE '%S' END, 'now') || \
         CASE WHEN present GLOB '*.[0-9][0-9][0-9][0-9][0-9][0-9]*' THEN '000' ELSE '' END || \
         CASE WHEN present LIKE '%Z' THEN 'Z' WHEN present GLOB '* [+-][0-9][0-9]:[0-9][0-9]' THEN ' +00:00' \
         WHEN present GLOB '*[+-][0-9][0-9]:[0-9][0-9]' THEN '+00:00' ELSE '' END";
    format!(
        "(SELECT CASE typeof(present) WHEN 'integer' THEN {number} WHEN 'real' THEN {number} WHEN 'text' THEN {text} \
         ELSE {other} END FROM (SELECT COALESCE({column}, (SELECT other.{column} FROM {table} AS other WHERE \
         other.{column} IS NOT NULL LIMIT 1)) AS present))"
    )
}
