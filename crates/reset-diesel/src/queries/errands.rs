//! The queue behind the answers.

use async_trait::async_trait;
use diesel::{
    alias, delete,
    dsl::{auto_type, exists, min, not},
    insert_into,
    prelude::*,
    update,
};
use reset_core::{
    budget::Budget,
    errand::{Errand, ErrandId, KEPT_FOR_RETRY, Outcome, SUSPECT},
    error::StoreError,
    event::{Event, EventKind},
    ports::Errands,
    ticket::TicketId,
    time::Timestamp,
};
use tracing::error;

use super::{
    super::engine::{Db, Home, locked_apart, schema::errands},
    budgets::take,
    events::{insert_event, insert_limited},
    outbox::owed,
    rows::{ErrandRow, NewErrandRow},
    tickets::move_end,
};

alias!(errands as earlier: Earlier);

/// Unfinished errands that were asked for before the outer query's, with the same address and dialect. A notice
/// has no address; NULL equals nothing, so it waits for nobody.
#[auto_type]
fn same_address() -> _ {
    earlier
        .filter(earlier.field(errands::finished_at).is_null())
        .filter(earlier.field(errands::dialect).eq(errands::dialect))
        .filter(earlier.field(errands::email).eq(errands::email))
        .filter(earlier.field(errands::seq).lt(errands::seq))
}

pub(in super::super) fn insert_errand(db: &mut Db, row: &NewErrandRow) -> QueryResult<usize> {
    insert_into(errands::table).values(row).execute(db)
}

/// Deletes up to `limit` errands that were finished before `before`, and says how many.
pub(super) fn forget(db: &mut Db, before: i64, limit: u16) -> QueryResult<usize> {
    // What still owes a mail is kept longer, for somebody to have it tried once more.
    let owing = before.saturating_sub(i64::try_from(KEPT_FOR_RETRY.as_millis()).unwrap_or(i64::MAX));
    let finished = errands::table.filter(errands::finished_at.lt(before)).filter(
        errands::outcome.is_null().or(errands::outcome.ne_all(owed())).or(errands::finished_at.lt(owing)),
    );
    let seqs: Vec<i64> = finished.select(errands::seq).limit(limit.into()).load(db)?;
    delete(errands::table.filter(errands::seq.eq_any(seqs))).execute(db)
}

fn claim(db: &mut Db, limit: u32, now: i64, lease_end: i64) -> QueryResult<Vec<ErrandRow>> {
    let goes_first =
        same_address().filter(earlier.field(errands::taken).or(earlier.field(errands::due_at).le(now)));
    let due = errands::table
        .filter(errands::finished_at.is_null())
        .filter(errands::due_at.le(now))
        .filter(not(exists(goes_first)))
        .order(errands::seq)
        .limit(limit.into())
        .select(ErrandRow::as_select());
    // What another courier is just taking is passed over. It stays the earlier one of its address: that it is due,
    // and that it is taken, both make the later ones wait.
    let mut rows: Vec<ErrandRow> = locked_apart!(due).load(db)?;
    let is_suspect = |row: &ErrandRow| row.lost + i64::from(row.taken) > i64::from(SUSPECT);
    if rows.iter().all(is_suspect) {
        rows.truncate(1);
    } else {
        rows.retain(|row| !is_suspect(row));
    }
    for row in &mut rows {
        row.attempts += 1;
        row.lost += i64::from(row.taken);
        update(errands::table.find(row.seq))
            .set((
                errands::taken.eq(true),
                errands::due_at.eq(lease_end),
                errands::attempts.eq(row.attempts),
                errands::lost.eq(row.lost),
            ))
            .execute(db)?;
    }
    Ok(rows)
}

#[async_trait]
impl Errands for Home {
    async fn push(&self, errand: &Errand) -> Result<(), StoreError> {
        let row = NewErrandRow::from(errand);
        self.write(move |db| insert_errand(db, &row)).await.map(drop)
    }

    async fn push_within(
        &self,
        errand: &Errand,
        budgets: &[Budget],
        event: &Event,
    ) -> Result<bool, StoreError> {
        let (row, budgets, event) = (NewErrandRow::from(errand), budgets.to_vec(), event.clone());
        let pushed = self.write(move |db| {
            let taken = take(db, &budgets, event.at.as_millis())?;
            if taken {
                insert_errand(db, &row)?;
                insert_event(db, &event)?;
            } else {
                insert_limited(db, &event)?;
            }
            Ok(taken)
        });
        pushed.await
    }

    async fn push_done(&self, errand: &Errand, outcome: Outcome, now: Timestamp) -> Result<i64, StoreError> {
        let (id, row, now) = (errand.id.as_str().to_owned(), NewErrandRow::from(errand), now.as_millis());
        let pushed = self.write(move |db| {
            insert_errand(db, &row)?;
            let row = errands::table.filter(errands::id.eq(&id));
            let seq = row.select(errands::seq).first(db)?;
            update(errands::table.find(seq))
                .set((errands::finished_at.eq(now), errands::outcome.eq(outcome.name())))
                .execute(db)?;
            Ok(seq)
        });
        pushed.await
    }

