//! What MySQL and `MariaDB` say of a table.

use diesel::{
    QueryableByName,
    prelude::*,
    sql_query,
    sql_types::{BigInt, Nullable, Text},
};

use super::engine::Db;
use crate::adopted::{Column, Columns, Kind, Name};

/// The table of the wanted database, or of the connection's. Columns that this user may not use are not shown.
const COLUMNS: &str = "SELECT CAST(table_schema AS CHAR) AS home, CAST(column_name AS CHAR) AS name, \
     CAST(data_type AS CHAR) AS kind, CAST(collation_name AS CHAR) AS detail, \
     CAST(character_maximum_length AS SIGNED) AS length, CAST(is_nullable AS CHAR) AS nullable \
     FROM information_schema.columns WHERE table_name = ? AND table_schema = COALESCE(?, DATABASE())";

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    home: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Nullable<Text>)]
    detail: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    length: Option<i64>,
    #[diesel(sql_type = Text)]
    nullable: String,
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
        let kind = match row.kind.to_ascii_lowercase().as_str() {
            "uuid" => Kind::Uuid,
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" => Kind::Integer,
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => Kind::Text,
            "timestamp" => Kind::Instant,
            "datetime" => Kind::LocalTime,
            _ => Kind::Other,
        };
        let caseless = row.detail.is_some_and(|collation| collation.ends_with("_ci"));
        let nullable = row.nullable == "YES";
        (row.name, Column { kind, length: row.length, caseless, nullable })
    };
    Ok((home, rows.into_iter().map(column).collect()))
}

/// MySQL hides no rows.
#[expect(clippy::unnecessary_wraps, reason = "other engines have to ask the database")]
pub(super) fn hides_rows(_: &mut Db, _: &str) -> QueryResult<bool> {
    Ok(false)
}
