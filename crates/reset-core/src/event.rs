//! Audit events: the steps of each reset, recorded in the order in which they happened and never changed.
//!
//! An operator reads them when a user reports that no mail arrived; an auditor reads them later. An event holds no
//! secret and no address: a keyed tag stands for the address, as in budgets.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use crate::{
    account::AccountId,
    email::EmailAddress,
    encoding::hex,
    job::{Job, JobId, Reference},
    keys::{KeySet, Keys},
    ticket::Ticket,
    time::Timestamp,
    turns::NetworkBlock,
};

/// The kind of an event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A reset was requested and its job was queued.
    Accepted,
    /// A reset request exceeded the rate limit of its address: nothing was queued.
    Limited,
    /// The worker found the account and issued a ticket; the detail is the kind of its secret.
    Matched,
    /// A delivery failed temporarily and was postponed; the detail is the reply or the reason.
    PutOff,
    /// The mail server accepted the mail; the detail is its reply.
    Mailed,
    /// The job ended without a mail; the detail is the reason.
    Ended,
    /// The mailed link was opened, by its owner or by a link scanner; the detail is the ticket's state.
    Opened,
    /// A code was tried. If no exchange or reset follows, it was wrong.
    Tried,
    /// The right code was exchanged for a token.
    Exchanged,
    /// A secret was rejected because it is no longer valid, or because the new password contains account names; the
    /// detail is the reason.
    Dead,
    /// The password was set.
    Done,
    /// An administrator issued a secret without mail; the detail is its kind.
    Linked,
    /// The owner reported that the reset was not theirs.
    Disputed,
    /// An administrator closed the dispute.
    DisputeClosed,
    /// An administrator blocked the account.
    Blocked,
    /// An administrator unblocked the account.
    Unblocked,
    /// An administrator voided the tickets of an account, or of all accounts; the detail is how many were live.
    TicketsVoided,
    /// The audit log had been emptied when this process began to seal it.
    EventsLost,
    /// An administrator retried a job.
    Retried,
    /// An administrator deleted finished or waiting jobs; the detail is how many.
    Cleared,
    /// An administrator ended the account's unused dispute links; the detail is how many.
    LinksVoided,
    /// Steps of resets were not recorded, because their networks had caused too many events; the detail is how many.
    Unrecorded,
    /// A step that no store records: see [`Event::skipped`].
    Skipped,
    /// A kind that this version does not know, written by a newer one.
    Other(String),
}

impl EventKind {
    /// Every kind that this version writes.
    pub const ALL: [Self; 22] = [
        Self::Accepted,
        Self::Limited,
        Self::Matched,
        Self::PutOff,
        Self::Mailed,
        Self::Ended,
        Self::Opened,
        Self::Tried,
        Self::Exchanged,
        Self::Dead,
        Self::Done,
        Self::Linked,
        Self::Disputed,
        Self::DisputeClosed,
        Self::Blocked,
        Self::Unblocked,
        Self::TicketsVoided,
        Self::EventsLost,
        Self::Retried,
        Self::Cleared,
        Self::LinksVoided,
        Self::Unrecorded,
    ];

    /// Returns the name for stores, exports and operators.
    pub fn name(&self) -> &str {
        match self {
            Self::Accepted => "accepted",
            Self::Limited => "limited",
            Self::Matched => "matched",
            Self::PutOff => "put-off",
            Self::Mailed => "mailed",
            Self::Ended => "ended",
            Self::Opened => "opened",
            Self::Tried => "tried",
            Self::Exchanged => "exchanged",
            Self::Dead => "dead",
            Self::Done => "done",
            Self::Linked => "linked",
            Self::Disputed => "disputed",
            Self::DisputeClosed => "dispute-closed",
            Self::Blocked => "blocked",
            Self::Unblocked => "unblocked",
            Self::TicketsVoided => "tickets-voided",
            Self::EventsLost => "events-lost",
            Self::Retried => "retried",
            Self::Cleared => "cleared",
            Self::LinksVoided => "links-voided",
            Self::Unrecorded => "unrecorded",
            Self::Skipped => "skipped",
            Self::Other(name) => name,
        }
    }

    /// Returns the kind with this name.
    pub fn named(name: &str) -> Self {
        let known = Self::ALL.into_iter().find(|kind| kind.name() == name);
        known.unwrap_or_else(|| Self::Other(name.to_owned()))
    }
}

/// Maximum [`EventKind::Limited`] events recorded per address within [`LIMITED_WITHIN`], so that a flood of requests
/// does not fill the table.
pub const LIMITED_MOST: u32 = 10;
/// The window of [`LIMITED_MOST`].
pub const LIMITED_WITHIN: Duration = Duration::from_secs(60 * 60);