    async fn claim(
        &self,
        limit: u32,
        now: Timestamp,
        lease_end: Timestamp,
    ) -> Result<Vec<Errand>, StoreError> {
        let (now, lease_end) = (now.as_millis(), lease_end.as_millis());
        let rows = self.write(move |db| claim(db, limit, now, lease_end)).await?;
        let mut readable = Vec::with_capacity(rows.len());
        for row in rows {
            let id = row.id.clone();
            if let Ok(errand) = Errand::try_from(row) {
                readable.push(errand);
                continue;
            }
            // A row that was tampered with must stop neither the others nor its own address for ever.
            error!(errand.id = id, "an errand cannot be read");
            let (id, now) = (ErrandId::new(id), Timestamp::from_millis(now));
            let event = Event { errand: Some(id.clone()), ..Event::new(EventKind::Ended, now) };
            let event = event.saying(format!("{} unreadable", Outcome::SetAside.name()));
            self.finish(&id, Outcome::SetAside, "unreadable", None, &event).await?;
        }
        Ok(readable)
    }

    async fn finish(
        &self,
        errand: &ErrandId,
        outcome: Outcome,
        reply: &str,
        accepted: Option<(&TicketId, Timestamp)>,
        event: &Event,
    ) -> Result<(), StoreError> {
        let (errand, reply, event) = (errand.as_str().to_owned(), reply.to_owned(), event.clone());
        let now = event.at.as_millis();
        let accepted = accepted.map(|(ticket, end)| (ticket.as_str().to_owned(), end.as_millis()));
        let finished = self.write(move |db| {
            let unfinished =
                errands::table.filter(errands::id.eq(&errand)).filter(errands::finished_at.is_null());
            let ended = update(unfinished)
                .set((
                    errands::finished_at.eq(now),
                    errands::outcome.eq(outcome.name()),
                    errands::reply.eq(&reply),
                ))
                .execute(db)?;
            if ended > 0 {
                insert_event(db, &event)?;
            }
            if let Some((ticket, end)) = &accepted {
                move_end(db, ticket, *end, now)?;
            }
            Ok(())
        });
        finished.await
    }

    async fn postpone(
        &self,
        errand: &ErrandId,
        attempts: u32,
        due_at: Timestamp,
        reply: &str,
        event: Option<&Event>,
    ) -> Result<(), StoreError> {
        let (errand, due_at, reply) = (errand.as_str().to_owned(), due_at.as_millis(), reply.to_owned());
        let event = event.cloned();
        let postponed = self.write(move |db| {
            let claimed = errands::table
                .filter(errands::id.eq(&errand))
                .filter(errands::finished_at.is_null())
                .filter(errands::attempts.eq(i64::from(attempts)));
            let postponed = update(claimed)
                .set((
                    errands::taken.eq(false),
                    errands::due_at.eq(due_at),
                    errands::reply.eq(&reply),
                    errands::lost.eq(0),
                ))
                .execute(db)?;
            if postponed > 0
                && let Some(event) = &event
            {
                insert_event(db, event)?;
            }
            Ok(())
        });
        postponed.await
    }

    async fn renew(&self, errand: &ErrandId, attempts: u32, lease_end: Timestamp) -> Result<(), StoreError> {
        let (errand, lease_end) = (errand.as_str().to_owned(), lease_end.as_millis());
        let renewed = self.write(move |db| {
            update(errands::table.filter(errands::id.eq(&errand)).filter(errands::taken))
                .filter(errands::finished_at.is_null())
                .filter(errands::attempts.eq(i64::from(attempts)))
                .set(errands::due_at.eq(lease_end))
                .execute(db)
        });
        renewed.await.map(drop)
    }

    async fn release(&self, now: Timestamp) -> Result<(), StoreError> {
        let now = now.as_millis();
        let released = self.write(move |db| {
            update(errands::table.filter(errands::finished_at.is_null()).filter(errands::taken))
                .set(errands::lost.eq(errands::lost + 1))
                .execute(db)?;
            update(errands::table.filter(errands::finished_at.is_null()))
                .set((errands::taken.eq(false), errands::due_at.eq(now)))
                .execute(db)
        });
        released.await.map(drop)
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let query = |db: &mut Db| {
            let has_been_taken = same_address().filter(earlier.field(errands::taken));
            errands::table
                .filter(errands::finished_at.is_null())
                .filter(not(exists(has_been_taken)))
                .select(min(errands::due_at))
                .first::<Option<i64>>(db)
        };
        Ok(self.read(query).await?.map(Timestamp::from_millis))
    }
}
