//! The users table, whoever's it is: the one door to it. Tickets and jobs name no column of it.
//!
//! Our own is `own_users`, another system's `foreign_users`.

use std::sync::Arc;

use diesel::QueryResult;
use reset_core::account::{Account, AccountId};

use super::{super::engine::Db, foreign_users, own_users};
use crate::foreign_users::Plan;

/// Which table the accounts are in.
#[derive(Clone, Debug)]
pub(in super::super) enum Users {
    /// polyreset's own.
    Own,
    /// Another system's.
    ForeignUsers(Arc<Plan>),
}

impl From<Option<Arc<Plan>>> for Users {
    fn from(plan: Option<Arc<Plan>>) -> Self {
        plan.map_or(Self::Own, Self::ForeignUsers)
    }
}

/// What a redemption has to know of an account whose row it holds.
pub(super) struct Held {
    /// Blocked accounts get no password.
    pub(super) blocked: bool,
    /// Counts password changes.
    pub(super) epoch: i64,
    /// What the address of this moment is compared by.
    pub(super) email_key: String,
}

impl Users {
    /// Whether accounts are ours to make and to block.
    pub(super) fn are_ours(&self) -> bool {
        matches!(self, Self::Own)
    }

    /// The account with the canonical address `email_key`.
    pub(super) fn by_email(&self, db: &mut Db, email_key: &str) -> QueryResult<Option<Account>> {
        match self {
            Self::Own => own_users::by_email(db, email_key),
            Self::ForeignUsers(plan) => foreign_users::by_email(db, plan, email_key),
        }
    }

    /// The account `id`.
    pub(super) fn by_id(&self, db: &mut Db, id: &AccountId) -> QueryResult<Option<Account>> {
        match self {
            Self::Own => own_users::by_id(db, id),
            Self::ForeignUsers(plan) => foreign_users::by_id(db, plan, id),
        }
    }

    /// The stored hash of the account's password.
    pub(super) fn password_hash(&self, db: &mut Db, id: &AccountId) -> QueryResult<Option<String>> {
        match self {
            Self::Own => own_users::password_hash(db, id),
            Self::ForeignUsers(plan) => foreign_users::password_hash(db, plan, id),
        }
    }

    /// Locks the account's row until the transaction ends, and reads what a redemption depends on.
    pub(super) fn hold(&self, db: &mut Db, id: &AccountId) -> QueryResult<Option<Held>> {
        match self {
            Self::Own => own_users::hold(db, id),
            Self::ForeignUsers(plan) => foreign_users::hold(db, plan, id),
        }
    }

    /// Sets the password of an account whose row is held, and raises its epoch; says whether it did.
    pub(super) fn set_password(
        &self,
        db: &mut Db,
        id: &AccountId,
        hash: &str,
        now: i64,
    ) -> QueryResult<bool> {
        match self {
            Self::Own => own_users::set_password(db, id, hash, now),
            Self::ForeignUsers(plan) => foreign_users::set_password(db, plan, id, hash),
        }
    }
}
