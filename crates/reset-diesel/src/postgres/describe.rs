//! Table metadata of `PostgreSQL`.

use diesel::{
    QueryableByName,
    prelude::*,
    sql_query,
    sql_types::{Bool, Text},
};

use super::engine::Db;
use crate::foreign_users::ColumnKind;

/// Selects the columns of a table in the given schema, or of the first table with that name on the search path.
/// Columns without a privilege for this role are not returned.
pub(super) const COLUMNS: &str = "SELECT CAST(table_schema AS text) AS home, CAST(column_name AS text) AS name, \
     CAST(data_type AS text) AS kind, CAST(udt_name AS text) AS detail, \
     CAST(character_maximum_length AS bigint) AS length, CAST(is_nullable AS text) AS nullable \
     FROM information_schema.columns WHERE table_name = $1 AND table_schema = COALESCE($2, \
     (SELECT path.schema FROM unnest(current_schemas(false)) WITH ORDINALITY AS path(schema, place) \
     WHERE EXISTS (SELECT 1 FROM information_schema.tables AS known \
     WHERE known.table_schema = path.schema AND known.table_name = $1) ORDER BY path.place LIMIT 1))";

/// Returns the kind of a column, and whether its comparisons ignore case.
pub(super) fn kind(data_type: &str, udt: Option<&str>) -> (ColumnKind, bool) {
    let kind = match data_type {
        "uuid" => ColumnKind::Uuid,
        "smallint" | "integer" | "bigint" => ColumnKind::Integer,
        "text" | "character varying" | "character" => ColumnKind::Text,
        // A `citext` column compared with a bound text uses the case-sensitive comparison of text.
        _ if udt == Some("citext") => ColumnKind::Text,
        "boolean" => ColumnKind::Boolean,
        "timestamp with time zone" => ColumnKind::Instant,
        "timestamp without time zone" => ColumnKind::LocalTime,
        _ => ColumnKind::Other,
    };
    (kind, false)
}

/// Whether the table has row-level security, which may hide rows from this role.
pub(super) fn hides_rows(db: &mut Db, table: &str) -> QueryResult<bool> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Bool)]
        hides: bool,
    }
    let query = "SELECT relrowsecurity AS hides FROM pg_class WHERE oid = to_regclass($1)";
    let row: Option<Row> = sql_query(query).bind::<Text, _>(table).get_result(db).optional()?;
    Ok(row.is_some_and(|row| row.hides))
}
