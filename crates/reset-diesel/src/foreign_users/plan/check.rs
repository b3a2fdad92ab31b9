//! Checks that the mapped columns exist and that their types fit their roles.

use super::{super::mapping::TimeUnit, Column, ColumnKind, MappingError, Planner, SqlSyntax, unit};

/// Length of a stamp in characters.
pub(crate) const STAMP: i64 = 32;

impl Planner<'_> {
    /// Checks that every mapped column exists and has a type that fits its role.
    pub(super) fn check(&self) -> Result<(), MappingError> {
        let table = self.table();
        if self.columns.is_empty() {
            return Err(MappingError::NoTable { setting: "table", table });
        }
        for (name, role) in self.mapping.columns() {
            let Some(column) = self.columns.get(name.as_str()) else {
                let (setting, column) = (role.to_owned(), name.to_string());
                return Err(MappingError::NoColumn { setting, table, column });
            };
            if let Err(required) = self.fits(role, column) {
                let (setting, column) = (role.to_owned(), name.to_string());
                return Err(MappingError::WrongType { setting, column, required });
            }
        }
        self.written_once()
    }

    /// Checks the type of a column. The error describes the required type.
    fn fits(&self, role: &str, column: &Column) -> Result<(), &'static str> {
        let kind = column.kind;
        let is_time = matches!(kind, ColumnKind::Instant | ColumnKind::LocalTime);
        let (fits, required) = match role {
            "id" => (
                matches!(kind, ColumnKind::Uuid | ColumnKind::Integer | ColumnKind::Text),
                "uuid, integer or text",
            ),
            "password" => (
                kind == ColumnKind::Text
                    && column.length.is_none_or(|length| length >= self.mapping.hash_length),
                "text, and long enough for hashes in the format of password.hash",
            ),
            "email" | "username" | "name" | "locale" | "document_id" | "emptied" => {
                (kind == ColumnKind::Text, "text")
            }
            // The value from the settings is checked against the type where the condition is written.
            "provider" | "where" => (true, ""),
            "blocked" | "active" => {
                let valued = self.mapping.blocked.as_ref().is_some_and(|flag| flag.value.is_some());
                let is_flag = valued || is_time || matches!(kind, ColumnKind::Boolean | ColumnKind::Integer);
                (is_flag, "boolean, integer or a timestamp; for other types write COLUMN = VALUE")
            }
            "verified" => (
                is_time || matches!(kind, ColumnKind::Boolean | ColumnKind::Integer),
                "boolean, integer or a timestamp",
            ),
            "token_version" => (kind == ColumnKind::Integer, "an integer"),
            "stamp" => (
                kind == ColumnKind::Text && column.length.is_none_or(|length| length >= STAMP),
                "text of at least 32 characters",
            ),
            "created_at" | "updated_at" | "password_changed_at" => {
                let needed = if unit(self.mapping, column) == TimeUnit::Seconds { 32 } else { 64 };
                // Times on SQLite are what their owner writes, whatever the declared type.
                let is_text = self.syntax == SqlSyntax::Sqlite && kind == ColumnKind::Text;
                (
                    is_time || is_text || (kind == ColumnKind::Integer && column.bits >= needed),
                    "a timestamp, an integer of at least 32 bits for seconds, or one of 64 bits for milliseconds",
                )
            }
            "salt" => (matches!(kind, ColumnKind::Text | ColumnKind::Other), "text or binary"),
            _ => (column.nullable || kind == ColumnKind::Text, "nullable or text"),
        };
        if fits { Ok(()) } else { Err(required) }
    }

    /// Checks that a reset writes no column twice, and neither the primary key nor the address.
    fn written_once(&self) -> Result<(), MappingError> {
        let written = self.mapping.written();
        for (index, name) in written.iter().enumerate() {
            if written[..index].contains(name) || [&self.mapping.id, &self.mapping.email].contains(name) {
                let columns = self.mapping.columns();
                let role = columns.iter().rev().find(|(known, _)| known == name).map_or("", |(_, role)| role);
                return Err(MappingError::MappedTwice { setting: role.to_owned(), column: name.to_string() });
            }
        }
        Ok(())
    }
}
