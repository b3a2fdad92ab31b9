//! The columns of a table, as the database describes them to this role.

use diesel::{
    QueryableByName,
    prelude::*,
    sql_query,
    sql_types::{BigInt, Nullable, Text},
};

use super::super::{
    describe::{COLUMNS, kind},
    engine::Db,
};
use crate::foreign_users::{Column, Columns, Name};

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

/// The columns of the table, none where there is no such table, and the schema that it was found in.
pub(super) fn columns(
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
        let (kind, caseless) = kind(&row.kind, row.detail.as_deref());
        (row.name, Column { kind, length: row.length, caseless, nullable: row.nullable == "YES" })
    };
    Ok((home, rows.into_iter().map(column).collect()))
}
