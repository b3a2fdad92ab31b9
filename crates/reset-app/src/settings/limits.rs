//! Settings of the rate limits, and the proxies that are trusted to report a client's address.

use std::time::Duration;

use anyhow::Result;
use reset_core::budget::{Budgeting, Window};
use reset_http::{ClientLimits, TrustedProxies};

use url::Url;
use zeroize::Zeroizing;

use reset_listen::ListenAddress;

use super::value::Values;

/// All rate limits; empty if they are turned off.
pub(crate) struct LimitSettings {
    /// Whether rate limits are on.
    pub(crate) enabled: bool,
    /// Limits counted in the database.
    pub(crate) budgeting: Budgeting,
    /// Per-client limits, counted in this process or in Redis.
    pub(crate) client_limits: Option<ClientLimits>,
    /// URL of the Redis in which all replicas share the per-client counters, if configured.
    pub(crate) redis_url: Option<Zeroizing<String>>,
    /// Proxies that are trusted to report a client's address.
    pub(crate) proxies: TrustedProxies,
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl LimitSettings {
    pub(super) fn read(values: &Values, listen: &ListenAddress) -> Result<Self> {
        let window = |name: &str, span| -> Result<Window> {
            let name = format!("limits.{name}");
            Ok(Window::new(values.integer(&name, 1..=reset_core::budget::COUNT_MAX)?, span))
        };
        let spacing = values.duration("limits.request_spacing", DAY)?;
        let budgeting = Budgeting {
            requests: vec![
                Window::new(1, spacing),
                window("requests_per_hour", HOUR)?,
                window("requests_per_day", DAY)?,
            ],
            mails: vec![window("mails_per_hour", HOUR)?],
            open_guesses: vec![window("px0_wrong_per_10m", 10 * MINUTE)?, window("px0_wrong_per_day", DAY)?],
            guesses: vec![
                window("insforge_wrong_per_day", DAY)?,
                window("insforge_wrong_per_30d", 30 * DAY)?,
            ],
            all_guesses: vec![window("insforge_wrong_per_day_all", DAY)?],
        };
        let client_limits = ClientLimits {
            requests: vec![
                window("client_requests_per_15m", 15 * MINUTE)?,
                window("client_requests_per_day", DAY)?,
            ],
            open_codes: vec![
                window("client_px0_wrong_per_hour", HOUR)?,
                window("client_px0_wrong_per_day", DAY)?,
            ],
            open_codes_around: vec![window("network_px0_wrong_per_day", DAY)?],
            address_codes: vec![window("client_insforge_wrong_per_15m", 15 * MINUTE)?],
            tokens: vec![window("client_wrong_per_hour", HOUR)?],
        };
        let networks = values.list("trusted_proxies").iter().map(|text| network(text)).collect::<Option<_>>();
        let expected = "addresses or networks such as 10.0.0.0/8, 2001:db8::/32 or 127.0.0.1";
        let networks = networks.ok_or_else(|| values.bad("trusted_proxies", expected))?;
        let proxies = TrustedProxies { networks, local: matches!(listen, ListenAddress::Unix(_)) };
        let enabled = values.boolean("limits.enabled")?;
        let redis_url = redis_url(values)?;
        Ok(if enabled {
            Self { enabled, budgeting, client_limits: Some(client_limits), redis_url, proxies }
        } else {
            Self { enabled, budgeting: Budgeting::default(), client_limits: None, redis_url: None, proxies }
        })
    }
}

/// Reads the setting `limits.redis_url`.
fn redis_url(values: &Values) -> Result<Option<Zeroizing<String>>> {
    const NAME: &str = "limits.redis_url";
    let Some(text) = values.given_text(NAME)?.map(Zeroizing::new) else { return Ok(None) };
    if is_redis(&text) {
        return Ok(Some(text));
    }
    Err(values.bad(NAME, "redis://[user:password@]host[:port][/database]; TLS and options are not supported"))
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
fn network(text: &str) -> Option<ipnet::IpNet> {
    let network: ipnet::IpNet =
        text.parse().ok().or_else(|| Some(text.parse::<std::net::IpAddr>().ok()?.into()))?;
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
