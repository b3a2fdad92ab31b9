//! The URL of a MySQL server, with the TLS options of MySQL's own clients.

use std::path::PathBuf;

use mysql_async::{ClientIdentity, Opts, OptsBuilder, SslOpts};
use url::Url;

use crate::{OpenError, roots, server::foreign_options};

/// Expected format of the URL.
const FORMAT: &str = "write mysql://USER:PASSWORD@HOST[:PORT][,HOST…]/DATABASE with special characters in the \
                      password percent-encoded; supported options are ssl-mode, ssl-ca, ssl-cert, \
                      ssl-key and socket, such as \
                      ?ssl-mode=verify_identity&ssl-ca=/path/ca.pem";
/// Valid values of `ssl-mode`.
const MODES: &str = "ssl-mode must be one of disabled, preferred, required, verify_ca, verify_identity";
/// Conflict of `ssl-ca` with an `ssl-mode` that verifies nothing.
const UNVERIFIED_CA: &str = "ssl-ca requires a verified connection, but ssl-mode disabled and preferred verify \
                             nothing: remove ssl-mode or set it to verify_identity";
/// `ssl-cert` without `ssl-key`, or without encryption.
const CLIENT_CERTIFICATE: &str = "ssl-cert and ssl-key belong together and require an encrypted connection: name the \
                                  PEM files of both, and do not set ssl-mode=disabled";
const PORT: u16 = 3306;
/// Idle time before TCP keepalive probes, in milliseconds.
const KEEPALIVE_MS: u32 = 30_000;

/// Encryption of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tls {
    Off,
    /// Encrypted if the server offers TLS. The certificate is not verified: an attacker who can forge one can also
    /// pretend that the server offers no TLS.
    Offered,
    /// Always encrypted, with a certificate that a trusted CA has signed. With `verify_name` the certificate must be
    /// issued for the host.
    Required {
        verify_name: bool,
    },
}

/// Hosts, credentials and TLS options of a URL. It holds a password, so it has no `Debug`.
#[derive(Clone)]
pub(crate) struct Address {
    hosts: Vec<(String, u16)>,
    user: Option<String>,
    password: Option<String>,
    database: String,
    socket: Option<String>,
    tls: Tls,
    roots: Option<PathBuf>,
    /// PEM files with the certificate of this client and its private key.
    client: Option<(PathBuf, PathBuf)>,
}

impl Address {
    /// Parses a URL `mysql://…` or `mariadb://…`.
    pub(crate) fn parse(url: &str) -> Result<Self, OpenError> {
        let bad_format = || invalid(FORMAT);
        let (_, rest) = url.split_once("://").ok_or_else(bad_format)?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let (userinfo, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let hosts = hosts.split(',').map(host).collect::<Option<Vec<_>>>().ok_or_else(bad_format)?;
        // The `url` crate supports only one host, so the list is replaced before the rest is parsed.
        let url = Url::parse(&format!("mysql://{userinfo}@localhost{tail}")).map_err(|_| bad_format())?;
        let decoded =
            |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().ok().map(String::from);
        let database = decoded(url.path().trim_start_matches('/'))
            .filter(|name| !name.is_empty() && !name.contains('/'));
        let mut address = Self {
            hosts,
            user: decoded(url.username()).filter(|user| !user.is_empty()),
            password: url.password().and_then(decoded),
            database: database.ok_or_else(bad_format)?,
            socket: None,
            tls: Tls::Offered,
            roots: None,
            client: None,
        };
        let (mut chosen, mut certificate, mut private_key) = (None, None, None);
        for (key, value) in url.query_pairs() {
            match key.to_ascii_lowercase().replace('_', "-").as_str() {
                "ssl-mode" | "sslmode" => chosen = Some(mode(&value).ok_or_else(|| invalid(MODES))?),
                "ssl-ca" => address.roots = Some(PathBuf::from(&*value)),
                "ssl-cert" | "sslcert" => certificate = Some(PathBuf::from(&*value)),
                "ssl-key" | "sslkey" => private_key = Some(PathBuf::from(&*value)),
                "socket" => address.socket = Some(value.into_owned()),
                _ => return Err(invalid(foreign_options::advice(rest).unwrap_or(FORMAT))),
            }
        }
        address.tls = match chosen {
            Some(Tls::Off | Tls::Offered) if address.roots.is_some() => return Err(invalid(UNVERIFIED_CA)),
            Some(tls) => tls,
            // A URL with a CA certificate expects verification.
            None if address.roots.is_some() => Tls::Required { verify_name: true },
            None => Tls::Offered,
        };
        address.client = match (certificate, private_key) {
            (None, None) => None,
            (Some(certificate), Some(key)) if address.tls != Tls::Off => Some((certificate, key)),
            _ => return Err(invalid(CLIENT_CERTIFICATE)),
        };
        Ok(address)
    }

    /// Whether the connection crosses a network without verifying the server's certificate.
    pub(crate) fn is_unverified(&self) -> bool {
        let is_remote = self.socket.is_none() && self.hosts.iter().any(|(host, _)| !roots::is_loopback(host));
        is_remote && !matches!(self.tls, Tls::Required { .. })
    }

    /// Returns the connection options of each server, the preferred ones first.
    pub(super) fn servers(&self) -> Result<Vec<Vec<Opts>>, OpenError> {
        let client = match &self.client {
            Some((certificate, key)) => {
                // The driver reads the files with each connection; a file that is missing is an error now.
                roots::client_certificate(certificate, key)?;
                Some(ClientIdentity::new(certificate.clone().into(), key.clone().into()))
            }
            None => None,
        };
        let base_options = SslOpts::default().with_client_identity(client);
        let tls_options = match self.tls {
            // A Unix socket does not leave the machine.
            _ if self.socket.is_some() => vec![None],
            Tls::Off => vec![None],
            Tls::Offered => {
                let unverified = base_options
                    .with_danger_accept_invalid_certs(true)
                    .with_danger_skip_domain_validation(true);
                vec![Some(unverified), None]
            }
            Tls::Required { verify_name } => {
                let roots = roots::certificates(self.roots.as_deref())?;
                let roots = roots.into_iter().map(|root| root.as_ref().to_vec().into()).collect();
                let verified = base_options
                    .with_root_certs(roots)
                    .with_disable_built_in_roots(true)
                    .with_danger_skip_domain_validation(!verify_name);
                vec![Some(verified)]
            }
        };
        let server = |(host, port): &(String, u16)| {
            let base = OptsBuilder::default()
                .ip_or_hostname(host.clone())
                .tcp_port(*port)
                .user(self.user.clone())
                .pass(self.password.clone())
                .db_name(Some(self.database.clone()))
                .socket(self.socket.clone())
                // By default the driver switches to the server's socket. Use a socket only if the URL names one.
                .prefer_socket(false)
                .tcp_nodelay(true)
                // Detects that the host of an idle connection is gone.
                .tcp_keepalive(Some(KEEPALIVE_MS))
                // Diesel has its own statement cache.
                .stmt_cache_size(0)
                // Report matched rows instead of changed rows, like the other engines.
                .client_found_rows(true);
            tls_options.iter().map(|tls| base.clone().ssl_opts(tls.clone()).into()).collect()
        };
        Ok(self.hosts.iter().map(server).collect())
    }
}

fn host(text: &str) -> Option<(String, u16)> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port.parse().ok()?),
        _ => (text, PORT),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

