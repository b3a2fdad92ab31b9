//! The users table of another system, by the statements of its plan.

use diesel::{
    QueryableByName,
    prelude::*,
    sql_query,
    sql_types::{BigInt, Nullable, Text},
};
use reset_core::{
    account::{Account, AccountId, email_key},
    email::EmailAddress,
    hasher::HashForm,
    time::Timestamp,
};
use sha2::{Digest, Sha256};
use tracing::warn;

use super::{super::engine::Db, users::Held};
use crate::foreign_users::Plan;

/// What a plan's statements read of a row.
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
    /// The canonical address; nothing when it is none that could be served.
    fn email_key(&self) -> Option<String> {
        EmailAddress::parse(&self.email).ok().map(|email| email.key().to_owned())
    }

    /// What stands for the epoch that the table does not have: it is another one as soon as the password is,
    /// whoever changes it. The hash itself stays in its table.
    fn epoch(&self) -> i64 {
        let digest = Sha256::digest(self.password.as_bytes());
        let (first, _) = digest.split_first_chunk().expect("32 bytes");
        i64::from_be_bytes(*first) & i64::MAX
    }
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
            confirmed: row.verified != 0,
            blocked: row.blocked != 0,
            created_at: Timestamp::from_millis(row.created_at),
            updated_at: Timestamp::from_millis(row.updated_at),
        }
    }
}

/// The database may find more than we do: its idea of case has more letters (R21). Where several rows have the
/// address but for ASCII case, the one that is in lower case is meant. Where there is none, or are several, none is:
/// nobody could say which.
pub(super) fn by_email(db: &mut Db, plan: &Plan, email_key: &str) -> QueryResult<Option<Account>> {
    let found: Vec<Row> = sql_query(&plan.by_email).bind::<Text, _>(email_key).load(db)?;
    let mut same: Vec<Row> =
        found.into_iter().filter(|row| row.email_key().as_deref() == Some(email_key)).collect();
    if same.len() > 1 {
        same.retain(|row| row.email == email_key);
        if same.len() != 1 {
            warn!("several accounts have one address, and none of them alone has it in lower case: no mail");
            return Ok(None);
        }
    }
    Ok(same.pop().map(Account::from))
}

pub(super) fn by_id(db: &mut Db, plan: &Plan, id: &AccountId) -> QueryResult<Option<Account>> {
    Ok(row(db, &plan.by_id, id)?.map(Account::from))
}

pub(super) fn password_hash(db: &mut Db, plan: &Plan, id: &AccountId) -> QueryResult<Option<String>> {
    Ok(row(db, &plan.by_id, id)?.map(|row| row.password))
}

pub(super) fn hold(db: &mut Db, plan: &Plan, id: &AccountId) -> QueryResult<Option<Held>> {
    let held = row(db, &plan.lock, id)?;
    Ok(held.map(|row| Held {
        blocked: row.blocked != 0,
        epoch: row.epoch(),
        email_key: email_key(&row.email),
    }))
}

/// Sets the password of a row that is held, and whatever else goes with it.
pub(super) fn set_password(db: &mut Db, plan: &Plan, id: &AccountId, hash: &str) -> QueryResult<bool> {
    let set = sql_query(&plan.set_password).bind::<Text, _>(hash).bind::<Text, _>(id.as_str()).execute(db)?;
    if let Some(end_sessions) = &plan.end_sessions {
        sql_query(end_sessions).bind::<Text, _>(id.as_str()).execute(db)?;
    }
    Ok(set == 1)
}

fn row(db: &mut Db, statement: &str, id: &AccountId) -> QueryResult<Option<Row>> {
    sql_query(statement).bind::<Text, _>(id.as_str()).get_result(db).optional()
}
