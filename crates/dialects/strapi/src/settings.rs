//! The section `[strapi]` of the settings.

use std::time::Duration;

use anyhow::{Result, bail};
use reset_core::ticket::HARD_CAP;
use reset_http::{
    guessing::unguessable,
    module::Deployment,
    route::{Dialect, Lifetime, Security},
};
use reset_settings::{Choice, Key, SettingKey, Text, Values};

use crate::{NAME, StrapiSettings, Wire, dialect};

/// Description of the setting `wire`.
const WIRES: &str = "Wire format under `/auth`: `published` is the one of `/api/auth`, which clients of v4 and v5 read; \
         `v3` is Strapi v3's, for clients that read `message[0].messages[0]` and `created_at`";

pub(crate) static ENABLED: Key<bool> =
    Key::new("strapi.enabled", "true", "Whether Strapi users-permissions is served").only_with(&[
        "strapi-v4",
        "strapi-v5-refresh",
        "strapi-v3",
    ]);
static BASE_PATH: Key<Text> =
    Key::new("strapi.base_path", "", "Path prefix before `/auth` (v3) and `/api/auth` (v4 and v5)");
static WIRE: Key<Choice> = Key::choice("strapi.wire", &["published", "v3"], "published", WIRES);
static PAGE_URL: Key<Text> =
    Key::page("strapi.page_url", "/reset", "Page of the mailed link; `?code=…` is appended");
static TOKEN_TTL: Key<Duration> = Key::new("strapi.token_ttl", "1h", "Lifetime of a code").hardened("30m");
static JWT_SECRET: Key<Text> = Key::found("strapi.jwt_secret", "derived from `secret`", "Key that signs the session token in the response: at least 16 bytes, used as written. Set it to your Strapi's \
         `JWT_SECRET`").signs();
static JWT_TTL: Key<Duration> = Key::new("strapi.jwt_ttl", "30d", "Lifetime of that session token");
static ISSUE_JWT: Key<bool> = Key::new(
    "strapi.issue_jwt",
    "true",
    "Whether the response to a reset contains a session token. With a preset of `users`, only if \
         `strapi.jwt_secret` is set: Strapi would reject any other token",
)
.hardened("false");
static PUBLIC: Key<bool> =
    Key::new("strapi.public", "true", "Whether the public role may reset passwords; if not, 403");

/// The keys of the section, in the order in which they are documented.
pub(crate) const KEYS: &[&SettingKey] = &[
    ENABLED.setting(),
    BASE_PATH.setting(),
    WIRE.setting(),
    PAGE_URL.setting(),
    TOKEN_TTL.setting(),
    JWT_SECRET.setting(),
    JWT_TTL.setting(),
    ISSUE_JWT.setting(),
    PUBLIC.setting(),
];

/// Minimum length of the key that signs session tokens, in bytes: Strapi itself generates 24 characters.
const KEY_MIN: usize = 16;
/// Maximum lifetime of a session token.
const SESSION_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Reads the section.
///
/// # Errors
/// Fails with one sentence that names the setting.
pub(crate) fn read(deployment: &Deployment<'_>) -> Result<Dialect> {
    let settings = StrapiSettings::read(deployment)?;
    let needs_page = (!deployment.values.is_given(&PAGE_URL)).then_some(PAGE_URL.setting());
    let security = settings.security();
    Ok(Dialect { needs_page, security, ..dialect(settings) })
}

/// Reads whether a response contains a session token. Strapi rejects a token that is not signed with its own key, so on
/// its table there is none without that key.
fn issue_jwt(values: &Values) -> Result<bool> {
    let (issued, given) = (values.boolean(&ISSUE_JWT)?, values.is_given(&ISSUE_JWT));
    if values.preset().is_none() || values.is_given(&JWT_SECRET) {
        return Ok(issued);
    }
    if issued && given {
        bail!(
            "strapi.issue_jwt ({}) needs strapi.jwt_secret with users.preset: Strapi rejects a session token that is not \
             signed with its JWT_SECRET",
            values.value(&ISSUE_JWT).source
        );
    }
    Ok(false)
}

impl StrapiSettings {
    fn read(deployment: &Deployment<'_>) -> Result<Self> {
        let values = deployment.values;
        let wire = match values.choice(&WIRE)? {
            "v3" => Wire::V3,
            _ => Wire::Published,
        };
        Ok(Self {
            wire,
            base_path: deployment.base_path(&BASE_PATH)?,
            page_url: deployment.page_url(&PAGE_URL)?,
            token_ttl: values.duration(&TOKEN_TTL, HARD_CAP)?,
            tags: deployment.roots.derive("strapi.tags"),
            jwt_key: deployment.signing_key(&JWT_SECRET, KEY_MIN, "strapi.jwt")?,
            jwt_ttl: values.duration(&JWT_TTL, SESSION_MAX)?,
            issue_jwt: issue_jwt(values)?,
            public: values.boolean(&PUBLIC)?,
            policy: deployment.policy,
        })
    }

