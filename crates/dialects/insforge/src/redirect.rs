//! The allow-list of redirect targets. It matches exactly, and an empty list allows nothing (R33).
//!
//! A target is checked both as text and as a parsed URL, and both must name the same host. Text that a URL parser
//! would silently repair (backslashes, tabs, look-alike letters, percent signs in a host) is rejected, and so is a path
//! that a server could read in another way (escaped separators, empty segments). Scheme, host, port, path, query and
//! fragment are then matched one by one against those of a pattern.
//!
//! # Patterns
//! A subset of InsForge's globs is supported, each narrower than the original:
//! * `*` as a whole label of an `https` host, followed by at least two plain labels: matches exactly one label;
//! * `*` within a path segment, a query or a fragment: matches letters, digits and `-._~` only, so that it never reaches
//!   into another part of the URL and never adds a parameter; on its own it matches at least one character;
//! * `/**` at the end of a path: matches this path and every path below it.
//!
//! A pattern without a query or fragment allows none: with `?to=…`, an open redirector on an allowed host would pass the
//! live token on. InsForge's globs know no parts, so its `*` and `**` match a query too.
//!
//! A custom scheme of an app is allowed if a pattern names it. Plain `http` is allowed only for loopback hosts.

use std::net::{Ipv4Addr, Ipv6Addr};

use url::{Host, Position, Url};

/// Maximum length of a target. Anonymous clients can send targets, and they are stored.
const TARGET_MAX: usize = 2048;

/// Schemes that run code or read data instead of opening a page, and schemes of other protocols.
const FORBIDDEN_SCHEMES: [&str; 10] =
    ["javascript", "data", "file", "vbscript", "blob", "about", "filesystem", "ftp", "ws", "wss"];

/// The redirect targets that a deployment allows.
#[derive(Clone, Debug, Default)]
pub struct AllowList {
    patterns: Vec<Pattern>,
}

#[derive(Clone, Debug)]
struct Pattern {
    scheme: String,
    host: String,
    port: Option<u16>,
    /// The path, split at each `/`.
    segments: Vec<String>,
    /// Whether every path below is allowed as well.
    below: bool,
    query: Option<String>,
    fragment: Option<String>,
}

/// A redirect target that the allow-list allows.
#[derive(Debug)]
pub(super) struct Target(Url);

impl AllowList {
    /// Parses the patterns of a deployment.
    ///
    /// # Errors
    /// Returns a sentence that names the first invalid pattern and the reason.
    pub fn parse(patterns: &[String]) -> Result<Self, String> {
        let read = |text: &String| {
            Pattern::parse(text).map_err(|reason| format!("the redirect URL {text:?} {reason}"))
        };
        Ok(Self { patterns: patterns.iter().map(read).collect::<Result<_, _>>()? })
    }

    /// Returns whether the list allows nothing.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Returns a target that the first pattern allows, for examples, or `None` for an empty list.
    pub(crate) fn example(&self) -> Option<String> {
        let Pattern { scheme, host, port, segments, query, fragment, .. } = self.patterns.first()?;
        let known = match scheme.as_str() {
            "https" => Some(443),
            "http" => Some(80),
            _ => None,
        };
        let port =
            port.filter(|port| Some(*port) != known).map(|port| format!(":{port}")).unwrap_or_default();
        let mut rest = segments.join("/");
        for (mark, part) in [('?', query), ('#', fragment)] {
            rest.extend(part.iter().map(|part| format!("{mark}{part}")));
        }
        Some(format!("{scheme}://{}{port}{}", host.replace('*', "app"), rest.replace('*', "reset")))
    }

    /// Returns the stored form of a target that is allowed; `None` for any other text.
    pub fn stored(&self, text: &str) -> Option<String> {
        self.admit(text).map(|target| target.as_str().to_owned())
    }

