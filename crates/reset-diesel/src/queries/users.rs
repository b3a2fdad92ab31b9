//! All access to the users table: polyreset's own (`own_users`) or another system's (`foreign_users`). Queries on
//! tickets and jobs use no column of it.

use std::sync::Arc;

use diesel::QueryResult;
use reset_core::account::{Account, AccountId};

use super::{super::engine::Db, foreign_users, own_users, rows::LockedUser};
use crate::foreign_users::Plan;

/// The table that holds the accounts.
#[derive(Clone, Debug)]
pub(in super::super) enum Users {
    /// polyreset's own table.
    Own,
    /// Another system's table.
    ForeignUsers(Arc<Plan>),
}

impl From<Option<Arc<Plan>>> for Users {
    fn from(plan: Option<Arc<Plan>>) -> Self {
        plan.map_or(Self::Own, Self::ForeignUsers)
    }
}

impl Users {
    /// Whether the table is polyreset's own, so that polyreset may create and block accounts.
    pub(super) fn is_own(&self) -> bool {
        matches!(self, Self::Own)
    }

    /// Returns the accounts with these canonical addresses. Another system's statement finds one address at a time.
    pub(super) fn by_emails(&self, db: &mut Db, emails: &[&str]) -> QueryResult<Vec<Option<Account>>> {
        match self {
            Self::Own => own_users::by_emails(db, emails),
            Self::ForeignUsers(plan) => {
                emails.iter().map(|email| foreign_users::by_email(db, plan, email)).collect()
            }
        }
    }

    /// Returns the account `id`.
    pub(super) fn by_id(&self, db: &mut Db, id: &AccountId) -> QueryResult<Option<Account>> {
        match self {
            Self::Own => own_users::by_id(db, id),
            Self::ForeignUsers(plan) => foreign_users::by_id(db, plan, id),
        }
    }

    /// Returns the stored hash of the account's password.
    pub(super) fn password_hash(&self, db: &mut Db, id: &AccountId) -> QueryResult<Option<String>> {
        match self {
            Self::Own => own_users::password_hash(db, id),
            Self::ForeignUsers(plan) => foreign_users::password_hash(db, plan, id),
        }
    }

    /// Locks the account's row until the transaction ends.
    pub(super) fn lock(&self, db: &mut Db, id: &AccountId) -> QueryResult<Option<LockedUser>> {
        match self {
            Self::Own => own_users::lock(db, id),
            Self::ForeignUsers(plan) => foreign_users::lock(db, plan, id),
        }
    }

    /// Sets the password of an account whose row is locked, and increments its epoch. Returns whether the row was
    /// updated.
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
