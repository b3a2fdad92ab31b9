//! The `Disputes` port: owners report resets that they did not request.

use async_trait::async_trait;
use diesel::{delete, insert_into, prelude::*};
use reset_core::{
    account::AccountId,
    dispute::{ClosedDisputes, DISPUTE_LIFE, Dispute, DisputeOpening},
    error::StoreError,
    event::Event,
    job::{JobId, Reference},
    ports::Disputes,
    time::Timestamp,
};

use super::{
    super::engine::{Db, EngineStore, schema::disputes},
    events::insert_event,
    lookups::{DisputeKey, OpenDispute},
    password_write::{Cause, OwnChanges, PasswordWrite},
    rows::NewJobRow,
    statements::{close_disputes, end_dispute_links},
};

/// A dispute without the time at which it was closed.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = disputes)]
struct DisputeRow {
    id: String,
    account: String,
    reference: String,
    dialect: String,
    mailbox: String,
    until: i64,
    opened_at: Option<i64>,
}

impl From<&Dispute> for DisputeRow {
    fn from(dispute: &Dispute) -> Self {
        Self {
            id: dispute.id.as_str().to_owned(),
            account: dispute.account.as_str().to_owned(),
            reference: dispute.reference.as_str().to_owned(),
            dialect: dispute.dialect.clone(),
            mailbox: dispute.mailbox.clone(),
            until: dispute.until.as_millis(),
            opened_at: dispute.opened_at.map(Timestamp::as_millis),
        }
    }
}

impl From<DisputeRow> for Dispute {
    fn from(row: DisputeRow) -> Self {
        Self {
            id: JobId::new(row.id),
            account: AccountId::new(row.account),
            reference: Reference::stored(row.reference),
            dialect: row.dialect,
            mailbox: row.mailbox,
            until: Timestamp::from_millis(row.until),
            opened_at: row.opened_at.map(Timestamp::from_millis),
        }
    }
}

/// Deletes up to `limit` disputes whose link expired before `before` and that, if opened, had expired by then. Returns
/// the number of deleted rows.
pub(super) fn purge(db: &mut Db, before: i64, limit: u16) -> QueryResult<usize> {
    let opened_before = before.saturating_sub(i64::try_from(DISPUTE_LIFE.as_millis()).unwrap_or(i64::MAX));
    let expired = disputes::table
        .filter(disputes::until.lt(before))
        .filter(disputes::opened_at.is_null().or(disputes::opened_at.lt(opened_before)));
    let ids: Vec<String> = expired.select(disputes::id).limit(limit.into()).load(db)?;
    delete(disputes::table.filter(disputes::id.eq_any(ids))).execute(db)
}

#[async_trait]
impl Disputes for EngineStore {
    async fn allow_dispute(&self, dispute: &Dispute) -> Result<(), StoreError> {
        let row = DisputeRow::from(dispute);
        let allowed = self.write(move |db| {
            let stored = disputes::table.find(&row.id).select(disputes::id);
            if stored.first::<String>(db).optional()?.is_none() {
                insert_into(disputes::table).values(&row).execute(db)?;
            }
            Ok(())
        });
        allowed.await
    }

    async fn dispute(&self, notice: &JobId) -> Result<Option<Dispute>, StoreError> {
        let notice = notice.as_str().to_owned();
        let query = move |db: &mut Db| {
            let row = disputes::table.find(&notice).select(DisputeRow::as_select());
            Ok(row.first(db).optional()?.map(Dispute::from))
        };
        self.read(query).await
    }

    async fn open_dispute(&self, opening: DisputeOpening<'_>) -> Result<bool, StoreError> {
        let dispute = opening.dispute;
        let cause = Cause::Dispute {
            id: dispute.id.as_str().to_owned(),
            mailbox: dispute.mailbox.clone(),
            until: dispute.until.as_millis(),
        };
        let own = OwnChanges {
            cause,
            account: dispute.account.clone(),
            jobs: opening.jobs.iter().map(NewJobRow::from).collect(),
            event: opening.event.clone(),
            now: opening.now.as_millis(),
        };
        self.write_password(PasswordWrite { password_hash: opening.password_hash.to_owned(), own }).await
    }

    async fn mailbox_of_disputes(
        &self,
        account: &AccountId,
        since: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        let key = DisputeKey::Account(account.as_str().to_owned());
        self.run_grouped(OpenDispute { key, since: since.as_millis() }).await
    }

    async fn account_of_dispute(
        &self,
        mailbox: &str,
        since: Timestamp,
    ) -> Result<Option<AccountId>, StoreError> {
        let key = DisputeKey::Mailbox(mailbox.to_owned());
        let account = self.run_grouped(OpenDispute { key, since: since.as_millis() }).await?;
        Ok(account.map(AccountId::new))
    }

    async fn close_disputes(
        &self,
        account: &AccountId,
        present: &str,
        event: &Event,
    ) -> Result<ClosedDisputes, StoreError> {
        let (account, present, event) = (account.as_str().to_owned(), present.to_owned(), event.clone());
        let closed = self.write(move |db| {
            let now = event.at.as_millis();
            let closed = ClosedDisputes {
                disputes: close_disputes(db, &account, None, now)?,
                links: end_dispute_links(db, &account, Some(&present), now)?,
            };
            if closed != ClosedDisputes::default() {
                insert_event(db, &event)?;
            }
            Ok(closed)
        });
        closed.await
    }

    async fn void_dispute_links(&self, account: &AccountId, event: &Event) -> Result<usize, StoreError> {
        let (account, event) = (account.as_str().to_owned(), event.clone());
        let ended = self.write(move |db| {
            let ended = end_dispute_links(db, &account, None, event.at.as_millis())?;
            if ended > 0 {
                insert_event(db, &event.clone().saying(ended.to_string()))?;
            }
            Ok(ended)
        });
        ended.await
    }
}