    /// Parses `text` as a target. Returns `None` if it is not allowed.
    pub(super) fn admit(&self, text: &str) -> Option<Target> {
        let url = read(text).ok()?;
        let host = url.host_str().filter(|host| !host.contains('*'))?;
        self.patterns.iter().any(|pattern| pattern.admits(&url, host)).then_some(Target(url))
    }
}

impl Target {
    /// Returns the target in its stored form.
    pub(super) fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Returns the redirect URL of a live link: the target with the token.
    pub(super) fn ready(self, token: &str) -> Url {
        let status = [("token", Some(token)), ("insforge_status", Some("ready"))];
        self.with(status.into_iter().chain([(TYPE, Some("reset_password")), ("insforge_error", None)]))
    }

    /// Returns the redirect URL of an expired or used link: the target with the reason and without a token.
    pub(super) fn failed(self, reason: &str) -> Url {
        let status = [("token", None), ("insforge_status", Some("error"))];
        self.with(
            status.into_iter().chain([(TYPE, Some("reset_password")), ("insforge_error", Some(reason))]),
        )
    }

    /// Sets or removes query keys as a browser's `URLSearchParams` does: an existing key keeps its position, a new
    /// one is appended.
    fn with<'a>(self, keys: impl Iterator<Item = (&'a str, Option<&'a str>)>) -> Url {
        let mut url = self.0;
        let mut pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        for (key, value) in keys {
            let position = pairs.iter().position(|(known, _)| known == key);
            pairs.retain(|(known, _)| known != key);
            if let Some(value) = value {
                pairs.insert(position.unwrap_or(pairs.len()), (key.to_owned(), value.to_owned()));
            }
        }
        url.query_pairs_mut().clear().extend_pairs(pairs);
        url
    }
}

/// The query key for the purpose of a redirect.
const TYPE: &str = "insforge_type";

impl Pattern {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let url = read(text)?;
        let host = url.host_str().unwrap_or_default();
        let labels: Vec<&str> = host.rsplit('.').collect();
        let free = labels.iter().skip(2).all(|label| *label == "*" || !label.contains('*'));
        if labels.iter().take(2).any(|label| label.contains('*')) || !free {
            return Err("may use * in its host only as a whole label, followed by at least two others");
        }
        if host.contains('*') && url.scheme() != "https" {
            return Err("may use * in its host only with https");
        }
        if text.contains(['{', '}', '(', ')', '|']) || url[Position::BeforePath..].contains(['[', ']']) {
            return Err("uses wildcards other than * and **");
        }
        let path = path(&url);
        let (base, below) = path.strip_suffix("/**").map_or((path, false), |base| (base, true));
        if [Some(base), url.query(), url.fragment()].into_iter().flatten().any(|part| part.contains("**")) {
            return Err("may use ** only at the end of its path, after a slash");
        }
        Ok(Self {
            scheme: url.scheme().to_owned(),
            host: host.to_owned(),
            port: url.port_or_known_default(),
            segments: base.split('/').map(ToOwned::to_owned).collect(),
            below,
            query: url.query().map(ToOwned::to_owned),
            fragment: url.fragment().map(ToOwned::to_owned),
        })
    }

    fn admits(&self, url: &Url, host: &str) -> bool {
        let mut segments = path(url).split('/');
        self.scheme == url.scheme()
            && self.port == url.port_or_known_default()
            && covers_host(&self.host, host)
            && self.segments.iter().all(|glob| segments.next().is_some_and(|segment| covers(glob, segment)))
            && (self.below || segments.next().is_none())
            && covers_part(self.query.as_deref(), url.query())
            && covers_part(self.fragment.as_deref(), url.fragment())
    }
}

/// Returns whether `glob` matches `host` label by label. `*` matches exactly one label.
fn covers_host(glob: &str, host: &str) -> bool {
    let (globs, labels) = (glob.split('.'), host.split('.'));
    globs.clone().count() == labels.clone().count()
        && globs.zip(labels).all(|(glob, label)| glob == "*" || glob == label)
}

