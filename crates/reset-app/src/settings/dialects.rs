//! What the dialects are told: their section's keys, the profile, and the keys derived from the root.

use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use reset_core::{keys::Key, ticket::HARD_CAP};
use reset_dialects::{
    insforge::{self, AllowList},
    px0, strapi,
    worthai::{self, Forged},
};
use zeroize::Zeroizing;

use super::{Profile, http::page_url, pages, password::Passwords, secret, value::Values};

/// Fewest bytes of the key that signs worthai's tokens (RFC 7518, 3.2).
const WORTHAI_KEY_MIN: usize = 32;
/// Fewest bytes of Strapi's key: Strapi generates 24 characters itself.
const STRAPI_KEY_MIN: usize = 16;
/// Longest life of a session token.
const SESSION_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Everything the dialects need, once the public URL and the root key are known.
pub(super) fn read(
    values: &Values,
    passwords: &Passwords,
    public_url: &str,
    root: &Key,
) -> Result<reset_dialects::Settings> {
    for name in ["px0.wire", "strapi.wire", "insforge.wire"] {
        if values.choice(name)? != "published" {
            let source = values.value(name).source;
            bail!("{name} ({source}) is one that this version does not offer yet: leave it at published");
        }
    }
    let section = Section { values, passwords, public_url, root };
    // Sections of dialects that are not served are read as well: a mistake is told when it is made.
    let (px0, worthai, strapi) = (section.px0()?, section.worthai()?, section.strapi()?);
    Ok(reset_dialects::Settings {
        px0: values.boolean("px0.enabled")?.then_some(px0),
        worthai: values.boolean("worthai.enabled")?.then_some(worthai),
        strapi: values.boolean("strapi.enabled")?.then_some(strapi),
        insforge: if values.boolean("insforge.enabled")? { Some(section.insforge()?) } else { None },
        pages: pages::read(values, passwords, public_url, root)?,
    })
}

struct Section<'a> {
    values: &'a Values,
    passwords: &'a Passwords,
    public_url: &'a str,
    root: &'a Key,
}

impl Section<'_> {
    fn px0(&self) -> Result<px0::Settings> {
        let limited = self.values.boolean("limits.enabled")?;
        let most_live = self.values.integer("limits.px0_live_codes", 1..=1_000_000)?;
        let codes = match self.values.profile {
            Profile::Compatible => px0::Codes::SixDigits { most_live: limited.then_some(most_live) },
            Profile::Hardened => px0::Codes::Long,
        };
        Ok(px0::Settings {
            disclose_unknown: self.values.boolean("px0.disclose_unknown")?,
            code_ttl: self.values.duration("px0.code_ttl", HARD_CAP)?,
            codes,
            policy: self.passwords.px0,
        })
    }

    fn worthai(&self) -> Result<worthai::Settings> {
        let base_path = self.values.read("worthai.base_path", "a path such as /auth/api/v1", |path| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.~".contains(c);
            let sound = path.starts_with('/') && !path.ends_with('/') && !path.contains("//");
            (sound && path.chars().all(plain)).then(|| path.to_owned())
        })?;
        Ok(worthai::Settings {
            base_path,
            page_url: self.page("worthai.page_url")?,
            token_ttl: self.values.duration("worthai.token_ttl", HARD_CAP)?,
            jwt_key: self.key("worthai.jwt_secret", WORTHAI_KEY_MIN, "worthai.jwt")?,
            forged: match self.values.profile {
                Profile::Compatible => Forged::AsContracted,
                Profile::Hardened => Forged::AsExpired,
            },
            policy: self.passwords.policy,
        })
    }

    fn strapi(&self) -> Result<strapi::Settings> {
        Ok(strapi::Settings {
            page_url: self.page("strapi.page_url")?,
            token_ttl: self.values.duration("strapi.token_ttl", HARD_CAP)?,
            tags: self.root.derive("strapi.tags"),
            jwt_key: self.key("strapi.jwt_secret", STRAPI_KEY_MIN, "strapi.jwt")?,
            jwt_ttl: self.values.duration("strapi.jwt_ttl", SESSION_MAX)?,
            issue_jwt: self.values.boolean("strapi.issue_jwt")?,
            public: self.values.boolean("strapi.public")?,
            policy: self.passwords.policy,
        })
    }

    fn insforge(&self) -> Result<insforge::Settings> {
        let urls = self.values.list("insforge.allowed_redirect_urls");
        let allowed = AllowList::parse(&urls).map_err(|reason| {
            let source = self.values.value("insforge.allowed_redirect_urls").source;
            anyhow!("insforge.allowed_redirect_urls ({source}): {reason}")
        })?;
        let method = match self.values.choice("insforge.method")? {
            "link" if allowed.is_empty() => {
                let source = self.values.value("insforge.method").source;
                bail!(
                    "insforge.allowed_redirect_urls is empty, and insforge.method is link ({source}): list the \
                     pages that a link may lead to, such as https://app.example.com/reset, or set \
                     insforge.method to code or insforge.enabled to false"
                )
            }
            "link" => insforge::Method::Link,
            _ => insforge::Method::Code,
        };
        Ok(insforge::Settings {
            method,
            public_url: self.public_url.to_owned(),
            allowed,
            code_ttl: self.values.duration("insforge.code_ttl", HARD_CAP)?,
            token_ttl: self.values.duration("insforge.token_ttl", HARD_CAP)?,
            max_attempts: self.values.integer("insforge.max_attempts", 1..=100)?,
            tags: self.root.derive("insforge.tags"),
            policy: self.passwords.policy,
        })
    }

    /// The page of a mailed link.
    fn page(&self, name: &str) -> Result<String> {
        let Some(text) = self.values.given_text(name)? else {
            return Ok(format!("{}/reset", self.public_url));
        };
        let expected = "an https URL without user or fragment (http only on loopback)";
        page_url(&text).ok_or_else(|| self.values.bad(name, expected))
    }

    /// A key that another system may know, or one of our own.
    fn key(&self, name: &str, least: usize, label: &str) -> Result<Key> {
        let Some(text) = self.values.given_text(name)?.map(Zeroizing::new) else {
            return Ok(self.root.derive(label));
        };
        if text.len() < least {
            return Err(self.values.bad(name, format!("at least {least} bytes; it has {}", text.len())));
        }
        let root = self.root.as_bytes();
        if text.as_bytes() == root || secret::decoded(&text).is_some_and(|bytes| *bytes == root) {
            bail!("{name} ({}) is the same as secret: each needs its own", self.values.value(name).source);
        }
        let other = if name == "worthai.jwt_secret" { "strapi.jwt_secret" } else { "worthai.jwt_secret" };
        if self.values.given_text(other)?.map(Zeroizing::new).as_ref() == Some(&text) {
            // Or a session token could be tried as a reset token (R68).
            bail!("{name} ({}) is the same as {other}: each needs its own", self.values.value(name).source);
        }
        Ok(Key::shared(text.as_bytes()))
    }
}
