//! Events: written down beside what they tell of, and sealed a moment later.

use async_trait::async_trait;
use diesel::{delete, insert_into, prelude::*, result::Error, update};
use reset_core::{
    account::AccountId,
    audit::{Mark, Seal, Sealed, Sealer},
    errand::{ErrandId, Reference},
    error::StoreError,
    event::{AddressTag, Event, EventKind, Network},
    ports::Events,
    time::Timestamp,
};

use super::{
    super::engine::{
        Db, Home, locked,
        schema::{events, marks},
    },
    PURGE_STEP,
    rows::unreadable,
};

/// The last mark of the chain.
const HEAD: &str = "head";
/// The last mark that was forgotten.
const BASE: &str = "base";

/// An event as it is written down; `seq` is the database's to give.
#[derive(Insertable)]
#[diesel(table_name = events)]
struct NewEventRow<'a> {
    at: i64,
    kind: &'static str,
    dialect: &'a str,
    reference: Option<&'a str>,
    errand: Option<&'a str>,
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
            errand: event.errand.as_ref().map(ErrandId::as_str),
            account: event.account.as_ref().map(AccountId::as_str),
            address: event.address.as_ref().map(AddressTag::as_str),
            network: event.network.as_ref().map(Network::as_str),
            detail: &event.detail,
        }
    }
}

/// An event as it is read.
#[derive(Queryable, Selectable)]
#[diesel(table_name = events)]
struct EventRow {
    seq: i64,
    at: i64,
    kind: String,
    dialect: String,
    reference: Option<String>,
    errand: Option<String>,
    account: Option<String>,
    address: Option<String>,
    network: Option<String>,
    detail: String,
}

impl TryFrom<EventRow> for Event {
    type Error = Error;

    fn try_from(row: EventRow) -> QueryResult<Self> {
        Ok(Self {
            at: Timestamp::from_millis(row.at),
            kind: EventKind::named(&row.kind).ok_or_else(|| unreadable("a kind of event"))?,
            dialect: row.dialect,
            reference: row.reference.map(Reference::stored),
            errand: row.errand.map(ErrandId::new),
            account: row.account.map(AccountId::new),
            address: row.address.map(AddressTag::stored),
            network: row.network.map(Network::stored),
            detail: row.detail,
        })
    }
}

/// An event in its place.
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
        Ok(Self { mark: mark(place, seal)?, event: Event::try_from(row.event)? })
    }
}

/// Writes an event down.
pub(in super::super) fn insert_event(db: &mut Db, event: &Event) -> QueryResult<usize> {
    insert_into(events::table).values(NewEventRow::from(event)).execute(db)
}

fn mark(place: i64, seal: Vec<u8>) -> QueryResult<Mark> {
    let seal = seal.try_into().map_err(|_| unreadable("a seal"))?;
    Ok(Mark { place, seal: Seal::from_bytes(seal) })
}

/// A mark, which nobody else moves until the transaction ends.
fn held_mark(db: &mut Db, name: &str) -> QueryResult<Mark> {
    let row = marks::table.find(name).select((marks::place, marks::seal));
    let (place, seal) = locked!(row).first::<(i64, Vec<u8>)>(db)?;
    mark(place, seal)
}

fn move_mark(db: &mut Db, name: &str, to: Mark) -> QueryResult<usize> {
    update(marks::table.find(name))
        .set((marks::place.eq(to.place), marks::seal.eq(&to.seal.as_bytes()[..])))
        .execute(db)
}

/// Seals up to `limit` events. In the order of their numbers; one that is committed late by another replica, with a
/// number before others, is sealed behind them.
fn seal_some(db: &mut Db, sealer: &Sealer, limit: u32) -> QueryResult<u32> {
    let mut at = held_mark(db, HEAD)?;
    let unsealed = events::table.filter(events::place.is_null()).order(events::seq).limit(limit.into());
    let rows: Vec<EventRow> = unsealed.select(EventRow::as_select()).load(db)?;
    let mut count = 0;
    for row in rows {
        let seq = row.seq;
        at = sealer.seal(at, &Event::try_from(row)?);
        update(events::table.find(seq))
            .set((events::place.eq(at.place), events::seal.eq(&at.seal.as_bytes()[..])))
            .execute(db)?;
        count += 1;
    }
    move_mark(db, HEAD, at)?;
    Ok(count)
}

