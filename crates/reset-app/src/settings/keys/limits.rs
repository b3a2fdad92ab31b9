//! The settings that bound what anonymous clients can make the server store and disclose.

use std::time::Duration;

use reset_settings::{Integer, Key};

pub(crate) static LIMITS_DISCLOSURES_PER_DAY: Key<Integer> = Key::new(
    "limits.disclosures_per_day",
    "1000",
    "Maximum px0 requests per day whose response may show whether an address has an account (`px0.disclose_unknown`). Over \
         the limit, unknown addresses get the response of known ones",
);
pub(crate) static LIMITS_NETWORK_DISCLOSURES_PER_DAY: Key<Integer> =
    Key::new("limits.network_disclosures_per_day", "50", "The same per IPv4 /24 or IPv6 /48 network");
pub(crate) static LIMITS_EVENTS_PER_DAY: Key<Integer> = Key::new(
    "limits.events_per_day",
    "100000",
    "Maximum audit events per day that reset requests for unknown addresses and wrong codes cause. Over the limit they are \
         counted, not recorded. Counted per process",
);
pub(crate) static LIMITS_NETWORK_EVENTS_PER_DAY: Key<Integer> =
    Key::new("limits.network_events_per_day", "2000", "The same per IPv4 /24 or IPv6 /48 network");
pub(crate) static LIMITS_WAITING_AGE: Key<Duration> = Key::new(
    "limits.waiting_age",
    "10m",
    "Age that no waiting request should reach. Once one is half as old, new requests get 503 with `Retry-After`. \
         Postponed mails do not count",
);
pub(crate) static LIMITS_WAITING_PER_NETWORK: Key<Integer> = Key::new(
    "limits.waiting_per_network",
    "1000",
    "Maximum waiting requests per IPv4 /24 or IPv6 /48 network; then 503 with `Retry-After`. Counted per process",
);
