//! The SQL statements for another system's users table. They are generated once at startup, from the mapping and the
//! actual types of the columns.
//!
//! Client input is always bound. Names, and values that come from the settings, are quoted. The parameter is cast to the
//! column's type and, where possible, never the column, so that the column's index is used.

mod check;
mod statements;
mod times;
mod values;

use std::collections::BTreeMap;

use reset_core::hasher::HashForm;
use thiserror::Error;

pub(crate) use self::{
    statements::without_salt,
    values::{bound, id_text, text},
};
use super::mapping::{Mapping, Name, Replaceable, TimeUnit};

/// The SQL syntax of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SqlSyntax {
    Postgres,
    Mysql,
    Sqlite,
}

/// The kind of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    Uuid,
    Integer,
    /// An unsigned integer of 64 bits.
    Unsigned,
    /// A decimal number without a fraction.
    Decimal,
    Text,
    /// One of several texts.
    Enumerated,
    /// Bytes.
    Binary,
    Boolean,
    /// A timestamp with time zone.
    Instant,
    /// A date and time without time zone, read and written as UTC.
    LocalTime,
    /// A date, read and written as one in UTC.
    Date,
    Other,
}

impl ColumnKind {
    /// Returns a description of the kind.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Uuid => "uuid",
            Self::Integer => "integer",
            Self::Unsigned => "unsigned integer",
            Self::Decimal => "decimal",
            Self::Text => "text",
            Self::Enumerated => "enumerated",
            Self::Binary => "binary",
            Self::Boolean => "boolean",
            Self::Instant => "timestamp with time zone",
            Self::LocalTime => "timestamp, interpreted as UTC",
            Self::Date => "date, interpreted as UTC",
            Self::Other => "other type",
        }
    }

    /// Whether the values are integers, signed or not.
    pub(crate) const fn is_integer(self) -> bool {
        matches!(self, Self::Integer | Self::Unsigned)
    }

    /// Whether the values are numbers without a fraction.
    pub(crate) const fn is_number(self) -> bool {
        self.is_integer() || matches!(self, Self::Decimal)
    }

    /// Whether the values are points in time, of any precision.
    pub(crate) const fn is_time(self) -> bool {
        matches!(self, Self::Instant | Self::LocalTime | Self::Date)
    }
}

/// A column, as described by the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) kind: ColumnKind,
    /// The type as the database names it.
    pub(crate) declared: String,
    /// Maximum length in characters or bytes, if the type has one.
    pub(crate) length: Option<i64>,
    /// Number of bits, if the type is an integer.
    pub(crate) bits: u8,
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
    /// The column holds times in another unit.
    #[error(
        "users.{setting}: the values of the column `{column}` are not {unit}: set users.time_unit to the unit that \
         they have"
    )]
    OtherUnit {
        /// The setting.
        setting: &'static str,
        /// The column.
        column: String,
        /// The unit that was assumed.
        unit: &'static str,
    },
    /// Row-level security hides rows from this role.
    #[error(
        "users.{setting}: row-level security of {table} hides rows from this role, so that {effect}: create a policy for \
         it, such as CREATE POLICY polyreset ON {table} TO <role> USING (true) WITH CHECK (true)"
    )]
    HiddenRows {
        /// The setting.
        setting: &'static str,
        /// The table.
        table: String,
        /// What would happen.
        effect: &'static str,
    },
    /// The database rejects a statement, usually because a privilege is missing.
    #[error("users.{setting}: the database rejects {what}: {reason}; {fix}")]
    Rejected {
        /// The setting.
        setting: &'static str,
        /// What the statement does.
        what: String,
        /// The error of the database.
        reason: String,
        /// What to do.
        fix: &'static str,
    },
    /// The table is a view, through which SQLite does not report whether a row was updated.
    #[error("users.table: {table} is a view, which cannot be used on SQLite: name the table")]
    View {
        /// The view.
        table: String,
    },
    /// The type of the column does not fit its role.
    #[error("users.{setting}: the column `{column}` is of type {declared}, but must be {required}")]
    WrongType {
        /// The setting.
        setting: String,
        /// The column.
        column: String,
        /// The type that it has.
        declared: String,
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
    /// Parameters: the hash, the stamp if `stamps`, the id.
    pub(crate) set_password: String,
    /// Whether a stamp is written.
    pub(crate) stamps: bool,
    /// The statements that delete sessions and void the other system's resets. One parameter: the id.
    pub(crate) deletes: Vec<Delete>,
    /// Each condition on rows that count, as the settings write it and as SQL.
    pub(crate) filters: Vec<(String, String)>,
    /// All of them; `None` if there is none.
    pub(crate) counts: Option<String>,
    /// The condition for blocked rows, if there is one.
    pub(crate) blocked: Option<String>,
    /// Which stored hashes may be replaced.
    pub(crate) replaceable: Replaceable,
    /// Maximum length of a hash in characters.
    pub(crate) hash_length: Option<i64>,
}

