//! Parses `mail_url`.

mod query;

use std::{borrow::Cow, fmt, net::IpAddr, path::PathBuf};

use rustls::pki_types::ServerName;
use thiserror::Error;
use url::Url;
use zeroize::Zeroizing;

use self::query::Parameters;

/// Port of a relay that takes mail without credentials (RFC 5321).
const RELAY_PORT: u16 = 25;
/// Port of submission with STARTTLS (RFC 6409).
const SUBMISSION_PORT: u16 = 587;
/// Port of submission with implicit TLS (RFC 8314).
const IMPLICIT_TLS_PORT: u16 = 465;

/// A parsed `mail_url` or `mail_fallback_url`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportConfig {
    /// A mail server.
    Smtp(SmtpSettings),
    /// One `.eml` file per mail.
    File {
        /// The directory; created if it is missing.
        dir: PathBuf,
    },
    /// The terminal, for demos.
    Stdout,
}

/// A mail server and how to connect to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpSettings {
    /// Host name, or IP address without brackets. Certificates are verified against it.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// When to encrypt.
    pub tls: Tls,
    /// Credentials for AUTH, if any.
    pub credentials: Option<Credentials>,
    /// Trust anchors in addition to the system's, as PEM.
    pub extra_roots: Vec<String>,
    /// SHA-256 of each certificate in DER that the server may have. If there are any, they replace the checks of name,
    /// issuer and validity.
    pub pins: Vec<[u8; 32]>,
}

impl SmtpSettings {
    /// Returns whether `host` is this machine by its name or address.
    pub fn is_loopback(&self) -> bool {
        let is_loopback = |ip: IpAddr| ip.to_canonical().is_loopback();
        self.host.eq_ignore_ascii_case("localhost") || self.host.parse().is_ok_and(is_loopback)
    }
}

/// When a connection is encrypted. Certificates are always verified, and a connection never falls back to plain text
/// once TLS has started (R26).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Never. Credentials are sent to a loopback address only.
    Never,
    /// STARTTLS if the server offers it. Credentials are sent only after it, except on a loopback address.
    WhenOffered,
    /// STARTTLS is mandatory.
    Required,
    /// TLS from the first byte.
    Implicit,
}

/// User name and password. `Debug` prints only the type's name.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub(crate) user: String,
    pub(crate) password: Zeroizing<String>,
}

