//! polyreset's own users table.

use std::collections::HashMap;

use diesel::{insert_into, prelude::*, update};
use reset_core::account::{Account, AccountId, NewAccount};

use super::{
    super::engine::{Db, locked, schema::users},
    rows::LockedUser,
    rows::{AccountRow, key},
};

pub(super) fn by_emails(db: &mut Db, emails: &[&str]) -> QueryResult<Vec<Option<Account>>> {
    type Row = (String, AccountRow);
    let all = users::table.select((users::email_key, AccountRow::as_select()));
    let rows: Vec<Row> = match emails {
        // A statement that is prepared once.
        [only] => all.filter(users::email_key.eq(only)).load(db)?,
        emails => all.filter(users::email_key.eq_any(emails)).load(db)?,
    };
    let accounts: HashMap<String, Account> =
        rows.into_iter().map(|(email, row)| (email, Account::from(row))).collect();
    Ok(emails.iter().map(|email| accounts.get(*email).cloned()).collect())
}

pub(super) fn by_id(db: &mut Db, id: &AccountId) -> QueryResult<Option<Account>> {
    let Some(id) = key(id) else { return Ok(None) };
    let found = users::table.find(id).select(AccountRow::as_select()).first(db).optional()?;
    Ok(found.map(Account::from))
}

pub(super) fn password_hash(db: &mut Db, id: &AccountId) -> QueryResult<Option<String>> {
    let Some(id) = key(id) else { return Ok(None) };
    users::table.find(id).select(users::password_hash).first(db).optional()
}

pub(super) fn lock(db: &mut Db, id: &AccountId) -> QueryResult<Option<LockedUser>> {
    let Some(id) = key(id) else { return Ok(None) };
    let row = users::table.find(id).select((users::blocked, users::credential_epoch, users::email_key));
    let user = locked!(row).first::<(bool, i64, String)>(db).optional()?;
    Ok(user.map(|(blocked, epoch, email_key)| LockedUser { blocked, epoch, email_key }))
}

pub(super) fn set_password(db: &mut Db, id: &AccountId, hash: &str, now: i64) -> QueryResult<bool> {
    let Some(id) = key(id) else { return Ok(false) };
    let updated = update(users::table.find(id))
        .set((
            users::password_hash.eq(hash),
            users::credential_epoch.eq(users::credential_epoch + 1),
            users::password_changed_at.eq(now),
            users::updated_at.eq(now),
        ))
        .execute(db)?;
    Ok(updated == 1)
}

pub(super) fn set_blocked(
    db: &mut Db,
    email_key: &str,
    blocked: bool,
    now: i64,
) -> QueryResult<Option<AccountId>> {
    let row = users::table.filter(users::email_key.eq(email_key)).select(users::id);
    let Some(id) = locked!(row).first::<i64>(db).optional()? else { return Ok(None) };
    update(users::table.find(id)).set((users::blocked.eq(blocked), users::updated_at.eq(now))).execute(db)?;
    Ok(Some(AccountId::new(id.to_string())))
}

pub(super) fn add(db: &mut Db, email_key: &str, account: &NewAccount) -> QueryResult<Option<AccountId>> {
    let created_at = account.created_at.as_millis();
    let id = || users::table.filter(users::email_key.eq(email_key)).select(users::id);
    if id().first::<i64>(db).optional()?.is_some() {
        return Ok(None);
    }
    let row = (
        users::email.eq(&account.email),
        users::email_key.eq(email_key),
        users::username.eq(account.username.as_deref()),
        users::name.eq(account.name.as_deref()),
        users::locale.eq(account.locale.as_deref()),
        users::password_hash.eq(&account.password_hash),
        users::password_changed_at.eq(created_at),
        users::created_at.eq(created_at),
        users::updated_at.eq(created_at),
    );
    // If another transaction has inserted the address since, this fails, and the retry finds the row.
    insert_into(users::table).values(row).execute(db)?;
    Ok(Some(AccountId::new(id().first::<i64>(db)?.to_string())))
}