    fn security(&self) -> Security {
        let mut weaknesses = Vec::new();
        if self.issue_jwt {
            weaknesses.push(
                "R63: a Strapi reset logs in: its response contains a session token (strapi.issue_jwt)"
                    .into(),
            );
        }
        let bound = Some(unguessable(NAME, 448, "448-bit codes"));
        let lifetimes = vec![Lifetime::of_token(TOKEN_TTL.setting(), self.token_ttl)];
        Security { bound, weaknesses, lifetimes }
    }
}

#[cfg(test)]
mod tests {
    use reset_core::{
        budget::Budgeting,
        keys::{HmacKey, Keyring},
        password::{PASSWORD_MAX, Policy},
    };
    use reset_settings::{Inputs, KeyTable, PROFILE, variable};

    use super::*;

    static PRESET: Key<Choice> = Key::choice("users.preset", &["own", "strapi-v4", "custom"], "own", "");

    fn settings(given: &[(&str, &str)], roots: &Keyring) -> StrapiSettings {
        read(given, roots).unwrap()
    }

    fn read(given: &[(&str, &str)], roots: &Keyring) -> Result<StrapiSettings> {
        let general = [PROFILE.setting(), PRESET.setting()];
        let keys = KeyTable::new(general.into_iter().chain(KEYS.iter().copied()));
        let environment = given.iter().map(|(name, value)| (variable(name), (*value).to_owned()));
        let values = Inputs { environment: environment.collect(), ..Inputs::default() }.read(&keys).unwrap();
        let policy = Policy { min: 8, four_classes: false, refuse_common: true, max_bytes: PASSWORD_MAX };
        let deployment = Deployment {
            values: &values,
            public_url: "https://id.example.org",
            roots,
            policy,
            limited: true,
            budgeting: &Budgeting::default(),
            pages: true,
        };
        StrapiSettings::read(&deployment)
    }

    #[test]
    fn strapi_table_gets_no_session_token_that_strapi_would_reject() {
        let roots = Keyring::from(HmacKey::shared(&[1; 32]));
        let (preset, key) = (("users.preset", "strapi-v4"), ("strapi.jwt_secret", "the host's own secret"));
        assert!(!settings(&[preset], &roots).issue_jwt);
        assert!(settings(&[preset, key], &roots).issue_jwt);
        assert!(settings(&[("users.preset", "custom")], &roots).issue_jwt);
        let error = read(&[preset, ("strapi.issue_jwt", "true")], &roots).err().unwrap().to_string();
        assert!(error.starts_with("strapi.issue_jwt (POLYRESET_STRAPI__ISSUE_JWT) needs"), "{error}");
    }

    #[test]
    fn session_token_is_signed_with_the_given_key_or_one_derived_from_the_current_root() {
        let (current, previous) = (HmacKey::shared(&[1; 32]), HmacKey::shared(&[2; 32]));
        let roots = Keyring::new(current.clone(), [previous.clone()]);
        let derived = settings(&[], &roots);
        assert_eq!(derived.jwt_key.as_bytes(), current.derive("strapi.jwt").as_bytes());
        assert_ne!(derived.jwt_key.as_bytes(), derived.tags.current().as_bytes());
        let tags: Vec<&[u8]> = derived.tags.all().iter().map(HmacKey::as_bytes).collect();
        let label = "strapi.tags";
        assert_eq!(tags, [current.derive(label).as_bytes(), previous.derive(label).as_bytes()]);
        let given = settings(&[("strapi.jwt_secret", "the host's own secret")], &roots);
        assert_eq!(given.jwt_key.as_bytes(), b"the host's own secret");
    }

    #[test]
    fn session_token_lives_for_30_days_by_default_and_a_year_at_most() {
        let roots = Keyring::from(HmacKey::shared(&[1; 32]));
        assert_eq!(settings(&[], &roots).jwt_ttl, Duration::from_secs(30 * 24 * 60 * 60));
        assert_eq!(settings(&[("strapi.jwt_ttl", "365d")], &roots).jwt_ttl, SESSION_MAX);
        let hardened = settings(&[("profile", "hardened")], &roots);
        assert!(!hardened.issue_jwt && hardened.public && settings(&[], &roots).issue_jwt);
    }
}
