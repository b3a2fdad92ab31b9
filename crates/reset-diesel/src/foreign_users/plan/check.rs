//! Checks that the mapped columns exist and that their types fit their roles.

use super::{super::mapping::TimeUnit, Column, ColumnKind, MappingError, Planner, SqlSyntax, unit};

/// Length of a stamp in characters.
pub(crate) const STAMP: i64 = 32;
/// Maximum length of binary ids. Their text has two digits per byte, and polyreset's own tables hold 255 characters.
const ID_BYTES: i64 = 64;

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
                let (setting, declared) = (role.to_owned(), column.declared.clone());
                let column = name.to_string();
                return Err(MappingError::WrongType { setting, column, declared, required });
            }
        }
        self.written_once()
    }

    /// Checks the type of a column. The error describes the required type.
    fn fits(&self, role: &str, column: &Column) -> Result<(), &'static str> {
        let kind = column.kind;
        let is_flag = kind.is_time() || kind.is_number() || kind == ColumnKind::Boolean;
        let fits_in = |longest| column.length.is_none_or(|length| length <= longest);
        let holds = |shortest| column.length.is_none_or(|length| length >= shortest);
        let (fits, required) = match role {
            "id" => (
                matches!(kind, ColumnKind::Uuid | ColumnKind::Text)
                    || kind.is_number()
                    || (kind == ColumnKind::Binary && fits_in(ID_BYTES)),
                "uuid, integer, decimal without a fraction, text, or binary of at most 64 bytes",
            ),
            "password" => (
                matches!(kind, ColumnKind::Text | ColumnKind::Binary) && holds(self.mapping.hash_length),
                "text or binary, and long enough for hashes in the format of password.hash",
            ),
            "locale" => (matches!(kind, ColumnKind::Text | ColumnKind::Enumerated), "text or enumerated"),
            "email" | "username" | "name" | "document_id" => (kind == ColumnKind::Text, "text"),
            "emptied" => (matches!(kind, ColumnKind::Text | ColumnKind::Binary), "text or binary"),
            // The value from the settings is checked against the type where the condition is written.
            "provider" | "where" => (true, ""),
            "blocked" | "active" => {
                let valued = self.mapping.blocked.as_ref().is_some_and(|flag| flag.value.is_some());
                (valued || is_flag, "boolean, a number or a time; for other types write COLUMN = VALUE")
            }
            "verified" => (is_flag, "boolean, a number or a time"),
            "token_version" => (kind.is_integer(), "an integer"),
            "stamp" => (kind == ColumnKind::Text && holds(STAMP), "text of at least 32 characters"),
            // A session of the same day, before the reset, would not end.
            "password_changed_at" if kind == ColumnKind::Date => {
                (false, "a timestamp or an integer, because a date does not end the sessions of its day")
            }
            "created_at" | "updated_at" | "password_changed_at" => {
                let needed = if unit(self.mapping, column) == TimeUnit::Seconds { 32 } else { 64 };
                // Times on SQLite are what their owner writes, whatever the declared type.
                let is_text = self.syntax == SqlSyntax::Sqlite && kind == ColumnKind::Text;
                (
                    kind.is_time() || is_text || (kind.is_integer() && column.bits >= needed),
                    "a timestamp, a date, an integer of at least 32 bits for seconds, or one of 64 bits for milliseconds",
                )
            }
            "salt" => {
                (matches!(kind, ColumnKind::Text | ColumnKind::Binary | ColumnKind::Other), "text or binary")
            }
            _ => (
                column.nullable || matches!(kind, ColumnKind::Text | ColumnKind::Binary),
                "nullable, text or binary",
            ),
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
