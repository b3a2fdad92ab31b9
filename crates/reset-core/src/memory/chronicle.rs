//! The events and objections of a store in memory.

use async_trait::async_trait;

use super::store::MemoryStore;
use crate::{
    account::AccountId,
    audit::{End, Ends, Mark, NOT_OURS, Sealed, Sealer},
    error::StoreError,
    event::{AddressTag, Event, EventKind, LIMITED_MOST, LIMITED_WITHIN},
    job::{JobId, Reference},
    objection::{OBJECTION_LIFE, Objection, Raising},
    ports::{Events, Objections},
    time::Timestamp,
};

/// What was written down.
#[derive(Default)]
pub(super) struct Chronicle {
    events: Vec<(Event, Option<Mark>)>,
    ends: Option<Ends>,
}

impl Chronicle {
    pub(super) fn write(&mut self, event: Event) {
        self.events.push((event, None));
    }

    /// As asks beyond a limit are written down: ten an hour for one address.
    pub(super) fn write_limited(&mut self, event: &Event) {
        let since = event.at.minus(LIMITED_WITHIN);
        let same = self.events.iter().map(|(event, _)| event).filter(|other| {
            other.kind == EventKind::Limited && other.address == event.address && other.at > since
        });
        if same.count() < LIMITED_MOST as usize {
            self.write(Event { kind: EventKind::Limited, ..event.clone() });
        }
    }

    fn write_once(&mut self, event: &Event) {
        let same = |other: &Event| {
            (&other.reference, &other.kind, &other.detail) == (&event.reference, &event.kind, &event.detail)
        };
        if !self.events.iter().any(|(other, _)| same(other)) {
            self.write(event.clone());
        }
    }

    pub(super) fn all(&self) -> Vec<Event> {
        self.events.iter().map(|(event, _)| event.clone()).collect()
    }

    fn seal(&mut self, sealer: &Sealer, limit: usize) -> Result<usize, StoreError> {
        let none = (Mark::START, Mark::START);
        let (base, mut at) = self.ends.map_or(none, |ends| (ends.base.0, ends.head.0));
        let base_is_ours = self.ends.is_none_or(|ends| sealer.is_ours(End::Base, ends.base.0, ends.base.1));
        if self.ends.is_some_and(|ends| !sealer.is_ours(End::Head, ends.head.0, ends.head.1)) {
            return Err(StoreError::new(NOT_OURS));
        }
        let mut count = 0;
        for (event, mark) in self.events.iter_mut().filter(|(_, mark)| mark.is_none()).take(limit) {
            at = sealer.seal(at, event);
            *mark = Some(at);
            count += 1;
        }
        if count > 0 {
            // Anew, since the tag may be of an earlier secret, which may be listed no longer one day.
            let kept = self.ends.map(|ends| ends.base).filter(|_| !base_is_ours);
            let base = kept.unwrap_or((base, sealer.tag(End::Base, base)));
            self.ends = Some(Ends { base, head: (at, sealer.tag(End::Head, at)) });
        }
        sealer.saw(at);
        Ok(count)
    }

    fn sealed(&self, place: i64, limit: usize) -> Vec<Sealed> {
        let marked = self.events.iter().filter_map(|(event, mark)| Some((event, (*mark)?)));
        let behind = marked.filter(|(_, mark)| mark.place > place);
        behind.take(limit).map(|(event, mark)| Sealed { mark, event: event.clone() }).collect()
    }

    fn forget(&mut self, sealer: &Sealer, before: Timestamp) -> Result<(), StoreError> {
        let Some(ends) = &mut self.ends else { return Ok(()) };
        if !sealer.is_ours(End::Base, ends.base.0, ends.base.1) {
            return Err(StoreError::new(NOT_OURS));
        }
        let old = |(event, mark): &(Event, Option<Mark>)| mark.is_some() && event.at < before;
        let (mut at, mut count) = (ends.base.0, 0);
        for (event, mark) in self.events.iter().take_while(|row| old(row)) {
            let next = mark.expect("sealed, as all that are old");
            if !sealer.fits(at, event, next) {
                return Err(StoreError::new(NOT_OURS));
            }
            (at, count) = (next, count + 1);
        }
        if count > 0 {
            self.events.drain(..count);
            ends.base = (at, sealer.tag(End::Base, at));
        }
        Ok(())
    }
}

/// The objections that there may be, and those that there are.
#[derive(Default)]
pub(super) struct Docket(Vec<(Objection, bool)>);

impl Docket {
    fn find(&self, notice: &JobId) -> Option<&Objection> {
        self.0.iter().map(|(objection, _)| objection).find(|objection| objection.id == *notice)
    }

    /// Whether it can be raised: it is not yet, and its time is not over.
    fn is_open(&self, notice: &JobId, now: Timestamp) -> bool {
        self.find(notice).is_some_and(|objection| objection.raised_at.is_none() && objection.until > now)
    }

    /// Whether an older one of another mailbox stands.
    fn is_outranked(&self, objection: &Objection, now: Timestamp) -> bool {
        let since = now.minus(OBJECTION_LIFE);
        self.0.iter().any(|(other, lifted)| {
            other.account == objection.account
                && other.mailbox != objection.mailbox
                && other.until < objection.until
                && other.raised_at.is_some_and(|at| at > since)
                && !lifted
        })
    }

