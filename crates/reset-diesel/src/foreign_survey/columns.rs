//! The columns of a table, as far as this role may see them.

use diesel::{
    QueryableByName,
    prelude::*,
    sql_query,
    sql_types::{BigInt, Nullable, Text},
};

use super::super::{
    describe::{COLUMNS, bits, kind},
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
    #[diesel(sql_type = Text)]
    declared: String,
    #[diesel(sql_type = Nullable<Text>)]
    detail: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    length: Option<i64>,
    #[diesel(sql_type = Text)]
    nullable: String,
}

/// Returns the schema in which the table was found, and its columns. Returns no columns if there is no such table.
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
        let (kind, ignores_case) = kind(&row.kind, &row.declared, row.detail.as_deref());
        let (bits, nullable) = (bits(&row.kind), row.nullable == "YES");
        (row.name, Column { kind, declared: row.declared, length: row.length, bits, ignores_case, nullable })
    };
    Ok((home, rows.into_iter().map(column).collect()))
}
