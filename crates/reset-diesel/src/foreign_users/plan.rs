//! The SQL statements for another system's users table. They are generated once at startup, from the mapping and the
//! actual types of the columns.
//!
//! Client input is always bound. Names, and the one value that comes from the settings, are quoted. The parameter is
//! cast to the column's type and never the column, so that the column's index is used.

use std::collections::BTreeMap;

use thiserror::Error;

use super::mapping::{Mapping, Matching, Name, Sessions};

/// The SQL syntax of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SqlSyntax {
    Postgres,
    Mysql,
}

/// The kind of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    Uuid,
    Integer,
    Text,
    Boolean,
    /// A timestamp with time zone.
    Instant,
    /// A date and time without time zone, read and written as UTC.
    LocalTime,
    Other,
}

impl ColumnKind {
    /// Returns a description of the kind.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Uuid => "uuid",
            Self::Integer => "integer",
            Self::Text => "text",
            Self::Boolean => "boolean",
            Self::Instant => "timestamp with time zone",
            Self::LocalTime => "timestamp, interpreted as UTC",
            Self::Other => "other type",
        }
    }
}

/// A column, as described by the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) kind: ColumnKind,
    /// Maximum length in characters, if the type has one.
    pub(crate) length: Option<i64>,
    /// Whether comparisons ignore case.
    pub(crate) ignores_case: bool,
    /// Whether the column may be NULL.
    pub(crate) nullable: bool,
}

/// The columns of a table by name.
pub(crate) type Columns = BTreeMap<String, Column>;

/// Why a mapping does not fit the users table. The messages name the setting.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MappingError {
    /// The table does not exist, or this role has no privilege for any of its columns.
    #[error("users.{setting}: the table {table} does not exist, or this role may not read it")]
    NoTable {
        /// The setting.
        setting: &'static str,
        /// The table, with its schema.
        table: String,
    },
    /// The column does not exist, or this role has no privilege for it.
    #[error("users.{setting}: the table {table} has no column `{column}`, or this role may not read it")]
    NoColumn {
        /// The setting.
        setting: String,
        /// The table, with its schema.
        table: String,
        /// The column.
        column: String,
    },
    /// A written column is the primary key or the address, or is mapped twice.
    #[error(
        "users.{setting}: the column `{column}` is already mapped as the id, the email or another written column"
    )]
    MappedTwice {
        /// The setting.
        setting: String,
        /// The column.
        column: String,
    },
    /// The type of the column does not fit its role.
    #[error("users.{setting}: the column `{column}` must be {required}")]
    WrongType {
        /// The setting.
        setting: String,
        /// The column.
        column: String,
        /// Description of the required type.
        required: &'static str,
    },
}

/// The statements, in the order in which a reset runs them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// One parameter: the address in lower case. It may return several rows, because the database's case folding
    /// covers more than ASCII.
    pub(crate) by_email: String,
    /// One parameter: the id as text.
    pub(crate) by_id: String,
    /// Like `by_id`, and locks the row until the transaction ends.
    pub(crate) lock: String,
    /// Two parameters: the hash, the id.
    pub(crate) set_password: String,
    /// One parameter: the id.
    pub(crate) end_sessions: Option<String>,
}

impl Plan {
    /// Generates the statements for `mapping`. `columns` are those of the users table, `sessions` those of the
    /// sessions table.
    pub(crate) fn new(
        mapping: &Mapping,
        syntax: SqlSyntax,
        columns: &Columns,
        sessions: &Columns,
    ) -> Result<Self, MappingError> {
        let plan = Planner { mapping, syntax, columns };
        plan.check()?;
        let (table, id) = (plan.table(), plan.equals(&mapping.id, plan.kind(&mapping.id), 1));
        let select = format!("SELECT {} FROM {table} WHERE ", plan.fields());
        let usable = plan.usable();
        let by_id = format!("{select}{id}{usable}");
        Ok(Self {
            by_email: format!("{select}{}{usable}", plan.matches()),
            lock: format!("{by_id} FOR UPDATE"),
            by_id,
            set_password: plan.set_password(),
            end_sessions: mapping
                .sessions
                .as_ref()
                .map(|table| plan.end_sessions(table, sessions))
                .transpose()?,
        })
    }
}

/// Returns the quoted name.
pub(crate) fn quoted(syntax: SqlSyntax, name: &Name) -> String {
    match syntax {
        SqlSyntax::Postgres => format!("\"{}\"", name.as_str().replace('"', "\"\"")),
        SqlSyntax::Mysql => format!("`{}`", name.as_str().replace('`', "``")),
    }
}

/// Returns the quoted table name with its schema.
pub(crate) fn qualified(syntax: SqlSyntax, schema: Option<&Name>, table: &Name) -> String {
    let schema = schema.map_or_else(String::new, |schema| quoted(syntax, schema) + ".");
    schema + &quoted(syntax, table)
}

/// Returns the text as a SQL literal. Only for values from the settings; client input is bound.
pub(crate) fn literal(syntax: SqlSyntax, text: &str) -> String {
    let text = text.replace('\'', "''");
    let text = if syntax == SqlSyntax::Mysql { text.replace('\\', "\\\\") } else { text };
    format!("'{text}'")
}

