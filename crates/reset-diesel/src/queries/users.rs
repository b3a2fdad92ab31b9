//! The users table, whoever's it is: the one door to it. Tickets and errands name no column of it.
//!
//! Another table than our own is another variant here, and another file like `own_users`.

use diesel::QueryResult;
use reset_core::account::{Account, AccountId, NewAccount};

use super::{super::engine::Db, own_users};

/// Which table the accounts are in.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) enum Users {
    /// polyreset's own.
    #[default]
    Own,
}

/// What a redemption has to know of an account whose row it holds.
pub(super) struct Held {
    /// Blocked accounts get no password.
    pub(super) blocked: bool,
    /// Counts password changes.
    pub(super) epoch: i64,
    /// The canonical address of this moment.
    pub(super) email_key: String,
}

impl Users {
    /// The account with the canonical address `email_key`.
    pub(super) fn by_email(self, db: &mut Db, email_key: &str) -> QueryResult<Option<Account>> {
        match self {
            Self::Own => own_users::by_email(db, email_key),
        }
    }

    /// The account `id`.
    pub(super) fn by_id(self, db: &mut Db, id: &AccountId) -> QueryResult<Option<Account>> {
        match self {
            Self::Own => own_users::by_id(db, id),
        }
    }

    /// The stored hash of the account's password.
    pub(super) fn password_hash(self, db: &mut Db, id: &AccountId) -> QueryResult<Option<String>> {
        match self {
            Self::Own => own_users::password_hash(db, id),
        }
    }

    /// Locks the account's row until the transaction ends, and reads what a redemption depends on.
    pub(super) fn hold(self, db: &mut Db, id: &AccountId) -> QueryResult<Option<Held>> {
        match self {
            Self::Own => own_users::hold(db, id),
        }
    }

    /// Sets the password of an account that is not blocked and raises its epoch; says whether it did.
    pub(super) fn set_password(self, db: &mut Db, id: &AccountId, hash: &str, now: i64) -> QueryResult<bool> {
        match self {
            Self::Own => own_users::set_password(db, id, hash, now),
        }
    }

    /// Blocks or unblocks; returns the account, if there is one.
    pub(super) fn set_blocked(
        self,
        db: &mut Db,
        email_key: &str,
        blocked: bool,
        now: i64,
    ) -> QueryResult<Option<AccountId>> {
        match self {
            Self::Own => own_users::set_blocked(db, email_key, blocked, now),
        }
    }

    /// Adds an account; nothing when the address is taken.
    pub(super) fn add(
        self,
        db: &mut Db,
        email_key: &str,
        account: &NewAccount,
    ) -> QueryResult<Option<AccountId>> {
        match self {
            Self::Own => own_users::add(db, email_key, account),
        }
    }
}