    /// Ends the younger ones of other mailboxes, raised or not.
    fn end_younger(&mut self, objection: &Objection, now: Timestamp) {
        for (other, lifted) in &mut self.0 {
            if other.account == objection.account
                && other.mailbox != objection.mailbox
                && other.until > objection.until
            {
                (other.until, *lifted) = (now, true);
            }
        }
    }

    fn raise(&mut self, notice: &JobId, now: Timestamp) {
        let objections = self.0.iter_mut().map(|(objection, _)| objection);
        for objection in objections.filter(|objection| objection.id == *notice) {
            objection.raised_at = Some(now);
        }
    }

    /// Lifts the account's, or those of them with this mailbox; says whether there was one.
    pub(super) fn lift(&mut self, account: &AccountId, mailbox: Option<&str>) -> bool {
        let raised = self.0.iter_mut().filter(|(objection, lifted)| {
            objection.account == *account
                && objection.raised_at.is_some()
                && mailbox.is_none_or(|mailbox| mailbox == objection.mailbox)
                && !lifted
        });
        raised.map(|(_, lifted)| *lifted = true).count() > 0
    }

    pub(super) fn purge(&mut self, before: Timestamp) {
        self.0.retain(|(objection, _)| match objection.raised_at {
            // It stands for as long again.
            Some(raised_at) => raised_at.plus(OBJECTION_LIFE) >= before,
            None => objection.until >= before,
        });
    }
}

#[async_trait]
impl Events for MemoryStore {
    async fn record(&self, event: &Event) -> Result<(), StoreError> {
        self.working("record")?.chronicle.write(event.clone());
        Ok(())
    }

    async fn record_once(&self, event: &Event) -> Result<(), StoreError> {
        self.working("record_once")?.chronicle.write_once(event);
        Ok(())
    }

    async fn trace(&self, reference: &Reference) -> Result<Vec<Event>, StoreError> {
        let all = self.working("trace")?.chronicle.all();
        Ok(all.into_iter().filter(|event| event.reference.as_ref() == Some(reference)).collect())
    }

    async fn asked_with(&self, address: &AddressTag, limit: u32) -> Result<Vec<Event>, StoreError> {
        let all = self.working("asked_with")?.chronicle.all();
        let of_address = all.into_iter().rev().filter(|event| event.address.as_ref() == Some(address));
        Ok(of_address.take(limit as usize).collect())
    }

    async fn seal(&self, sealer: &Sealer, limit: u32) -> Result<u32, StoreError> {
        let count = self.working("seal")?.chronicle.seal(sealer, limit as usize)?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    async fn ends(&self) -> Result<Option<Ends>, StoreError> {
        Ok(self.working("ends")?.chronicle.ends)
    }

    async fn sealed(&self, place: i64, limit: u32) -> Result<Vec<Sealed>, StoreError> {
        Ok(self.working("sealed")?.chronicle.sealed(place, limit as usize))
    }

    async fn forget_events(&self, sealer: &Sealer, before: Timestamp) -> Result<(), StoreError> {
        self.working("forget_events")?.chronicle.forget(sealer, before)
    }
}

#[async_trait]
impl Objections for MemoryStore {
    async fn allow_objection(&self, objection: &Objection) -> Result<(), StoreError> {
        let mut state = self.working("allow_objection")?;
        if state.docket.find(&objection.id).is_none() {
            state.docket.0.push((objection.clone(), false));
        }
        Ok(())
    }

    async fn objection(&self, notice: &JobId) -> Result<Option<Objection>, StoreError> {
        Ok(self.working("objection")?.docket.find(notice).cloned())
    }

    async fn object(&self, raising: Raising<'_>) -> Result<bool, StoreError> {
        let Raising { objection, password_hash, jobs, event, now } = raising;
        let mut state = self.working("object")?;
        let open = state.docket.is_open(&objection.id, now) && !state.docket.is_outranked(objection, now);
        if !state.has_account(&objection.account) || !open {
            return Ok(false);
        }
        for job in jobs {
            state.queue.push(job)?;
        }
        state.docket.raise(&objection.id, now);
        state.docket.end_younger(objection, now);
        state.set_password(&objection.account, password_hash, now);
        state.void(now, |ticket| ticket.account == objection.account);
        state.chronicle.write(event.clone());
        Ok(true)
    }

    async fn mailbox_of_objections(
        &self,
        account: &AccountId,
        since: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        let state = self.working("mailbox_of_objections")?;
        let standing = state.docket.0.iter().filter(|(objection, lifted)| {
            objection.account == *account && objection.raised_at.is_some_and(|at| at > since) && !lifted
        });
        let first = standing.map(|(objection, _)| objection).min_by_key(|objection| objection.until);
        Ok(first.map(|objection| objection.mailbox.clone()))
    }

    async fn account_of_objection(
        &self,
        mailbox: &str,
        since: Timestamp,
    ) -> Result<Option<AccountId>, StoreError> {
        let state = self.working("account_of_objection")?;
        let standing = state.docket.0.iter().filter(|(objection, lifted)| {
            objection.mailbox == mailbox && objection.raised_at.is_some_and(|at| at > since) && !lifted
        });
        let first = standing.map(|(objection, _)| objection).min_by_key(|objection| objection.until);
        Ok(first.map(|objection| objection.account.clone()))
    }

    async fn lift_objections(&self, account: &AccountId, event: &Event) -> Result<bool, StoreError> {
        let mut state = self.working("lift_objections")?;
        let lifted = state.docket.lift(account, None);
        if lifted {
            state.chronicle.write(event.clone());
        }
        Ok(lifted)
    }
}
