//! The users table.

use async_trait::async_trait;
use diesel::{
    insert_into,
    prelude::*,
    result::{DatabaseErrorKind, Error},
    update,
};
use reset_core::{
    account::{Account, AccountId, NewAccount},
    email::EmailAddress,
    error::{AddAccountError, StoreError},
    ports::Accounts,
    time::Timestamp,
};

use super::{
    Sqlite,
    rows::{AccountRow, key},
    schema::users,
    tickets::void_all_of,
};

#[async_trait]
impl Accounts for Sqlite {
    async fn account_by_email(&self, email: &EmailAddress) -> Result<Option<Account>, StoreError> {
        let email = email.key().to_owned();
        let query = move |db: &mut SqliteConnection| {
            users::table
                .filter(users::email_key.eq(email))
                .select(AccountRow::as_select())
                .first(db)
                .optional()
        };
        Ok(self.read(query).await?.map(Account::from))
    }

    async fn account(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        let Some(id) = key(id) else { return Ok(None) };
        let query = move |db: &mut SqliteConnection| {
            users::table.find(id).select(AccountRow::as_select()).first(db).optional()
        };
        Ok(self.read(query).await?.map(Account::from))
    }

    async fn password_hash(&self, id: &AccountId) -> Result<Option<String>, StoreError> {
        let Some(id) = key(id) else { return Ok(None) };
        self.read(move |db| users::table.find(id).select(users::password_hash).first(db).optional()).await
    }

    async fn add_account(
        &self,
        email: &EmailAddress,
        account: NewAccount,
    ) -> Result<AccountId, AddAccountError> {
        let email_key = email.key().to_owned();
        let added = self.write(move |db| {
            let created_at = account.created_at.as_millis();
            let row = (
                users::email.eq(account.email),
                users::email_key.eq(email_key),
                users::username.eq(account.username),
                users::name.eq(account.name),
                users::locale.eq(account.locale),
                users::password_hash.eq(account.password_hash),
                users::password_changed_at.eq(created_at),
                users::created_at.eq(created_at),
                users::updated_at.eq(created_at),
            );
            match insert_into(users::table).values(row).returning(users::id).get_result::<i64>(db) {
                // The table has no other unique column.
                Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => Ok(None),
                added => added.map(Some),
            }
        });
        added.await?.map(|id| AccountId::new(id.to_string())).ok_or(AddAccountError::Taken)
    }

    async fn set_blocked(
        &self,
        email: &EmailAddress,
        blocked: bool,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (email_key, now) = (email.key().to_owned(), now.as_millis());
        let set = self.write(move |db| {
            let found = update(users::table.filter(users::email_key.eq(email_key)))
                .set((users::blocked.eq(blocked), users::updated_at.eq(now)))
                .returning(users::id)
                .get_result::<i64>(db)
                .optional()?;
            if let Some(id) = found
                && blocked
            {
                void_all_of(db, &id.to_string(), now)?;
            }
            Ok(found.is_some())
        });
        set.await
    }
}
