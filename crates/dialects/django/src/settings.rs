//! The section `[django]` of the settings.

use std::time::Duration;

use anyhow::Result;
use reset_core::ticket::HARD_CAP;
use reset_http::{
    guessing::unguessable,
    module::Deployment,
    route::{Dialect, Lifetime, Security},
};
use reset_settings::{Key, SettingKey, Text};

use crate::{DjangoSettings, NAME, dialect};

pub(crate) static ENABLED: Key<bool> =
    Key::new("django.enabled", "false", "Whether the operations of dj-rest-auth and Djoser are served")
        .only_with(&["django"]);
static BASE_PATH: Key<Text> =
    Key::new("django.base_path", "/auth", "Path prefix of the operations of both libraries");
static PAGE_URL: Key<Text> = Key::page(
    "django.page_url",
    "/reset",
    "Page of the mailed link, with `{uid}` and `{token}` where they belong; without them, `?uid=…&token=…` is appended",
);
static TOKEN_TTL: Key<Duration> = Key::new("django.token_ttl", "1h", "Lifetime of a token").hardened("30m");
static RETYPE: Key<bool> =
    Key::new("django.retype", "false", "Whether Djoser's confirmation requires `re_new_password`");

/// The keys of the section, in the order in which they are documented.
pub(crate) const KEYS: &[&SettingKey] =
    &[ENABLED.setting(), BASE_PATH.setting(), PAGE_URL.setting(), TOKEN_TTL.setting(), RETYPE.setting()];

/// Reads the section.
///
/// # Errors
/// Fails with one sentence that names the setting.
pub(crate) fn read(deployment: &Deployment<'_>) -> Result<Dialect> {
    let values = deployment.values;
    let settings = DjangoSettings {
        base_path: deployment.base_path(&BASE_PATH)?,
        page_url: deployment.link_template(&PAGE_URL, &["{uid}", "{token}"])?,
        token_ttl: values.duration(&TOKEN_TTL, HARD_CAP)?,
        retype: values.boolean(&RETYPE)?,
        tags: deployment.roots.derive("django.tags"),
        policy: deployment.policy,
    };
    let needs_page = (!values.is_given(&PAGE_URL)).then_some(PAGE_URL.setting());
    let security = Security {
        bound: Some(unguessable(NAME, 192, "192-bit tokens")),
        weaknesses: Vec::new(),
        lifetimes: vec![Lifetime::of_token(TOKEN_TTL.setting(), settings.token_ttl)],
    };
    Ok(Dialect { needs_page, security, ..dialect(settings) })
}
