//! Verification of the chain of seals.

use super::{
    SEAL_STEP,
    seal::{End, Ends, Mark, Sealed, Sealer},
};
use crate::{error::StoreError, ports::Store};

/// An incremental verification of the chain.
pub struct Walk {
    sealer: Sealer,
    at: Mark,
    /// A mark that the chain must still contain.
    known: Option<Mark>,
}

/// Why the chain does not verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// An event is missing, was changed, or was inserted.
    #[error("the chain is broken at place {0}: the event was changed, or an earlier one is missing")]
    At(i64),
    /// The chain no longer contains the mark from an earlier verification.
    #[error("the chain does not contain the mark {0} any more: it was changed, or its end was cut off")]
    Lost(Mark),
    /// The event of the known mark has been deleted since, as old events are.
    #[error("the mark {0} is older than the oldest event kept, so it proves nothing: pass a newer mark")]
    Forgotten(Mark),
    /// The last event is not the one that the stored head names.
    #[error("the chain ends at place {0}, but its stored head differs: its end was cut off")]
    Cut(i64),
    /// The database holds work that events must have recorded, but neither these events nor marks.
    #[error(
        "the audit log was emptied: jobs, tickets or resets are older than every event in it, and it has no marks"
    )]
    Emptied,
    /// The stored marks are not authentic.
    #[error("the chain's stored marks were changed or deleted, or were made under another secret")]
    Ends,
}

impl Walk {
    /// Starts after `base`. `known` is a mark from an earlier verification, if there is one.
    ///
    /// # Errors
    /// [`Broken::Forgotten`] or [`Broken::Lost`] if the chain after `base` cannot contain `known`.
    pub fn new(sealer: Sealer, base: Mark, known: Option<Mark>) -> Result<Self, Broken> {
        match known {
            Some(known) if known.place < base.place => Err(Broken::Forgotten(known)),
            Some(known) if known.place == base.place && known != base => Err(Broken::Lost(known)),
            known => Ok(Self { sealer, at: base, known: known.filter(|known| known.place > base.place) }),
        }
    }

    /// Returns the last position reached.
    pub fn place(&self) -> i64 {
        self.at.place
    }

    /// Verifies the next event.
    ///
    /// # Errors
    /// Returns [`Broken`] if `next` does not follow.
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

    /// Finishes and returns the last mark, which the caller keeps for the next verification. `head` is the mark where
    /// the chain must end, if known.
    ///
    /// # Errors
    /// [`Broken::Lost`] if the known mark was not found; [`Broken::Cut`] if the chain does not end at `head`.
    pub fn end(self, head: Option<Mark>) -> Result<Mark, Broken> {
        match (self.known, head) {
            (Some(known), _) => Err(Broken::Lost(known)),
            (None, Some(head)) if head != self.at => Err(Broken::Cut(self.at.place)),
            (None, _) => Ok(self.at),
        }
    }
}

/// The result of a successful verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Number of verified events.
    pub count: u64,
    /// The last mark.
    pub end: Mark,
}