/// A statement that deletes rows of an account in another table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delete {
    /// The setting that names the rows.
    pub(crate) setting: &'static str,
    /// The table, with its schema.
    pub(crate) table: String,
    /// The statement.
    pub(crate) statement: String,
}

impl Plan {
    /// Generates the statements for `mapping`. `columns` are those of the users table, `others` those of the tables of
    /// [`Mapping::deleted`], in the same order.
    pub(crate) fn new(
        mapping: &Mapping,
        syntax: SqlSyntax,
        columns: &Columns,
        others: &[Columns],
    ) -> Result<Self, MappingError> {
        let plan = Planner { mapping, syntax, columns };
        plan.check()?;
        let (table, id) = (plan.table(), plan.equals(&mapping.id, plan.kind(&mapping.id), 1));
        let select = format!("SELECT {} FROM {table} WHERE ", plan.fields());
        let filters = plan.filters()?;
        let counts: Vec<&str> = filters.iter().map(|(_, sql)| sql.as_str()).collect();
        let counts = (!counts.is_empty()).then(|| counts.join(" AND "));
        let usable = plan.usable(counts.as_deref());
        let by_id = format!("{select}{id}{usable}");
        let deletes = mapping.deleted().zip(others);
        Ok(Self {
            by_email: format!("{select}{}{usable}", plan.matches()),
            // SQLite locks the whole file when the transaction starts.
            lock: if syntax == SqlSyntax::Sqlite { by_id.clone() } else { format!("{by_id} FOR UPDATE") },
            by_id,
            set_password: plan.set_password(),
            stamps: mapping.stamp.is_some(),
            deletes: deletes
                .map(|((rows, setting), columns)| plan.delete(rows, setting, columns))
                .collect::<Result<_, _>>()?,
            filters,
            counts,
            blocked: plan.blocked(),
            replaceable: mapping.replaceable,
            hash_length: columns.get(mapping.password.as_str()).and_then(|column| column.length),
        })
    }

    /// Whether a reset may replace this stored hash.
    pub(crate) fn replaces(&self, stored: &str) -> bool {
        let form = HashForm::of(stored);
        match self.replaceable {
            Replaceable::Every => true,
            Replaceable::KnownForms => form.is_some(),
            Replaceable::WritableForms => form.is_some_and(|form| {
                let length = i64::try_from(form.column_length()).unwrap_or(i64::MAX);
                form.is_writable() && self.hash_length.is_none_or(|fits| length <= fits)
            }),
        }
    }
}

/// Returns the quoted name.
pub(crate) fn quoted(syntax: SqlSyntax, name: &Name) -> String {
    match syntax {
        SqlSyntax::Postgres => format!("\"{}\"", name.as_str().replace('"', "\"\"")),
        // SQLite reads an unknown name in double quotes as a text.
        SqlSyntax::Mysql | SqlSyntax::Sqlite => format!("`{}`", name.as_str().replace('`', "``")),
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

/// Returns the unit of times in an integer column: the configured one, or what fits its size.
pub(crate) fn unit(mapping: &Mapping, column: &Column) -> TimeUnit {
    let fitting = if column.bits > 32 { TimeUnit::Milliseconds } else { TimeUnit::Seconds };
    mapping.time_unit.unwrap_or(fitting)
}

struct Planner<'a> {
    mapping: &'a Mapping,
    syntax: SqlSyntax,
    columns: &'a Columns,
}

#[cfg(test)]
mod tests;
