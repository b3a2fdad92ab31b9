//! The section `[insforge]` of the settings.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, anyhow, bail};
use reset_core::ticket::HARD_CAP;
use reset_http::{
    guessing::{SIX_DIGITS, bound, per_day, unguessable},
    module::Deployment,
    route::{Dialect, Lifetime, RedirectCheck, Security},
};
use reset_settings::{Choice, Integer, Key, List, SettingKey, Text};

use crate::{AllowList, InsForgeSettings, Method, NAME, dialect};

/// Description of the setting `wire`.
const WIRES: &str = "Wire format: `published`, the format of the published contract";

pub(crate) static ENABLED: Key<bool> =
    Key::new("insforge.enabled", "true", "Whether InsForge is served").only_with(&["insforge"]);
static BASE_PATH: Key<Text> = Key::new("insforge.base_path", "/api/auth", "Path prefix of its operations");
static WIRE: Key<Choice> = Key::choice("insforge.wire", &["published"], "published", WIRES);
static METHOD: Key<Choice> =
    Key::choice("insforge.method", &["code", "link"], "code", "What the mail contains").hardened("link");
static ALLOWED_REDIRECT_URLS: Key<List> = Key::new(
    "insforge.allowed_redirect_urls",
    "",
    "URLs that a link may redirect to, or patterns of them; see `docs/dialects.md`. An empty list allows none, so \
         `insforge.method=link` needs at least one. In profile `hardened`, if neither setting is set, links redirect to the \
         hosted page",
);
static CODE_TTL: Key<Duration> = Key::new("insforge.code_ttl", "15m", "Lifetime of a code").hardened("10m");
static TOKEN_TTL: Key<Duration> =
    Key::new("insforge.token_ttl", "1h", "Lifetime of a link, or of the token issued for a code")
        .hardened("30m");
static MAX_ATTEMPTS: Key<Integer> = Key::new("insforge.max_attempts", "3", "Attempts allowed per code");

/// The keys of the section, in the order in which they are documented.
pub(crate) const KEYS: &[&SettingKey] = &[
    ENABLED.setting(),
    BASE_PATH.setting(),
    WIRE.setting(),
    METHOD.setting(),
    ALLOWED_REDIRECT_URLS.setting(),
    CODE_TTL.setting(),
    TOKEN_TTL.setting(),
    MAX_ATTEMPTS.setting(),
];

/// Reads the section.
///
/// # Errors
/// Fails with one sentence that names the setting.
pub(crate) fn read(deployment: &Deployment<'_>) -> Result<Dialect> {
    let values = deployment.values;
    values.choice(&WIRE)?;
    let mut listed = values.list(&ALLOWED_REDIRECT_URLS);
    // The profile alone chose links, so it also chooses a page for them.
    let neither_is_set = !values.is_given(&METHOD) && !values.is_given(&ALLOWED_REDIRECT_URLS);
    if neither_is_set && deployment.pages && values.choice(&METHOD)? == "link" {
        listed.push(deployment.hosted_page());
    }
    let allowed = AllowList::parse(&listed).map_err(|reason| {
        anyhow!("{} ({}): {reason}", ALLOWED_REDIRECT_URLS.name, values.value(&ALLOWED_REDIRECT_URLS).source)
    })?;
    let method = match values.choice(&METHOD)? {
        // Without a target, no link could be mailed. A deployment that does not serve InsForge need not care.
        "link" if allowed.is_empty() && values.boolean(&ENABLED)? => bail!(
            "insforge.allowed_redirect_urls is empty, but insforge.method is link ({}): list the pages that a link may \
             redirect to, such as https://app.example.com/reset, or set insforge.method to code or insforge.enabled to \
             false",
            values.value(&METHOD).source
        ),
        "link" => Method::Link,
        _ => Method::Code,
    };
    let settings = InsForgeSettings {
        base_path: deployment.base_path(&BASE_PATH)?,
        method,
        public_url: deployment.public_url.to_owned(),
        allowed,
        code_ttl: values.duration(&CODE_TTL, HARD_CAP)?,
        token_ttl: values.duration(&TOKEN_TTL, HARD_CAP)?,
        max_attempts: values.integer(&MAX_ATTEMPTS, 1..=100)?,
        pages: deployment.pages,
        tags: deployment.roots.derive("insforge.tags"),
        policy: deployment.policy,
    };
    let allowed = settings.allowed.clone();
    let check = move |url: &str| allowed.stored(url);
    let redirects = (method == Method::Link).then(|| Arc::new(check) as RedirectCheck);
    let security = settings.security(deployment);
    Ok(Dialect { redirects, security, ..dialect(settings) })
}

impl InsForgeSettings {
    fn security(&self, deployment: &Deployment<'_>) -> Security {
        let mut weaknesses = Vec::new();
        let limited = deployment.limited;
        // While a budget for wrong codes is spent, links are mailed instead of codes, and they redirect to a listed URL.
        if self.method == Method::Link || (limited && self.pages && !self.allowed.is_empty()) {
            weaknesses.push(
                "R34: an InsForge link passes its token in the query of a URL, as its contract requires (insforge.method, \
                 insforge.allowed_redirect_urls)"
                    .into(),
            );
        }
        let mut lifetimes = vec![Lifetime::of_token(TOKEN_TTL.setting(), self.token_ttl)];
        if self.method == Method::Code {
            weaknesses.push(format!(
                "R1: InsForge codes have six digits: with {0} attempts per code, {0} in 1000000 codes are guessed \
                 (insforge.method, insforge.max_attempts)",
                self.max_attempts
            ));
            if limited {
                let fallback = if self.pages {
                    "links are mailed instead (insforge.method, limits.insforge_wrong_per_day_all)"
                } else {
                    "the hosted pages are off, so no link can replace them, and no InsForge reset succeeds \
                     (pages.enabled, insforge.method, limits.insforge_wrong_per_day_all)"
                };
                weaknesses.push(format!(
                    "R50: an attacker who guesses InsForge codes can void the codes of all accounts for a day: {fallback}"
                ));
            }
            lifetimes.insert(0, Lifetime::of_code(CODE_TTL.setting(), self.code_ttl));
        }
        Security { bound: Some(self.bound(deployment)), weaknesses, lifetimes }
    }

    fn bound(&self, deployment: &Deployment<'_>) -> String {
        match self.method {
            Method::Link => unguessable(NAME, 192, "192-bit tokens"),
            Method::Code if deployment.limited => {
                let budgeting = deployment.budgeting;
                let (own, all) = (per_day(&budgeting.guesses), per_day(&budgeting.all_guesses));
                let own = own.min(all);
                format!(
                    "insforge: {own} wrong guesses per day at the 6-digit codes of one account, {all} at those of all: \
                     P(takeover) <= {} per account, P(any takeover) <= {} per day of attack",
                    bound(own, 1.0, SIX_DIGITS),
                    bound(all, 1.0, SIX_DIGITS)
                )
            }
            Method::Code => format!(
                "insforge: {} attempts per 6-digit code, but the number of codes is not limited: P(takeover) approaches 1",
                self.max_attempts
            ),
        }
    }
}
