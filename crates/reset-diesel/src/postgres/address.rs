//! The URL of a PostgreSQL server, in the format of libpq.
//!
//! The driver parses it, except for `sslmode`, `sslrootcert`, `sslcert` and `sslkey`, which the driver does not support
//! as libpq does.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use tokio_postgres::{
    Config,
    config::{Host, SslMode, TargetSessionAttrs},
};

use crate::{OpenError, roots::is_loopback, server::foreign_options};

/// Expected format of the URL.
const FORMAT: &str = "write postgres://USER:PASSWORD@HOST[:PORT][,HOST…]/DATABASE with special characters in the \
                      password percent-encoded; options are those of libpq, such as \
                      ?sslmode=verify-full&sslrootcert=/path/ca.pem";
/// Valid values of `sslmode`.
const MODES: &str = "sslmode must be one of disable, prefer, require, verify-ca, verify-full";
/// Conflict of `sslrootcert` with an `sslmode` that verifies nothing.
const UNVERIFIED_CA: &str = "sslrootcert requires a verified connection, but sslmode disable, allow and prefer \
                             verify nothing: remove sslmode or set it to verify-full";

/// `sslcert` without `sslkey`, or without encryption.
const CLIENT_CERTIFICATE: &str = "sslcert and sslkey belong together and require an encrypted connection: name the PEM \
                                  files of both, and do not set sslmode=disable";

/// PEM files with the certificate of this client and its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClientFiles {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// Encryption of the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tls {
    /// Not encrypted.
    Off,
    /// Encrypted if the server offers TLS. The certificate is not verified: an attacker who can forge one can also
    /// pretend that the server offers no TLS.
    Offered,
    /// Always encrypted, with a certificate that a trusted CA has signed.
    Required {
        /// Whether the certificate must be issued for the host. Only `verify-ca` does not require it.
        verify_name: bool,
        /// File with the trusted root certificates; the system's if `None`.
        roots: Option<PathBuf>,
    },
}

/// Hosts, credentials and TLS options of a URL. It holds a password, so it has no `Debug`.
#[derive(Clone)]
pub(crate) struct Address {
    pub(super) config: Config,
    tls: Tls,
    client: Option<ClientFiles>,
}

impl Address {
    /// Parses a URL `postgres://…` or `postgresql://…`.
    pub(crate) fn parse(url: &str) -> Result<Self, OpenError> {
        let TlsOptions { mode, roots, certificate, key, rest } = split(url);
        let verify_name = mode.as_deref() != Some("verify-ca");
        let tls = match mode.as_deref() {
            Some("disable" | "prefer" | "allow") if roots.is_some() => return Err(invalid(UNVERIFIED_CA)),
            Some("disable") => Tls::Off,
            None if roots.is_none() => Tls::Offered,
            Some("prefer" | "allow") => Tls::Offered,
            // Stricter than libpq, whose `require` verifies nothing. A URL with a CA certificate expects verification.
            None | Some("require" | "verify-ca" | "verify-full") => {
                Tls::Required { verify_name, roots: roots.filter(|path| path != "system").map(PathBuf::from) }
            }
            Some(_) => return Err(invalid(MODES)),
        };
        let client = match (certificate, key) {
            (None, None) => None,
            (Some(certificate), Some(key)) if tls != Tls::Off => {
                Some(ClientFiles { certificate: certificate.into(), key: key.into() })
            }
            _ => return Err(invalid(CLIENT_CERTIFICATE)),
        };
        let advice = |_| invalid(foreign_options::advice(&rest).unwrap_or(FORMAT));
        let mut config: Config = rest.parse().map_err(advice)?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(invalid(FORMAT));
        }
        config.ssl_mode(match tls {
            Tls::Off => SslMode::Disable,
            Tls::Offered => SslMode::Prefer,
            Tls::Required { .. } => SslMode::Require,
        });
        let several = config.get_hosts().len() > 1;
        if several && config.get_target_session_attrs() == TargetSessionAttrs::Any {
            // polyreset writes, so it needs the primary among several servers.
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        if config.get_application_name().is_none() {
            config.application_name("polyreset");
        }
        Ok(Self { config, tls, client })
    }

    pub(super) fn tls(&self) -> &Tls {
        &self.tls
    }

    pub(super) fn client(&self) -> Option<&ClientFiles> {
        self.client.as_ref()
    }

    /// Whether the connection crosses a network without verifying the server's certificate.
    pub(crate) fn is_unverified(&self) -> bool {
        let is_remote = |host: &Host| matches!(host, Host::Tcp(name) if !is_loopback(name));
        let remote_host = self.config.get_hosts().iter().any(is_remote);
        let remote_address = self.config.get_hostaddrs().iter().any(|address| !address.is_loopback());
        !matches!(self.tls, Tls::Required { .. }) && (remote_host || remote_address)
    }

    /// Returns the number of servers in the URL, at least one.
    pub(super) fn servers(&self) -> u32 {
        u32::try_from(self.config.get_hosts().len()).unwrap_or(1).max(1)
    }
}

