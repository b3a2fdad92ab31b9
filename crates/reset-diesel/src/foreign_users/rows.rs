//! Parts of a mapping that select rows: filters, flags, and the rows of an account in other tables.

use std::fmt;

use thiserror::Error;

use super::mapping::{InvalidName, Name};

/// A condition on a column: `status = active`, `kind != admin`, `deleted_at = null`, `activated_at != null`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The column.
    pub column: Name,
    /// What its value must be.
    pub test: FilterTest,
}

/// What the value of a filter's column must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilterTest {
    /// Equal to a value from the settings.
    Is(String),
    /// Anything but this value. NULL counts as another value.
    IsNot(String),
    /// NULL.
    Null,
    /// Not NULL.
    NotNull,
}

/// A filter, flag or list of rows that cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidRows {
    /// Not a condition.
    #[error("`{}` is not a condition such as `status = active`, `kind != admin` or `deleted_at = null`", .0.escape_debug())]
    Filter(String),
    /// Not the rows of an account.
    #[error(
        "`{}` does not name the rows of an account, such as `tokens.user_id = id` or \
         `auth.otps.email = email and purpose = reset`", .0.escape_debug()
    )]
    Rows(String),
    /// A name is not valid.
    #[error(transparent)]
    Name(#[from] InvalidName),
}

impl Filter {
    /// Parses `COLUMN = VALUE` or `COLUMN != VALUE`, where the value can be `null`.
    ///
    /// # Errors
    /// Returns [`InvalidRows`] if the text is not a condition.
    pub fn parse(text: &str) -> Result<Self, InvalidRows> {
        let invalid = || InvalidRows::Filter(text.to_owned());
        let (column, value) = text.split_once('=').ok_or_else(invalid)?;
        let (column, equal) = column.strip_suffix('!').map_or((column, true), |column| (column, false));
        let value = value.trim();
        let condition = match (value.eq_ignore_ascii_case("null"), equal) {
            (true, true) => FilterTest::Null,
            (true, false) => FilterTest::NotNull,
            (false, _) if value.is_empty() => return Err(invalid()),
            (false, true) => FilterTest::Is(value.to_owned()),
            (false, false) => FilterTest::IsNot(value.to_owned()),
        };
        Ok(Self { column: Name::parse(column.trim())?, test: condition })
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, value) = match &self.test {
            FilterTest::Is(value) => ("=", value.as_str()),
            FilterTest::IsNot(value) => ("!=", value.as_str()),
            FilterTest::Null => ("=", "null"),
            FilterTest::NotNull => ("!=", "null"),
        };
        write!(f, "{} {sign} {value}", self.column)
    }
}

/// A column that marks blocked or active accounts. It is set if a boolean is true, an integer is not 0, a time is not
/// NULL, or the column has the given value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The column.
    pub column: Name,
    /// The value that sets the flag, for columns of any type.
    pub value: Option<String>,
    /// Whether a set flag means blocked; otherwise a flag that is not set means blocked.
    pub blocked_when: bool,
}

impl Flag {
    /// Parses `COLUMN` or `COLUMN = VALUE`.
    ///
    /// # Errors
    /// Returns [`InvalidRows`] if the text is neither.
    pub fn parse(text: &str, blocked_when: bool) -> Result<Self, InvalidRows> {
        let (column, value) = match text.split_once('=') {
            None => (text, None),
            Some((column, value)) if !value.trim().is_empty() => {
                (column.trim(), Some(value.trim().to_owned()))
            }
            Some(_) => return Err(InvalidRows::Filter(text.to_owned())),
        };
        Ok(Self { column: Name::parse(column)?, value, blocked_when })
    }
}

/// What another table's column refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKey {
    /// The account's id.
    Id,
    /// The account's address, compared without case.
    Email,
}

/// The rows of an account in another table, which a reset deletes: its sessions, or reset tokens of the other system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRows {
    /// Schema, if it differs from that of the users table.
    pub schema: Option<Name>,
    /// Table.
    pub table: Name,
    /// Column that refers to the account.
    pub column: Name,
    /// What that column contains.
    pub key: RowKey,
    /// Conditions on the rows, for tables that also hold other rows.
    pub filters: Vec<Filter>,
}

impl AccountRows {
    /// Parses `[SCHEMA.]TABLE.COLUMN = id` or `= email`, with any number of `and COLUMN = VALUE`.
    ///
    /// # Errors
    /// Returns [`InvalidRows`] if the text does not have this form.
    pub fn parse(text: &str) -> Result<Self, InvalidRows> {
        let invalid = || InvalidRows::Rows(text.to_owned());
        let mut conditions = text.split(" and ");
        let (column, key) = conditions.next().and_then(|first| first.split_once('=')).ok_or_else(invalid)?;
        let key = match key.trim() {
            "id" => RowKey::Id,
            "email" => RowKey::Email,
            _ => return Err(invalid()),
        };
        let mut path = column.trim().rsplitn(3, '.');
        let (column, table) = (path.next().ok_or_else(invalid)?, path.next().ok_or_else(invalid)?);
        Ok(Self {
            schema: path.next().map(Name::parse).transpose()?,
            table: Name::parse(table)?,
            column: Name::parse(column)?,
            key,
            filters: conditions.map(Filter::parse).collect::<Result<_, _>>()?,
        })
    }

    /// Returns the columns that are read.
    pub fn columns(&self) -> impl Iterator<Item = &Name> {
        std::iter::once(&self.column).chain(self.filters.iter().map(|filter| &filter.column))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filter_is_a_column_and_a_value_or_null() {
        for (text, test) in [
            ("status = active", FilterTest::Is("active".to_owned())),
            ("status!=gone", FilterTest::IsNot("gone".to_owned())),
            ("deleted_at = NULL", FilterTest::Null),
            ("activated_at != null", FilterTest::NotNull),
            ("note = a=b", FilterTest::Is("a=b".to_owned())),
        ] {
            assert_eq!(Filter::parse(text).unwrap().test, test, "{text}");
        }
        for text in ["", "status", "status =", "= active", "!= x"] {
            assert!(Filter::parse(text).is_err(), "{text}");
        }
        assert_eq!(Filter::parse("a!=b").unwrap().to_string(), "a != b");
    }

    #[test]
    fn flag_is_a_column_with_or_without_a_value() {
        assert_eq!(Flag::parse("blocked", true).unwrap().value, None);
        let active = Flag::parse("status = active", false).unwrap();
        assert_eq!((active.column.as_str(), active.value.as_deref()), ("status", Some("active")));
        assert!(Flag::parse("status =", false).is_err() && Flag::parse("", true).is_err());
    }

    #[test]
    fn rows_of_an_account_name_table_column_key_and_filters() {
        let rows = AccountRows::parse("auth.email_otps.email = email and purpose = RESET and used_at = null");
        let rows = rows.unwrap();
        assert_eq!(rows.schema.as_ref().map(Name::as_str), Some("auth"));
        assert_eq!((rows.table.as_str(), rows.column.as_str()), ("email_otps", "email"));
        assert_eq!((rows.key, rows.filters.len()), (RowKey::Email, 2));
        assert_eq!(AccountRows::parse("tokens.user_id=id").unwrap().schema, None);
        for text in ["tokens", "tokens.user_id", "user_id = id", "tokens.user_id = name", "a.b = id and"] {
            assert!(AccountRows::parse(text).is_err(), "{text}");
        }
    }
}
