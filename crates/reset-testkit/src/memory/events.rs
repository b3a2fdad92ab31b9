//! [`Events`] and [`Disputes`] of the in-memory store.

use async_trait::async_trait;

use super::store::MemoryStore;
use reset_core::{
    account::AccountId,
    audit::{End, Ends, Mark, NOT_OURS, RECORDED_WITHIN, Sealed, Sealer},
    dispute::{ClosedDisputes, DISPUTE_LIFE, Dispute, DisputeOpening},
    error::StoreError,
    event::{AddressTag, Event, EventKind, LIMITED_MOST, LIMITED_WITHIN},
    job::{JobId, Reference},
    ports::{Disputes, Events},
    time::Timestamp,
};

/// Recorded events with their seals, and the ends of the chain.
#[derive(Default)]
pub(super) struct MemoryEvents {
    events: Vec<(Event, Option<Mark>)>,
    ends: Option<Ends>,
}

impl MemoryEvents {
    pub(super) fn write(&mut self, event: Event) {
        if event.is_recorded() {
            self.events.push((event, None));
        }
    }

    /// Records a reset request over a limit, at most [`LIMITED_MOST`] times per [`LIMITED_WITHIN`] and address.
    pub(super) fn write_limited(&mut self, event: &Event) {
        if !event.is_recorded() {
            return;
        }
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

    /// Deletes every event and the ends of the chain, as an attacker with access to the database can.
    pub(super) fn erase(&mut self) {
        *self = Self::default();
    }

    pub(super) fn all(&self) -> Vec<Event> {
        self.events.iter().map(|(event, _)| event.clone()).collect()
    }

    fn seal(&mut self, sealer: &Sealer, limit: usize) -> Result<usize, StoreError> {
        let empty = (Mark::START, Mark::START);
        let (base, mut at) = self.ends.map_or(empty, |ends| (ends.base.0, ends.head.0));
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
            // The base is tagged again: its tag may be of a previous secret that is removed from the settings later. A
            // base that this sealer cannot check keeps its tag.
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
            let next = mark.expect("`old` selects only sealed events");
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

/// Disputes, open or not yet opened, each with whether it was closed.
#[derive(Default)]
pub(super) struct MemoryDisputes(Vec<(Dispute, bool)>);

impl MemoryDisputes {
    fn find(&self, notice: &JobId) -> Option<&Dispute> {
        self.0.iter().map(|(dispute, _)| dispute).find(|dispute| dispute.id == *notice)
    }

    /// Returns whether the dispute can be opened: it has not been opened, and its deadline has not passed.
    fn can_open(&self, notice: &JobId, now: Timestamp) -> bool {
        self.find(notice).is_some_and(|dispute| dispute.opened_at.is_none() && dispute.until > now)
    }

    /// Returns whether an older dispute of another mailbox is open.
    fn is_outranked(&self, dispute: &Dispute, now: Timestamp) -> bool {
        let since = now.minus(DISPUTE_LIFE);
        self.0.iter().any(|(other, closed)| {
            other.account == dispute.account
                && other.mailbox != dispute.mailbox
                && other.until < dispute.until
                && other.opened_at.is_some_and(|at| at > since)
                && !closed
        })
    }

    /// Ends the newer disputes of other mailboxes, opened or not.
    fn end_newer(&mut self, dispute: &Dispute, now: Timestamp) {
        for (other, closed) in &mut self.0 {
            if other.account == dispute.account
                && other.mailbox != dispute.mailbox
                && other.until > dispute.until
            {
                (other.until, *closed) = (now, true);
            }
        }
    }

    fn mark_opened(&mut self, notice: &JobId, now: Timestamp) {
        let disputes = self.0.iter_mut().map(|(dispute, _)| dispute);
        for dispute in disputes.filter(|dispute| dispute.id == *notice) {
            dispute.opened_at = Some(now);
        }
    }

    /// Closes the open disputes of the account, or only those of `mailbox`. Returns their number.
    pub(super) fn close(&mut self, account: &AccountId, mailbox: Option<&str>) -> usize {
        let opened = self.0.iter_mut().filter(|(dispute, closed)| {
            dispute.account == *account
                && dispute.opened_at.is_some()
                && mailbox.is_none_or(|mailbox| mailbox == dispute.mailbox)
                && !closed
        });
        opened.map(|(_, closed)| *closed = true).count()
    }

    /// Ends the unused links of the account, or only those of other mailboxes than `except`. Returns their number.
    pub(super) fn end_links(&mut self, account: &AccountId, except: Option<&str>, now: Timestamp) -> usize {
        let unused = self.0.iter_mut().filter(|(dispute, _)| {
            dispute.account == *account
                && dispute.opened_at.is_none()
                && dispute.until > now
                && except.is_none_or(|mailbox| mailbox != dispute.mailbox)
        });
        unused.map(|(dispute, closed)| (dispute.until, *closed) = (now, true)).count()
    }

    pub(super) fn purge(&mut self, before: Timestamp) {
        self.0.retain(|(dispute, _)| match dispute.opened_at {
            // An opened dispute lasts for `DISPUTE_LIFE` from its opening.
            Some(opened_at) => opened_at.plus(DISPUTE_LIFE) >= before,
            None => dispute.until >= before,
        });
    }
}

#[async_trait]
impl Events for MemoryStore {
    async fn record(&self, event: &Event) -> Result<(), StoreError> {
        self.working("record")?.events.write(event.clone());
        Ok(())
    }

    async fn record_once(&self, event: &Event) -> Result<(), StoreError> {
        self.working("record_once")?.events.write_once(event);
        Ok(())
    }

    async fn trace(&self, reference: &Reference) -> Result<Vec<Event>, StoreError> {
        let all = self.working("trace")?.events.all();
        Ok(all.into_iter().filter(|event| event.reference.as_ref() == Some(reference)).collect())
    }

    async fn asked_with(&self, address: &AddressTag, limit: u32) -> Result<Vec<Event>, StoreError> {
        let all = self.working("asked_with")?.events.all();
        let of_address = all.into_iter().rev().filter(|event| event.address.as_ref() == Some(address));
        Ok(of_address.take(limit as usize).collect())
    }

    async fn seal(&self, sealer: &Sealer, limit: u32) -> Result<u32, StoreError> {
        let count = self.working("seal")?.events.seal(sealer, limit as usize)?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    async fn ends(&self) -> Result<Option<Ends>, StoreError> {
        Ok(self.working("ends")?.events.ends)
    }

    async fn has_lost_events(&self) -> Result<bool, StoreError> {
        let state = self.working("has_lost_events")?;
        let events = &state.events;
        let oldest = events.events.iter().map(|(event, _)| event.at.minus(RECORDED_WITHIN)).min();
        let older = |work: Timestamp| oldest.is_none_or(|oldest| work < oldest);
        Ok(events.ends.is_none() && state.oldest_work().is_some_and(older))
    }

    async fn sealed(&self, place: i64, limit: u32) -> Result<Vec<Sealed>, StoreError> {
        Ok(self.working("sealed")?.events.sealed(place, limit as usize))
    }

    async fn forget_events(&self, sealer: &Sealer, before: Timestamp) -> Result<(), StoreError> {
        self.working("forget_events")?.events.forget(sealer, before)
    }
}

#[async_trait]
impl Disputes for MemoryStore {
    async fn allow_dispute(&self, dispute: &Dispute) -> Result<(), StoreError> {
        let mut state = self.working("allow_dispute")?;
        if state.disputes.find(&dispute.id).is_none() {
            state.disputes.0.push((dispute.clone(), false));
        }
        Ok(())
    }

    async fn dispute(&self, notice: &JobId) -> Result<Option<Dispute>, StoreError> {
        Ok(self.working("dispute")?.disputes.find(notice).cloned())
    }

    async fn open_dispute(&self, opening: DisputeOpening<'_>) -> Result<bool, StoreError> {
        let DisputeOpening { dispute, password_hash, jobs, event, now } = opening;
        let mut state = self.working("open_dispute")?;
        let can_open =
            state.disputes.can_open(&dispute.id, now) && !state.disputes.is_outranked(dispute, now);
        if !state.has_account(&dispute.account) || !can_open {
            return Ok(false);
        }
        for job in jobs {
            state.queue.push(job)?;
        }
        state.disputes.mark_opened(&dispute.id, now);
        state.disputes.end_newer(dispute, now);
        state.set_password(&dispute.account, password_hash, now);
        state.void(now, |ticket| ticket.account == dispute.account);
        state.events.write(event.clone());
        Ok(true)
    }

    async fn mailbox_of_disputes(
        &self,
        account: &AccountId,
        since: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        let state = self.working("mailbox_of_disputes")?;
        let open = state.disputes.0.iter().filter(|(dispute, closed)| {
            dispute.account == *account && dispute.opened_at.is_some_and(|at| at > since) && !closed
        });
        let first = open.map(|(dispute, _)| dispute).min_by_key(|dispute| dispute.until);
        Ok(first.map(|dispute| dispute.mailbox.clone()))
    }

    async fn account_of_dispute(
        &self,
        mailbox: &str,
        since: Timestamp,
    ) -> Result<Option<AccountId>, StoreError> {
        let state = self.working("account_of_dispute")?;
        let open = state.disputes.0.iter().filter(|(dispute, closed)| {
            dispute.mailbox == mailbox && dispute.opened_at.is_some_and(|at| at > since) && !closed
        });
        let first = open.map(|(dispute, _)| dispute).min_by_key(|dispute| dispute.until);
        Ok(first.map(|dispute| dispute.account.clone()))
    }

    async fn close_disputes(
        &self,
        account: &AccountId,
        present: &str,
        event: &Event,
    ) -> Result<ClosedDisputes, StoreError> {
        let mut state = self.working("close_disputes")?;
        let disputes = state.disputes.close(account, None);
        let links = state.disputes.end_links(account, Some(present), event.at);
        let closed = ClosedDisputes { disputes, links };
        if closed != ClosedDisputes::default() {
            state.events.write(event.clone());
        }
        Ok(closed)
    }

    async fn void_dispute_links(&self, account: &AccountId, event: &Event) -> Result<usize, StoreError> {
        let mut state = self.working("void_dispute_links")?;
        let ended = state.disputes.end_links(account, None, event.at);
        if ended > 0 {
            state.events.write(event.clone().saying(ended.to_string()));
        }
        Ok(ended)
    }
}
