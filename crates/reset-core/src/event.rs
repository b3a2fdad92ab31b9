//! Events: what happened to each reset, written down in the order in which it happened and never changed.
//!
//! They are what an operator reads when somebody says "I never got the mail", and what an auditor reads later. An
//! event holds no secret and no address: a keyed tag stands for the address, as in budgets.

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
};

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// Somebody asked, and the job was queued.
    Accepted,
    /// Somebody asked more often than an address may be asked for: nothing was queued.
    Limited,
    /// The worker found the account and issued its ticket; the detail is the kind of secret.
    Matched,
    /// A delivery was put off; the detail is what the mail server replied.
    PutOff,
    /// The mail was accepted by the mail server; the detail is its reply.
    Mailed,
    /// The job ended without a mail; the detail says why.
    Ended,
    /// The mailed link was opened, by its owner or by a scanner; the detail is how the ticket stood.
    Opened,
    /// A code was tried. Where no exchange or reset follows, it was wrong.
    Tried,
    /// The right code was exchanged for a token.
    Exchanged,
    /// A secret was presented that is good no more, or with a password made of names; the detail says why.
    Dead,
    /// The password was set.
    Done,
    /// An administrator made a secret and handed it over himself; the detail is its kind.
    Linked,
    /// The owner said that the reset was somebody else's.
    Disputed,
    /// An administrator ended the dispute.
    DisputeClosed,
    /// An administrator blocked the account.
    Blocked,
    /// An administrator unblocked the account.
    Unblocked,
    /// An administrator had a mail tried again.
    Retried,
    /// An administrator removed what had ended, or what waited; the detail says how many.
    Cleared,
    /// Something that only a newer program has a word for.
    Other(String),
}

impl EventKind {
    /// Every kind that this program writes.
    pub const ALL: [Self; 18] = [
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
        Self::Retried,
        Self::Cleared,
    ];

    /// Name for stores, exports and people.
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
            Self::Retried => "retried",
            Self::Cleared => "cleared",
            Self::Other(name) => name,
        }
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Self {
        let known = Self::ALL.into_iter().find(|kind| kind.name() == name);
        known.unwrap_or_else(|| Self::Other(name.to_owned()))
    }
}

/// Asks of one address beyond its limit that are written down within [`LIMITED_WITHIN`]: a flood of them must not fill
/// the table.
pub const LIMITED_MOST: u32 = 10;
/// See [`LIMITED_MOST`].
pub const LIMITED_WITHIN: Duration = Duration::from_secs(60 * 60);

/// A client as events name it: an IPv4 address, or the /64 that an IPv6 client was given (R72).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Network(String);

impl Network {
    /// The network of a client.
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => {
                format!("{}/64", Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
            }
        })
    }

    /// The network as it was stored.
    pub fn stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Stands for an address: equal addresses have equal tags, and nobody without the key can tell which.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AddressTag(String);

/// Bytes of a tag.
const TAG: usize = 16;

impl AddressTag {
    /// The tag as it was stored.
    pub fn stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Keys {
    /// What events call an address by.
    pub fn address_tag(&self, email: &EmailAddress) -> AddressTag {
        Self::tag_of(self.current(), email)
    }

    /// What they called it by, under each secret that is listed, the current one first.
    pub fn address_tags(&self, email: &EmailAddress) -> Vec<AddressTag> {
        self.all().iter().map(|set| Self::tag_of(set, email)).collect()
    }

    fn tag_of(set: &KeySet, email: &EmailAddress) -> AddressTag {
        AddressTag(hex(&set.events.tag(&[email.key().as_bytes()])[..TAG]))
    }
}

/// One thing that happened.
#[derive(Clone, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
    /// In which dialect; empty where it was in none.
    pub dialect: String,
    /// The reset it belongs to, where that is known.
    pub reference: Option<Reference>,
    /// The job it belongs to.
    pub job: Option<JobId>,
    /// Whose reset, where there is an account.
    pub account: Option<AccountId>,
    /// The address that was asked for.
    pub address: Option<AddressTag>,
    /// Who asked.
    pub network: Option<Network>,
    /// Reply codes and words of ours. Never a secret, an address or a server's prose (R70).
    pub detail: String,
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("at", &self.at).field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Event {
    /// Something that happened at `at`.
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

    /// Something that happened to a job.
    pub fn of_job(kind: EventKind, job: &Job, at: Timestamp) -> Self {
        Self {
            dialect: job.dialect.clone(),
            reference: Some(job.reference.clone()),
            job: Some(job.id.clone()),
            ..Self::new(kind, at)
        }
    }

    /// Something that happened to a ticket.
    pub fn of_ticket(kind: EventKind, ticket: &Ticket, at: Timestamp) -> Self {
        Self::new(kind, at).about(ticket)
    }

    /// The same, said of `ticket`.
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

    /// The same, said of `account`.
    #[must_use]
    pub fn of(self, account: &AccountId) -> Self {
        Self { account: Some(account.clone()), ..self }
    }

    /// The same, by a client in `network`.
    #[must_use]
    pub fn by(self, network: Option<&Network>) -> Self {
        Self { network: network.cloned(), ..self }
    }

    /// The same, with `detail`.
    #[must_use]
    pub fn saying(self, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_its_address_or_its_slash_64() {
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
    fn every_kind_has_a_name_of_its_own() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::named(kind.name()), kind);
            assert!(!matches!(kind, EventKind::Other(_)));
        }
        assert_eq!(EventKind::named("later").name(), "later");
    }
}
