//! The SQL that serves another system's users table: made once at start from the mapping and the types that the
//! columns really have, then run as it is.
//!
//! What comes from outside is always bound; names and the one value that settings name are quoted. A parameter is
//! cast to the column's type, never the column, so that its index stays of use.

use std::collections::BTreeMap;

use thiserror::Error;

use super::mapping::{Mapping, Matching, Name, Sessions};

/// Which SQL is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speech {
    Postgres,
    Mysql,
}

/// What kind of values a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    Uuid,
    Integer,
    Text,
    Boolean,
    /// A point in time that knows its zone.
    Instant,
    /// A date and a time of day; read and written as UTC.
    LocalTime,
    Other,
}

impl ColumnKind {
    /// The kind in words.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Uuid => "uuid",
            Self::Integer => "integer",
            Self::Text => "text",
            Self::Boolean => "boolean",
            Self::Instant => "timestamp with time zone",
            Self::LocalTime => "timestamp, taken as UTC",
            Self::Other => "another type",
        }
    }
}

/// A column as the database describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) kind: ColumnKind,
    /// Longest text in characters, where there is a bound.
    pub(crate) length: Option<i64>,
    /// Whether equal means equal but for case.
    pub(crate) caseless: bool,
    /// Whether it may be NULL.
    pub(crate) nullable: bool,
}

/// The columns of a table by name.
pub(crate) type Columns = BTreeMap<String, Column>;

/// Why a users table cannot be adopted. The texts name the setting.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unfit {
    /// There is no such table, or this role may see none of its columns.
    #[error("users.{setting}: there is no table {table} that this role may read")]
    NoTable {
        /// The setting.
        setting: &'static str,
        /// The table, with its schema.
        table: String,
    },
    /// The table has no such column, or this role may not see it.
    #[error("users.{setting}: {table} has no column `{column}` that this role may read")]
    NoColumn {
        /// The setting.
        setting: String,
        /// The table, with its schema.
        table: String,
        /// The column.
        column: String,
    },
    /// A column is written twice.
    #[error("users.{setting}: the column `{column}` is the key or is written already")]
    Twice {
        /// The setting.
        setting: String,
        /// The column.
        column: String,
    },
    /// The column holds something else.
    #[error("users.{setting}: the column `{column}` must be {wanted}")]
    WrongType {
        /// The setting.
        setting: String,
        /// The column.
        column: String,
        /// What it must be, in words.
        wanted: &'static str,
    },
}

/// Statements, in the order of a reset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// One parameter: the address in lower case. Several rows may come, since the database's idea of case is wider.
    pub(crate) by_email: String,
    /// One parameter: the id as text.
    pub(crate) by_id: String,
    /// The same, and nobody changes the row until the transaction ends.
    pub(crate) lock: String,
    /// Two parameters: the hash, the id.
    pub(crate) set_password: String,
    /// One parameter: the id.
    pub(crate) end_sessions: Option<String>,
}

impl Plan {
    /// The statements for `mapping` on a table of these `columns`; `sessions` are those of the sessions table.
    pub(crate) fn new(
        mapping: &Mapping,
        speech: Speech,
        columns: &Columns,
        sessions: &Columns,
    ) -> Result<Self, Unfit> {
        let plan = Planner { mapping, speech, columns };
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
                .map(|theirs| plan.end_sessions(theirs, sessions))
                .transpose()?,
        })
    }
}

/// The name, quoted.
pub(crate) fn quoted(speech: Speech, name: &Name) -> String {
    match speech {
        Speech::Postgres => format!("\"{}\"", name.as_str().replace('"', "\"\"")),
        Speech::Mysql => format!("`{}`", name.as_str().replace('`', "``")),
    }
}

/// The table with its schema, quoted.
pub(crate) fn qualified(speech: Speech, schema: Option<&Name>, table: &Name) -> String {
    let schema = schema.map_or_else(String::new, |schema| quoted(speech, schema) + ".");
    schema + &quoted(speech, table)
}

/// The text as a value. For what settings name; whatever comes from outside is bound.
pub(crate) fn literal(speech: Speech, text: &str) -> String {
    let text = text.replace('\'', "''");
    let text = if speech == Speech::Mysql { text.replace('\\', "\\\\") } else { text };
    format!("'{text}'")
}

/// Whether a row logs in with a password. Django writes `!` and chance where it does not.
pub(crate) fn has_password(column: &str) -> String {
    format!("{column} IS NOT NULL AND {column} <> '' AND {column} NOT LIKE '!%'")
}

