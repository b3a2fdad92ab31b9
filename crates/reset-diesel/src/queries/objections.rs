//! Objections of owners to resets that were not theirs.

use async_trait::async_trait;
use diesel::{delete, dsl::exists, insert_into, prelude::*, select, update};
use reset_core::{
    account::AccountId,
    error::StoreError,
    event::Event,
    job::{JobId, Reference},
    objection::{OBJECTION_LIFE, Objection, Raising},
    ports::Objections,
    time::Timestamp,
};

use super::{
    super::engine::{Db, Home, schema::objections},
    events::insert_event,
    jobs::insert_job,
    rows::NewJobRow,
    tickets::void_all_of,
    users::Users,
};

/// An objection, less what became of one that was raised.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = objections)]
struct ObjectionRow {
    id: String,
    account: String,
    reference: String,
    dialect: String,
    mailbox: String,
    until: i64,
    raised_at: Option<i64>,
}

impl From<&Objection> for ObjectionRow {
    fn from(objection: &Objection) -> Self {
        Self {
            id: objection.id.as_str().to_owned(),
            account: objection.account.as_str().to_owned(),
            reference: objection.reference.as_str().to_owned(),
            dialect: objection.dialect.clone(),
            mailbox: objection.mailbox.clone(),
            until: objection.until.as_millis(),
            raised_at: objection.raised_at.map(Timestamp::as_millis),
        }
    }
}

impl From<ObjectionRow> for Objection {
    fn from(row: ObjectionRow) -> Self {
        Self {
            id: JobId::new(row.id),
            account: AccountId::new(row.account),
            reference: Reference::stored(row.reference),
            dialect: row.dialect,
            mailbox: row.mailbox,
            until: Timestamp::from_millis(row.until),
            raised_at: row.raised_at.map(Timestamp::from_millis),
        }
    }
}

/// Deletes up to `limit` whose link ended before `before`, and whose objection, if there was one, stood no longer then;
/// says how many.
pub(super) fn forget(db: &mut Db, before: i64, limit: u16) -> QueryResult<usize> {
    let raised = before.saturating_sub(i64::try_from(OBJECTION_LIFE.as_millis()).unwrap_or(i64::MAX));
    let over = objections::table
        .filter(objections::until.lt(before))
        .filter(objections::raised_at.is_null().or(objections::raised_at.lt(raised)));
    let ids: Vec<String> = over.select(objections::id).limit(limit.into()).load(db)?;
    delete(objections::table.filter(objections::id.eq_any(ids))).execute(db)
}

/// Ends the account's objections, or those with this mailbox; says how many there were.
pub(super) fn lift(db: &mut Db, account: &str, mailbox: Option<&str>, now: i64) -> QueryResult<usize> {
    let standing = objections::table
        .filter(objections::account.eq(account))
        .filter(objections::raised_at.is_not_null())
        .filter(objections::lifted_at.is_null());
    let lifted = objections::lifted_at.eq(now);
    match mailbox {
        Some(mailbox) => update(standing.filter(objections::mailbox.eq(mailbox))).set(lifted).execute(db),
        None => update(standing).set(lifted).execute(db),
    }
}

/// What [`Raising`] borrows, owned: the job outlives a caller who goes away.
struct Raised {
    users: Users,
    id: String,
    account: AccountId,
    mailbox: String,
    until: i64,
    password_hash: String,
    jobs: Vec<NewJobRow>,
    event: Event,
    now: i64,
}

