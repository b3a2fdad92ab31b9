//! The `Events` port: the audit log. An event is inserted in the transaction that it describes, and sealed a moment
//! later.

use async_trait::async_trait;
use diesel::{delete, dsl::exists, insert_into, prelude::*, result::Error, select, update};
use reset_core::{
    account::AccountId,
    audit::{End, Ends, Mark, NOT_OURS, Seal, Sealed, Sealer},
    error::StoreError,
    event::{AddressTag, Event, EventKind, LIMITED_MOST, LIMITED_WITHIN, Network},
    job::{JobId, Reference},
    ports::Events,
    time::Timestamp,
};

use super::{
    super::engine::{
        Db, EngineStore, ROW_BY_ROW,
        schema::{events, marks},
        skip_locked,
    },
    PURGE_STEP, lost_events,
    rows::unreadable,
    seals::{SEALS_MOST, SetSeals},
};
use crate::fault::DatabaseFault;

/// An event to insert. The database assigns `seq`.
#[derive(Insertable)]
#[diesel(table_name = events)]
struct NewEventRow<'a> {
    at: i64,
    kind: &'a str,
    dialect: &'a str,
    reference: Option<&'a str>,
    job: Option<&'a str>,
    account: Option<&'a str>,
    address: Option<&'a str>,
    network: Option<&'a str>,
    detail: &'a str,
}

impl<'a> From<&'a Event> for NewEventRow<'a> {
    fn from(event: &'a Event) -> Self {
        Self {
            at: event.at.as_millis(),
            kind: event.kind.name(),
            dialect: &event.dialect,
            reference: event.reference.as_ref().map(Reference::as_str),
            job: event.job.as_ref().map(JobId::as_str),
            account: event.account.as_ref().map(AccountId::as_str),
            address: event.address.as_ref().map(AddressTag::as_str),
            network: event.network.as_ref().map(Network::as_str),
            detail: &event.detail,
        }
    }
}

/// An event as stored, without its seal.
#[derive(Queryable, Selectable)]
#[diesel(table_name = events)]
struct EventRow {
    seq: i64,
    at: i64,
    kind: String,
    dialect: String,
    reference: Option<String>,
    job: Option<String>,
    account: Option<String>,
    address: Option<String>,
    network: Option<String>,
    detail: String,
}

impl From<EventRow> for Event {
    fn from(row: EventRow) -> Self {
        Self {
            at: Timestamp::from_millis(row.at),
            kind: EventKind::named(&row.kind),
            dialect: row.dialect,
            reference: row.reference.map(Reference::stored),
            job: row.job.map(JobId::new),
            account: row.account.map(AccountId::new),
            address: row.address.map(AddressTag::stored),
            network: row.network.map(Network::stored),
            detail: row.detail,
        }
    }
}

/// An event with its position in the chain and its seal.
#[derive(Queryable, Selectable)]
#[diesel(table_name = events)]
struct SealedRow {
    #[diesel(embed)]
    event: EventRow,
    place: Option<i64>,
    seal: Option<Vec<u8>>,
}

impl TryFrom<SealedRow> for Sealed {
    type Error = Error;

    fn try_from(row: SealedRow) -> QueryResult<Self> {
        let (Some(place), Some(seal)) = (row.place, row.seal) else { return Err(unreadable("a seal")) };
        Ok(Self { mark: Mark { place, seal: self::seal(seal)? }, event: row.event.into() })
    }
}

/// Inserts an event, except a skipped one ([`Event::skipped`]).
pub(in super::super) fn insert_event(db: &mut Db, event: &Event) -> QueryResult<usize> {
    if !event.is_recorded() {
        return Ok(0);
    }
    insert_into(events::table).values(NewEventRow::from(event)).execute(db)
}

