//! The mapping of another system's users table: which column has which role. It comes from the settings.

use std::fmt;

use thiserror::Error;

use super::rows::{AccountRows, Filter, Flag};

/// Maximum length of a table or column name in bytes, the same for every engine.
const NAME_MAX: usize = 63;

/// The name of a table, column or schema. Names come only from the settings, and are quoted in SQL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

/// A name that is not valid in any database.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{}` is not a valid table or column name: use 1 to {NAME_MAX} bytes without control characters",
    .0.escape_debug()
)]
pub struct InvalidName(String);

impl Name {
    /// Parses a name. It may contain any characters except control characters.
    ///
    /// # Errors
    /// Returns [`InvalidName`] if the name is empty, too long or contains control characters.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let valid = !text.is_empty() && text.len() <= NAME_MAX && !text.chars().any(char::is_control);
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidName(text.to_owned())) }
    }

    /// Returns the name as written in the settings.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a row is found by address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matching {
    /// The column equals the address in lower case. For tables that store addresses in lower case, or whose column
    /// ignores case. Uses a plain index.
    Exact,
    /// The column in lower case equals the address in lower case. For tables that store addresses in mixed case. Needs
    /// an index on `lower(column)`.
    AsciiLower,
}

impl Matching {
    /// Returns the name in the settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::AsciiLower => "ascii-lower",
        }
    }
}

/// Selects the rows that log in with a password, if the table also holds others (Strapi: `provider` is `local`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Only {
    /// The column.
    pub column: Name,
    /// The value of the selected rows.
    pub value: String,
}

/// Which stored hashes a reset may replace. A row with any other hash is treated like one without a password, because its
/// login could not read the new hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaceable {
    /// Hashes in a form that can be written: the new hash has the same form.
    WritableForms,
    /// Hashes in any known form: the deployment names the form of new hashes.
    KnownForms,
    /// Every hash.
    Every,
}

/// Where the other system stores a salt beside the hash. The hash of such a row cannot be replaced, because the salt would
/// no longer fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SaltColumn {
    /// In a column whose name ends with `salt`, if there is one.
    Detected,
    /// In this column.
    Named(Name),
    /// Nowhere, whatever the columns are called.
    None,
}

/// The unit of times in integer columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    /// Seconds since the Unix epoch.
    Seconds,
    /// Milliseconds since the Unix epoch.
    Milliseconds,
}

/// The mapping of another system's users table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Schema on PostgreSQL, database on MariaDB. Default: the first match on the search path, or the connection's
    /// database.
    pub schema: Option<Name>,
    /// Table.
    pub table: Name,
    /// Primary key, of type uuid, integer, decimal, text or binary.
    pub id: Name,
    /// Address of the account, which mail is sent to.
    pub email: Name,
    /// How a row is found by address.
    pub matching: Matching,
    /// Hash of the password. Rows without a hash cannot be reset, because they log in by other means.
    pub password: Name,
    /// Maximum length of hashes that are written to the column, in characters. Default 60, the length of bcrypt hashes.
    pub hash_length: i64,
    /// Which stored hashes a reset may replace.
    pub replaceable: Replaceable,
    /// Where a salt is stored beside the hash.
    pub salt: SaltColumn,
    /// Login name.
    pub username: Option<Name>,
    /// Display name.
    pub name: Option<Name>,
    /// Language of mails.
    pub locale: Option<Name>,
    /// Second public identifier.
    pub document_id: Option<Name>,
    /// Whether the account is blocked.
    pub blocked: Option<Flag>,
    /// Whether the address was confirmed.
    pub verified: Option<Name>,
    /// Selects the rows that log in with a password.
    pub only: Option<Only>,
    /// Conditions on the rows that count. All others are treated as if they did not exist.
    pub filters: Vec<Filter>,
    /// When the row was created.
    pub created_at: Option<Name>,
    /// When the row last changed. A reset sets it to the current time.
    pub updated_at: Option<Name>,
    /// When the password last changed. A reset sets it to the current time.
    pub password_changed_at: Option<Name>,
    /// Unit of times in integer columns. Default: seconds in 32 bits, milliseconds in 64.
    pub time_unit: Option<TimeUnit>,
    /// Version of the account's session tokens. A reset increments it.
    pub token_version: Option<Name>,
    /// Text that the account's sessions compare. A reset sets it to a new random value.
    pub stamp: Option<Name>,
    /// Columns that a reset sets to NULL, such as reset tokens of the other system; to the empty text if they cannot be
    /// NULL.
    pub cleared: Vec<Name>,
    /// Columns that a reset sets to the empty text, because the other system cannot read NULL.
    pub emptied: Vec<Name>,
    /// Sessions that a reset deletes.
    pub sessions: Vec<AccountRows>,
    /// Rows of the other system's own resets, which a reset deletes.
    pub void: Vec<AccountRows>,
    /// Whether the other system's sessions depend on the stored hash, so that they end when it changes.
    pub sessions_end_with_hash: bool,
    /// Whether an access token stays valid for a while after its session has ended, because the other system does not look
    /// sessions up.
    pub access_tokens_linger: bool,
}

