//! Accounts: the port over whichever users table there is.

use async_trait::async_trait;
use reset_core::{
    account::{Account, AccountId, NewAccount},
    email::EmailAddress,
    error::{AddAccountError, StoreError},
    ports::Accounts,
    time::Timestamp,
};

use super::{super::engine::Home, tickets::void_all_of};

#[async_trait]
impl Accounts for Home {
    async fn account_by_email(&self, email: &EmailAddress) -> Result<Option<Account>, StoreError> {
        let (users, email) = (self.users(), email.key().to_owned());
        self.read(move |db| users.by_email(db, &email)).await
    }

    async fn account(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        let (users, id) = (self.users(), id.clone());
        self.read(move |db| users.by_id(db, &id)).await
    }

    async fn password_hash(&self, id: &AccountId) -> Result<Option<String>, StoreError> {
        let (users, id) = (self.users(), id.clone());
        self.read(move |db| users.password_hash(db, &id)).await
    }

    async fn add_account(
        &self,
        email: &EmailAddress,
        account: NewAccount,
    ) -> Result<AccountId, AddAccountError> {
        let (users, email) = (self.users(), email.key().to_owned());
        let added = self.write(move |db| users.add(db, &email, &account)).await?;
        added.ok_or(AddAccountError::Taken)
    }

    async fn set_blocked(
        &self,
        email: &EmailAddress,
        blocked: bool,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (users, email, now) = (self.users(), email.key().to_owned(), now.as_millis());
        let set = self.write(move |db| {
            let found = users.set_blocked(db, &email, blocked, now)?;
            if let Some(id) = &found
                && blocked
            {
                void_all_of(db, id.as_str(), now)?;
            }
            Ok(found.is_some())
        });
        set.await
    }
}
