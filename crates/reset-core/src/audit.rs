//! The audit: events in a chain of seals, so that whoever changes, removes or inserts one is found out.
//!
//! Each event gets a place, without gaps, and a seal: a keyed tag over the seal before it and the event. The key is
//! not in the database, so nobody who has only that can seal anew. What no chain can show by itself is that its end
//! was cut off; for that, keep the head that a verification prints, and give it to the next one.
//!
//! Events are sealed a moment after they were written, by one process at a time: to seal each as it is written would
//! make all of them wait for each other.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    Resets,
    account::AccountId,
    errand::{ErrandId, Reference},
    error::StoreError,
    event::{AddressTag, Event, Network},
    keys::{Key, Keys},
    notation::{hex, unhex},
    ports::Store,
    time::Timestamp,
};

/// Events that are sealed in one transaction.
pub const SEAL_STEP: u32 = 100;

/// What a store says of a chain whose marks are not the sealer's.
pub const NOT_OURS: &str = "the chain of events was set back or changed, or is sealed under another secret";

/// The tag of one event and all before it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seal([u8; 32]);

impl Seal {
    /// What stands before the first event.
    pub const FIRST: Self = Self([0; 32]);

    /// The seal as it was stored.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The seal as 64 hexadecimal digits, read back.
    pub fn parse(text: &str) -> Option<Self> {
        unhex(text)?.try_into().ok().map(Self)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seal({self})")
    }
}

/// A point of the chain: after so many events, this seal. Written `PLACE:SEAL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Place of the event; zero before the first.
    pub place: i64,
    /// Its seal.
    pub seal: Seal,
}

impl Mark {
    /// Before the first event.
    pub const START: Self = Self { place: 0, seal: Seal::FIRST };

    /// Reads what `Display` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let (place, seal) = text.split_once(':')?;
        Some(Self { place: place.parse().ok().filter(|place| *place >= 0)?, seal: Seal::parse(seal)? })
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.place, self.seal)
    }
}

/// An event in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The place and the seal.
    pub mark: Mark,
    /// The event.
    pub event: Event,
}

/// The two marks of the chain that a store keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The last that was forgotten: behind it the chain begins.
    Base,
    /// The last of all.
    Head,
}

impl End {
    /// Name for stores.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Head => "head",
        }
    }
}

/// Both, each with the tag that says that it is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Where the chain begins.
    pub base: (Mark, Seal),
    /// Where it ends.
    pub head: (Mark, Seal),
}

/// What seals events, and remembers how far. Cheap to clone; no `Debug`.
#[derive(Clone)]
pub struct Sealer {
    keys: Vec<Key>,
    seen: Arc<Mutex<Mark>>,
}

impl Sealer {
    /// The sealer of a deployment.
    pub fn of(keys: &Keys) -> Self {
        let keys = keys.all().iter().map(|set| set.seals.clone()).collect();
        Self { keys, seen: Arc::new(Mutex::new(Mark::START)) }
    }

    /// The mark of the event that follows `before`.
    pub fn seal(&self, before: Mark, event: &Event) -> Mark {
        Self::next(&self.keys[0], before, event)
    }

    /// The tag of a mark that is stored.
    pub fn tag(&self, end: End, mark: Mark) -> Seal {
        Self::tag_under(&self.keys[0], end, mark)
    }

    /// Whether a stored mark is ours. A head that lies behind one that this process has seen is not: somebody set the
    /// chain back, to have it sealed anew.
    pub fn is_ours(&self, end: End, mark: Mark, tag: Seal) -> bool {
        let known = self.keys.iter().any(|key| Self::tag_under(key, end, mark) == tag);
        known && (end == End::Base || mark.place >= self.last().place)
    }

