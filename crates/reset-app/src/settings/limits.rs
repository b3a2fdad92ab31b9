//! Settings of the rate limits, and the proxies that are trusted to report a client's address.

use std::time::Duration;

use anyhow::Result;
use ipnet::IpNet;
use reset_core::{
    budget::{Budgeting, Window},
    client_events::EventLimits,
    overload::OutboxLimits,
};
use reset_http::{ClassLimits, ClientLimits, TrustedProxies};

use url::Url;
use zeroize::Zeroizing;

use reset_listen::{CONNECTIONS_MAX, ListenAddress};

use reset_settings::{DefaultValue, Integer, Key, List, SettingKey, Values};

use super::keys;

/// All rate limits; empty if they are turned off.
pub(crate) struct LimitSettings {
    /// Whether rate limits are on.
    pub(crate) enabled: bool,
    /// Limits counted in the database.
    pub(crate) budgeting: Budgeting,
    /// When requests are rejected because too many wait.
    pub(crate) outbox: OutboxLimits,
    /// How many events anonymous clients can cause.
    pub(crate) events: EventLimits,
    /// Per-client limits, counted in this process or in Redis.
    pub(crate) client_limits: Option<ClientLimits>,
    /// Maximum number of concurrent connections per client.
    pub(crate) client_connections: Option<usize>,
    /// URL of the Redis in which all replicas share the per-client counters, if configured.
    pub(crate) redis_url: Option<Zeroizing<String>>,
    /// Proxies that are trusted to report a client's address.
    pub(crate) proxies: TrustedProxies,
    /// Networks of the deployment's own servers, which no limit per client applies to.
    pub(crate) own_servers: Vec<IpNet>,
}

/// Largest limit of events: each network that causes one is remembered for a day.
const EVENTS_MAX: u32 = 10_000_000;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl LimitSettings {
    pub(super) fn read(values: &Values, listen: &ListenAddress) -> Result<Self> {
        let window = |key: &Key<Integer>, span| window(values, key, span);
        let spacing = values.duration(&keys::LIMITS_REQUEST_SPACING, DAY)?;
        let budgeting = Budgeting {
            requests: vec![
                Window::new(1, spacing),
                window(&keys::LIMITS_REQUESTS_PER_HOUR, HOUR)?,
                window(&keys::LIMITS_REQUESTS_PER_DAY, DAY)?,
            ],
            mails: vec![window(&keys::LIMITS_MAILS_PER_HOUR, HOUR)?],
            open_guesses: vec![
                window(&keys::LIMITS_PX0_WRONG_PER_10M, 10 * MINUTE)?,
                window(&keys::LIMITS_PX0_WRONG_PER_DAY, DAY)?,
            ],
            guesses: vec![
                window(&keys::LIMITS_INSFORGE_WRONG_PER_DAY, DAY)?,
                window(&keys::LIMITS_INSFORGE_WRONG_PER_30D, 30 * DAY)?,
            ],
            all_guesses: vec![window(&keys::LIMITS_INSFORGE_WRONG_PER_DAY_ALL, DAY)?],
            disclosures: vec![window(&keys::LIMITS_DISCLOSURES_PER_DAY, DAY)?],
            disclosures_per_network: vec![window(&keys::LIMITS_NETWORK_DISCLOSURES_PER_DAY, DAY)?],
        };
        let client_limits = client_limits(values)?;
        let client_connections = values.integer(&keys::LIMITS_CLIENT_CONNECTIONS, 1..=CONNECTIONS_MAX)?;
        let per_network: u32 = values.integer(&keys::LIMITS_WAITING_PER_NETWORK, 1..=10_000_000)?;
        let outbox = OutboxLimits {
            max_age: values.duration(&keys::LIMITS_WAITING_AGE, DAY)?,
            per_network: Some(per_network.into()),
        };
        let events = EventLimits {
            per_network: values.integer(&keys::LIMITS_NETWORK_EVENTS_PER_DAY, 1..=EVENTS_MAX)?,
            all: values.integer(&keys::LIMITS_EVENTS_PER_DAY, 1..=EVENTS_MAX)?,
        };
        let networks = |key: &Key<List>| {
            let networks = values.list(key).iter().map(|text| network(text)).collect::<Option<Vec<_>>>();
            let expected = "addresses or networks such as 10.0.0.0/8, 2001:db8::/32 or 127.0.0.1";
            networks.ok_or_else(|| values.bad(key, expected))
        };
        let own_servers = networks(&keys::LIMITS_OWN_SERVERS)?;
        let networks = networks(&keys::TRUSTED_PROXIES)?;
        let proxies = TrustedProxies { networks, local: matches!(listen, ListenAddress::Unix(_)) };
        let enabled = values.boolean(&keys::LIMITS_ENABLED)?;
        let redis_url = redis_url(values)?;
        Ok(if enabled {
            Self {
                enabled,
                budgeting,
                outbox,
                events,
                client_limits: Some(client_limits),
                client_connections: Some(client_connections),
                redis_url,
                proxies,
                own_servers,
            }
        } else {
            let (budgeting, outbox) =
                (Budgeting::default(), OutboxLimits { max_age: 365 * DAY, per_network: None });
            let (client_limits, client_connections, events) = (None, None, EventLimits::default());
            Self {
                enabled,
                budgeting,
                outbox,
                events,
                client_limits,
                client_connections,
                redis_url: None,
                proxies,
                own_servers,
            }
        })
    }
}

/// How many times the limit of a client its surrounding network has, unless it is set.
const NETWORK_FACTOR: u32 = 10;