fn mode(text: &str) -> Option<Tls> {
    Some(match text.to_ascii_lowercase().replace('-', "_").as_str() {
        "disabled" | "disable" => Tls::Off,
        "preferred" | "prefer" => Tls::Offered,
        // Stricter than MySQL's clients: as on PostgreSQL, required encryption includes verifying the server.
        "required" | "require" | "verify_identity" | "verify_full" => Tls::Required { verify_name: true },
        "verify_ca" => Tls::Required { verify_name: false },
        _ => return None,
    })
}

fn invalid(expected: &'static str) -> OpenError {
    OpenError::Address { engine: "MySQL", expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_is_parsed_into_hosts_credentials_and_tls_options() {
        let address = Address::parse(
            "mariadb://us%40er:p%2Fw@one:3307,[::1]/reset?ssl-mode=VERIFY_CA&ssl-ca=%2Fca.pem",
        );
        let address = address.ok().unwrap();
        assert_eq!(address.hosts, [("one".to_owned(), 3307), ("::1".to_owned(), PORT)]);
        assert_eq!((address.user.as_deref(), address.password.as_deref()), (Some("us@er"), Some("p/w")));
        assert_eq!((address.database.as_str(), address.tls), ("reset", Tls::Required { verify_name: false }));
        assert_eq!(address.roots.as_deref(), Some(std::path::Path::new("/ca.pem")));
    }

    #[test]
    fn ca_certificate_implies_verification() {
        let address = Address::parse("mysql://u@db/x?ssl-ca=/ca.pem").ok().unwrap();
        assert_eq!(address.tls, Tls::Required { verify_name: true });
        for mode in ["disabled", "preferred"] {
            let url = format!("mysql://u@db/x?ssl-mode={mode}&ssl-ca=/ca.pem");
            let error = Address::parse(&url).err().expect("the URL is rejected").to_string();
            assert!(error.contains("remove ssl-mode"), "{error}");
        }
    }

    #[test]
    fn client_certificate_needs_its_key_and_encryption() {
        let address = Address::parse("mysql://u@db/x?ssl-cert=/c.pem&ssl-key=%2Fk.pem").ok().unwrap();
        assert_eq!(address.client, Some((PathBuf::from("/c.pem"), PathBuf::from("/k.pem"))));
        for options in ["ssl-cert=/c.pem", "ssl-key=/k.pem", "ssl-mode=disabled&ssl-cert=/c&ssl-key=/k"] {
            let error = Address::parse(&format!("mysql://u@db/x?{options}")).err().expect(options);
            assert!(error.to_string().contains("belong together"), "{error}");
        }
    }

    #[test]
    fn unverified_remote_connection_is_detected() {
        let unverified = |url: &str| Address::parse(url).ok().unwrap().is_unverified();
        assert!(unverified("mysql://u@db/x") && unverified("mysql://u@localhost,db/x?ssl-mode=disabled"));
        for url in ["mysql://u@db/x?ssl-mode=required", "mysql://u@[::1]/x", "mysql://u@db/x?socket=/run/s"] {
            assert!(!unverified(url), "{url}");
        }
    }

    #[test]
    fn url_errors_do_not_contain_the_password() {
        for url in [
            "mysql://u:hunter2@db/x?ssl-mode=maybe",
            "mysql://u:hunter2@db",
            "mysql://u:hunter2@db:port/x",
            "mysql://u:hunter2@db/x?hunter2=1",
        ] {
            let error = Address::parse(url).err().expect("the URL is rejected").to_string();
            assert!(error.contains("MySQL") && !error.contains("hunter2"), "{error}");
        }
    }
}