impl Mapping {
    /// Returns a mapping with only the required columns.
    ///
    /// # Errors
    /// Returns [`InvalidName`] if a name is not valid.
    pub fn of(table: &str, id: &str, email: &str, password: &str) -> Result<Self, InvalidName> {
        Ok(Self {
            schema: None,
            table: Name::parse(table)?,
            id: Name::parse(id)?,
            email: Name::parse(email)?,
            matching: Matching::AsciiLower,
            password: Name::parse(password)?,
            hash_length: 60,
            replaceable: Replaceable::KnownForms,
            salt: SaltColumn::Detected,
            username: None,
            name: None,
            locale: None,
            document_id: None,
            blocked: None,
            verified: None,
            only: None,
            filters: Vec::new(),
            created_at: None,
            updated_at: None,
            password_changed_at: None,
            time_unit: None,
            token_version: None,
            stamp: None,
            cleared: Vec::new(),
            emptied: Vec::new(),
            sessions: Vec::new(),
            void: Vec::new(),
            sessions_end_with_hash: false,
            access_tokens_linger: false,
        })
    }

    /// Returns every mapped column of the users table with its role, the primary key first.
    pub fn columns(&self) -> Vec<(&Name, &'static str)> {
        let mut columns = vec![(&self.id, "id"), (&self.email, "email"), (&self.password, "password")];
        let optional = [
            (self.username.as_ref(), "username"),
            (self.name.as_ref(), "name"),
            (self.locale.as_ref(), "locale"),
            (self.document_id.as_ref(), "document_id"),
            (
                self.blocked.as_ref().map(|flag| &flag.column),
                if self.blocked.as_ref().is_some_and(|flag| !flag.blocked_when) {
                    "active"
                } else {
                    "blocked"
                },
            ),
            (self.verified.as_ref(), "verified"),
            (self.only.as_ref().map(|only| &only.column), "provider"),
            (self.created_at.as_ref(), "created_at"),
            (self.updated_at.as_ref(), "updated_at"),
            (self.password_changed_at.as_ref(), "password_changed_at"),
            (self.token_version.as_ref(), "token_version"),
            (self.stamp.as_ref(), "stamp"),
            (if let SaltColumn::Named(salt) = &self.salt { Some(salt) } else { None }, "salt"),
        ];
        columns.extend(optional.into_iter().filter_map(|(column, role)| Some((column?, role))));
        columns.extend(self.filters.iter().map(|filter| (&filter.column, "where")));
        columns.extend(self.cleared.iter().map(|column| (column, "cleared")));
        columns.extend(self.emptied.iter().map(|column| (column, "emptied")));
        columns
    }

    /// Returns the columns that a reset reads, each once.
    pub fn read(&self) -> Vec<&Name> {
        let only_written = |role: &str| matches!(role, "cleared" | "emptied" | "stamp");
        let mut read = Vec::new();
        for (name, role) in self.columns() {
            if !only_written(role) && !read.contains(&name) {
                read.push(name);
            }
        }
        read
    }

    /// Returns the columns that a reset writes.
    pub fn written(&self) -> Vec<&Name> {
        let optional = [&self.stamp, &self.updated_at, &self.password_changed_at, &self.token_version];
        let mut written = vec![&self.password];
        written.extend(optional.into_iter().flatten());
        written.extend(self.cleared.iter().chain(&self.emptied));
        written
    }

    /// Returns the rows of other tables that a reset deletes, each with the setting that names it.
    pub fn deleted(&self) -> impl Iterator<Item = (&AccountRows, &'static str)> {
        let sessions = self.sessions.iter().map(|rows| (rows, "sessions"));
        sessions.chain(self.void.iter().map(|rows| (rows, "void")))
    }

    /// Whether a reset ends the account's sessions in the other system at once, as far as the mapping says.
    pub fn ends_sessions(&self) -> bool {
        let ends_some = !self.sessions.is_empty()
            || self.token_version.is_some()
            || self.stamp.is_some()
            || self.password_changed_at.is_some()
            || self.sessions_end_with_hash;
        ends_some && !self.access_tokens_linger
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_not_empty_not_too_long_and_has_no_control_characters() {
        for name in ["users", "users-permissions_user", "User Id", "a\"b", "ü"] {
            assert_eq!(Name::parse(name).unwrap().as_str(), name);
        }
        for name in ["", "a\0b", "a\nb", &"x".repeat(64)] {
            assert!(Name::parse(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn mapping_lists_mapped_and_written_columns() {
        let mut mapping = Mapping::of("users", "id", "email", "hash").unwrap();
        let name = |text| Some(Name::parse(text).unwrap());
        (mapping.locale, mapping.updated_at) = (name("lang"), name("changed"));
        mapping.cleared = vec![Name::parse("token").unwrap()];
        let written: Vec<_> = mapping.written().into_iter().map(Name::as_str).collect();
        assert_eq!(written, ["hash", "changed", "token"]);
        let all: Vec<_> = mapping.columns().into_iter().map(|(name, role)| (name.as_str(), role)).collect();
        assert_eq!(
            all,
            [
                ("id", "id"),
                ("email", "email"),
                ("hash", "password"),
                ("lang", "locale"),
                ("changed", "updated_at"),
                ("token", "cleared")
            ]
        );
    }
}