    /// Remembers a head.
    pub fn saw(&self, head: Mark) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if head.place > seen.place {
            *seen = head;
        }
    }

    /// The last head that this process has seen.
    pub fn last(&self) -> Mark {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tag_under(key: &Key, end: End, mark: Mark) -> Seal {
        let place = mark.place.to_be_bytes();
        Seal(*key.tag(&[b"mark", end.name().as_bytes(), &place, mark.seal.as_bytes()]))
    }

    /// Whether `after` is the mark of `event` behind `before`, under any key that is known.
    fn fits(&self, before: Mark, event: &Event, after: Mark) -> bool {
        // Nobody learns a seal by trying: they are no secret.
        self.keys.iter().any(|key| Self::next(key, before, event) == after)
    }

    fn next(key: &Key, before: Mark, event: &Event) -> Mark {
        let place = before.place + 1;
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let parts = [
            text(Some(event.kind.name())),
            event.dialect.clone(),
            text(event.reference.as_ref().map(Reference::as_str)),
            text(event.errand.as_ref().map(ErrandId::as_str)),
            text(event.account.as_ref().map(AccountId::as_str)),
            text(event.address.as_ref().map(AddressTag::as_str)),
            text(event.network.as_ref().map(Network::as_str)),
            event.detail.clone(),
        ];
        let (at, number) = (event.at.as_millis().to_be_bytes(), place.to_be_bytes());
        let mut all: Vec<&[u8]> = vec![before.seal.as_bytes(), &number, &at];
        all.extend(parts.iter().map(String::as_bytes));
        Mark { place, seal: Seal(*key.tag(&all)) }
    }
}

/// A walk along the chain.
pub struct Walk {
    sealer: Sealer,
    at: Mark,
    /// Has to be met on the way.
    known: Option<Mark>,
}

/// Where a chain is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// An event is missing, was changed, or was put in.
    #[error("the chain is broken at place {0}: the event was changed, or one before it is missing")]
    At(i64),
    /// The chain does not hold the mark that it held once.
    #[error("the chain does not hold the mark {0} any more: it was changed, or its end was cut off")]
    Lost(Mark),
    /// What the known mark stood for was forgotten since, as old events are.
    #[error("the mark {0} is older than what is kept, so it says nothing any more: give a newer one")]
    Forgotten(Mark),
    /// The last event is not the one that the head says.
    #[error("the chain ends at place {0}, and its head says otherwise: its end was cut off")]
    Cut(i64),
    /// The stored marks are not ours.
    #[error("the chain's own marks were changed or removed, or they are of another secret")]
    Ends,
}

impl Walk {
    /// Begins behind `base`. `known` is a mark from an earlier verification, if there is one.
    ///
    /// # Errors
    /// [`Broken::Forgotten`] and [`Broken::Lost`], where `known` cannot be met on the way.
    pub fn new(sealer: Sealer, base: Mark, known: Option<Mark>) -> Result<Self, Broken> {
        match known {
            Some(known) if known.place < base.place => Err(Broken::Forgotten(known)),
            Some(known) if known.place == base.place && known != base => Err(Broken::Lost(known)),
            known => Ok(Self { sealer, at: base, known: known.filter(|known| known.place > base.place) }),
        }
    }

    /// The last place that was reached.
    pub fn place(&self) -> i64 {
        self.at.place
    }

    /// Goes on to `next`.
    ///
    /// # Errors
    /// [`Broken`], when it does not follow.
    pub fn step(&mut self, next: &Sealed) -> Result<(), Broken> {
        if !self.sealer.fits(self.at, &next.event, next.mark) {
            return Err(Broken::At(self.at.place + 1));
        }
        self.at = next.mark;
        match self.known {
            Some(known) if known.place == self.at.place => {
                if known != self.at {
                    return Err(Broken::Lost(known));
                }
                self.known = None;
            }
            _ => {}
        }
        Ok(())
    }

    /// The last mark, to be kept for the next verification. `head` is where the chain has to end, if that is known.
    ///
    /// # Errors
    /// [`Broken::Lost`], when the known mark was not met; [`Broken::Cut`], when this is not the end.
    pub fn end(self, head: Option<Mark>) -> Result<Mark, Broken> {
        match (self.known, head) {
            (Some(known), _) => Err(Broken::Lost(known)),
            (None, Some(head)) if head != self.at => Err(Broken::Cut(self.at.place)),
            (None, _) => Ok(self.at),
        }
    }
}

/// What a verification of a store found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Events that hold.
    pub count: u64,
    /// The last mark.
    pub end: Mark,
}

