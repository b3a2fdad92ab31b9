//! The `Tickets` port. The statement that spends a ticket contains every condition for spending it.

use async_trait::async_trait;
use diesel::{delete, dsl::auto_type, insert_into, prelude::*, update};
use reset_core::{
    account::AccountId,
    error::StoreError,
    event::Event,
    job::JobId,
    ports::{Issued, PasswordChange, Tickets},
    secret::TicketDigest,
    ticket::{Ticket, TicketId, TicketKind},
    time::Timestamp,
};

use super::{
    super::engine::{
        Db, EngineStore, locked,
        schema::{guesses, tickets},
    },
    events::insert_event,
    issue::Issue,
    lookups::TicketOf,
    password_write::{Cause, OwnChanges, PasswordWrite},
    rows::{NewJobRow, TicketRow},
    statements::{live, live_with_id, open, void_all_of},
};

/// An id that no ticket has.
const NO_TICKET: &str = "";

/// The tickets that expired before `before`.
#[auto_type]
pub(super) fn ended(before: i64) -> _ {
    tickets::table.filter(tickets::expires_at.lt(before)).order(tickets::expires_at).select(tickets::id)
}

/// Deletes up to `limit` tickets that expired before `before`. A ticket that was spent or voided is kept until then, so
/// that one index is enough. Returns the number of deleted rows.
pub(super) fn purge(db: &mut Db, before: i64, limit: u16) -> QueryResult<usize> {
    let ids: Vec<String> = ended(before).limit(limit.into()).load(db)?;
    delete(tickets::table.filter(tickets::id.eq_any(ids))).execute(db)
}

/// Counts a guess. The first guess of a dialect inserts its row.
fn count_guess(db: &mut Db, dialect: &str) -> QueryResult<()> {
    let counted =
        update(guesses::table.find(dialect)).set(guesses::taken.eq(guesses::taken + 1)).execute(db)?;
    if counted == 0 {
        let first = (guesses::dialect.eq(dialect), guesses::taken.eq(1));
        insert_into(guesses::table).values(first).execute(db)?;
    }
    Ok(())
}

#[async_trait]
impl Tickets for EngineStore {
    async fn issue(
        &self,
        ticket: &Ticket,
        max_live: Option<u64>,
        event: &Event,
    ) -> Result<Issued, StoreError> {
        self.run_grouped(Issue { row: TicketRow::from(ticket), max_live, event: event.clone() }).await
    }

    async fn ticket_of(&self, job: &JobId) -> Result<Option<Ticket>, StoreError> {
        self.run_grouped(TicketOf { job: job.as_str().to_owned() }).await
    }

    async fn ticket_with(
        &self,
        dialect: &str,
        digest: &TicketDigest,
        now: Timestamp,
    ) -> Result<Option<Ticket>, StoreError> {
        let (dialect, digest, now) = (dialect.to_owned(), *digest.as_bytes(), now.as_millis());
        let query = move |db: &mut Db| {
            tickets::table
                .filter(tickets::dialect.eq(&dialect))
                .filter(tickets::digest.eq(&digest[..]))
                .order(live(now).desc())
                .select(TicketRow::as_select())
                .first(db)
                .optional()?
                .map(Ticket::try_from)
                .transpose()
        };
        self.read(query).await
    }

    async fn restart_clock(
        &self,
        ticket: &TicketId,
        minted_at: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let (ticket, minted_at, expires_at) =
            (ticket.as_str().to_owned(), minted_at.as_millis(), expires_at.as_millis());
        let restarted = self.write(move |db| {
            update(tickets::table.find(&ticket).filter(open()))
                .set((tickets::minted_at.eq(minted_at), tickets::expires_at.eq(expires_at)))
                .execute(db)
        });
        restarted.await.map(drop)
    }

    async fn take_guess(
        &self,
        account: &AccountId,
        dialect: &str,
        kind: TicketKind,
        max: u32,
        now: Timestamp,
    ) -> Result<Option<Ticket>, StoreError> {
        let (account, dialect, now) = (account.as_str().to_owned(), dialect.to_owned(), now.as_millis());
        let guessed = self.write(move |db| {
            let guessable = tickets::table
                .filter(tickets::account.eq(&account))
                .filter(tickets::dialect.eq(&dialect))
                .filter(tickets::kind.eq(kind.name()))
                .filter(tickets::attempts.lt(i64::from(max)))
                .filter(live(now))
                .select(TicketRow::as_select());
            let mut ticket = locked!(guessable).first(db).optional()?;
            let (id, attempts) = ticket.as_mut().map_or((NO_TICKET, 0), |row| {
                row.attempts += 1;
                (row.id.as_str(), row.attempts)
            });
            // Without a ticket the same statement runs and matches no row, so the response time does not reveal the
            // absence (R14).
            update(tickets::table.find(id)).set(tickets::attempts.eq(attempts)).execute(db)?;
            // Counted last, because all guesses of a dialect lock the same row.
            count_guess(db, &dialect)?;
            ticket.map(Ticket::try_from).transpose()
        });
        guessed.await
    }

    async fn exchange(&self, spent: &TicketId, token: &Ticket, event: &Event) -> Result<bool, StoreError> {
        let (spent, token, event) = (spent.as_str().to_owned(), TicketRow::from(token), event.clone());
        let now = event.at.as_millis();
        let exchanged = self.write(move |db| {
            if update(live_with_id(&spent, now)).set(tickets::spent_at.eq(now)).execute(db)? == 0 {
                return Ok(false);
            }
            insert_into(tickets::table).values(&token).execute(db)?;
            insert_event(db, &event)?;
            Ok(true)
        });
        exchanged.await
    }

    async fn void_tickets(&self, account: Option<&AccountId>, event: &Event) -> Result<u64, StoreError> {
        let (account, event) = (account.map(|account| account.as_str().to_owned()), event.clone());
        let now = event.at.as_millis();
        let voided = self.write(move |db| {
            let set = tickets::voided_at.eq(now);
            let all = tickets::table.filter(live(now));
            let ended = match &account {
                Some(account) => update(all.filter(tickets::account.eq(account))).set(set).execute(db)?,
                None => update(all).set(set).execute(db)?,
            };
            // The expired ones: their clock could otherwise be restarted.
            match &account {
                Some(account) => void_all_of(db, account, now)?,
                None => update(tickets::table.filter(open())).set(set).execute(db)?,
            };
            insert_event(db, &event.clone().saying(ended.to_string()))?;
            Ok(ended as u64)
        });
        voided.await
    }

    async fn redeem(&self, change: PasswordChange<'_>) -> Result<bool, StoreError> {
        let own = OwnChanges {
            cause: Cause::Ticket(change.ticket.as_str().to_owned()),
            account: change.account.clone(),
            jobs: change.jobs.iter().map(NewJobRow::from).collect(),
            event: change.event.clone(),
            now: change.now.as_millis(),
        };
        self.write_password(PasswordWrite { password_hash: change.password_hash.to_owned(), own }).await
    }
}
