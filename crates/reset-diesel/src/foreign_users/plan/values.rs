//! How values of each kind of column are bound, read and written.

use super::{ColumnKind, SqlSyntax};

/// Returns the parameter `number`, which is bound as text, converted to the kind of the column that it is compared with. The
/// column itself is not converted, so that its index is used.
pub(crate) fn bound(syntax: SqlSyntax, kind: ColumnKind, number: usize) -> String {
    match (syntax, kind) {
        (SqlSyntax::Postgres, ColumnKind::Uuid) => format!("CAST(${number} AS uuid)"),
        (SqlSyntax::Postgres, ColumnKind::Integer | ColumnKind::Unsigned) => {
            format!("CAST(${number} AS bigint)")
        }
        (SqlSyntax::Postgres, ColumnKind::Decimal) => format!("CAST(${number} AS numeric)"),
        (SqlSyntax::Postgres, ColumnKind::Binary) => format!("decode(${number}, 'hex')"),
        (SqlSyntax::Postgres, _) => format!("${number}"),
        (SqlSyntax::Mysql, ColumnKind::Integer) => "CAST(? AS SIGNED)".to_owned(),
        (SqlSyntax::Mysql, ColumnKind::Unsigned) => "CAST(? AS UNSIGNED)".to_owned(),
        (SqlSyntax::Mysql, ColumnKind::Decimal) => "CAST(? AS DECIMAL(65, 0))".to_owned(),
        (SqlSyntax::Mysql, ColumnKind::Binary) => "UNHEX(?)".to_owned(),
        // SQLite converts the parameter to the column's type if that changes nothing in it.
        (SqlSyntax::Mysql | SqlSyntax::Sqlite, _) => "?".to_owned(),
    }
}

/// Returns a column of ids as text, which [`bound`] converts back: bytes as hexadecimal digits.
pub(crate) fn id_text(syntax: SqlSyntax, kind: ColumnKind, column: &str) -> String {
    match (syntax, kind) {
        (SqlSyntax::Postgres, ColumnKind::Binary) => format!("encode({column}, 'hex')"),
        (SqlSyntax::Mysql, ColumnKind::Binary) => format!("CAST(LOWER(HEX({column})) AS CHAR)"),
        _ => as_text(syntax, column),
    }
}

/// Returns a column as text. Bytes that are not ASCII, which no known hash has, become other characters and no error.
pub(crate) fn text(syntax: SqlSyntax, kind: ColumnKind, column: &str) -> String {
    match (syntax, kind) {
        (SqlSyntax::Postgres, ColumnKind::Binary) => format!("encode({column}, 'escape')"),
        (SqlSyntax::Mysql, ColumnKind::Binary) => as_text(syntax, &format!("CONVERT({column} USING latin1)")),
        _ => as_text(syntax, column),
    }
}

/// Casts a value to text.
pub(crate) fn as_text(syntax: SqlSyntax, value: &str) -> String {
    let text = if syntax == SqlSyntax::Mysql { "CHAR" } else { "text" };
    format!("CAST({value} AS {text})")
}

/// Returns the parameter `number`, a text, as the value to write to a column.
pub(crate) fn written(syntax: SqlSyntax, kind: ColumnKind, number: usize) -> String {
    match (syntax, kind) {
        (SqlSyntax::Postgres, ColumnKind::Binary) => format!("convert_to(${number}, 'UTF8')"),
        (SqlSyntax::Postgres, _) => format!("${number}"),
        (SqlSyntax::Mysql | SqlSyntax::Sqlite, _) => "?".to_owned(),
    }
}