/// Forgets up to `limit` events from the beginning of the chain, and says how many.
fn forget_some(db: &mut Db, before: i64, limit: u16) -> QueryResult<usize> {
    let base = held_mark(db, BASE)?;
    let first = events::table.filter(events::place.gt(base.place)).order(events::place).limit(limit.into());
    let rows: Vec<SealedRow> = first.select(SealedRow::as_select()).load(db)?;
    let old: Vec<SealedRow> = rows.into_iter().take_while(|row| row.event.at < before).collect();
    let count = old.len();
    if let Some(last) = old.into_iter().last() {
        let last = Sealed::try_from(last)?;
        delete(events::table.filter(events::place.le(last.mark.place))).execute(db)?;
        move_mark(db, BASE, last.mark)?;
    }
    Ok(count)
}

#[async_trait]
impl Events for Home {
    async fn record(&self, event: &Event) -> Result<(), StoreError> {
        let event = event.clone();
        self.write(move |db| insert_event(db, &event)).await.map(drop)
    }

    async fn trace(&self, reference: &Reference) -> Result<Vec<Event>, StoreError> {
        let reference = reference.as_str().to_owned();
        let query = move |db: &mut Db| {
            let of_reset = events::table.filter(events::reference.eq(&reference)).order(events::seq);
            let rows: Vec<EventRow> = of_reset.select(EventRow::as_select()).load(db)?;
            rows.into_iter().map(Event::try_from).collect()
        };
        self.read(query).await
    }

    async fn asked_with(&self, address: &AddressTag, limit: u32) -> Result<Vec<Event>, StoreError> {
        let address = address.as_str().to_owned();
        let query = move |db: &mut Db| {
            let of_address = events::table.filter(events::address.eq(&address)).order(events::seq.desc());
            let rows: Vec<EventRow> =
                of_address.limit(limit.into()).select(EventRow::as_select()).load(db)?;
            rows.into_iter().map(Event::try_from).collect()
        };
        self.read(query).await
    }

    async fn seal(&self, sealer: &Sealer, limit: u32) -> Result<u32, StoreError> {
        // A look first: most of the time there is nothing to seal, and no need to lock anything.
        let look = |db: &mut Db| {
            let unsealed = events::table.filter(events::place.is_null()).select(events::seq);
            unsealed.first::<i64>(db).optional()
        };
        if self.read(look).await?.is_none() {
            return Ok(0);
        }
        let sealer = sealer.clone();
        self.write(move |db| seal_some(db, &sealer, limit)).await
    }

    async fn base(&self) -> Result<Mark, StoreError> {
        let query = |db: &mut Db| {
            let row = marks::table.find(BASE).select((marks::place, marks::seal));
            let (place, seal) = row.first::<(i64, Vec<u8>)>(db)?;
            mark(place, seal)
        };
        self.read(query).await
    }

    async fn sealed(&self, place: i64, limit: u32) -> Result<Vec<Sealed>, StoreError> {
        let query = move |db: &mut Db| {
            let behind = events::table.filter(events::place.gt(place)).order(events::place);
            let rows: Vec<SealedRow> = behind.limit(limit.into()).select(SealedRow::as_select()).load(db)?;
            rows.into_iter().map(Sealed::try_from).collect()
        };
        self.read(query).await
    }

    async fn forget_events(&self, before: Timestamp) -> Result<(), StoreError> {
        let before = before.as_millis();
        while self.write(move |db| forget_some(db, before, PURGE_STEP)).await? == usize::from(PURGE_STEP) {}
        Ok(())
    }
}
