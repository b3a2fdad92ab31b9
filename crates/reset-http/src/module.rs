//! What a dialect's crate offers to the registry: its settings, and how it is built from them.

use anyhow::{Result, anyhow};
use reset_core::{
    budget::Budgeting,
    keys::{DISTINCT_MIN, HmacKey, Keyring, is_varied},
    password::Policy,
};
use reset_settings::{Key, SettingKey, Text, Values, decoded};
use url::{Host, Url};
use zeroize::Zeroizing;

use crate::route::Dialect;

/// A dialect that a program can serve.
pub struct DialectModule {
    /// Name of the dialect, which is also the name of its section in the settings.
    pub name: &'static str,
    /// The settings of the section, in the order in which they are documented.
    pub keys: &'static [&'static SettingKey],
    /// The setting that switches the dialect on.
    pub enabled: &'static Key<bool>,
    /// Builds the dialect from its settings. The error is one sentence that names the setting.
    pub read: fn(&Deployment<'_>) -> Result<Dialect>,
}

/// What a deployment decides outside the dialects' own sections.
pub struct Deployment<'a> {
    /// The values of all settings.
    pub values: &'a Values,
    /// Public base URL, without a slash at its end.
    pub public_url: &'a str,
    /// The root keys, the current one first. Every key of a dialect is derived from them.
    pub roots: &'a Keyring,
    /// The policy for new passwords.
    pub policy: Policy,
    /// Whether rate limits and guess budgets are in force.
    pub limited: bool,
    /// The budgets in force; empty without limits.
    pub budgeting: &'a Budgeting,
    /// Whether the hosted pages are served.
    pub pages: bool,
}

impl Deployment<'_> {
    /// Path of the hosted page that sets a password.
    const HOSTED_PAGE: &'static str = "/reset";

    /// Reads a path prefix: empty, or one that begins with a slash and does not end in one.
    ///
    /// # Errors
    /// Fails if the value is no such path.
    pub fn base_path(&self, key: &Key<Text>) -> Result<String> {
        self.values.read(key, "a path such as /auth/api/v1, or nothing", |path| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.~".contains(c);
            let sound =
                path.is_empty() || path.starts_with('/') && !path.ends_with('/') && !path.contains("//");
            // Clients resolve dot segments before they send a path, so no request would arrive.
            let reachable = path.split('/').all(|segment| segment != "." && segment != "..");
            (sound && reachable && path.chars().all(plain)).then(|| path.to_owned())
        })
    }

    /// Reads the page of mailed links; the hosted page if none is set.
    ///
    /// # Errors
    /// Fails if the value is neither an https URL (or http on loopback) nor one of an app's scheme. Its fragment, if any,
    /// must be a route that scripts read, such as `#/reset`.
    pub fn page_url(&self, key: &Key<Text>) -> Result<String> {
        let Some(text) = self.values.given_text(key)? else { return Ok(self.hosted_page()) };
        let expected = "an https URL without user (http only on loopback), or a URL of an app's scheme; a fragment must begin \
                        with #/";
        client_page(&text).ok_or_else(|| self.values.bad(key, expected))
    }

    /// Reads the page of mailed links as a template: with all of `placeholders`, anywhere in its URL, or with none. The
    /// hosted page if none is set.
    ///
    /// # Errors
    /// Fails as [`Self::page_url`], but a template may have a fragment; also if it has only some of the placeholders.
    pub fn link_template(&self, key: &Key<Text>, placeholders: &[&str]) -> Result<String> {
        let Some(text) = self.values.given_text(key)? else { return Ok(self.hosted_page()) };
        let used = placeholders.iter().filter(|placeholder| text.contains(**placeholder)).count();
        if used == 0 {
            return self.page_url(key);
        }
        let expected = || {
            let all = placeholders.join(" and ");
            format!("an https URL without user (http only on loopback), with {all} or with none of them")
        };
        let filled =
            placeholders.iter().fold(text.clone(), |text, placeholder| text.replace(placeholder, "x"));
        let (page, _) = filled.split_once('#').unwrap_or((&filled, ""));
        // A secret in the host name would reach every name server on the way.
        let rest = text.split_once("://").map_or("", |(_, rest)| rest);
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let sound = used == placeholders.len()
            && !placeholders.iter().any(|placeholder| host.contains(placeholder))
            && filled.bytes().all(|byte| byte.is_ascii_graphic())
            && page_url(page).is_some();
        if sound { Ok(text) } else { Err(self.values.bad(key, expected())) }
    }

    /// URL of the hosted page that sets a password.
    pub fn hosted_page(&self) -> String {
        format!("{}{}", self.public_url, Self::HOSTED_PAGE)
    }

    /// Reads a key that signs tokens and that another system may know. Without a value, it is derived from the current
    /// root under `label`.
    ///
    /// # Errors
    /// Fails if the value has fewer than `least` bytes, is a placeholder, or serves for something else too (R68).
    pub fn signing_key(&self, key: &Key<Text>, least: usize, label: &str) -> Result<HmacKey> {
        Ok(match self.given_signing_key(key, least)? {
            Some(given) => given,
            None => self.roots.current().derive(label),
        })
    }

    /// Reads a key that signs tokens, if it is set.
    ///
    /// # Errors
    /// As [`Self::signing_key`].
    pub fn given_signing_key(&self, key: &Key<Text>, least: usize) -> Result<Option<HmacKey>> {
        let Some(text) = self.values.given_text(key)?.map(Zeroizing::new) else { return Ok(None) };
        if text.len() < least {
            return Err(self.values.bad(key, format!("at least {least} bytes; it has {}", text.len())));
        }
        // A previous key of a rotation may be a placeholder: tokens under it stay valid until they expire.
        if !key.name.ends_with("_previous") && !is_varied(text.as_bytes()) {
            return Err(self
                .values
                .bad(key, format!("a random text; it has fewer than {DISTINCT_MIN} different characters")));
        }
        let same = |other: &str| {
            let source = self.values.value(key).source;
            anyhow!("{} ({source}) is the same as {other}: use a different key for each", key.name)
        };
        let bytes = decoded(&text);
        let is_root = |root: &HmacKey| {
            text.as_bytes() == root.as_bytes()
                || bytes.as_ref().is_some_and(|bytes| bytes.as_slice() == root.as_bytes())
        };
        if self.roots.all().iter().any(is_root) {
            return Err(same("secret"));
        }
        // Otherwise a token of one dialect could be presented to another (R68). Within a dialect, the previous key of a
        // rotation may repeat the current one.
        let section = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
        for other in
            self.values.keys().iter().filter(|other| other.signs && section(other.name) != section(key.name))
        {
            if self.values.given_text(other)?.map(Zeroizing::new).as_ref() == Some(&text) {
                return Err(same(other.name));
            }
        }
        Ok(Some(HmacKey::shared(text.as_bytes())))
    }
}

