//! The section `[worthai]` of the settings.

use std::time::Duration;

use anyhow::Result;
use reset_core::{keys::Keyring, ticket::HARD_CAP};
use reset_http::{
    guessing::unguessable,
    module::Deployment,
    route::{Dialect, Lifetime, Security},
};
use reset_settings::{Key, Profile, SettingKey, Text};

use crate::{ForgedResponse, NAME, WorthaiSettings, dialect};

pub(crate) static ENABLED: Key<bool> =
    Key::new("worthai.enabled", "true", "Whether worthai is served").only_with(&[]);
static BASE_PATH: Key<Text> =
    Key::new("worthai.base_path", "/auth/api/v1", "Path prefix of its two operations");
static PAGE_URL: Key<Text> =
    Key::page("worthai.page_url", "/reset", "Page of the mailed link; `?reset_token=…` is appended");
static TOKEN_TTL: Key<Duration> = Key::new("worthai.token_ttl", "30m", "Lifetime of a token");
static JWT_SECRET: Key<Text> = Key::found(
    "worthai.jwt_secret",
    "derived from `secret`",
    "Key that signs the tokens: at least 32 bytes, used as written",
)
.signs();
static JWT_SECRET_PREVIOUS: Key<Text> = Key::found(
    "worthai.jwt_secret_previous",
    "derived from `secret_previous` if `worthai.jwt_secret` is not set; otherwise none",
    "Previous `worthai.jwt_secret`. Tokens signed with it stay valid",
)
.signs();

/// The keys of the section, in the order in which they are documented.
pub(crate) const KEYS: &[&SettingKey] = &[
    ENABLED.setting(),
    BASE_PATH.setting(),
    PAGE_URL.setting(),
    TOKEN_TTL.setting(),
    JWT_SECRET.setting(),
    JWT_SECRET_PREVIOUS.setting(),
];

/// Minimum length of the key that signs tokens, in bytes (RFC 7518, section 3.2).
const KEY_MIN: usize = 32;
/// Label under which the key is derived from a root.
const KEY_LABEL: &str = "worthai.jwt";

/// Reads the section.
///
/// # Errors
/// Fails with one sentence that names the setting.
pub(crate) fn read(deployment: &Deployment<'_>) -> Result<Dialect> {
    let values = deployment.values;
    let settings = WorthaiSettings {
        base_path: deployment.base_path(&BASE_PATH)?,
        page_url: deployment.page_url(&PAGE_URL)?,
        token_ttl: values.duration(&TOKEN_TTL, HARD_CAP)?,
        jwt_keys: jwt_keys(deployment)?,
        forged: match values.profile() {
            Profile::Compatible => ForgedResponse::AsContracted,
            Profile::Hardened => ForgedResponse::AsExpired,
        },
        policy: deployment.policy,
    };
    let needs_page = (!values.is_given(&PAGE_URL)).then_some(PAGE_URL.setting());
    let security = settings.security();
    Ok(Dialect { needs_page, security, ..dialect(settings) })
}

/// Returns the keys that sign tokens and those that signed them before. Where the key is derived, the previous roots give
/// the previous keys.
fn jwt_keys(deployment: &Deployment<'_>) -> Result<Keyring> {
    let current = deployment.signing_key(&JWT_SECRET, KEY_MIN, KEY_LABEL)?;
    let mut previous = Vec::from_iter(deployment.given_signing_key(&JWT_SECRET_PREVIOUS, KEY_MIN)?);
    if !deployment.values.is_given(&JWT_SECRET) {
        previous.extend(deployment.roots.all()[1..].iter().map(|root| root.derive(KEY_LABEL)));
    }
    Ok(Keyring::new(current, previous))
}

impl WorthaiSettings {
    fn security(&self) -> Security {
        let mut weaknesses = Vec::new();
        if self.forged == ForgedResponse::AsContracted {
            weaknesses.push(
                "R18: worthai responses distinguish a forged token from an expired one (profile)".into(),
            );
        }
        let bound = Some(unguessable(NAME, 256, "tokens with a 256-bit signature"));
        let lifetimes = vec![Lifetime::of_token(TOKEN_TTL.setting(), self.token_ttl)];
        Security { bound, weaknesses, lifetimes }
    }
}
