//! Following the chain, and where it is broken.

use super::{
    SEAL_STEP,
    seal::{End, Ends, Mark, Sealed, Sealer},
};
use crate::{error::StoreError, ports::Store};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        account::AccountId,
        event::{AddressTag, Event, EventKind, Network},
        job::{JobId, Reference},
        keys::{Key, Keys},
        time::Timestamp,
    };

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
