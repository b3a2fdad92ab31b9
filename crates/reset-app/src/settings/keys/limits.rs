//! The settings of the section `limits`.

use std::time::Duration;

use reset_settings::{Integer, Key, List, Secrecy, SettingKey, Text};

pub(crate) static LIMITS_ENABLED: Key<bool> = Key::new(
    "limits.enabled",
    "true",
    "`false` turns off every limit of this section, for load tests. `insforge.max_attempts` still applies",
);
pub(crate) static LIMITS_REQUEST_SPACING: Key<Duration> = Key::new(
    "limits.request_spacing",
    "60s",
    "Minimum interval between two reset requests for one address, across dialects. A request over this or the next two \
         limits gets the usual response and sends no mail",
);
pub(crate) static LIMITS_REQUESTS_PER_HOUR: Key<Integer> =
    Key::new("limits.requests_per_hour", "3", "Maximum reset requests per address per hour");
pub(crate) static LIMITS_REQUESTS_PER_DAY: Key<Integer> =
    Key::new("limits.requests_per_day", "6", "Maximum reset requests per address per day");
pub(crate) static LIMITS_MAILS_PER_HOUR: Key<Integer> =
    Key::new("limits.mails_per_hour", "1000", "Maximum reset mails per hour. Others are postponed");
pub(crate) static LIMITS_PX0_WRONG_PER_10M: Key<Integer> = Key::new(
    "limits.px0_wrong_per_10m",
    "5",
    "Maximum wrong six-digit px0 codes per 10 minutes, from all clients together. Over the limit, six-digit codes are \
         rejected as invalid, and new codes are long",
);
pub(crate) static LIMITS_PX0_WRONG_PER_DAY: Key<Integer> =
    Key::new("limits.px0_wrong_per_day", "20", "The same per day");
pub(crate) static LIMITS_INSFORGE_WRONG_PER_DAY: Key<Integer> = Key::new(
    "limits.insforge_wrong_per_day",
    "10",
    "Maximum wrong InsForge codes per address per day, over all its codes. Over the limit, its codes are rejected as \
         invalid, and its next mail has a link (with `pages.enabled`)",
);
pub(crate) static LIMITS_INSFORGE_WRONG_PER_30D: Key<Integer> =
    Key::new("limits.insforge_wrong_per_30d", "25", "The same per 30 days");
pub(crate) static LIMITS_INSFORGE_WRONG_PER_DAY_ALL: Key<Integer> = Key::new(
    "limits.insforge_wrong_per_day_all",
    "100",
    "Maximum wrong InsForge codes per day, for all addresses together. Over the limit, every code is rejected as \
         invalid, and mails have links (with `pages.enabled`)",
);
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
pub(crate) static LIMITS_CLIENT_REQUESTS_PER_15M: Key<Integer> = Key::new(
    "limits.client_requests_per_15m",
    "5",
    "Maximum reset requests per client (IPv4 address or IPv6 /64) per 15 minutes; then 429. Counted per process, or \
         across all replicas with `limits.redis_url`",
);
pub(crate) static LIMITS_CLIENT_REQUESTS_PER_DAY: Key<Integer> =
    Key::new("limits.client_requests_per_day", "20", "The same per day");
pub(crate) static LIMITS_NETWORK_REQUESTS_PER_15M: Key<Integer> = Key::found(
    "limits.network_requests_per_15m",
    "ten times `limits.client_requests_per_15m`: `50`",
    "Maximum reset requests per IPv4 /24 or IPv6 /48 network per 15 minutes; then 429",
);
pub(crate) static LIMITS_NETWORK_REQUESTS_PER_DAY: Key<Integer> = Key::found(
    "limits.network_requests_per_day",
    "ten times `limits.client_requests_per_day`: `200`",
    "The same per day",
);
pub(crate) static LIMITS_CLIENT_PX0_WRONG_PER_HOUR: Key<Integer> = Key::new(
    "limits.client_px0_wrong_per_hour",
    "5",
    "Maximum wrong six-digit px0 codes per client per hour; then 429",
);
pub(crate) static LIMITS_CLIENT_PX0_WRONG_PER_DAY: Key<Integer> =
    Key::new("limits.client_px0_wrong_per_day", "10", "The same per day");
pub(crate) static LIMITS_NETWORK_PX0_WRONG_PER_DAY: Key<Integer> =
    Key::new("limits.network_px0_wrong_per_day", "20", "The same per IPv4 /24 or IPv6 /48 network");
