//! Seals, marks, and what makes them.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    account::AccountId,
    encoding::{hex, unhex},
    event::{AddressTag, Event, Network},
    job::{JobId, Reference},
    keys::{Key, Keys},
};

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
    pub fn fits(&self, before: Mark, event: &Event, after: Mark) -> bool {
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
            text(event.job.as_ref().map(JobId::as_str)),
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
