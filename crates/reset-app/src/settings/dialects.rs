//! Settings of the dialects: their sections, the profile, and the keys derived from the root secrets.

use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use reset_core::{
    keys::{Key, Keyring},
    ticket::HARD_CAP,
};
use reset_dialects::{
    insforge::{self, AllowList},
    px0, strapi,
    worthai::{self, Forged},
};
use zeroize::Zeroizing;

use super::{Profile, http::page_url, password::PasswordSettings, secret, value::Values};

/// Minimum length in bytes of the key that signs worthai's tokens (RFC 7518, 3.2).
const WORTHAI_KEY_MIN: usize = 32;
/// Minimum length in bytes of Strapi's key. Strapi itself generates 24 characters.
const STRAPI_KEY_MIN: usize = 16;
/// Maximum lifetime of a session token.
const SESSION_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Reads the settings of all dialects, once the public URL and the root keys are known.
pub(super) fn read(
    values: &Values,
    passwords: &PasswordSettings,
    public_url: &str,
    roots: &Keyring,
) -> Result<reset_dialects::DialectSettings> {
    for name in ["px0.wire", "strapi.wire", "insforge.wire"] {
        if values.choice(name)? != "published" {
            let source = values.value(name).source;
            bail!("{name} ({source}) is not available in this version: set it to published");
        }
    }
    let section = Section { values, passwords, public_url, roots };
    // Read sections of disabled dialects too, so that a mistake shows at once.
    let (px0, worthai, strapi) = (section.px0()?, section.worthai()?, section.strapi()?);
    Ok(reset_dialects::DialectSettings {
        px0: values.boolean("px0.enabled")?.then_some(px0),
        worthai: values.boolean("worthai.enabled")?.then_some(worthai),
        strapi: values.boolean("strapi.enabled")?.then_some(strapi),
        insforge: if values.boolean("insforge.enabled")? { Some(section.insforge()?) } else { None },
    })
}

struct Section<'a> {
    values: &'a Values,
    passwords: &'a PasswordSettings,
    public_url: &'a str,
    roots: &'a Keyring,
}

impl Section<'_> {
    fn px0(&self) -> Result<px0::Px0Settings> {
        let limited = self.values.boolean("limits.enabled")?;
        let max_live = self.values.integer("limits.px0_live_codes", 1..=1_000_000)?;
        let codes = match self.values.profile {
            Profile::Compatible => px0::Codes::SixDigits { max_live: limited.then_some(max_live) },
            Profile::Hardened => px0::Codes::Long,
        };
        Ok(px0::Px0Settings {
            disclose_unknown: self.values.boolean("px0.disclose_unknown")?,
            code_ttl: self.values.duration("px0.code_ttl", HARD_CAP)?,
            codes,
            policy: self.passwords.px0,
        })
    }

    fn worthai(&self) -> Result<worthai::WorthaiSettings> {
        let base_path = self.values.read("worthai.base_path", "a path such as /auth/api/v1", |path| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.~".contains(c);
            let sound = path.starts_with('/') && !path.ends_with('/') && !path.contains("//");
            (sound && path.chars().all(plain)).then(|| path.to_owned())
        })?;
        Ok(worthai::WorthaiSettings {
            base_path,
            page_url: self.page("worthai.page_url")?,
            token_ttl: self.values.duration("worthai.token_ttl", HARD_CAP)?,
            jwt_keys: self.worthai_keys()?,
            forged: match self.values.profile {
                Profile::Compatible => Forged::AsContracted,
                Profile::Hardened => Forged::AsExpired,
            },
            policy: self.passwords.policy,
        })
    }

    fn strapi(&self) -> Result<strapi::StrapiSettings> {
        Ok(strapi::StrapiSettings {
            page_url: self.page("strapi.page_url")?,
            token_ttl: self.values.duration("strapi.token_ttl", HARD_CAP)?,
            tags: self.roots.derive("strapi.tags"),
            jwt_key: self.key("strapi.jwt_secret", STRAPI_KEY_MIN, "strapi.jwt")?,
            jwt_ttl: self.values.duration("strapi.jwt_ttl", SESSION_MAX)?,
            issue_jwt: self.values.boolean("strapi.issue_jwt")?,
            public: self.values.boolean("strapi.public")?,
            policy: self.passwords.policy,
        })
    }

    fn insforge(&self) -> Result<insforge::InsForgeSettings> {
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
        Ok(insforge::InsForgeSettings {
            method,
            public_url: self.public_url.to_owned(),
            allowed,
            code_ttl: self.values.duration("insforge.code_ttl", HARD_CAP)?,
            token_ttl: self.values.duration("insforge.token_ttl", HARD_CAP)?,
            max_attempts: self.values.integer("insforge.max_attempts", 1..=100)?,
            pages: self.values.boolean("pages.enabled")?,
            tags: self.roots.derive("insforge.tags"),
            policy: self.passwords.policy,
        })
    }

    /// Returns the page that a mailed link opens.
    fn page(&self, name: &str) -> Result<String> {
        let Some(text) = self.values.given_text(name)? else {
            return Ok(format!("{}/reset", self.public_url));
        };
        let expected = "an https URL without user or fragment (http only on loopback)";
        page_url(&text).ok_or_else(|| self.values.bad(name, expected))
    }

    /// Returns the configured key, which another system can share, or else a derived one.
    fn key(&self, name: &str, min: usize, label: &str) -> Result<Key> {
        match self.values.given_text(name)?.map(Zeroizing::new) {
            Some(text) => self.given_key(name, &text, min),
            None => Ok(self.roots.current().derive(label)),
        }
    }

    /// Returns the current and the previous keys of worthai's tokens. If the current key is derived, the previous root
    /// secrets yield previous keys too.
    fn worthai_keys(&self) -> Result<Keyring> {
        const LABEL: &str = "worthai.jwt";
        let (name, before) = ("worthai.jwt_secret", "worthai.jwt_secret_previous");
        let current = self.key(name, WORTHAI_KEY_MIN, LABEL)?;
        let given = self.values.given_text(before)?.map(Zeroizing::new);
        let given = given.map(|text| self.given_key(before, &text, WORTHAI_KEY_MIN)).transpose()?;
        let mut previous = Vec::from_iter(given);
        if !self.values.is_given(name) {
            previous.extend(self.roots.all()[1..].iter().map(|root| root.derive(LABEL)));
        }
        Ok(Keyring::new(current, previous))
    }

    /// Checks and returns a configured key. A key must not be used for two purposes.
    fn given_key(&self, name: &str, text: &Zeroizing<String>, min: usize) -> Result<Key> {
        if text.len() < min {
            return Err(self.values.bad(name, format!("at least {min} bytes; it has {}", text.len())));
        }
        let bytes = secret::decoded(text);
        let is = |root: &Key| {
            text.as_bytes() == root.as_bytes()
                || bytes.as_ref().is_some_and(|bytes| bytes.as_slice() == root.as_bytes())
        };
        let same = |other: &str| {
            anyhow!(
                "{name} ({}) is the same as {other}: set a different value for each",
                self.values.value(name).source
            )
        };
        if self.roots.all().iter().any(is) {
            return Err(same("secret"));
        }
        // With one key for both, a session token would be accepted as a reset token (R68).
        let others: &[&str] = match name {
            "strapi.jwt_secret" => &["worthai.jwt_secret", "worthai.jwt_secret_previous"],
            _ => &["strapi.jwt_secret"],
        };
        for other in others {
            if self.values.given_text(other)?.map(Zeroizing::new).as_ref() == Some(text) {
                return Err(same(other));
            }
        }
        Ok(Key::shared(text.as_bytes()))
    }
}