/// Inserts events in order, without those that are not recorded.
pub(super) fn insert_events<'a>(
    db: &mut Db,
    events: impl IntoIterator<Item = &'a Event>,
) -> QueryResult<usize> {
    let recorded: Vec<&Event> = events.into_iter().filter(|event| event.is_recorded()).collect();
    if ROW_BY_ROW || recorded.len() <= 1 {
        return recorded.into_iter().map(|event| insert_event(db, event)).sum();
    }
    let rows: Vec<NewEventRow<'_>> = recorded.into_iter().map(NewEventRow::from).collect();
    insert_into(events::table).values(rows).execute(db)
}

/// Records a reset request that exceeded a limit, unless enough of them were recorded for the address lately.
pub(super) fn insert_limited(db: &mut Db, event: &Event) -> QueryResult<()> {
    if !event.is_recorded() {
        return Ok(());
    }
    let since = event.at.minus(LIMITED_WITHIN).as_millis();
    let same = events::table
        .filter(events::address.eq(event.address.as_ref().map(AddressTag::as_str)))
        .filter(events::kind.eq(EventKind::Limited.name()))
        .filter(events::at.gt(since));
    if same.count().get_result::<i64>(db)? < i64::from(LIMITED_MOST) {
        insert_event(db, &Event { kind: EventKind::Limited, ..event.clone() })?;
    }
    Ok(())
}

fn seal(bytes: Vec<u8>) -> QueryResult<Seal> {
    bytes.try_into().map(Seal::from_bytes).map_err(|_| unreadable("a seal"))
}

/// A stored mark: position, seal, tag.
type MarkRow = (i64, Vec<u8>, Vec<u8>);

fn read_mark((place, mark, tag): MarkRow) -> QueryResult<(Mark, Seal)> {
    Ok((Mark { place, seal: seal(mark)? }, seal(tag)?))
}

fn stored_mark(db: &mut Db, end: End) -> QueryResult<Option<(Mark, Seal)>> {
    let row = marks::table.find(end.name()).select((marks::place, marks::seal, marks::tag));
    row.first::<MarkRow>(db).optional()?.map(read_mark).transpose()
}

/// Result of locking a mark.
enum MarkLock {
    /// Locked: no other transaction moves the mark until this one ends.
    Locked(Mark),
    /// Another transaction holds the lock.
    Busy,
    /// The stored mark is not the sealer's, or it was deleted.
    NotOurs,
}

/// Locks a mark unless another transaction holds it. Inserts the mark if there is none and nothing was sealed yet.
fn lock_mark(db: &mut Db, sealer: &Sealer, end: End) -> QueryResult<MarkLock> {
    let row = marks::table.find(end.name()).select((marks::place, marks::seal, marks::tag));
    if let Some(row) = skip_locked!(row).first::<MarkRow>(db).optional()? {
        let (mark, tag) = read_mark(row)?;
        return Ok(if sealer.is_ours(end, mark, tag) { MarkLock::Locked(mark) } else { MarkLock::NotOurs });
    }
    // Whether something was sealed is read before the mark: another transaction may insert the mark and seal events
    // between two statements, and its mark must not be taken for a deleted one.
    let any_sealed = events::table.filter(events::place.is_not_null());
    let was_seen = end == End::Head && sealer.last() != Mark::START;
    let was_sealed = was_seen || select(exists(any_sealed)).get_result(db)?;
    if stored_mark(db, end)?.is_some() {
        return Ok(MarkLock::Busy);
    }
    if was_sealed {
        return Ok(MarkLock::NotOurs);
    }
    // If two transactions find no mark, the second one fails on the primary key, and its retry finds the row.
    let first = (
        marks::name.eq(end.name()),
        marks::place.eq(Mark::START.place),
        marks::seal.eq(&Mark::START.seal.as_bytes()[..]),
        marks::tag.eq(sealer.tag(end, Mark::START).as_bytes().to_vec()),
    );
    insert_into(marks::table).values(first).execute(db)?;
    Ok(MarkLock::Locked(Mark::START))
}