/// Returns the default of a setting `limits.network_…` that depends on the setting `limits.client_…`.
pub(super) fn network_default(values: &Values, key: &SettingKey) -> Option<u32> {
    let client = format!("limits.client_{}", key.name.strip_prefix("limits.network_")?);
    let client = values.text(values.keys().find(&client)?).ok()?.parse::<u32>().ok()?;
    matches!(key.default, DefaultValue::Found(_))
        .then(|| client.saturating_mul(NETWORK_FACTOR).min(reset_core::budget::COUNT_MAX))
}

/// Reads a limit of `key` within `span`.
fn window(values: &Values, key: &Key<Integer>, span: Duration) -> Result<Window> {
    Ok(Window::new(values.integer(key, 1..=reset_core::budget::COUNT_MAX)?, span))
}

/// Reads the limits per client and per network.
fn client_limits(values: &Values) -> Result<ClientLimits> {
    let window = |key: &Key<Integer>, span| window(values, key, span);
    let around = |key: &'static Key<Integer>, client: &Window| -> Result<Window> {
        match network_default(values, key).filter(|_| !values.is_given(key)) {
            Some(count) => Ok(Window::new(count, client.span)),
            None => window(key, client.span),
        }
    };
    let requests = vec![
        window(&keys::LIMITS_CLIENT_REQUESTS_PER_15M, 15 * MINUTE)?,
        window(&keys::LIMITS_CLIENT_REQUESTS_PER_DAY, DAY)?,
    ];
    let address_codes = window(&keys::LIMITS_CLIENT_INSFORGE_WRONG_PER_15M, 15 * MINUTE)?;
    let tokens = window(&keys::LIMITS_CLIENT_WRONG_PER_HOUR, HOUR)?;
    let estimates = window(&keys::LIMITS_CLIENT_ESTIMATES_PER_MINUTE, MINUTE)?;
    Ok(ClientLimits {
        requests: ClassLimits {
            network: vec![
                around(&keys::LIMITS_NETWORK_REQUESTS_PER_15M, &requests[0])?,
                around(&keys::LIMITS_NETWORK_REQUESTS_PER_DAY, &requests[1])?,
            ],
            client: requests,
        },
        open_codes: ClassLimits {
            client: vec![
                window(&keys::LIMITS_CLIENT_PX0_WRONG_PER_HOUR, HOUR)?,
                window(&keys::LIMITS_CLIENT_PX0_WRONG_PER_DAY, DAY)?,
            ],
            network: vec![window(&keys::LIMITS_NETWORK_PX0_WRONG_PER_DAY, DAY)?],
        },
        address_codes: ClassLimits {
            network: vec![around(&keys::LIMITS_NETWORK_INSFORGE_WRONG_PER_15M, &address_codes)?],
            client: vec![address_codes],
        },
        tokens: ClassLimits {
            network: vec![around(&keys::LIMITS_NETWORK_WRONG_PER_HOUR, &tokens)?],
            client: vec![tokens],
        },
        estimates: ClassLimits {
            network: vec![around(&keys::LIMITS_NETWORK_ESTIMATES_PER_MINUTE, &estimates)?],
            client: vec![estimates],
        },
    })
}

/// Reads the setting `limits.redis_url`.
fn redis_url(values: &Values) -> Result<Option<Zeroizing<String>>> {
    let Some(text) = values.given_text(&keys::LIMITS_REDIS_URL)?.map(Zeroizing::new) else { return Ok(None) };
    if is_redis(&text) {
        return Ok(Some(text));
    }
    Err(values.bad(
        &keys::LIMITS_REDIS_URL,
        "redis://[user:password@]host[:port][/database]; TLS and options are not supported",
    ))
}

fn is_redis(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        let number = url.path().trim_start_matches('/');
        let database = number.is_empty() || number.parse::<u32>().is_ok();
        let plain = url.query().is_none() && url.fragment().is_none();
        url.scheme() == "redis" && url.host_str().is_some_and(|host| !host.is_empty()) && database && plain
    })
}

/// Parses a network or a single address. A network with host bits set, such as `10.1.2.3/8`, is rejected as a mistake.
fn network(text: &str) -> Option<IpNet> {
    let network: IpNet = text.parse().ok().or_else(|| Some(text.parse::<std::net::IpAddr>().ok()?.into()))?;
    (network.trunc() == network).then_some(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redis_url_has_a_host_and_optional_credentials_and_database() {
        for text in [
            "redis://cache",
            "redis://[::1]:6380/",
            "redis://u:p@cache.internal/3",
            "redis://:p%40@10.0.0.1:1",
        ] {
            assert!(is_redis(text), "{text}");
        }
        for text in [
            "",
            "cache:6379",
            "redis:",
            "redis://",
            "redis:///1",
            "rediss://cache",
            "unix:///run/redis",
            "redis+unix:///run/redis",
            "http://cache",
            "redis://cache/one",
            "redis://cache/1/2",
            "redis://cache?db=1",
            "redis://cache#1",
        ] {
            assert!(!is_redis(text), "{text}");
        }
    }

    #[test]
    fn trusted_proxy_is_a_network_or_an_address() {
        for (text, written) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("127.0.0.1", "127.0.0.1/32"),
            ("2001:DB8::/32", "2001:db8::/32"),
            ("::1", "::1/128"),
        ] {
            assert_eq!(network(text).map(|network| network.to_string()).as_deref(), Some(written));
        }
        for text in ["", "10.1.2.3/8", "10.0.0.0/33", "10.0.0", "proxy.example.org", "*"] {
            assert_eq!(network(text), None, "{text}");
        }
    }
}