/// Returns the SQL condition for rows with a password. Django stores `!` and random characters if there is none.
pub(crate) fn has_password(column: &str) -> String {
    format!("{column} IS NOT NULL AND {column} <> '' AND {column} NOT LIKE '!%'")
}

struct Planner<'a> {
    mapping: &'a Mapping,
    syntax: SqlSyntax,
    columns: &'a Columns,
}

impl Planner<'_> {
    /// Checks that every mapped column exists and has a type that fits its role.
    fn check(&self) -> Result<(), MappingError> {
        let table = self.table();
        if self.columns.is_empty() {
            return Err(MappingError::NoTable { setting: "table", table });
        }
        for (name, role) in self.mapping.columns() {
            let Some(column) = self.columns.get(name.as_str()) else {
                let (setting, column) = (role.to_owned(), name.to_string());
                return Err(MappingError::NoColumn { setting, table, column });
            };
            let (fits, required) = match role {
                "id" => (
                    matches!(column.kind, ColumnKind::Uuid | ColumnKind::Integer | ColumnKind::Text),
                    "uuid, integer or text",
                ),
                "password" => (
                    column.kind == ColumnKind::Text
                        && column.length.is_none_or(|length| length >= self.mapping.hash_length),
                    "text, and long enough for hashes in the format of password.hash",
                ),
                "email" | "username" | "name" | "locale" | "provider" => {
                    (column.kind == ColumnKind::Text, "text")
                }
                "blocked" | "active" | "verified" => {
                    (matches!(column.kind, ColumnKind::Boolean | ColumnKind::Integer), "boolean or integer")
                }
                "token_version" => (column.kind == ColumnKind::Integer, "an integer"),
                "created_at" | "updated_at" | "password_changed_at" => (
                    matches!(column.kind, ColumnKind::Instant | ColumnKind::LocalTime | ColumnKind::Integer),
                    "a timestamp, or an integer with milliseconds",
                ),
                _ => (column.nullable, "nullable"),
            };
            if !fits {
                let (setting, column) = (role.to_owned(), name.to_string());
                return Err(MappingError::WrongType { setting, column, required });
            }
        }
        self.written_once()
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

    fn quoted(&self, name: &Name) -> String {
        quoted(self.syntax, name)
    }

    fn table(&self) -> String {
        qualified(self.syntax, self.mapping.schema.as_ref(), &self.mapping.table)
    }

    fn kind(&self, name: &Name) -> ColumnKind {
        self.columns.get(name.as_str()).map_or(ColumnKind::Other, |column| column.kind)
    }

    /// Returns a comparison of the column with the parameter `number`, which is bound as text.
    fn equals(&self, name: &Name, kind: ColumnKind, number: usize) -> String {
        let column = self.quoted(name);
        match (self.syntax, kind) {
            (SqlSyntax::Postgres, ColumnKind::Uuid) => format!("{column} = CAST(${number} AS uuid)"),
            (SqlSyntax::Postgres, ColumnKind::Integer) => format!("{column} = CAST(${number} AS bigint)"),
            (SqlSyntax::Postgres, _) => format!("{column} = ${number}"),
            (SqlSyntax::Mysql, ColumnKind::Integer) => format!("{column} = CAST(? AS SIGNED)"),
            (SqlSyntax::Mysql, _) => format!("{column} = ?"),
        }
    }

    /// Returns the condition that finds a row by address.
    fn matches(&self) -> String {
        let email = &self.mapping.email;
        let ignores_case = self.columns.get(email.as_str()).is_some_and(|column| column.ignores_case);
        let exact = ignores_case || self.mapping.matching == Matching::Exact;
        let column = if exact { self.quoted(email) } else { format!("lower({})", self.quoted(email)) };
        let parameter = if self.syntax == SqlSyntax::Postgres { "$1" } else { "?" };
        format!("{column} = {parameter}")
    }

    /// Returns the condition that excludes rows that log in by other means.
    fn usable(&self) -> String {
        let password = self.quoted(&self.mapping.password);
        let only = self.mapping.only.as_ref().map_or_else(String::new, |only| {
            format!(" AND {} = {}", self.quoted(&only.column), literal(self.syntax, &only.value))
        });
        format!(" AND {}{only}", has_password(&password))
    }

    /// Returns the selected columns, under fixed names and with fixed types.
    fn fields(&self) -> String {
        let Mapping { id, email, password, username, name, locale, verified, .. } = self.mapping;
        let case = |column, then, otherwise| {
            self.number(&format!("CASE WHEN {} THEN {then} ELSE {otherwise} END", self.truth(column)))
        };
        let blocked = match &self.mapping.blocked {
            None => self.number("0"),
            Some(flag) if flag.blocked_when => case(&flag.column, 1, 0),
            // NULL counts as not active.
            Some(flag) => case(&flag.column, 0, 1),
        };
        let verified = verified.as_ref().map_or_else(|| self.number("1"), |column| case(column, 1, 0));
        let fields = [
            (self.text(Some(id)), "id"),
            (self.text(Some(email)), "email"),
            (self.text(Some(password)), "password"),
            (self.text(username.as_ref()), "username"),
            (self.text(name.as_ref()), "name"),
            (self.text(locale.as_ref()), "locale"),
            (blocked, "blocked"),
            (verified, "verified"),
            (self.millis(self.mapping.created_at.as_ref()), "created_at"),
            (self.millis(self.mapping.updated_at.as_ref()), "updated_at"),
        ];
        fields.map(|(value, name)| format!("{value} AS {name}")).join(", ")
    }

    fn text(&self, column: Option<&Name>) -> String {
        let column = column.map_or_else(|| "NULL".to_owned(), |column| self.quoted(column));
        let text = if self.syntax == SqlSyntax::Postgres { "text" } else { "CHAR" };
        format!("CAST({column} AS {text})")
    }

    fn number(&self, value: &str) -> String {
        let number = if self.syntax == SqlSyntax::Postgres { "bigint" } else { "SIGNED" };
        format!("CAST({value} AS {number})")
    }

    /// Returns the column as a boolean expression.
    fn truth(&self, column: &Name) -> String {
        let name = self.quoted(column);
        if self.kind(column) == ColumnKind::Boolean { name } else { format!("{name} <> 0") }
    }

    /// Returns the column as milliseconds since the Unix epoch, 0 if it is NULL or not mapped.
    fn millis(&self, column: Option<&Name>) -> String {
        let Some(column) = column else { return self.number("0") };
        let name = self.quoted(column);
        let value = match (self.syntax, self.kind(column)) {
            (_, ColumnKind::Integer) => name,
            (SqlSyntax::Postgres, _) => format!("EXTRACT(EPOCH FROM {name}) * 1000"),
            (SqlSyntax::Mysql, ColumnKind::Instant) => format!("UNIX_TIMESTAMP({name}) * 1000"),
            (SqlSyntax::Mysql, _) => format!("TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {name}) DIV 1000"),
        };
        self.number(&format!("COALESCE({value}, 0)"))
    }

    /// Returns the current time in the column's type.
    fn current_time(&self, column: &Name) -> &'static str {
        match (self.syntax, self.kind(column)) {
            (SqlSyntax::Postgres, ColumnKind::Integer) => "CAST(EXTRACT(EPOCH FROM now()) * 1000 AS bigint)",
            (SqlSyntax::Postgres, ColumnKind::LocalTime) => "now() AT TIME ZONE 'UTC'",
            (SqlSyntax::Postgres, _) => "now()",
            (SqlSyntax::Mysql, ColumnKind::Integer) => "CAST(UNIX_TIMESTAMP(NOW(6)) * 1000 AS SIGNED)",
            // Whole seconds: in a column without fractions MySQL would round up, into the future.
            (SqlSyntax::Mysql, ColumnKind::LocalTime) => "UTC_TIMESTAMP()",
            (SqlSyntax::Mysql, _) => "CURRENT_TIMESTAMP()",
        }
    }

    fn set_password(&self) -> String {
        let Mapping { id, password, updated_at, password_changed_at, token_version, cleared, .. } =
            self.mapping;
        let parameter = if self.syntax == SqlSyntax::Postgres { "$1" } else { "?" };
        let mut set = vec![format!("{} = {parameter}", self.quoted(password))];
        for column in [updated_at, password_changed_at].into_iter().flatten() {
            set.push(format!("{} = {}", self.quoted(column), self.current_time(column)));
        }
        if let Some(version) = token_version {
            let version = self.quoted(version);
            set.push(format!("{version} = COALESCE({version}, 0) + 1"));
        }
        set.extend(cleared.iter().map(|column| format!("{} = NULL", self.quoted(column))));
        let id = self.equals(id, self.kind(id), 2);
        format!("UPDATE {} SET {} WHERE {id}", self.table(), set.join(", "))
    }

    /// Returns the statement that deletes the account's sessions.
    fn end_sessions(&self, sessions: &Sessions, columns: &Columns) -> Result<String, MappingError> {
        let schema = sessions.schema.as_ref().or(self.mapping.schema.as_ref());
        let table = qualified(self.syntax, schema, &sessions.table);
        if columns.is_empty() {
            return Err(MappingError::NoTable { setting: "sessions.table", table });
        }
        let Some(column) = columns.get(sessions.account.as_str()) else {
            let (setting, column) = ("sessions.account".to_owned(), sessions.account.to_string());
            return Err(MappingError::NoColumn { setting, table, column });
        };
        // MySQL casts text such as `550e8400-…` to the number 550, which would match another account.
        if column.kind != self.kind(&self.mapping.id) {
            let (setting, column) = ("sessions.account".to_owned(), sessions.account.to_string());
            let required = "of the same type as the column of users.id";
            return Err(MappingError::WrongType { setting, column, required });
        }
        Ok(format!("DELETE FROM {table} WHERE {}", self.equals(&sessions.account, column.kind, 1)))
    }
}

#[cfg(test)]
mod tests;