fn move_mark(db: &mut Db, sealer: &Sealer, end: End, to: Mark) -> QueryResult<usize> {
    update(marks::table.find(end.name()))
        .set((
            marks::place.eq(to.place),
            marks::seal.eq(&to.seal.as_bytes()[..]),
            marks::tag.eq(&sealer.tag(end, to).as_bytes()[..]),
        ))
        .execute(db)
}

/// Seals up to `limit` events in the order of their numbers, and returns their count and the new head. An event that
/// another replica commits late, with a lower number than sealed events, is sealed after them. Returns `None` if the
/// head is not the sealer's.
fn seal_some(db: &mut Db, sealer: &Sealer, limit: u32) -> QueryResult<Option<(u32, Mark)>> {
    let mut at = match lock_mark(db, sealer, End::Head)? {
        MarkLock::Locked(head) => head,
        MarkLock::Busy => return Ok(Some((0, Mark::START))),
        MarkLock::NotOurs => return Ok(None),
    };
    match stored_mark(db, End::Base)? {
        None => {
            lock_mark(db, sealer, End::Base)?;
        }
        // The base is tagged under a previous secret, which may be removed from the settings one day: tag it under the
        // current one. The filter skips a base that another transaction has just moved.
        Some((base, tag)) if sealer.is_ours(End::Base, base, tag) && tag != sealer.tag(End::Base, base) => {
            update(marks::table.find(End::Base.name()).filter(marks::place.eq(base.place)))
                .set(marks::tag.eq(&sealer.tag(End::Base, base).as_bytes()[..]))
                .execute(db)?;
        }
        Some(_) => {}
    }
    let unsealed = events::table.filter(events::place.is_null()).order(events::seq).limit(limit.into());
    let rows: Vec<EventRow> = unsealed.select(EventRow::as_select()).load(db)?;
    let mut seals = Vec::with_capacity(rows.len());
    for row in rows {
        let seq = row.seq;
        at = sealer.seal(at, &row.into());
        seals.push((seq, at));
    }
    if ROW_BY_ROW {
        for (seq, Mark { place, seal }) in &seals {
            let set = (events::place.eq(place), events::seal.eq(&seal.as_bytes()[..]));
            update(events::table.find(seq)).set(set).execute(db)?;
        }
    } else {
        for some in seals.chunks(SEALS_MOST) {
            SetSeals::new(some).execute(db)?;
        }
    }
    let count = u32::try_from(seals.len()).unwrap_or(u32::MAX);
    move_mark(db, sealer, End::Head, at)?;
    Ok(Some((count, at)))
}

/// Deletes up to `limit` events older than `before` from the beginning of the chain, and returns their number. Returns
/// `None` if the base is not the sealer's or if the first event was changed.
fn purge_some(db: &mut Db, sealer: &Sealer, before: i64, limit: u16) -> QueryResult<Option<usize>> {
    let base = match lock_mark(db, sealer, End::Base)? {
        MarkLock::Locked(base) => base,
        MarkLock::Busy => return Ok(Some(0)),
        MarkLock::NotOurs => return Ok(None),
    };
    let first = events::table.filter(events::place.gt(base.place)).order(events::place).limit(limit.into());
    let rows: Vec<SealedRow> = first.select(SealedRow::as_select()).load(db)?;
    let old: Vec<SealedRow> = rows.into_iter().take_while(|row| row.event.at < before).collect();
    // An event whose seal does not fit was changed, possibly its age too. It is kept, so that a verification finds it.
    let (mut at, mut count) = (base, 0);
    for row in old {
        let next = Sealed::try_from(row)?;
        if !sealer.fits(at, &next.event, next.mark) {
            if count == 0 {
                return Ok(None);
            }
            break;
        }
        (at, count) = (next.mark, count + 1);
    }
    if count > 0 {
        delete(events::table.filter(events::place.le(at.place))).execute(db)?;
        move_mark(db, sealer, End::Base, at)?;
    }
    Ok(Some(count))
}

#[async_trait]
impl Events for EngineStore {
    async fn record(&self, event: &Event) -> Result<(), StoreError> {
        let event = event.clone();
        self.write(move |db| insert_event(db, &event)).await.map(drop)
    }