/// Follows the chain in `store` from its base to its head, while others write, seal and forget.
///
/// # Errors
/// When the store fails. That the chain is broken is no error but the answer.
pub async fn verify(
    store: &dyn Store,
    sealer: &Sealer,
    known: Option<Mark>,
) -> Result<Result<Verified, Broken>, StoreError> {
    loop {
        let ends = store.ends().await?;
        let verified = verify_once(store, sealer, known, ends).await?;
        // What was forgotten meanwhile is missing for a reason.
        let after = store.ends().await?;
        if verified.is_ok() || after.map(|ends| ends.base) == ends.map(|ends| ends.base) {
            return Ok(verified);
        }
    }
}

async fn verify_once(
    store: &dyn Store,
    sealer: &Sealer,
    known: Option<Mark>,
    ends: Option<Ends>,
) -> Result<Result<Verified, Broken>, StoreError> {
    let (base, head) = match ends {
        None => (Mark::START, Mark::START),
        Some(Ends { base, head }) => {
            let ours = sealer.is_ours(End::Base, base.0, base.1) && sealer.is_ours(End::Head, head.0, head.1);
            if !ours {
                return Ok(Err(Broken::Ends));
            }
            (base.0, head.0)
        }
    };
    let (mut walk, mut count) = match Walk::new(sealer.clone(), base, known) {
        Ok(walk) => (walk, 0),
        Err(broken) => return Ok(Err(broken)),
    };
    // What is sealed while we walk lies behind the head, and is for the next time.
    while walk.place() < head.place {
        let some = store.sealed(walk.place(), SEAL_STEP).await?;
        for next in some.iter().filter(|next| next.mark.place <= head.place) {
            if let Err(broken) = walk.step(next) {
                return Ok(Err(broken));
            }
            count += 1;
        }
        if some.is_empty() {
            break;
        }
    }
    if ends.is_none() && !store.sealed(0, 1).await?.is_empty() {
        return Ok(Err(Broken::Ends));
    }
    Ok(walk.end(Some(head)).map(|end| Verified { count, end }))
}

impl Resets {
    /// Seals what was written since; returns how many.
    ///
    /// # Errors
    /// When the store fails, or its chain is not ours.
    pub async fn seal_events(&self) -> Result<u64, StoreError> {
        seal_all(&*self.adapters().store, &self.inner.sealer).await
    }

    /// Forgets events that were sealed and happened before `before`.
    ///
    /// # Errors
    /// When the store fails, or its chain is not ours.
    pub async fn forget_events(&self, before: Timestamp) -> Result<(), StoreError> {
        self.adapters().store.forget_events(&self.inner.sealer, before).await
    }

    /// The last mark of the chain that this process has seen.
    pub fn last_mark(&self) -> Mark {
        self.inner.sealer.last()
    }
}