impl Credentials {
    /// Creates credentials from a user name and its password.
    pub fn new(user: String, password: String) -> Self {
        Self { user, password: Zeroizing::new(password) }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// `mail_url` is invalid. The text never quotes a part of the URL that may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("mail_url {0}")]
pub struct BadMailUrl(Cow<'static, str>);

impl BadMailUrl {
    const fn new(reason: &'static str) -> Self {
        Self(Cow::Borrowed(reason))
    }

    /// Returns the fault, to be appended to the setting's name.
    pub fn reason(&self) -> &str {
        &self.0
    }
}

impl TransportConfig {
    /// Parses `mail_url`.
    ///
    /// * `smtp://[user:pass@]host[:port]`: STARTTLS if offered. The port defaults to 587 (submission) with credentials or
    ///   mandatory STARTTLS, and to 25 (relay) otherwise.
    /// * `?tls=required` makes STARTTLS mandatory, `?tls=none` turns it off.
    /// * `smtps://[user:pass@]host[:port]`: implicit TLS; the port defaults to 465.
    /// * `?ca=PATH` adds the trust anchors of a PEM file, `?pin=sha256:HEX` accepts a certificate by its fingerprint; both
    ///   also make STARTTLS mandatory. Several parameters are joined with `&`; `pin` may be repeated.
    /// * `file://DIR`: `file://mail` is relative to the working directory, `file:///var/mail` is absolute.
    /// * `stdout:`
    ///
    /// User, password, PATH and DIR are percent-decoded.
    ///
    /// # Errors
    /// Returns [`BadMailUrl`] for everything else, including unknown parameters and a file that cannot be read.
    pub fn parse(mail_url: &str) -> Result<Self, BadMailUrl> {
        if mail_url == "stdout:" {
            return Ok(Self::Stdout);
        }
        if let Some(dir) = mail_url.strip_prefix("file://") {
            return match percent_decoded(dir)? {
                dir if dir.is_empty() => Err(BadMailUrl::new("names no directory after file://.")),
                dir => Ok(Self::File { dir: PathBuf::from(dir) }),
            };
        }
        if !mail_url.starts_with("smtp://") && !mail_url.starts_with("smtps://") {
            return Err(BadMailUrl::new("must start with smtp://, smtps:// or file://, or be stdout:."));
        }
        let url = Url::parse(mail_url).map_err(|_| {
            BadMailUrl::new("has no valid host and port; in user and password write / ? # @ : % as %2F %3F %23 %40 %3A %25.")
        })?;
        SmtpSettings::from_url(&url).map(Self::Smtp)
    }
}

impl SmtpSettings {
    fn from_url(url: &Url) -> Result<Self, BadMailUrl> {
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(BadMailUrl::new(
                "has a path or fragment; in user and password write / as %2F and # as %23.",
            ));
        }
        let Parameters { tls, roots: extra_roots, pins } =
            Parameters::parse(url.scheme() == "smtps", url.query().unwrap_or_default())?;
        let host = url.host_str().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if ServerName::try_from(host).is_err() {
            return Err(BadMailUrl::new("has a host that is neither a name in ASCII nor an IP address."));
        }
        let credentials =
            match (percent_decoded(url.username())?, url.password().map(percent_decoded).transpose()?) {
                (user, None) if user.is_empty() => None,
                (user, Some(password)) if !user.is_empty() && !password.is_empty() => {
                    Some(Credentials::new(user, password))
                }
                _ => return Err(BadMailUrl::new("has a user name without a password, or the reverse.")),
            };
        let port = match (url.port(), tls) {
            (Some(0), _) => return Err(BadMailUrl::new("has port 0.")),
            (Some(port), _) => port,
            (None, Tls::Implicit) => IMPLICIT_TLS_PORT,
            (None, Tls::WhenOffered | Tls::Never) if credentials.is_none() => RELAY_PORT,
            (None, Tls::Never | Tls::WhenOffered | Tls::Required) => SUBMISSION_PORT,
        };
        Ok(Self { host: host.to_owned(), port, tls, credentials, extra_roots, pins })
    }
}

/// Decodes `%XX` strictly: a lone `%` most likely comes from a password that was not encoded. NUL is rejected, because
/// SASL PLAIN and paths cannot carry it.
fn percent_decoded(text: &str) -> Result<String, BadMailUrl> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
                let (high, low) = (digit(), digit());
                let value = high.zip(low).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
                value.ok_or(BadMailUrl::new(
                    "has a % that is not followed by two hex digits; write it as %25.",
                ))?
            }
            byte => byte,
        });
    }
    match String::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => Err(BadMailUrl::new("percent-encodes something that is not text.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn smtp(mail_url: &str) -> SmtpSettings {
        match TransportConfig::parse(mail_url) {
            Ok(TransportConfig::Smtp(settings)) => settings,
            other => panic!("{mail_url}: {other:?}"),
        }
    }

    #[test]
    fn default_port_follows_from_tls_and_credentials() {
        for (mail_url, tls, port) in [
            ("smtp://mail.example.org", Tls::WhenOffered, 25),
            ("smtp://u:p@mail.example.org", Tls::WhenOffered, 587),
            ("smtp://mail.example.org?tls=required", Tls::Required, 587),
            ("smtp://mail.example.org/?tls=required", Tls::Required, 587),
            ("smtp://mail.example.org:2525?tls=required", Tls::Required, 2525),
            ("smtp://mail.example.org?tls=none", Tls::Never, 25),
            ("smtp://u:p@mail.example.org?tls=none", Tls::Never, 587),
            ("smtps://mail.example.org", Tls::Implicit, 465),
            ("smtps://u:p@mail.example.org:8465", Tls::Implicit, 8465),
        ] {
            let settings = smtp(mail_url);
            assert_eq!((settings.tls, settings.port), (tls, port), "{mail_url}");
        }
    }

    #[test]
    fn hosts_are_names_or_addresses_of_either_family() {
        for (mail_url, host) in [
            ("smtp://localhost", "localhost"),
            ("smtp://mail_relay", "mail_relay"),
            ("smtp://192.0.2.7:25", "192.0.2.7"),
            ("smtp://[2001:db8::7]:25", "2001:db8::7"),
        ] {
            assert_eq!(smtp(mail_url).host, host, "{mail_url}");
        }
    }

    #[test]
    fn user_and_password_are_percent_decoded() {
        let settings = smtp("smtps://jo%40example.org:p%25%2F%3A%C3%A9@mail.example.org");
        let expected = Credentials::new("jo@example.org".to_owned(), "p%/:é".to_owned());
        assert!(settings.credentials == Some(expected));
    }

    #[test]
    fn directories_are_relative_or_absolute() {
        for (mail_url, dir) in
            [("file://mail", "mail"), ("file:///var/mail", "/var/mail"), ("file://my%20mail", "my mail")]
        {
            assert_eq!(TransportConfig::parse(mail_url), Ok(TransportConfig::File { dir: dir.into() }));
        }
        assert_eq!(TransportConfig::parse("stdout:"), Ok(TransportConfig::Stdout));
    }

    #[test]
    fn url_errors_never_quote_the_password() {
        for mail_url in [
            "",
            "mail",
            "user:canary@host",
            "http://user:canary@host",
            "stdout:canary",
            "file://",
            "file://canary%00",
            "smtp:user:canary@host",
            "smtp://",
            "smtp://user:canary@",
            "smtp://user:canary@ho st",
            "smtp://user:canary@host:0",
            "smtp://user:canary@host:70000",
            "smtp://user:canary@host/path",
            "smtp://user:canary@host#fragment",
            "smtp://user:canary@host?tls=maybe",
            "smtp://user:x?canary=1@host",
            "smtp://user:canary@host?tls=required&ca=/canary",
            "smtp://user:canary@host?pin=sha256:canary",
            "smtp://user:12?canary@host",
            "smtp://user:12/canary@host",
            "smtp://user:12#canary@host",
            "smtp://user:can%ary@host",
            "smtp://user:canary%FF@host",
            "smtp://user:canary%00@host",
            "smtp://canary@host",
            "smtp://:canary@host",
            "smtp://canary:@host",
            "smtps://user:canary@host?tls=none",
            "smtp://user:canary@bücher.example",
        ] {
            let error = TransportConfig::parse(mail_url).expect_err(mail_url).to_string();
            assert!(error.starts_with("mail_url ") && error.ends_with('.'), "{error}");
            assert!(!error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn debug_output_contains_neither_user_nor_password() {
        let settings = smtp("smtp://canary-user:canary-pass@host");
        assert!(!format!("{settings:?}").contains("canary"));
    }
}
