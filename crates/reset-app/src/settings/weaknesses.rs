//! What a deployment leaves open, each in one line with its number in the security requirements.
//!
//! It is told from the values in force, not from the profile's name: whoever closes one door of the
//! compatible profile by hand reads one line less.

use std::{fs, time::Duration};

use anyhow::Result;
use reset_dialects::{insforge, px0, strapi, worthai};

use super::{Settings, secret, value::written};

/// Longest lifetime of a code in profile `hardened`.
const CODE_TTL: Duration = Duration::from_secs(10 * 60);
/// Longest lifetime of a link or token there.
const TOKEN_TTL: Duration = Duration::from_secs(30 * 60);
/// Least length of a password that is the only factor (NIST SP 800-63B-4, 3.1.1.2).
const MIN_LENGTH: usize = 15;

impl Settings {
    /// Every open weakness that we know of.
    pub(crate) fn weaknesses(&self) -> Result<Vec<String>> {
        let dialects = self.stand_in()?;
        let mut open = Open::default();
        let limited = self.limits.enabled;
        if !limited {
            open.tell(
                "R6, R28, R45-R49: the limits are switched off, which is for load tests alone (limits.enabled)",
            );
        }
        if limited {
            open.tell(
                "R50: whoever asks for an address all day uses up its requests: its owner is mailed codes that work, and \
                 cannot choose when (limits.requests_per_day)",
            );
        }
        let proxied = self.is_given("public_url") && self.likely_url().starts_with("https:");
        if limited && proxied && self.limits.proxies.networks.is_empty() {
            open.tell(
                "R48: people come by https, so through a proxy, and none is named: all of them together count as one \
                 client (trusted_proxies)",
            );
        }
        dialects.px0.iter().for_each(|px0| open.px0(px0));
        dialects.worthai.iter().for_each(|worthai| open.worthai(worthai));
        dialects.strapi.iter().for_each(|strapi| open.strapi(strapi));
        dialects.insforge.iter().for_each(|insforge| open.insforge(insforge, limited));
        open.lives();
        let min = self.passwords.policy.min;
        if min < MIN_LENGTH {
            open.tell(format!("R54: passwords of {min} characters are accepted (password.min_length)"));
        }
        if !self.passwords.policy.refuse_common {
            open.tell("R56: the passwords that everybody tries first are accepted (password.denylist)");
        }
        if !self.notify.owner {
            open.tell("R30: nobody is told that his password was changed (notify.password_changed)");
        }
        for path in self.values.files_with_secrets() {
            if fs::metadata(path).is_ok_and(|file| secret::is_open(&file)) {
                open.tell(format!("R76: {path} holds a secret, and every user of this machine can open it"));
            }
        }
        for setting in self.mail.may_be_plain() {
            open.tell(format!(
                "R26: mail leaves in plain text where the server offers no STARTTLS ({setting})"
            ));
        }
        if self.database.address.is_unverified() {
            open.tell(
                "R26: hashes and addresses travel to a database that does not have to show who it is (database_url: \
                 sslmode=verify-full, ssl-mode=verify_identity)",
            );
        }
        Ok(open.lines)
    }
}

#[derive(Default)]
struct Open {
    lines: Vec<String>,
    /// What lives longer than it would have to.
    lasting: Vec<String>,
}

impl Open {
    fn tell(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    fn px0(&mut self, px0: &px0::Px0Settings) {
        if px0.disclose_unknown {
            self.tell("R13: px0 tells strangers which addresses have an account (px0.disclose_unknown)");
        }
        match px0.codes {
            px0::Codes::Long => {}
            px0::Codes::SixDigits { max_live: Some(most) } => self.tell(format!(
                "R47: px0 codes have six digits, and a guess is tried against all live ones: with {most} live, \
                 one guess in {} is right (profile, limits.px0_live_codes)",
                1_000_000 / most
            )),
            px0::Codes::SixDigits { max_live: None } => {
                self.tell("R47: px0 codes have six digits, and any number of them may be live (limits.enabled)");
            }
        }
        if px0.policy.four_classes {
            self.tell("R55: px0 passwords must mix classes of characters (profile)");
        }
        self.lifetime("px0.code_ttl", px0.code_ttl, CODE_TTL);
    }

    fn worthai(&mut self, worthai: &worthai::WorthaiSettings) {
        if worthai.forged == worthai::Forged::AsContracted {
            self.tell("R18: worthai tells a forged token from an expired one (profile)");
        }
        self.lifetime("worthai.token_ttl", worthai.token_ttl, TOKEN_TTL);
    }

    fn strapi(&mut self, strapi: &strapi::StrapiSettings) {
        if strapi.issue_jwt {
            self.tell("R63: a Strapi reset logs in: its answer carries a session token (strapi.issue_jwt)");
        }
        self.lifetime("strapi.token_ttl", strapi.token_ttl, TOKEN_TTL);
    }

    fn insforge(&mut self, insforge: &insforge::InsForgeSettings, limited: bool) {
        // While the budgets of codes are spent, links are mailed in their place, and lead on to what is listed.
        let by_link = insforge.method == insforge::Method::Link;
        if by_link || (limited && insforge.pages && !insforge.allowed.is_empty()) {
            self.tell(
                "R34: an InsForge link hands its token over in a query, as its contract says (insforge.method, \
                 insforge.allowed_redirect_urls)",
            );
        }
        if insforge.method == insforge::Method::Code {
            self.tell(format!(
                "R1: InsForge codes have six digits: with {} guesses each, that many in 1000000 are found \
                 (insforge.method, insforge.max_attempts)",
                insforge.max_attempts
            ));
            if limited {
                let meanwhile = if insforge.pages {
                    "links are mailed in their place (insforge.method, limits.insforge_wrong_per_day_all)"
                } else {
                    "without pages no link can take their place, and nobody resets by InsForge (pages.enabled, \
                     insforge.method, limits.insforge_wrong_per_day_all)"
                };
                self.tell(format!(
                    "R50: who guesses at InsForge codes long enough voids everybody's for a day: {meanwhile}"
                ));
            }
            self.lifetime("insforge.code_ttl", insforge.code_ttl, CODE_TTL);
        }
        self.lifetime("insforge.token_ttl", insforge.token_ttl, TOKEN_TTL);
    }

    fn lifetime(&mut self, name: &str, lifetime: Duration, most: Duration) {
        if lifetime > most {
            self.lasting.push(format!("{name} is {}", written(lifetime)));
        }
    }

    fn lives(&mut self) {
        let lasting = self.lasting.join(", ");
        if !lasting.is_empty() {
            let (code, token) = (written(CODE_TTL), written(TOKEN_TTL));
            self.tell(format!("R4: codes live longer than {code}, or links than {token}: {lasting}"));
        }
    }
}
