//! What the settings say of another system's users table: names, and what they stand for.

use std::fmt;

use thiserror::Error;

/// Longest name of a table or column in bytes, on every engine.
const NAME_MAX: usize = 63;

/// The name of a table, column or schema. Names come from settings alone, and go into SQL quoted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

/// A name that no database has.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{}` is no name of a table or column: 1 to {NAME_MAX} bytes, no control characters", .0.escape_debug())]
pub struct BadName(String);

impl Name {
    /// Reads a name; any characters may be in it but control characters.
    ///
    /// # Errors
    /// [`BadName`].
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let sound = !text.is_empty() && text.len() <= NAME_MAX && !text.chars().any(char::is_control);
        if sound { Ok(Self(text.to_owned())) } else { Err(BadName(text.to_owned())) }
    }

    /// The name as it is written in the settings.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How an address finds its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matching {
    /// The column equals the address in lower case: for tables that store it so, or whose column compares without
    /// regard to case. Uses a plain index.
    Exact,
    /// The column in lower case equals the address in lower case: for tables with capitals in stored addresses.
    /// Wants an index on `lower(column)`.
    AsciiLower,
}

impl Matching {
    /// Name in settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::AsciiLower => "ascii-lower",
        }
    }
}

/// A column that says whether an account may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The column, of type boolean or integer.
    pub column: Name,
    /// The value of the column, as a truth, that means "blocked".
    pub blocked_when: bool,
}

/// The rows that are logins with a password, where the table holds others too (Strapi: `provider` is `local`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Only {
    /// The column.
    pub column: Name,
    /// Its value.
    pub value: String,
}

/// A table of sessions, whose rows of an account are deleted when its password is reset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sessions {
    /// Schema, where it is not the users table's.
    pub schema: Option<Name>,
    /// Table.
    pub table: Name,
    /// The column that holds the account's id.
    pub account: Name,
}

/// Another system's users table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Schema on PostgreSQL, database on MariaDB; without one, whatever the connection finds.
    pub schema: Option<Name>,
    /// Table.
    pub table: Name,
    /// Primary key: of type uuid, integer or text.
    pub id: Name,
    /// Address of the account, where mail goes.
    pub email: Name,
    /// How an address finds its row.
    pub matching: Matching,
    /// Hash of the password. Rows without one cannot reset: they log in by other means.
    pub password: Name,
    /// Longest hash that will be written there, in characters. Default 60: bcrypt's.
    pub hash_length: i64,
    /// Login name.
    pub username: Option<Name>,
    /// Name for people to read.
    pub name: Option<Name>,
    /// Language of the mails.
    pub locale: Option<Name>,
    /// Whether the account may be used.
    pub blocked: Option<Flag>,
    /// Whether the address was confirmed.
    pub verified: Option<Name>,
    /// The rows that are logins with a password.
    pub only: Option<Only>,
    /// When the row was made.
    pub created_at: Option<Name>,
    /// When the row last changed; set with the password.
    pub updated_at: Option<Name>,
    /// When the password last changed; set with it.
    pub password_changed_at: Option<Name>,
    /// Version of the account's session tokens; raised by one with the password.
    pub token_version: Option<Name>,
    /// Columns that become NULL with a new password: reset tokens that the other system issued itself.
    pub cleared: Vec<Name>,
    /// Sessions to delete.
    pub sessions: Option<Sessions>,
}

impl Mapping {
    /// A table of which no more is known than what a reset needs.
    ///
    /// # Errors
    /// [`BadName`].
    pub fn of(table: &str, id: &str, email: &str, password: &str) -> Result<Self, BadName> {
        Ok(Self {
            schema: None,
            table: Name::parse(table)?,
            id: Name::parse(id)?,
            email: Name::parse(email)?,
            matching: Matching::AsciiLower,
            password: Name::parse(password)?,
            hash_length: 60,
            username: None,
            name: None,
            locale: None,
            blocked: None,
            verified: None,
            only: None,
            created_at: None,
            updated_at: None,
            password_changed_at: None,
            token_version: None,
            cleared: Vec::new(),
            sessions: None,
        })
    }

    /// Every mapped column of the users table with what it is for, the key first.
    pub fn columns(&self) -> Vec<(&Name, &'static str)> {
        let mut columns = vec![(&self.id, "id"), (&self.email, "email"), (&self.password, "password")];
        let optional = [
            (self.username.as_ref(), "username"),
            (self.name.as_ref(), "name"),
            (self.locale.as_ref(), "locale"),
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
        ];
        columns.extend(optional.into_iter().filter_map(|(column, role)| Some((column?, role))));
        columns.extend(self.cleared.iter().map(|column| (column, "cleared")));
        columns
    }

    /// The columns that a reset writes.
    pub fn written(&self) -> Vec<&Name> {
        let stamps = [&self.updated_at, &self.password_changed_at, &self.token_version];
        let mut written = vec![&self.password];
        written.extend(stamps.into_iter().flatten());
        written.extend(&self.cleared);
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_be_odd_but_not_empty_long_or_invisible() {
        for name in ["users", "users-permissions_user", "User Id", "a\"b", "ü"] {
            assert_eq!(Name::parse(name).unwrap().as_str(), name);
        }
        for name in ["", "a\0b", "a\nb", &"x".repeat(64)] {
            assert!(Name::parse(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_mapping_lists_what_it_reads_and_what_it_writes() {
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
