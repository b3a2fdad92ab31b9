//! The weaknesses that the settings leave open: one line each, with the number of the security requirement.
//!
//! They follow from the values in force, not from the name of the profile: an operator who closes one weakness of
//! profile `compatible` by hand gets one line less.

use std::{fs, time::Duration};

use anyhow::Result;
use reset_dialects::{insforge, px0, strapi, worthai};

use super::{Settings, secret, value::written};

/// Maximum lifetime of a code in profile `hardened`.
const CODE_TTL: Duration = Duration::from_secs(10 * 60);
/// Maximum lifetime of a link or token in profile `hardened`.
const TOKEN_TTL: Duration = Duration::from_secs(30 * 60);
/// Minimum length of a password that is the only factor (NIST SP 800-63B-4, 3.1.1.2).
const MIN_LENGTH: usize = 15;

impl Settings {
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
                "R50: an attacker can use up the reset requests of an address: its owner still gets mails with valid codes, \
                 but not when requested (limits.requests_per_day)",
            );
        }
        let proxied = self.is_given("public_url") && self.likely_url().starts_with("https:");
        if limited && proxied && self.limits.proxies.networks.is_empty() {
            open.add(
                "R48: public_url is https, so clients connect through a proxy, but no proxy is trusted: all clients share \
                 one rate limit (trusted_proxies)",
            );
        }
        dialects.px0.iter().for_each(|px0| open.px0(px0));
        dialects.worthai.iter().for_each(|worthai| open.worthai(worthai));
        dialects.strapi.iter().for_each(|strapi| open.strapi(strapi));
        dialects.insforge.iter().for_each(|insforge| open.insforge(insforge, limited));
        open.lifetimes();
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
            if fs::metadata(path).is_ok_and(|file| secret::is_open(&file)) {
                open.add(format!("R76: {path} contains a secret, but every user of this machine can read or write it: chmod 600 it"));
            }
        }
        for setting in self.mail.may_be_plain() {
            open.add(format!(
                "R26: mail is sent in plain text if the mail server offers no STARTTLS ({setting})"
            ));
        }
        if self.database.address.is_unverified() {
            open.add(
                "R26: hashes and addresses are sent to a database whose certificate is not verified (database_url: \
                 sslmode=verify-full, ssl-mode=verify_identity)",
            );
        }
        Ok(open.lines)
    }
}

#[derive(Default)]
struct Open {
    lines: Vec<String>,
    /// Settings with a lifetime above the maximum of profile `hardened`.
    too_long: Vec<String>,
}

impl Open {
    fn add(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    fn px0(&mut self, px0: &px0::Px0Settings) {
        if px0.disclose_unknown {
            self.add("R13: px0 discloses to anyone whether an address has an account (px0.disclose_unknown)");
        }
        match px0.codes {
            px0::Codes::Long => {}
            px0::Codes::SixDigits { max_live: Some(most) } => self.add(format!(
                "R47: px0 codes have six digits, and every guess counts against all live codes: with {most} live codes, \
                 one guess in {} succeeds (profile, limits.px0_live_codes)",
                1_000_000 / most
            )),
            px0::Codes::SixDigits { max_live: None } => {
                self.add("R47: px0 codes have six digits, and their number is not limited (limits.enabled)");
            }
        }
        if px0.policy.four_classes {
            self.add("R55: px0 passwords must mix character classes (profile)");
        }
        self.lifetime("px0.code_ttl", px0.code_ttl, CODE_TTL);
    }

    fn worthai(&mut self, worthai: &worthai::WorthaiSettings) {
        if worthai.forged == worthai::Forged::AsContracted {
            self.add("R18: worthai responses distinguish a forged token from an expired one (profile)");
        }
        self.lifetime("worthai.token_ttl", worthai.token_ttl, TOKEN_TTL);
    }

    fn strapi(&mut self, strapi: &strapi::StrapiSettings) {
        if strapi.issue_jwt {
            self.add("R63: a Strapi reset logs in: its response contains a session token (strapi.issue_jwt)");
        }
        self.lifetime("strapi.token_ttl", strapi.token_ttl, TOKEN_TTL);
    }

    fn insforge(&mut self, insforge: &insforge::InsForgeSettings, limited: bool) {
        // While a budget for wrong codes is spent, links are mailed instead of codes, and they redirect to a listed URL.
        let by_link = insforge.method == insforge::Method::Link;
        if by_link || (limited && insforge.pages && !insforge.allowed.is_empty()) {
            self.add(
                "R34: an InsForge link passes its token in the query of a URL, as its contract requires (insforge.method, \
                 insforge.allowed_redirect_urls)",
            );
        }
        if insforge.method == insforge::Method::Code {
            self.add(format!(
                "R1: InsForge codes have six digits: with {0} attempts per code, {0} in 1000000 codes are guessed \
                 (insforge.method, insforge.max_attempts)",
                insforge.max_attempts
            ));
            if limited {
                let fallback = if insforge.pages {
                    "links are mailed instead (insforge.method, limits.insforge_wrong_per_day_all)"
                } else {
                    "the hosted pages are off, so no link can replace them, and no InsForge reset succeeds \
                     (pages.enabled, insforge.method, limits.insforge_wrong_per_day_all)"
                };
                self.add(format!(
                    "R50: an attacker who guesses InsForge codes can void the codes of all accounts for a day: {fallback}"
                ));
            }
            self.lifetime("insforge.code_ttl", insforge.code_ttl, CODE_TTL);
        }
        self.lifetime("insforge.token_ttl", insforge.token_ttl, TOKEN_TTL);
    }

    fn lifetime(&mut self, name: &str, lifetime: Duration, most: Duration) {
        if lifetime > most {
            self.too_long.push(format!("{name} is {}", written(lifetime)));
        }
    }

    fn lifetimes(&mut self) {
        let too_long = self.too_long.join(", ");
        if !too_long.is_empty() {
            let (code, token) = (written(CODE_TTL), written(TOKEN_TTL));
            self.add(format!(
                "R4: codes are valid longer than {code}, or links longer than {token}: {too_long}"
            ));
        }
    }
}