/// Schemes that run code or read data instead of opening a page, and schemes of other protocols.
const NO_PAGE: [&str; 11] =
    ["http", "javascript", "data", "file", "vbscript", "blob", "about", "filesystem", "ftp", "ws", "wss"];

/// Returns `text` as the URL of a page of the client: as [`page_url`], with a fragment that scripts read as a route, or of
/// an app's scheme such as `myapp://reset`.
fn client_page(text: &str) -> Option<String> {
    let (page, route) = text.split_once('#').map_or((text, None), |(page, route)| (page, Some(route)));
    let route_is_sound = route.is_none_or(|route| {
        route.starts_with('/')
            && route.bytes().all(|byte| byte.is_ascii_graphic() && !b"#\\\"<>".contains(&byte))
    });
    if !route_is_sound {
        return None;
    }
    let route = route.map(|route| format!("#{route}")).unwrap_or_default();
    page_url(page).or_else(|| app_url(page)).map(|page| page + &route)
}

/// Returns `text` if it is the URL of an app: `scheme://…` with a scheme that opens an app.
fn app_url(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let named = scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte));
    let opens_an_app = named && scheme != "https" && !NO_PAGE.contains(&scheme);
    let sound = !rest.is_empty()
        && rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"@\\\"<>".contains(&byte))
        && Url::parse(text).is_ok();
    (opens_an_app && sound).then(|| text.to_owned())
}

/// Returns `text` as the URL of a page: https, or http on loopback, without user, password and fragment. A query is allowed.
pub fn page_url(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let loopback = match url.host()? {
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
    };
    let encrypted = url.scheme() == "https" || (url.scheme() == "http" && loopback);
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    // The parser silently repairs backslashes, tabs and missing slashes: such a URL is rejected instead.
    let as_written = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        && (text.starts_with("https://") || text.starts_with("http://"));
    (encrypted && plain && as_written).then(|| url.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_of_a_client_may_be_a_route_of_scripts_or_an_app() {
        for text in [
            "https://app.example.com/reset",
            "https://app.example.com/#/reset-password",
            "https://app.example.com/?v=2#/reset?lang=de",
            "http://localhost:3000/#/reset",
            "myapp://reset-password",
            "exp://192.168.1.5:8081/--/reset",
            "com.example.app://reset/",
        ] {
            assert_eq!(client_page(text).as_deref(), Some(text), "{text}");
        }
        for text in [
            "https://app.example.com/reset#top",
            "https://app.example.com/#/a#/b",
            "http://app.example.com/#/reset",
            "https://ann@app.example.com/#/reset",
            "javascript://x/%0aalert(1)",
            "data://text",
            "file:///etc/passwd",
            "ftp://app.example.com/x",
            "MyApp://reset",
            "myapp:reset",
            "myapp://",
            "myapp://ann@host/",
            "://reset",
            "1app://reset",
            "myapp://a b",
            "https://app.example.com/#/<b>",
        ] {
            assert_eq!(client_page(text), None, "{text}");
        }
    }
}