    async fn record_once(&self, event: &Event) -> Result<(), StoreError> {
        let reference = event.reference.as_ref().map(|reference| reference.as_str().to_owned());
        let (kind, detail) = (event.kind.name().to_owned(), event.detail.clone());
        // A read first: a client that repeats an event a thousand times costs no commit.
        let recorded = self.read(move |db: &mut Db| {
            let same = events::table
                .filter(events::reference.eq(&reference))
                .filter(events::kind.eq(&kind))
                .filter(events::detail.eq(&detail));
            select(exists(same)).get_result(db)
        });
        if recorded.await? { Ok(()) } else { self.record(event).await }
    }

    async fn trace(&self, reference: &Reference) -> Result<Vec<Event>, StoreError> {
        let reference = reference.as_str().to_owned();
        let query = move |db: &mut Db| {
            let of_reset = events::table.filter(events::reference.eq(&reference)).order(events::seq);
            let rows: Vec<EventRow> = of_reset.select(EventRow::as_select()).load(db)?;
            Ok(rows.into_iter().map(Event::from).collect())
        };
        self.read(query).await
    }

    async fn asked_with(&self, address: &AddressTag, limit: u32) -> Result<Vec<Event>, StoreError> {
        let address = address.as_str().to_owned();
        let query = move |db: &mut Db| {
            let of_address = events::table.filter(events::address.eq(&address)).order(events::seq.desc());
            let rows: Vec<EventRow> =
                of_address.limit(limit.into()).select(EventRow::as_select()).load(db)?;
            Ok(rows.into_iter().map(Event::from).collect())
        };
        self.read(query).await
    }

    async fn seal(&self, sealer: &Sealer, limit: u32) -> Result<u32, StoreError> {
        // A read first: usually there is nothing to seal and no need to lock anything.
        let first_unsealed = |db: &mut Db| {
            let unsealed = events::table.filter(events::place.is_null()).select(events::seq);
            unsealed.first::<i64>(db).optional()
        };
        if self.read(first_unsealed).await?.is_none() {
            return Ok(0);
        }
        let own_sealer = sealer.clone();
        let (count, head) = self
            .write(move |db| seal_some(db, &own_sealer, limit))
            .await?
            .ok_or(DatabaseFault::Rejected(NOT_OURS))?;
        // Only after the commit: the sealer must not remember a head that was rolled back.
        sealer.saw(head);
        Ok(count)
    }

    async fn ends(&self) -> Result<Option<Ends>, StoreError> {
        let query = |db: &mut Db| {
            let (base, head) = (stored_mark(db, End::Base)?, stored_mark(db, End::Head)?);
            Ok(base.zip(head).map(|(base, head)| Ends { base, head }))
        };
        self.read(query).await
    }

    async fn has_lost_events(&self) -> Result<bool, StoreError> {
        let own_users = self.users().is_own();
        self.read(move |db: &mut Db| lost_events::are_lost(db, own_users)).await
    }

    async fn sealed(&self, place: i64, limit: u32) -> Result<Vec<Sealed>, StoreError> {
        let query = move |db: &mut Db| {
            let behind = events::table.filter(events::place.gt(place)).order(events::place);
            let rows: Vec<SealedRow> = behind.limit(limit.into()).select(SealedRow::as_select()).load(db)?;
            rows.into_iter().map(Sealed::try_from).collect()
        };
        self.read(query).await
    }

    async fn forget_events(&self, sealer: &Sealer, before: Timestamp) -> Result<(), StoreError> {
        let before = before.as_millis();
        loop {
            let own_sealer = sealer.clone();
            let purged = self.write(move |db| purge_some(db, &own_sealer, before, PURGE_STEP)).await?;
            if purged.ok_or(DatabaseFault::Rejected(NOT_OURS))? < usize::from(PURGE_STEP) {
                return Ok(());
            }
        }
    }
}