/// Verifies the chain in `store` from its base to its head. Other processes can record, seal and delete events
/// meanwhile.
///
/// # Errors
/// Fails if the store fails. A broken chain is the inner `Err`.
pub async fn verify(
    store: &dyn Store,
    sealer: &Sealer,
    known: Option<Mark>,
) -> Result<Result<Verified, Broken>, StoreError> {
    loop {
        let ends = store.ends().await?;
        let verified = verify_once(store, sealer, known, ends).await?;
        // If the base moved, events were deleted meanwhile: verify again.
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
    // Events sealed in the meantime lie after the head; the next verification covers them.
    while walk.place() < head.place {
        let batch = store.sealed(walk.place(), SEAL_STEP).await?;
        for next in batch.iter().filter(|next| next.mark.place <= head.place) {
            if let Err(broken) = walk.step(next) {
                return Ok(Err(broken));
            }
            count += 1;
        }
        if batch.is_empty() {
            break;
        }
    }
    if ends.is_none() && !store.sealed(0, 1).await?.is_empty() {
        return Ok(Err(Broken::Ends));
    }
    if ends.is_none() && known.is_none() && store.has_lost_events().await? {
        return Ok(Err(Broken::Emptied));
    }
    Ok(walk.end(Some(head)).map(|end| Verified { count, end }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        account::AccountId,
        event::{AddressTag, Event, EventKind, Network},
        job::{JobId, Reference},
        keys::{HmacKey, Keys},
        time::Timestamp,
    };

    fn sealer(key: u8) -> Sealer {
        Sealer::of(&Keys::new(&HmacKey::root(&[key; 32]).unwrap()))
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
    fn untouched_chain_verifies_up_to_its_last_mark() {
        let chain = chain(&sealer(1), 9);
        assert_eq!(walked(&chain, None), Ok(chain[8].mark));
        assert_eq!(walked(&chain, Some(chain[4].mark)), Ok(chain[8].mark));
        assert_eq!(walked(&[], None), Ok(Mark::START));
    }

    #[test]
    fn seal_covers_every_field() {
        let change: [fn(&mut Event); 9] = [
            |event| event.at = Timestamp::from_millis(0),
            |event| event.kind = EventKind::Done,
            |event| event.dialect = "two".to_owned(),
            |event| event.reference = Some(Reference::stored("r")),
            |event| event.job = Some(JobId::new("e")),
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
    fn missing_duplicated_or_moved_event_breaks_the_chain() {
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
    fn kept_mark_reveals_a_cut_off_end() {
        let chain = chain(&sealer(1), 9);
        assert_eq!(walked(&chain[..6], None), Ok(chain[5].mark));
        assert_eq!(walked(&chain[..6], Some(chain[8].mark)), Err(Broken::Lost(chain[8].mark)));
    }

    #[test]
    fn mark_older_than_the_base_is_reported_as_forgotten() {
        let chain = chain(&sealer(1), 9);
        let from = |base: Mark, known: Mark| Walk::new(sealer(1), base, Some(known)).err();
        assert_eq!(from(chain[4].mark, chain[2].mark), Some(Broken::Forgotten(chain[2].mark)));
        assert_eq!(from(chain[4].mark, chain[4].mark), None);
        let other = Mark { place: 5, seal: chain[3].mark.seal };
        assert_eq!(from(chain[4].mark, other), Some(Broken::Lost(other)));
    }

    #[test]
    fn chain_that_ends_before_its_head_is_reported_as_cut() {
        let chain = chain(&sealer(1), 9);
        let mut walk = Walk::new(sealer(1), Mark::START, None).unwrap();
        chain[..7].iter().for_each(|next| walk.step(next).unwrap());
        assert_eq!(walk.end(Some(chain[8].mark)), Err(Broken::Cut(7)));
    }

    #[test]
    fn stored_mark_is_authentic_by_its_tag_and_never_goes_back() {
        let (ours, chain) = (sealer(1), chain(&sealer(1), 9));
        let mark = chain[4].mark;
        let tag = ours.tag(End::Head, mark);
        assert!(ours.is_ours(End::Head, mark, tag));
        assert!(!ours.is_ours(End::Base, mark, tag), "tag of the other end");
        assert!(!ours.is_ours(End::Head, chain[5].mark, tag), "tag of another mark");
        assert!(!sealer(2).is_ours(End::Head, mark, tag), "tag under another secret");
        ours.saw(chain[6].mark);
        assert!(!ours.is_ours(End::Head, mark, tag), "rolled back");
        assert!(sealer(1).is_ours(End::Head, mark, tag), "a process that has seen no head cannot tell");
    }

    #[test]
    fn seal_of_another_key_is_rejected() {
        let other = chain(&sealer(2), 3);
        assert_eq!(walked(&other, None), Err(Broken::At(1)));
    }

    #[test]
    fn mark_survives_the_text_round_trip() {
        let mark = chain(&sealer(1), 3)[2].mark;
        assert_eq!(Mark::parse(&mark.to_string()), Some(mark));
        for text in ["", "3", "3:", "-1:00", &format!("{mark}0"), "x:00"] {
            assert_eq!(Mark::parse(text), None, "{text}");
        }
    }
}
