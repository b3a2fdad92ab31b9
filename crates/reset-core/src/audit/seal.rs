//! Seals and marks, and the [`Sealer`] that computes them.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    account::AccountId,
    encoding::{hex, unhex},
    event::{AddressTag, Event, Network},
    job::{JobId, Reference},
    keys::{HmacKey, Keys},
};

/// The keyed tag of one event and all events before it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seal([u8; 32]);

impl Seal {
    /// The seal before the first event: all zeros.
    pub const FIRST: Self = Self([0; 32]);

    /// Wraps a stored seal.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Parses a seal of 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        unhex(text)?.try_into().ok().map(Self)
    }

    /// Returns the bytes.
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

/// A point in the chain: a position and the seal there. Displayed as `PLACE:SEAL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Position of the event, counted from 1; zero before the first.
    pub place: i64,
    /// The event's seal.
    pub seal: Seal,
}

impl Mark {
    /// The mark before the first event.
    pub const START: Self = Self { place: 0, seal: Seal::FIRST };

    /// Parses the output of `Display`.
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

/// A sealed event with its mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The position and the seal.
    pub mark: Mark,
    /// The event.
    pub event: Event,
}

/// The two ends of the chain, whose marks the store keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The last deleted event: the chain starts after it.
    Base,
    /// The last sealed event.
    Head,
}

impl End {
    /// Returns the name for stores.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Head => "head",
        }
    }
}

/// The marks of both ends, each with its authentication tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The start of the chain.
    pub base: (Mark, Seal),
    /// The end of the chain.
    pub head: (Mark, Seal),
}

/// Seals events, and remembers the highest head it has seen. Cheap to clone; not `Debug`, because it holds keys.
#[derive(Clone)]
pub struct Sealer {
    keys: Vec<HmacKey>,
    seen: Arc<Mutex<Mark>>,
}

impl Sealer {
    /// Creates the sealer of a deployment.
    pub fn of(keys: &Keys) -> Self {
        let keys = keys.all().iter().map(|set| set.seals.clone()).collect();
        Self { keys, seen: Arc::new(Mutex::new(Mark::START)) }
    }

    /// Returns the mark of the event that follows `before`.
    pub fn seal(&self, before: Mark, event: &Event) -> Mark {
        Self::next(&self.keys[0], before, event)
    }

    /// Returns the authentication tag of a stored mark.
    pub fn tag(&self, end: End, mark: Mark) -> Seal {
        Self::tag_under(&self.keys[0], end, mark)
    }

    /// Returns whether a stored mark is authentic. A head behind the last one that this process has seen is not: the
    /// chain was rolled back, so that changed events would be sealed again.
    pub fn is_ours(&self, end: End, mark: Mark, tag: Seal) -> bool {
        let authentic = self.keys.iter().any(|key| Self::tag_under(key, end, mark) == tag);
        authentic && (end == End::Base || mark.place >= self.last().place)
    }

    /// Remembers a head, unless a later one was seen.
    pub fn saw(&self, head: Mark) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if head.place > seen.place {
            *seen = head;
        }
    }

    /// Returns the last head that this process has seen.
    pub fn last(&self) -> Mark {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tag_under(key: &HmacKey, end: End, mark: Mark) -> Seal {
        let place = mark.place.to_be_bytes();
        Seal(*key.tag(&[b"mark", end.name().as_bytes(), &place, mark.seal.as_bytes()]))
    }

    /// Returns whether `after` is the mark of `event` after `before`, under any of the configured keys.
    pub fn fits(&self, before: Mark, event: &Event, after: Mark) -> bool {
        // Comparing in variable time is safe: seals are not secret.
        self.keys.iter().any(|key| Self::next(key, before, event) == after)
    }

    fn next(key: &HmacKey, before: Mark, event: &Event) -> Mark {
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