/// Returns whether both URLs have the part and `glob` matches it, or neither has it.
fn covers_part(glob: Option<&str>, part: Option<&str>) -> bool {
    match (glob, part) {
        (Some(glob), Some(part)) => covers(glob, part),
        (None, None) => true,
        _ => false,
    }
}

/// Returns whether `glob` matches all of `text`. Its `*` matches letters, digits and `-._~`, the characters without a
/// meaning of their own in a URL (RFC 3986, 2.3).
fn covers(glob: &str, text: &str) -> bool {
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    let Some((start, glob_rest)) = glob.split_once('*') else { return glob == text };
    if glob == "*" && text.is_empty() {
        return false;
    }
    let Some(mut left) = text.strip_prefix(start) else { return false };
    let mut literals: Vec<&str> = glob_rest.split('*').collect();
    let end = literals.pop().unwrap_or_default();
    for literal in literals {
        let Some(at) = left.find(literal).filter(|at| plain(&left[..*at])) else { return false };
        left = &left[at + literal.len()..];
    }
    left.strip_suffix(end).is_some_and(plain)
}

/// Returns the path. Without a query and fragment, a trailing slash is dropped.
fn path(url: &Url) -> &str {
    let path = url.path();
    if url.query().is_some() || url.fragment().is_some() {
        path
    } else {
        path.strip_suffix('/').unwrap_or(path)
    }
}

/// Returns whether a server could read the path in another way: an escaped separator or control character, which it
/// decodes, possibly twice; or an empty segment, which starts a host name if the path is taken for a URL.
fn is_ambiguous(path: &str) -> bool {
    let escaped = path.split('%').skip(1).any(|escape| {
        let byte = escape.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        byte.is_none_or(|byte| byte.is_ascii_control() || b"/\\?#%".contains(&byte))
    });
    escaped || path.contains("//")
}

/// Parses a URL that a browser will interpret exactly as written. The error completes the sentence "the URL …".
fn read(text: &str) -> Result<Url, &'static str> {
    if text.len() > TARGET_MAX {
        return Err("is too long");
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\\"<>".contains(&byte)) {
        return Err("must be ASCII without spaces, quotes, angle brackets or backslashes");
    }
    let (scheme, after) = text.split_once("://").ok_or("must have the form scheme://host/path")?;
    let url = Url::parse(text).map_err(|_| "is not a URL")?;
    if !scheme.eq_ignore_ascii_case(url.scheme()) {
        return Err("must have the form scheme://host/path");
    }
    let authority = after.split(['/', '?', '#']).next().unwrap_or_default();
    let host = url.host_str().unwrap_or_default();
    if !is_written(host, authority) {
        return Err("must have a plain host, without user info, escapes or alternative notations");
    }
    // An IPv6 address has no dots; every other host consists of labels, and a trailing dot leaves an empty one.
    if host.split('.').any(str::is_empty) {
        return Err("must not have an empty label in its host");
    }
    if is_ambiguous(url.path()) {
        return Err("must not contain an escaped separator or an empty segment in its path");
    }
    if url.as_str().len() > TARGET_MAX {
        return Err("is too long");
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err("must use https; http is allowed only for localhost"),
        scheme if FORBIDDEN_SCHEMES.contains(&scheme) => Err("has a scheme that cannot open a web page"),
        _ => Ok(url),
    }
}

/// Returns whether `authority` is `host`, ignoring case, with an optional decimal port.
fn is_written(host: &str, authority: &str) -> bool {
    let Some((start, port)) = authority.split_at_checked(host.len()) else { return false };
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._*[:]".contains(&byte);
    start.eq_ignore_ascii_case(host)
        && start.bytes().all(plain)
        && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => Ipv4Addr::is_loopback(&address),
        Some(Host::Ipv6(address)) => Ipv6Addr::is_loopback(&address),
        None => false,
    }
}

#[cfg(test)]
mod tests;