pub(crate) static LIMITS_CLIENT_INSFORGE_WRONG_PER_15M: Key<Integer> = Key::new(
    "limits.client_insforge_wrong_per_15m",
    "10",
    "Maximum wrong InsForge codes per client per 15 minutes; then 429",
);
pub(crate) static LIMITS_NETWORK_INSFORGE_WRONG_PER_15M: Key<Integer> = Key::found(
    "limits.network_insforge_wrong_per_15m",
    "ten times `limits.client_insforge_wrong_per_15m`: `100`",
    "The same per IPv4 /24 or IPv6 /48 network",
);
pub(crate) static LIMITS_CLIENT_WRONG_PER_HOUR: Key<Integer> = Key::new(
    "limits.client_wrong_per_hour",
    "60",
    "Maximum other wrong secrets (long codes, tokens, links) per client per hour; then 429",
);
pub(crate) static LIMITS_NETWORK_WRONG_PER_HOUR: Key<Integer> = Key::found(
    "limits.network_wrong_per_hour",
    "ten times `limits.client_wrong_per_hour`: `600`",
    "The same per IPv4 /24 or IPv6 /48 network",
);
pub(crate) static LIMITS_CLIENT_ESTIMATES_PER_MINUTE: Key<Integer> = Key::new(
    "limits.client_estimates_per_minute",
    "60",
    "Maximum estimates of a password's strength (`/reset/strength`) per client per minute; then 429, and the page shows no \
         estimate",
);
pub(crate) static LIMITS_NETWORK_ESTIMATES_PER_MINUTE: Key<Integer> = Key::found(
    "limits.network_estimates_per_minute",
    "ten times `limits.client_estimates_per_minute`: `600`",
    "The same per IPv4 /24 or IPv6 /48 network",
);
pub(crate) static LIMITS_CLIENT_CONNECTIONS: Key<Integer> = Key::new(
    "limits.client_connections",
    "512",
    "Maximum concurrent connections per IPv4 address or IPv6 /48 network, of 4096 in all. Beyond it, the connection that \
         has waited longest for its client is closed, or else the new one. `trusted_proxies` and peers on a Unix socket \
         are not counted",
);
pub(crate) static LIMITS_OWN_SERVERS: Key<List> = Key::new(
    "limits.own_servers",
    "",
    "Addresses or networks of your own servers that send the requests of many people, such as the route handlers of a web \
         framework: no limit per client or network applies to them. Those per address and per account do. If they report \
         the person's address in `X-Forwarded-For`, list them in `trusted_proxies` instead",
);
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
pub(crate) static LIMITS_REDIS_URL: Key<Text> = Key::found("limits.redis_url", "none; each process counts for itself", "`redis://[user:password@]host[:port][/database]`: Redis in which all replicas share the per-client counters \
         (`client_…`, `network_…`)").secrecy(Secrecy::Userinfo);

/// All of them, in the order in which they are documented.
pub(super) const KEYS: &[&SettingKey] = &[
    LIMITS_ENABLED.setting(),
    LIMITS_REQUEST_SPACING.setting(),
    LIMITS_REQUESTS_PER_HOUR.setting(),
    LIMITS_REQUESTS_PER_DAY.setting(),
    LIMITS_MAILS_PER_HOUR.setting(),
    LIMITS_PX0_WRONG_PER_10M.setting(),
    LIMITS_PX0_WRONG_PER_DAY.setting(),
    LIMITS_INSFORGE_WRONG_PER_DAY.setting(),
    LIMITS_INSFORGE_WRONG_PER_30D.setting(),
    LIMITS_INSFORGE_WRONG_PER_DAY_ALL.setting(),
    LIMITS_DISCLOSURES_PER_DAY.setting(),
    LIMITS_NETWORK_DISCLOSURES_PER_DAY.setting(),
    LIMITS_EVENTS_PER_DAY.setting(),
    LIMITS_NETWORK_EVENTS_PER_DAY.setting(),
    LIMITS_CLIENT_REQUESTS_PER_15M.setting(),
    LIMITS_CLIENT_REQUESTS_PER_DAY.setting(),
    LIMITS_NETWORK_REQUESTS_PER_15M.setting(),
    LIMITS_NETWORK_REQUESTS_PER_DAY.setting(),
    LIMITS_CLIENT_PX0_WRONG_PER_HOUR.setting(),
    LIMITS_CLIENT_PX0_WRONG_PER_DAY.setting(),
    LIMITS_NETWORK_PX0_WRONG_PER_DAY.setting(),
    LIMITS_CLIENT_INSFORGE_WRONG_PER_15M.setting(),
    LIMITS_NETWORK_INSFORGE_WRONG_PER_15M.setting(),
    LIMITS_CLIENT_WRONG_PER_HOUR.setting(),
    LIMITS_NETWORK_WRONG_PER_HOUR.setting(),
    LIMITS_CLIENT_ESTIMATES_PER_MINUTE.setting(),
    LIMITS_NETWORK_ESTIMATES_PER_MINUTE.setting(),
    LIMITS_CLIENT_CONNECTIONS.setting(),
    LIMITS_OWN_SERVERS.setting(),
    LIMITS_WAITING_AGE.setting(),
    LIMITS_WAITING_PER_NETWORK.setting(),
    LIMITS_REDIS_URL.setting(),
];
