//! Another system's users table, accessed with the statements of its plan.

use diesel::{
    QueryableByName,
    prelude::*,
    sql_query,
    sql_types::{BigInt, Nullable, Text},
};
use reset_core::{
    account::{Account, AccountId, email_key},
    email::EmailAddress,
    encoding::hex,
    hasher::HashForm,
    time::Timestamp,
};
use sha2::{Digest, Sha256};
use tracing::warn;

use super::{super::engine::Db, rows::LockedUser};
use crate::foreign_users::Plan;

/// The columns that a plan's statements select.
#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Text)]
    email: String,
    #[diesel(sql_type = Text)]
    password: String,
    #[diesel(sql_type = Nullable<Text>)]
    username: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    locale: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    document_id: Option<String>,
    #[diesel(sql_type = BigInt)]
    blocked: i64,
    #[diesel(sql_type = BigInt)]
    verified: i64,
    #[diesel(sql_type = BigInt)]
    created_at: i64,
    #[diesel(sql_type = BigInt)]
    updated_at: i64,
}

impl Row {
    /// Returns the canonical address, or `None` if the stored address is not supported.
    fn email_key(&self) -> Option<String> {
        EmailAddress::parse(&self.email).ok().map(|email| email.key().to_owned())
    }

    /// Derives an epoch from the password hash, because the table has none. The epoch changes with every password
    /// change, no matter which system makes it. The hash itself is not copied.
    fn epoch(&self) -> i64 {
        epoch_of(&self.password)
    }
}

/// Returns the epoch of an account with this hash.
pub(in super::super) fn epoch_of(password_hash: &str) -> i64 {
    let digest = Sha256::digest(password_hash.as_bytes());
    let (first, _) = digest.split_first_chunk().expect("SHA-256 has 32 bytes");
    i64::from_be_bytes(*first) & i64::MAX
}

impl From<Row> for Account {
    fn from(row: Row) -> Self {
        Self {
            epoch: row.epoch(),
            hash_form: HashForm::of(&row.password),
            id: AccountId::new(row.id),
            email: row.email,
            username: row.username,
            name: row.name,
            locale: row.locale,
            document_id: row.document_id,
            confirmed: row.verified != 0,
            blocked: row.blocked != 0,
            created_at: Timestamp::from_millis(row.created_at),
            updated_at: Timestamp::from_millis(row.updated_at),
        }
    }
}

/// Returns the account with this canonical address.
///
/// The database may return more rows, because its case folding covers more letters than ASCII (R21); those are
/// dropped. If several rows differ only in ASCII case, the row in lower case is returned. If no row or several rows
/// are in lower case, the account is ambiguous and `None` is returned.
pub(super) fn by_email(db: &mut Db, plan: &Plan, email_key: &str) -> QueryResult<Option<Account>> {
    let found: Vec<Row> = sql_query(&plan.by_email).bind::<Text, _>(email_key).load(db)?;
    let is_match = |row: &Row| row.email_key().as_deref() == Some(email_key) && plan.replaces(&row.password);
    let mut matching: Vec<Row> = found.into_iter().filter(is_match).collect();
    if matching.len() > 1 {
        matching.retain(|row| row.email == email_key);
        if matching.len() != 1 {
            warn!(
                "ambiguous address: several accounts have it and not exactly one in lower case; no mail is sent"
            );
            return Ok(None);
        }
    }
    Ok(matching.pop().map(Account::from))
}

pub(super) fn by_id(db: &mut Db, plan: &Plan, id: &AccountId) -> QueryResult<Option<Account>> {
    Ok(row(db, plan, &plan.by_id, id)?.map(Account::from))
}

pub(super) fn password_hash(db: &mut Db, plan: &Plan, id: &AccountId) -> QueryResult<Option<String>> {
    Ok(row(db, plan, &plan.by_id, id)?.map(|row| row.password))
}

pub(in super::super) fn lock(db: &mut Db, plan: &Plan, id: &AccountId) -> QueryResult<Option<LockedUser>> {
    let locked = row(db, plan, &plan.lock, id)?;
    Ok(locked.map(|row| LockedUser {
        blocked: row.blocked != 0,
        epoch: row.epoch(),
        email_key: email_key(&row.email),
    }))
}

/// Sets the password of a locked row and the other mapped columns, deletes the account's mapped sessions, and voids the
/// other system's resets.
pub(in super::super) fn set_password(
    db: &mut Db,
    plan: &Plan,
    id: &AccountId,
    hash: &str,
) -> QueryResult<bool> {
    let mut update = sql_query(&plan.set_password).into_boxed().bind::<Text, _>(hash);
    if plan.stamps {
        update = update.bind::<Text, _>(stamp(hash));
    }
    let updated = update.bind::<Text, _>(id.as_str()).execute(db)?;
    for delete in &plan.deletes {
        sql_query(&delete.statement).bind::<Text, _>(id.as_str()).execute(db)?;
    }
    Ok(updated == 1)
}

/// Derives a stamp from a new hash, whose salt is random: 128 bits, as 32 hexadecimal digits.
fn stamp(hash: &str) -> String {
    let digest = Sha256::new().chain_update("polyreset stamp\0").chain_update(hash).finalize();
    hex(&digest[..16])
}

/// Returns the row, unless its hash may not be replaced.
fn row(db: &mut Db, plan: &Plan, statement: &str, id: &AccountId) -> QueryResult<Option<Row>> {
    let row: Option<Row> = sql_query(statement).bind::<Text, _>(id.as_str()).get_result(db).optional()?;
    Ok(row.filter(|row| plan.replaces(&row.password)))
}