/// A client as events identify it: an IPv4 address, or the /64 network of an IPv6 client (R72).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Network(String);

impl Network {
    /// Returns the network of a client's address.
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => {
                format!("{}/64", Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
            }
        })
    }

    /// Wraps a stored network.
    pub fn stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the block of addresses that the network is in, or `None` if the stored text is no network.
    pub fn block(&self) -> Option<NetworkBlock> {
        let address = self.0.split('/').next().and_then(|address| address.parse().ok());
        address.map(NetworkBlock::of)
    }

    /// Returns the network as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A keyed tag that stands for an address. Equal addresses have equal tags; without the key, a tag does not reveal
/// its address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AddressTag(String);

/// Length of a tag in bytes.
const TAG: usize = 16;

impl AddressTag {
    /// Wraps a stored tag.
    pub fn stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the tag as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Keys {
    /// Returns the tag of an address under the current secret.
    pub fn address_tag(&self, email: &EmailAddress) -> AddressTag {
        Self::tag_of(self.current(), email)
    }

    /// Returns the tags of an address under each configured secret, the current one first.
    pub fn address_tags(&self, email: &EmailAddress) -> Vec<AddressTag> {
        self.all().iter().map(|set| Self::tag_of(set, email)).collect()
    }

    fn tag_of(set: &KeySet, email: &EmailAddress) -> AddressTag {
        AddressTag(hex(&set.events.tag(&[email.key().as_bytes()])[..TAG]))
    }
}

/// An audit event. `Debug` shows the time and the kind only.
#[derive(Clone, PartialEq, Eq)]
pub struct Event {
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: EventKind,
    /// The dialect; empty if the event belongs to none.
    pub dialect: String,
    /// The reset that the event belongs to, if known.
    pub reference: Option<Reference>,
    /// The job that the event belongs to.
    pub job: Option<JobId>,
    /// The account, if there is one.
    pub account: Option<AccountId>,
    /// The requested address.
    pub address: Option<AddressTag>,
    /// The client's network.
    pub network: Option<Network>,
    /// Reply codes and fixed words. Never a secret, an address or a server's text (R70).
    pub detail: String,
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("at", &self.at).field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Event {
    /// Creates an event that happened at `at`.
    pub fn new(kind: EventKind, at: Timestamp) -> Self {
        Self {
            at,
            kind,
            dialect: String::new(),
            reference: None,
            job: None,
            account: None,
            address: None,
            network: None,
            detail: String::new(),
        }
    }

    /// Creates an event about a job.
    pub fn of_job(kind: EventKind, job: &Job, at: Timestamp) -> Self {
        Self {
            dialect: job.dialect.clone(),
            reference: Some(job.reference.clone()),
            job: Some(job.id.clone()),
            ..Self::new(kind, at)
        }
    }

    /// Creates an event about a ticket.
    pub fn of_ticket(kind: EventKind, ticket: &Ticket, at: Timestamp) -> Self {
        Self::new(kind, at).about(ticket)
    }

    /// Attaches the event to `ticket`: its dialect, reference, job and account.
    #[must_use]
    pub fn about(self, ticket: &Ticket) -> Self {
        Self {
            dialect: ticket.dialect.clone(),
            reference: ticket.reference.clone(),
            job: Some(ticket.job.clone()),
            account: Some(ticket.account.clone()),
            ..self
        }
    }

    /// Turns the event into one that no store records.
    #[must_use]
    pub fn skipped(self) -> Self {
        Self { kind: EventKind::Skipped, ..self }
    }

    /// Returns whether a store records the event.
    pub fn is_recorded(&self) -> bool {
        self.kind != EventKind::Skipped
    }

    /// Sets the account.
    #[must_use]
    pub fn of(self, account: &AccountId) -> Self {
        Self { account: Some(account.clone()), ..self }
    }

    /// Sets the client's network.
    #[must_use]
    pub fn by(self, network: Option<&Network>) -> Self {
        Self { network: network.cloned(), ..self }
    }

    /// Sets the detail.
    #[must_use]
    pub fn saying(self, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_is_the_ipv4_address_or_the_ipv6_slash_64() {
        for (address, network) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:DB8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ] {
            assert_eq!(Network::of(address.parse().unwrap()).as_str(), network);
        }
    }

    #[test]
    fn every_event_kind_has_a_unique_name() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::named(kind.name()), kind);
            assert!(!matches!(kind, EventKind::Other(_)));
        }
        assert_eq!(EventKind::named("later").name(), "later");
    }
}
