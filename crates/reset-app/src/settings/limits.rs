//! Limits: what may be done how often, by whom, and who is believed about who that is.

use std::time::Duration;

use anyhow::Result;
use reset_core::budget::{Budgeting, Window};
use reset_dialects::{PerClient, Proxies};

use super::{http::Listen, value::Values};

/// Every limit; those that are switched off are empty.
pub(crate) struct Limits {
    /// Whether there are any.
    pub(crate) enabled: bool,
    /// What is counted in the store.
    pub(crate) budgeting: Budgeting,
    /// What is counted in this process.
    pub(crate) per_client: Option<PerClient>,
    /// Who is believed about a client's address.
    pub(crate) proxies: Proxies,
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Limits {
    pub(super) fn read(values: &Values, listen: &Listen) -> Result<Self> {
        let window = |name: &str, span| -> Result<Window> {
            let name = format!("limits.{name}");
            Ok(Window::new(values.integer(&name, 1..=reset_core::budget::COUNT_MAX)?, span))
        };
        let spacing = values.duration("limits.ask_spacing", DAY)?;
        let budgeting = Budgeting {
            asks: vec![Window::new(1, spacing), window("asks_per_hour", HOUR)?, window("asks_per_day", DAY)?],
            mails: vec![window("mails_per_hour", HOUR)?],
            open_guesses: vec![window("px0_wrong_per_10m", 10 * MINUTE)?, window("px0_wrong_per_day", DAY)?],
            guesses: vec![
                window("insforge_wrong_per_day", DAY)?,
                window("insforge_wrong_per_30d", 30 * DAY)?,
            ],
            all_guesses: vec![window("insforge_wrong_per_day_all", DAY)?],
        };
        let per_client = PerClient {
            asks: vec![window("client_asks_per_15m", 15 * MINUTE)?, window("client_asks_per_day", DAY)?],
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
        let proxies = Proxies { networks, local: matches!(listen, Listen::Unix(_)) };
        let enabled = values.boolean("limits.enabled")?;
        Ok(if enabled {
            Self { enabled, budgeting, per_client: Some(per_client), proxies }
        } else {
            Self { enabled, budgeting: Budgeting::default(), per_client: None, proxies }
        })
    }
}

/// A network, or one address. Its address part has to be the network's own: `10.1.2.3/8` is a slip.
fn network(text: &str) -> Option<ipnet::IpNet> {
    let network: ipnet::IpNet =
        text.parse().ok().or_else(|| Some(text.parse::<std::net::IpAddr>().ok()?.into()))?;
    (network.trunc() == network).then_some(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_a_network_or_an_address() {
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
