//! What `PostgreSQL` says of a table.

use diesel::{
    QueryableByName,
    prelude::*,
    sql_query,
    sql_types::{BigInt, Nullable, Text},
};

use super::engine::Db;
use crate::adopted::{Column, Columns, Kind, Name};

/// The table of the wanted schema, or the first of that name on the search path. Columns that this role may not use
/// are not shown.
const COLUMNS: &str = "SELECT CAST(table_schema AS text) AS home, CAST(column_name AS text) AS name, \
     CAST(data_type AS text) AS kind, CAST(udt_name AS text) AS detail, \
     CAST(character_maximum_length AS bigint) AS length \
     FROM information_schema.columns WHERE table_name = $1 AND table_schema = COALESCE($2, \
     (SELECT path.schema FROM unnest(current_schemas(false)) WITH ORDINALITY AS path(schema, place) \
     WHERE EXISTS (SELECT 1 FROM information_schema.tables AS known \
     WHERE known.table_schema = path.schema AND known.table_name = $1) ORDER BY path.place LIMIT 1))";

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    home: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    detail: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    length: Option<i64>,
}

pub(super) fn describe(
    db: &mut Db,
    schema: Option<&Name>,
    table: &Name,
) -> QueryResult<(Option<Name>, Columns)> {
    let rows: Vec<Row> = sql_query(COLUMNS)
        .bind::<Text, _>(table.as_str())
        .bind::<Nullable<Text>, _>(schema.map(Name::as_str))
        .load(db)?;
    let home = rows.first().and_then(|row| Name::parse(&row.home).ok());
    let column = |row: Row| {
        let caseless = row.detail == "citext";
        let kind = match row.kind.as_str() {
            "uuid" => Kind::Uuid,
            "smallint" | "integer" | "bigint" => Kind::Integer,
            "text" | "character varying" | "character" => Kind::Text,
            _ if caseless => Kind::Text,
            "boolean" => Kind::Boolean,
            "timestamp with time zone" => Kind::Instant,
            "timestamp without time zone" => Kind::LocalTime,
            _ => Kind::Other,
        };
        (row.name, Column { kind, length: row.length, caseless })
    };
    Ok((home, rows.into_iter().map(column).collect()))
}
