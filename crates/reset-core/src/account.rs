//! Accounts: the engine's view of a row of the users table, which can belong to another application.

use std::fmt;

use crate::{email::EmailAddress, hasher::HashForm, time::Timestamp};

/// The key of an account in its table, as text whatever the column's type is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(String);

impl AccountId {
    /// Wraps a key.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An account. `Debug` shows the id only (R70).
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// Key in the users table.
    pub id: AccountId,
    /// The address exactly as stored; mail goes to no other address (R19).
    pub email: String,
    /// Login name, if the table has one.
    pub username: Option<String>,
    /// Display name.
    pub name: Option<String>,
    /// Language of the mails, as a BCP 47 tag.
    pub locale: Option<String>,
    /// A second public identifier, such as Strapi 5's `documentId`, if the table has one.
    pub document_id: Option<String>,
    /// Whether the address was ever confirmed. Unconfirmed accounts can reset their password.
    pub confirmed: bool,
    /// Whether the account is blocked. Blocked accounts get no mail, and their live secrets are rejected (R69).
    pub blocked: bool,
    /// The form of the stored hash, if another system reads the table: a new hash keeps its version letter and,
    /// within limits, its cost. `None` means the deployment's configured scheme.
    pub hash_form: Option<HashForm>,
    /// Number of password changes. Tickets and sessions of an earlier epoch are void (R7, R62).
    pub epoch: i64,
    /// When the row was created.
    pub created_at: Timestamp,
    /// When the row last changed.
    pub updated_at: Timestamp,
}

impl Account {
    /// Returns the address in the form in which accounts are looked up.
    pub fn email_key(&self) -> String {
        email_key(&self.email)
    }
}

/// Returns the form in which a stored address is compared: its canonical form, or the address itself if it cannot be
/// parsed.
pub fn email_key(stored: &str) -> String {
    EmailAddress::parse(stored).map_or_else(|_| stored.to_owned(), |email| email.key().to_owned())
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("id", &self.id).finish_non_exhaustive()
    }
}

/// An address exactly as stored at some point in time. `Debug` shows the type only (R70).
#[derive(Clone, PartialEq, Eq)]
pub struct StoredAddress(String);

impl StoredAddress {
    /// Wraps an address as stored.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the address, for the mailer and the store.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for StoredAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredAddress")
    }
}

/// An account to add to polyreset's own users table.
#[derive(Clone)]
pub struct NewAccount {
    /// The address to store and to send mail to.
    pub email: String,
    /// Login name.
    pub username: Option<String>,
    /// Display name.
    pub name: Option<String>,
    /// Language of the mails, as a BCP 47 tag.
    pub locale: Option<String>,
    /// Hash of the initial password, as the hasher writes it.
    pub password_hash: String,
    /// When the account is created.
    pub created_at: Timestamp,
}
