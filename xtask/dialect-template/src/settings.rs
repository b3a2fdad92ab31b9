//! The section `[acme]` of the settings.

use std::time::Duration;

use anyhow::Result;
use reset_core::ticket::HARD_CAP;
use reset_http::{
    guessing::unguessable,
    module::Deployment,
    route::{Dialect, Lifetime, Security},
};
use reset_settings::{Key, SettingKey, Text};

use crate::{AcmeSettings, NAME, dialect};

pub(crate) static ENABLED: Key<bool> = Key::new("acme.enabled", "false", "Whether acme is served");
static BASE_PATH: Key<Text> = Key::new("acme.base_path", "/acme", "Path prefix of its two operations");
static PAGE_URL: Key<Text> =
    Key::page("acme.page_url", "/reset", "Page of the mailed link; `?token=…` is appended");
static TOKEN_TTL: Key<Duration> = Key::new("acme.token_ttl", "30m", "Lifetime of a token");

/// The keys of the section, in the order in which they are documented.
pub(crate) const KEYS: &[&SettingKey] =
    &[ENABLED.setting(), BASE_PATH.setting(), PAGE_URL.setting(), TOKEN_TTL.setting()];

/// Reads the section.
///
/// # Errors
/// Fails with one sentence that names the setting.
pub(crate) fn read(deployment: &Deployment<'_>) -> Result<Dialect> {
    let values = deployment.values;
    let settings = AcmeSettings {
        base_path: deployment.base_path(&BASE_PATH)?,
        page_url: deployment.page_url(&PAGE_URL)?,
        token_ttl: values.duration(&TOKEN_TTL, HARD_CAP)?,
        tags: deployment.roots.derive("acme.tags"),
        policy: deployment.policy,
    };
    let needs_page = (!values.is_given(&PAGE_URL)).then_some(PAGE_URL.setting());
    let security = Security {
        bound: Some(unguessable(NAME, 256, "256-bit tokens")),
        weaknesses: Vec::new(),
        lifetimes: vec![Lifetime::of_token(TOKEN_TTL.setting(), settings.token_ttl)],
    };
    Ok(Dialect { needs_page, security, ..dialect(settings) })
}