/// Seals every event that is not sealed yet; returns how many.
///
/// # Errors
/// When the store fails, or its chain is not ours.
pub async fn seal_all(store: &dyn Store, sealer: &Sealer) -> Result<u64, StoreError> {
    let mut all = 0;
    loop {
        let count = store.seal(sealer, SEAL_STEP).await?;
        all += u64::from(count);
        if count < SEAL_STEP {
            return Ok(all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventKind;

    fn sealer(key: u8) -> Sealer {
        Sealer::of(&Keys::new(&Key::root(&[key; 32]).unwrap()))
    }

    fn chain(sealer: &Sealer, count: i64) -> Vec<Sealed> {
        let mut at = Mark::START;
        let event = |number| Event {
            dialect: "one".to_owned(),
            ..Event::new(EventKind::Tried, Timestamp::from_millis(number)).saying(format!("{number}"))
        };
        let all = (1..=count).map(event).map(|event| {
            at = sealer.seal(at, &event);
            Sealed { mark: at, event }
        });
        all.collect()
    }

    fn walked(chain: &[Sealed], known: Option<Mark>) -> Result<Mark, Broken> {
        let mut walk = Walk::new(sealer(1), Mark::START, known)?;
        chain.iter().try_for_each(|next| walk.step(next))?;
        walk.end(None)
    }

    #[test]
    fn an_untouched_chain_holds_and_ends_at_its_last_mark() {
        let chain = chain(&sealer(1), 9);
        assert_eq!(walked(&chain, None), Ok(chain[8].mark));
        assert_eq!(walked(&chain, Some(chain[4].mark)), Ok(chain[8].mark));
        assert_eq!(walked(&[], None), Ok(Mark::START));
    }

    #[test]
    fn every_field_is_sealed() {
        let change: [fn(&mut Event); 9] = [
            |event| event.at = Timestamp::from_millis(0),
            |event| event.kind = EventKind::Done,
            |event| event.dialect = "two".to_owned(),
            |event| event.reference = Some(Reference::stored("r")),
            |event| event.errand = Some(ErrandId::new("e")),
            |event| event.account = Some(AccountId::new("1")),
            |event| event.address = Some(AddressTag::stored("a")),
            |event| event.network = Some(Network::stored("n")),
            |event| event.detail = "5 ".to_owned(),
        ];
        for change in change {
            let mut chain = chain(&sealer(1), 9);
            change(&mut chain[4].event);
            assert_eq!(walked(&chain, None), Err(Broken::At(5)));
        }
    }

    #[test]
    fn a_missing_a_doubled_and_a_moved_event_break_the_chain() {
        let whole = chain(&sealer(1), 9);
        let mut missing = whole.clone();
        missing.remove(3);
        assert_eq!(walked(&missing, None), Err(Broken::At(4)));
        let mut doubled = whole.clone();
        doubled.insert(3, whole[3].clone());
        assert_eq!(walked(&doubled, None), Err(Broken::At(5)));
        let mut moved = whole;
        moved.swap(3, 4);
        assert_eq!(walked(&moved, None), Err(Broken::At(4)));
    }

    #[test]
    fn a_cut_off_end_is_found_by_a_mark_that_was_kept() {
        let chain = chain(&sealer(1), 9);
        assert_eq!(walked(&chain[..6], None), Ok(chain[5].mark));
        assert_eq!(walked(&chain[..6], Some(chain[8].mark)), Err(Broken::Lost(chain[8].mark)));
    }

    #[test]
    fn a_mark_that_is_older_than_the_base_says_nothing() {
        let chain = chain(&sealer(1), 9);
        let from = |base: Mark, known: Mark| Walk::new(sealer(1), base, Some(known)).err();
        assert_eq!(from(chain[4].mark, chain[2].mark), Some(Broken::Forgotten(chain[2].mark)));
        assert_eq!(from(chain[4].mark, chain[4].mark), None);
        let other = Mark { place: 5, seal: chain[3].mark.seal };
        assert_eq!(from(chain[4].mark, other), Some(Broken::Lost(other)));
    }

    #[test]
    fn a_chain_that_ends_before_its_head_is_cut() {
        let chain = chain(&sealer(1), 9);
        let mut walk = Walk::new(sealer(1), Mark::START, None).unwrap();
        chain[..7].iter().for_each(|next| walk.step(next).unwrap());
        assert_eq!(walk.end(Some(chain[8].mark)), Err(Broken::Cut(7)));
    }

    #[test]
    fn a_stored_mark_is_ours_by_its_tag_and_never_goes_back() {
        let (ours, chain) = (sealer(1), chain(&sealer(1), 9));
        let mark = chain[4].mark;
        let tag = ours.tag(End::Head, mark);
        assert!(ours.is_ours(End::Head, mark, tag));
        assert!(!ours.is_ours(End::Base, mark, tag), "of the other end");
        assert!(!ours.is_ours(End::Head, chain[5].mark, tag), "of another mark");
        assert!(!sealer(2).is_ours(End::Head, mark, tag), "of another secret");
        ours.saw(chain[6].mark);
        assert!(!ours.is_ours(End::Head, mark, tag), "set back");
        assert!(sealer(1).is_ours(End::Head, mark, tag), "who has seen nothing cannot tell");
    }

    #[test]
    fn nobody_seals_without_the_key() {
        let other = chain(&sealer(2), 3);
        assert_eq!(walked(&other, None), Err(Broken::At(1)));
    }

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        let mark = chain(&sealer(1), 3)[2].mark;
        assert_eq!(Mark::parse(&mark.to_string()), Some(mark));
        for text in ["", "3", "3:", "-1:00", &format!("{mark}0"), "x:00"] {
            assert_eq!(Mark::parse(text), None, "{text}");
        }
    }
}
