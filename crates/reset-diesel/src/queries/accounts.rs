//! The `Accounts` port, on the configured users table.

use async_trait::async_trait;
use reset_core::{
    account::{Account, AccountId, NewAccount},
    email::EmailAddress,
    error::{AddAccountError, StoreError},
    event::Event,
    ports::Accounts,
};

use super::{
    super::engine::EngineStore, events::insert_event, lookups::AccountWith, own_users,
    statements::void_all_of,
};

/// Returns the error for a change that only the owner of a foreign users table may make.
fn foreign_table() -> StoreError {
    StoreError::new("accounts in another system's users table are created and blocked by that system")
}

#[async_trait]
impl Accounts for EngineStore {
    async fn account_by_email(&self, email: &EmailAddress) -> Result<Option<Account>, StoreError> {
        self.run_on_users(AccountWith { users: self.users(), email: email.key().to_owned() }).await
    }

    async fn account(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        let (users, id) = (self.users(), id.clone());
        self.read_users(move |db| users.by_id(db, &id)).await
    }

    async fn password_hash(&self, id: &AccountId) -> Result<Option<String>, StoreError> {
        let (users, id) = (self.users(), id.clone());
        self.read_users(move |db| users.password_hash(db, &id)).await
    }

    async fn add_account(
        &self,
        email: &EmailAddress,
        account: NewAccount,
    ) -> Result<AccountId, AddAccountError> {
        if !self.users().is_own() {
            return Err(foreign_table().into());
        }
        let email = email.key().to_owned();
        let added = self.write(move |db| own_users::add(db, &email, &account)).await?;
        added.ok_or(AddAccountError::Taken)
    }

    async fn set_blocked(
        &self,
        email: &EmailAddress,
        blocked: bool,
        event: &Event,
    ) -> Result<bool, StoreError> {
        if !self.users().is_own() {
            return Err(foreign_table());
        }
        let (email, event) = (email.key().to_owned(), event.clone());
        let now = event.at.as_millis();
        let updated = self.write(move |db| {
            let found = own_users::set_blocked(db, &email, blocked, now)?;
            let Some(id) = &found else { return Ok(false) };
            if blocked {
                void_all_of(db, id.as_str(), now)?;
            }
            insert_event(db, &event.clone().of(id))?;
            Ok(true)
        });
        updated.await
    }
}
