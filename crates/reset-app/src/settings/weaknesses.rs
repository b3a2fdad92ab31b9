//! What a deployment leaves open, each in one line with its number in the security requirements.
//!
//! It is told from the values in force, not from the profile's name: whoever closes one door of the
//! compatible profile by hand reads one line less.

use std::{fs, time::Duration};

use anyhow::Result;
use reset_core::password::Policy;

use super::{Settings, secret, value::written};

/// Longest life of a code, and of a link or token, in profile `hardened`.
const CODE_TTL: Duration = Duration::from_secs(10 * 60);
const TOKEN_TTL: Duration = Duration::from_secs(30 * 60);
/// Least length of a password that is the only factor (NIST SP 800-63B-4, 3.1.1.2).
const MIN_LENGTH: usize = 15;

impl Settings {
    /// Every open weakness.
    pub(crate) fn weaknesses(&self) -> Result<Vec<String>> {
        let dialects = self.stand_in()?;
        let (mut open, mut lasting) = (Vec::new(), Vec::new());
        if !self.values.boolean("limits.enabled")? {
            open.push(
                "R47: the limits are switched off, which is for load tests alone (limits.enabled)".into(),
            );
        }
        if let Some(px0) = dialects.px0 {
            if px0.disclose_unknown {
                open.push(
                    "R13: px0 tells strangers which addresses have an account (px0.disclose_unknown)".into(),
                );
            }
            if let reset_dialects::px0::Codes::SixDigits { most_live } = px0.codes {
                open.push(match most_live {
                    Some(most) => format!(
                        "R47: px0 codes have six digits, and a guess is tried against all live ones: with {most} live, \
                         one guess in {} is right (profile)",
                        1_000_000 / most
                    ),
                    None => "R47: px0 codes have six digits, and any number of them may be live (limits.enabled)".into(),
                });
            }
            if px0.policy.four_classes {
                open.push(
                    "R55: px0 passwords must mix classes of characters, and length counts bytes (profile)"
                        .into(),
                );
            }
            lasting.push(("px0.code_ttl", px0.code_ttl, CODE_TTL));
        }
        if let Some(worthai) = dialects.worthai {
            if worthai.forged == reset_dialects::worthai::Forged::AsContracted {
                open.push("R18: worthai tells a forged token from an expired one (profile)".into());
            }
            lasting.push(("worthai.token_ttl", worthai.token_ttl, TOKEN_TTL));
        }
        if let Some(strapi) = dialects.strapi {
            if strapi.issue_jwt {
                open.push(
                    "R63: a Strapi reset logs in: its answer carries a session token (strapi.issue_jwt)"
                        .into(),
                );
            }
            lasting.push(("strapi.token_ttl", strapi.token_ttl, TOKEN_TTL));
        }
        if let Some(insforge) = dialects.insforge {
            if insforge.method == reset_dialects::insforge::Method::Code {
                open.push(format!(
                    "R1: InsForge codes have six digits: with {} guesses each, that many in 1000000 are found \
                     (insforge.method, insforge.max_attempts)",
                    insforge.max_attempts
                ));
                lasting.push(("insforge.code_ttl", insforge.code_ttl, CODE_TTL));
            }
            lasting.push(("insforge.token_ttl", insforge.token_ttl, TOKEN_TTL));
        }
        let lasting = lasting.into_iter().filter(|(_, life, most)| life > most);
        let lasting: Vec<_> = lasting.map(|(name, life, _)| format!("{name} is {}", written(life))).collect();
        if !lasting.is_empty() {
            let (code, token) = (written(CODE_TTL), written(TOKEN_TTL));
            open.push(format!(
                "R4: codes live longer than {code} or links than {token}: {}",
                lasting.join(", ")
            ));
        }
        let Policy { min, .. } = self.passwords.policy;
        if min < MIN_LENGTH {
            open.push(format!("R54: passwords of {min} characters are accepted (password.min_length)"));
        }
        open.push(
            "R56: known passwords are accepted: this version has no deny-list (password.denylist)".into(),
        );
        for path in self.values.files_with_secrets() {
            if fs::metadata(path).is_ok_and(|file| secret::is_open(&file)) {
                open.push(format!(
                    "R76: {path} holds a secret and is open to every user of this machine: chmod 600 it"
                ));
            }
        }
        if self.mail.may_be_plain() {
            open.push("R26: mail leaves in plain text where the server offers no STARTTLS (mail_url)".into());
        }
        Ok(open)
    }
}
