//! The weaknesses that the settings leave open: one line each, with the number of the security requirement.
//!
//! They follow from the values in force, not from the name of the profile: an operator who closes one weakness of
//! profile `compatible` by hand gets one line less.

use std::{fs, net::IpAddr};

use anyhow::Result;
use http::uri::Scheme;
use reset_core::client_events::EVENT_BYTES;
use reset_http::{route::Lifetime, upstream::UpstreamOptions};
use reset_settings::{is_open, written};

use super::{Settings, keys};

/// Minimum length of a password that is the only factor (NIST SP 800-63B-4, 3.1.1.2).
const MIN_LENGTH: usize = 15;

impl Settings {
    /// Returns the bound for the success of guessing, one line for each served dialect.
    ///
    /// # Errors
    /// Fails if the settings of a dialect are invalid.
    pub(crate) fn bounds(&self) -> Result<Vec<String>> {
        Ok(self.stand_in()?.into_iter().filter_map(|dialect| dialect.security.bound).collect())
    }

    /// Returns how much anonymous clients can add to the audit log (R72).
    pub(crate) fn growth(&self) -> String {
        let (all, days) = (self.limits.events.all, self.audit_retention.as_secs() / 86_400);
        if !self.limits.enabled {
            return "audit log: the events of anonymous clients are not limited".to_owned();
        }
        let megabytes = u64::from(all) * EVENT_BYTES / 1_000_000;
        format!(
            "audit log: anonymous clients add at most {all} events a day, about {megabytes} MB, and {} MB in the {days} \
             days that events are kept, per process",
            megabytes * days
        )
    }

    /// Returns every known weakness that is open, as `R13: …`.
    ///
    /// # Errors
    /// Fails if the settings of a dialect are invalid.
    pub(crate) fn weaknesses(&self) -> Result<Vec<String>> {
        let dialects = self.stand_in()?;
        let mut open = Open::default();
        let limited = self.limits.enabled;
        if !limited {
            open.add(
                "R6, R28, R45-R49: rate limits are turned off, which is only for load tests (limits.enabled)",
            );
        }
        if limited {
            open.add(
                "R50: an attacker can use up the reset requests of an address: its owner gets the mails, but not when \
                 requested, and wrong guesses can void the codes in them (limits.requests_per_day)",
            );
        }
        open.lines.extend(self.client_address_weakness().filter(|_| limited).map(ToOwned::to_owned));
        if self.http.admin_is_open() {
            open.add(
                "R13: other machines can read /metrics without a token, and its counters show which reset requests reach an \
                 account (admin_listen; set admin_token)",
            );
        }
        for security in dialects.iter().map(|dialect| &dialect.security) {
            security.weaknesses.iter().for_each(|weakness| open.add(weakness));
            open.lifetimes.extend(&security.lifetimes);
        }
        open.add_lifetimes();
        let min = self.passwords.policy.min;
        if min < MIN_LENGTH {
            open.add(format!("R54: passwords of {min} characters are accepted (password.min_length)"));
        }
        if !self.passwords.policy.refuse_common {
            open.add("R56: the most common passwords are accepted (password.denylist)");
        }
        if !self.notify.owner {
            open.add("R30: owners are not notified of a changed password (notify.password_changed)");
        }
        for path in self.values.files_with_secrets() {
            if fs::metadata(path).is_ok_and(|file| is_open(&file)) {
                open.add(format!(
                    "R76: {path} contains a secret, but every user of this machine can open it: chmod 600 it"
                ));
            }
        }
        for sentence in self.mail.plain_text() {
            open.add(format!("R26: {sentence}"));
        }
        if self.http.upstream.as_ref().is_some_and(is_plain_text) {
            open.add(
                "R26: passwords, session tokens and everything else of the back end are sent to another machine in plain text \
                 (upstream_url: use https)",
            );
        }
        if self.database.address.is_unverified() {
            open.add(
                "R26: hashes and addresses are sent to a database whose certificate is not verified (database_url: \
                 sslmode=verify-full, ssl-mode=verify_identity)",
            );
        }
        Ok(open.lines)
    }

    /// Returns why rate limits do not count each client by its own address.
    fn client_address_weakness(&self) -> Option<&'static str> {
        let proxies = &self.limits.proxies;
        if proxies.networks.iter().any(|network| network.prefix_len() == 0) {
            return Some(
                "R48: every client is trusted as a proxy, so it can claim any address and escape its rate limit \
                 (trusted_proxies)",
            );
        }
        if !proxies.networks.is_empty() {
            return None;
        }
        // Peers on a Unix socket have no address.
        if proxies.local {
            return Some(
                "R48: listen is a Unix socket and no proxy is trusted to name its clients: no client is limited \
                 (trusted_proxies)",
            );
        }
        let https = self.is_given(&keys::PUBLIC_URL) && self.likely_url().starts_with("https:");
        https.then_some(
            "R48: public_url is https, so clients connect through a proxy, but no proxy is trusted: all clients share one \
             rate limit (trusted_proxies)",
        )
    }
}

/// Whether requests to the back end leave this machine unencrypted.
fn is_plain_text(upstream: &UpstreamOptions) -> bool {
    let host = upstream.origin.host().unwrap_or_default().trim_matches(['[', ']']);
    let local = host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    upstream.origin.scheme() == Some(&Scheme::HTTP) && !local
}

#[derive(Default)]
struct Open {
    lines: Vec<String>,
    /// The lifetimes of every dialect's secrets.
    lifetimes: Vec<Lifetime>,
}

impl Open {
    fn add(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    fn add_lifetimes(&mut self) {
        let too_long: Vec<&Lifetime> =
            self.lifetimes.iter().filter(|one| one.lifetime > one.hardened).collect();
        if too_long.is_empty() {
            return;
        }
        let each = too_long.iter().map(|one| {
            format!(
                "{} is {} instead of at most {}",
                one.setting,
                written(one.lifetime),
                written(one.hardened)
            )
        });
        let line = format!("R4: codes or links are valid for long: {}", each.collect::<Vec<_>>().join(", "));
        self.add(line);
    }
}