fn raise(db: &mut Db, raised: &Raised) -> QueryResult<bool> {
    let Raised { users, id, account, mailbox, until, password_hash, jobs, event, now } = raised;
    // The account's row first, as everybody else does.
    if users.hold(db, account)?.is_none() {
        return Ok(false);
    }
    let since = now.saturating_sub(i64::try_from(OBJECTION_LIFE.as_millis()).unwrap_or(i64::MAX));
    let others = || {
        objections::table
            .filter(objections::account.eq(account.as_str()))
            .filter(objections::mailbox.ne(mailbox))
    };
    let older = others()
        .filter(objections::until.lt(until))
        .filter(objections::raised_at.gt(since))
        .filter(objections::lifted_at.is_null());
    if select(exists(older)).get_result(db)? {
        return Ok(false);
    }
    let open =
        objections::table.find(id).filter(objections::raised_at.is_null()).filter(objections::until.gt(now));
    if update(open).set(objections::raised_at.eq(now)).execute(db)? == 0 {
        return Ok(false);
    }
    update(others().filter(objections::until.gt(until)))
        .set((objections::until.eq(now), objections::lifted_at.eq(now)))
        .execute(db)?;
    if !users.set_password(db, account, password_hash, *now)? {
        return Err(diesel::result::Error::RollbackTransaction);
    }
    void_all_of(db, account.as_str(), *now)?;
    for job in jobs {
        insert_job(db, job)?;
    }
    insert_event(db, event)?;
    Ok(true)
}

#[async_trait]
impl Objections for Home {
    async fn allow_objection(&self, objection: &Objection) -> Result<(), StoreError> {
        let row = ObjectionRow::from(objection);
        let allowed = self.write(move |db| {
            let stored = objections::table.find(&row.id).select(objections::id);
            if stored.first::<String>(db).optional()?.is_none() {
                insert_into(objections::table).values(&row).execute(db)?;
            }
            Ok(())
        });
        allowed.await
    }

    async fn objection(&self, notice: &JobId) -> Result<Option<Objection>, StoreError> {
        let notice = notice.as_str().to_owned();
        let query = move |db: &mut Db| {
            let row = objections::table.find(&notice).select(ObjectionRow::as_select());
            Ok(row.first(db).optional()?.map(Objection::from))
        };
        self.read(query).await
    }

    async fn object(&self, raising: Raising<'_>) -> Result<bool, StoreError> {
        let raised = Raised {
            users: self.users(),
            id: raising.objection.id.as_str().to_owned(),
            account: raising.objection.account.clone(),
            mailbox: raising.objection.mailbox.clone(),
            until: raising.objection.until.as_millis(),
            password_hash: raising.password_hash.to_owned(),
            jobs: raising.jobs.iter().map(NewJobRow::from).collect(),
            event: raising.event.clone(),
            now: raising.now.as_millis(),
        };
        self.write(move |db| raise(db, &raised)).await
    }

    async fn mailbox_of_objections(
        &self,
        account: &AccountId,
        since: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        let (account, since) = (account.as_str().to_owned(), since.as_millis());
        let query = move |db: &mut Db| {
            objections::table
                .filter(objections::account.eq(&account))
                .filter(objections::raised_at.gt(since))
                .filter(objections::lifted_at.is_null())
                .order(objections::until)
                .select(objections::mailbox)
                .first(db)
                .optional()
        };
        self.read(query).await
    }

    async fn account_of_objection(
        &self,
        mailbox: &str,
        since: Timestamp,
    ) -> Result<Option<AccountId>, StoreError> {
        let (mailbox, since) = (mailbox.to_owned(), since.as_millis());
        let query = move |db: &mut Db| {
            let account = objections::table
                .filter(objections::mailbox.eq(&mailbox))
                .filter(objections::raised_at.gt(since))
                .filter(objections::lifted_at.is_null())
                .order(objections::until)
                .select(objections::account)
                .first::<String>(db)
                .optional()?;
            Ok(account.map(AccountId::new))
        };
        self.read(query).await
    }

    async fn lift_objections(&self, account: &AccountId, event: &Event) -> Result<bool, StoreError> {
        let (account, event) = (account.as_str().to_owned(), event.clone());
        let lifted = self.write(move |db| {
            let lifted = lift(db, &account, None, event.at.as_millis())? > 0;
            if lifted {
                insert_event(db, &event)?;
            }
            Ok(lifted)
        });
        lifted.await
    }
}