struct Planner<'a> {
    mapping: &'a Mapping,
    speech: Speech,
    columns: &'a Columns,
}

impl Planner<'_> {
    /// Every mapped column is there, and of a kind that can be what it is mapped to.
    fn check(&self) -> Result<(), Unfit> {
        let table = self.table();
        if self.columns.is_empty() {
            return Err(Unfit::NoTable { setting: "table", table });
        }
        for (name, role) in self.mapping.columns() {
            let Some(column) = self.columns.get(name.as_str()) else {
                let (setting, column) = (role.to_owned(), name.to_string());
                return Err(Unfit::NoColumn { setting, table, column });
            };
            let (fits, wanted) = match role {
                "id" => (
                    matches!(column.kind, ColumnKind::Uuid | ColumnKind::Integer | ColumnKind::Text),
                    "of a type uuid, integer or text",
                ),
                "password" => (
                    column.kind == ColumnKind::Text
                        && column.length.is_none_or(|length| length >= self.mapping.hash_length),
                    "text, and long enough for the hashes of password.hash",
                ),
                "email" | "username" | "name" | "locale" | "provider" => {
                    (column.kind == ColumnKind::Text, "of a text type")
                }
                "blocked" | "active" | "verified" => {
                    (matches!(column.kind, ColumnKind::Boolean | ColumnKind::Integer), "boolean or integer")
                }
                "token_version" => (column.kind == ColumnKind::Integer, "an integer"),
                "created_at" | "updated_at" | "password_changed_at" => (
                    matches!(column.kind, ColumnKind::Instant | ColumnKind::LocalTime | ColumnKind::Integer),
                    "a timestamp, or an integer of milliseconds",
                ),
                _ => (column.nullable, "one that may be NULL"),
            };
            if !fits {
                let (setting, column) = (role.to_owned(), name.to_string());
                return Err(Unfit::WrongType { setting, column, wanted });
            }
        }
        self.written_once()
    }

    /// No column is given two values by one reset, and neither the key nor the address is given one.
    fn written_once(&self) -> Result<(), Unfit> {
        let written = self.mapping.written();
        for (place, name) in written.iter().enumerate() {
            if written[..place].contains(name) || [&self.mapping.id, &self.mapping.email].contains(name) {
                let columns = self.mapping.columns();
                let role = columns.iter().rev().find(|(known, _)| known == name).map_or("", |(_, role)| role);
                return Err(Unfit::Twice { setting: role.to_owned(), column: name.to_string() });
            }
        }
        Ok(())
    }

    fn quoted(&self, name: &Name) -> String {
        quoted(self.speech, name)
    }

    fn table(&self) -> String {
        qualified(self.speech, self.mapping.schema.as_ref(), &self.mapping.table)
    }

    fn kind(&self, name: &Name) -> ColumnKind {
        self.columns.get(name.as_str()).map_or(ColumnKind::Other, |column| column.kind)
    }

    /// `column = the parameter of this number`, which arrives as text.
    fn equals(&self, name: &Name, kind: ColumnKind, number: usize) -> String {
        let column = self.quoted(name);
        match (self.speech, kind) {
            (Speech::Postgres, ColumnKind::Uuid) => format!("{column} = CAST(${number} AS uuid)"),
            (Speech::Postgres, ColumnKind::Integer) => format!("{column} = CAST(${number} AS bigint)"),
            (Speech::Postgres, _) => format!("{column} = ${number}"),
            (Speech::Mysql, ColumnKind::Integer) => format!("{column} = CAST(? AS SIGNED)"),
            (Speech::Mysql, _) => format!("{column} = ?"),
        }
    }

    fn matches(&self) -> String {
        let email = &self.mapping.email;
        let caseless = self.columns.get(email.as_str()).is_some_and(|column| column.caseless);
        let exact = caseless || self.mapping.matching == Matching::Exact;
        let column = if exact { self.quoted(email) } else { format!("lower({})", self.quoted(email)) };
        let parameter = if self.speech == Speech::Postgres { "$1" } else { "?" };
        format!("{column} = {parameter}")
    }

    /// Rows that log in by other means are not ours to touch.
    fn usable(&self) -> String {
        let password = self.quoted(&self.mapping.password);
        let only = self.mapping.only.as_ref().map_or_else(String::new, |only| {
            // The value comes from the settings, like a name.
            format!(" AND {} = {}", self.quoted(&only.column), literal(self.speech, &only.value))
        });
        format!(" AND {}{only}", has_password(&password))
    }

    /// What is read of a row, under fixed names and in fixed types.
    fn fields(&self) -> String {
        let Mapping { id, email, password, username, name, locale, verified, .. } = self.mapping;
        let case = |column, then, otherwise| {
            self.number(&format!("CASE WHEN {} THEN {then} ELSE {otherwise} END", self.truth(column)))
        };
        let blocked = match &self.mapping.blocked {
            None => self.number("0"),
            Some(flag) if flag.blocked_when => case(&flag.column, 1, 0),
            // NULL is not active.
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
        let text = if self.speech == Speech::Postgres { "text" } else { "CHAR" };
        format!("CAST({column} AS {text})")
    }

    fn number(&self, value: &str) -> String {
        let number = if self.speech == Speech::Postgres { "bigint" } else { "SIGNED" };
        format!("CAST({value} AS {number})")
    }

    /// The column as a truth.
    fn truth(&self, column: &Name) -> String {
        let name = self.quoted(column);
        if self.kind(column) == ColumnKind::Boolean { name } else { format!("{name} <> 0") }
    }

    /// Milliseconds since the epoch; 0 where nothing is known.
    fn millis(&self, column: Option<&Name>) -> String {
        let Some(column) = column else { return self.number("0") };
        let name = self.quoted(column);
        let value = match (self.speech, self.kind(column)) {
            (_, ColumnKind::Integer) => name,
            (Speech::Postgres, _) => format!("EXTRACT(EPOCH FROM {name}) * 1000"),
            (Speech::Mysql, ColumnKind::Instant) => format!("UNIX_TIMESTAMP({name}) * 1000"),
            (Speech::Mysql, _) => format!("TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {name}) DIV 1000"),
        };
        self.number(&format!("COALESCE({value}, 0)"))
    }

    /// The present, as the column stores it.
    fn present(&self, column: &Name) -> &'static str {
        match (self.speech, self.kind(column)) {
            (Speech::Postgres, ColumnKind::Integer) => "CAST(EXTRACT(EPOCH FROM now()) * 1000 AS bigint)",
            (Speech::Postgres, ColumnKind::LocalTime) => "now() AT TIME ZONE 'UTC'",
            (Speech::Postgres, _) => "now()",
            (Speech::Mysql, ColumnKind::Integer) => "CAST(UNIX_TIMESTAMP(NOW(6)) * 1000 AS SIGNED)",
            // Whole seconds: MySQL would round a fraction up where the column has none, into the future.
            (Speech::Mysql, ColumnKind::LocalTime) => "UTC_TIMESTAMP()",
            (Speech::Mysql, _) => "CURRENT_TIMESTAMP()",
        }
    }

    fn set_password(&self) -> String {
        let Mapping { id, password, updated_at, password_changed_at, token_version, cleared, .. } =
            self.mapping;
        let parameter = if self.speech == Speech::Postgres { "$1" } else { "?" };
        let mut set = vec![format!("{} = {parameter}", self.quoted(password))];
        for stamp in [updated_at, password_changed_at].into_iter().flatten() {
            set.push(format!("{} = {}", self.quoted(stamp), self.present(stamp)));
        }
        if let Some(version) = token_version {
            let version = self.quoted(version);
            set.push(format!("{version} = COALESCE({version}, 0) + 1"));
        }
        set.extend(cleared.iter().map(|column| format!("{} = NULL", self.quoted(column))));
        let id = self.equals(id, self.kind(id), 2);
        format!("UPDATE {} SET {} WHERE {id}", self.table(), set.join(", "))
    }

    /// The statement that ends the account's sessions.
    fn end_sessions(&self, sessions: &Sessions, columns: &Columns) -> Result<String, Unfit> {
        let schema = sessions.schema.as_ref().or(self.mapping.schema.as_ref());
        let table = qualified(self.speech, schema, &sessions.table);
        if columns.is_empty() {
            return Err(Unfit::NoTable { setting: "sessions.table", table });
        }
        let Some(column) = columns.get(sessions.account.as_str()) else {
            let (setting, column) = ("sessions.account".to_owned(), sessions.account.to_string());
            return Err(Unfit::NoColumn { setting, table, column });
        };
        // A number that was made of another key's text would be somebody else's.
        if column.kind != self.kind(&self.mapping.id) {
            let (setting, column) = ("sessions.account".to_owned(), sessions.account.to_string());
            let wanted = "of the same type as the column of users.id";
            return Err(Unfit::WrongType { setting, column, wanted });
        }
        Ok(format!("DELETE FROM {table} WHERE {}", self.equals(&sessions.account, column.kind, 1)))
    }
}

#[cfg(test)]
mod tests;
