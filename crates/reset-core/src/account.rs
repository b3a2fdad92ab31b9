//! Accounts: whose password it is. The table may be somebody else's; this is what the domain needs of a row.

use std::fmt;

use crate::{email::EmailAddress, hasher::HashForm, time::Timestamp};

/// Identifies an account in its table, as text whatever the column's type.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(String);

impl AccountId {
    /// The account whose key reads `id`.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One account as the domain sees it. `Debug` shows the id alone (R70).
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// Key in the users table.
    pub id: AccountId,
    /// The address exactly as stored: the only one that mail goes to (R19).
    pub email: String,
    /// Login name, where the table has one.
    pub username: Option<String>,
    /// Name for people to read.
    pub name: Option<String>,
    /// Language of the mails, as a BCP 47 tag.
    pub locale: Option<String>,
    /// Whether the address was ever confirmed; unconfirmed accounts may reset.
    pub confirmed: bool,
    /// Blocked accounts get no mail, and a live secret of theirs is refused (R69).
    pub blocked: bool,
    /// The form that the stored hash has, where another system reads it: a new hash keeps its version letter
    /// and its cost, as far as they are sane. `None`: the deployment's own scheme.
    pub hash_form: Option<HashForm>,
    /// Counts password changes. Tickets and sessions of an earlier epoch are void (R7, R62).
    pub epoch: i64,
    /// When the row was made.
    pub created_at: Timestamp,
    /// When the row last changed.
    pub updated_at: Timestamp,
}

impl Account {
    /// The address that the account is found by.
    pub fn email_key(&self) -> String {
        email_key(&self.email)
    }
}

/// What a stored address is compared by: its canonical form, or itself where it follows no grammar of ours.
pub fn email_key(stored: &str) -> String {
    EmailAddress::parse(stored).map_or_else(|_| stored.to_owned(), |email| email.key().to_owned())
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("id", &self.id).finish_non_exhaustive()
    }
}

/// An address exactly as it was stored at some moment. `Debug` shows the type alone (R70).
#[derive(Clone, PartialEq, Eq)]
pub struct StoredAddress(String);

impl StoredAddress {
    /// The address that reads `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the mailer and the store.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for StoredAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredAddress")
    }
}

/// An account to be made in polyreset's own users table.
#[derive(Clone)]
pub struct NewAccount {
    /// The address as it will be stored and mailed to.
    pub email: String,
    /// Login name.
    pub username: Option<String>,
    /// Name for people to read.
    pub name: Option<String>,
    /// Language of the mails, as a BCP 47 tag.
    pub locale: Option<String>,
    /// Hash of the first password, in the form that the hasher writes.
    pub password_hash: String,
    /// When the account is made.
    pub created_at: Timestamp,
}