/// The options of a URL that the driver does not support, and the URL without them.
#[derive(Default)]
struct TlsOptions {
    mode: Option<String>,
    roots: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
    rest: String,
}

fn split(url: &str) -> TlsOptions {
    let Some((base, query)) = url.split_once('?') else {
        return TlsOptions { rest: url.to_owned(), ..TlsOptions::default() };
    };
    let (mut options, mut rest) = (TlsOptions::default(), Vec::new());
    for pair in query.split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let option = match key {
            "sslmode" => &mut options.mode,
            "sslrootcert" => &mut options.roots,
            "sslcert" => &mut options.certificate,
            "sslkey" => &mut options.key,
            _ => {
                rest.push(pair);
                continue;
            }
        };
        *option = Some(percent_decode_str(value).decode_utf8_lossy().into_owned());
    }
    options.rest = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
    options
}

fn invalid(expected: &'static str) -> OpenError {
    OpenError::Address { engine: "PostgreSQL", expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls(url: &str) -> Tls {
        Address::parse(url).ok().unwrap().tls
    }

    #[test]
    fn every_sslmode_of_libpq_is_supported() {
        let required =
            |verify_name, roots: Option<&str>| Tls::Required { verify_name, roots: roots.map(PathBuf::from) };
        assert_eq!(tls("postgres://u:p@db/x"), Tls::Offered);
        assert_eq!(tls("postgresql://u:p@db/x?sslmode=disable"), Tls::Off);
        assert_eq!(tls("postgres://u:p@db/x?connect_timeout=3&sslmode=require"), required(true, None));
        assert_eq!(
            tls("postgres://u@db/x?sslmode=verify-ca&sslrootcert=%2Fetc%2Fca%20one.pem"),
            required(false, Some("/etc/ca one.pem"))
        );
        assert_eq!(tls("postgres://u@db/x?sslrootcert=system&sslmode=verify-full"), required(true, None));
    }

    #[test]
    fn ca_certificate_implies_verification() {
        let roots = Some(PathBuf::from("/ca.pem"));
        assert_eq!(tls("postgres://u@db/x?sslrootcert=/ca.pem"), Tls::Required { verify_name: true, roots });
        assert_eq!(
            tls("postgres://u@db/x?sslrootcert=system"),
            Tls::Required { verify_name: true, roots: None }
        );
        for mode in ["disable", "allow", "prefer"] {
            let url = format!("postgres://u@db/x?sslrootcert=/ca.pem&sslmode={mode}");
            let error = Address::parse(&url).err().expect("the URL is rejected").to_string();
            assert!(error.contains("remove sslmode"), "{error}");
        }
    }

    #[test]
    fn client_certificate_needs_its_key_and_encryption() {
        let address = Address::parse("postgres://u@db/x?sslcert=%2Fc.pem&sslkey=/k.pem").ok().unwrap();
        let (certificate, key) = (PathBuf::from("/c.pem"), PathBuf::from("/k.pem"));
        assert_eq!(address.client(), Some(&ClientFiles { certificate, key }));
        for options in ["sslcert=/c.pem", "sslkey=/k.pem", "sslmode=disable&sslcert=/c&sslkey=/k"] {
            let error = Address::parse(&format!("postgres://u@db/x?{options}")).err().expect(options);
            assert!(error.to_string().contains("belong together"), "{error}");
        }
    }

    #[test]
    fn unverified_remote_connection_is_detected() {
        let unverified = |url: &str| Address::parse(url).ok().unwrap().is_unverified();
        for url in ["postgres://u@db/x", "postgres://u@db/x?sslmode=disable", "postgres://u@localhost,db/x"] {
            assert!(unverified(url), "{url}");
        }
        for url in [
            "postgres://u@db/x?sslmode=verify-ca",
            "postgres://u@localhost/x",
            "postgres://u@127.0.0.1/x",
            "postgres://u@[::1]/x",
            "postgres://u@/x?host=/run/postgresql",
        ] {
            assert!(!unverified(url), "{url}");
        }
    }

    #[test]
    fn url_with_several_hosts_selects_the_writable_server() {
        let address = Address::parse("postgres://u@one,two:5433/x?sslmode=disable").ok().unwrap();
        assert_eq!(address.servers(), 2);
        assert_eq!(address.config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
        let one = Address::parse("postgres://u@one/x").ok().unwrap();
        assert_eq!(one.config.get_target_session_attrs(), TargetSessionAttrs::Any);
    }

    #[test]
    fn url_errors_do_not_contain_the_password() {
        for url in
            ["postgres://u:hunter2@db/x?sslmode=maybe", "postgres://u:hunter2@db:port/x", "postgres:///x"]
        {
            let error = Address::parse(url).err().expect("the URL is rejected").to_string();
            assert!(error.contains("PostgreSQL") && !error.contains("hunter2"), "{error}");
        }
    }
}
