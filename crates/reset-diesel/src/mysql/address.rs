//! MySQL's URL, with the options that its own clients have for TLS.

use std::path::PathBuf;

use mysql_async::{Opts, OptsBuilder, SslOpts};
use url::Url;

use crate::{OpenError, roots};

/// How a URL has to look like.
const SHAPE: &str = "write mysql://USER:PASSWORD@HOST[:PORT][,HOST…]/DATABASE, special characters in the password \
                     percent-encoded; options are ssl-mode, ssl-ca and socket, such as \
                     ?ssl-mode=verify_identity&ssl-ca=/path/ca.pem";
/// What `ssl-mode` may be.
const MODES: &str = "ssl-mode is one of disabled, preferred, required, verify_ca, verify_identity";
/// What a named authority asks for.
const ROOTS: &str = "ssl-ca verifies the server, and ssl-mode disabled or preferred does not: leave ssl-mode out, or write \
                     verify_identity";
const PORT: u16 = 3306;
/// How long a connection may be idle before the server is asked whether it is still there, in milliseconds.
const KEEPALIVE_MS: u32 = 30_000;

/// How the connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tls {
    Off,
    /// Where the server offers it; nothing is verified, for who could forge a certificate could as well say that
    /// there is no TLS.
    Offered,
    /// Always, with a certificate that the roots vouch for; `named` asks for the host's own.
    Required {
        named: bool,
    },
}

/// Where the server is, and as whom we go there. It holds a password: no `Debug`.
#[derive(Clone)]
pub(crate) struct Address {
    hosts: Vec<(String, u16)>,
    user: Option<String>,
    password: Option<String>,
    database: String,
    socket: Option<String>,
    tls: Tls,
    roots: Option<PathBuf>,
}

impl Address {
    /// Reads a URL `mysql://…` or `mariadb://…`.
    pub(crate) fn read(url: &str) -> Result<Self, OpenError> {
        let shape = || bad(SHAPE);
        let (_, rest) = url.split_once("://").ok_or_else(shape)?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let (userinfo, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let hosts = hosts.split(',').map(host).collect::<Option<Vec<_>>>().ok_or_else(shape)?;
        // The rest is as of any URL, with the hosts out of the way.
        let url = Url::parse(&format!("mysql://{userinfo}@localhost{tail}")).map_err(|_| shape())?;
        let decoded =
            |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().ok().map(String::from);
        let database = decoded(url.path().trim_start_matches('/'))
            .filter(|name| !name.is_empty() && !name.contains('/'));
        let mut address = Self {
            hosts,
            user: decoded(url.username()).filter(|user| !user.is_empty()),
            password: url.password().and_then(decoded),
            database: database.ok_or_else(shape)?,
            socket: None,
            tls: Tls::Offered,
            roots: None,
        };
        let mut chosen = None;
        for (key, value) in url.query_pairs() {
            match key.to_ascii_lowercase().replace('_', "-").as_str() {
                "ssl-mode" | "sslmode" => chosen = Some(mode(&value).ok_or_else(|| bad(MODES))?),
                "ssl-ca" => address.roots = Some(PathBuf::from(&*value)),
                "socket" => address.socket = Some(value.into_owned()),
                _ => return Err(shape()),
            }
        }
        address.tls = match chosen {
            Some(Tls::Off | Tls::Offered) if address.roots.is_some() => return Err(bad(ROOTS)),
            Some(tls) => tls,
            // Whoever names an authority wants it asked.
            None if address.roots.is_some() => Tls::Required { named: true },
            None => Tls::Offered,
        };
        Ok(address)
    }

    /// Whether the connection leaves this machine without the server having shown who it is.
    pub(crate) fn is_unverified(&self) -> bool {
        let away = self.socket.is_none() && self.hosts.iter().any(|(host, _)| !roots::is_here(host));
        away && !matches!(self.tls, Tls::Required { .. })
    }

    /// Each server with the ways to reach it, the best first.
    pub(super) fn servers(&self) -> Result<Vec<Vec<Opts>>, OpenError> {
        let ways = match self.tls {
            // A socket is the machine's own.
            _ if self.socket.is_some() => vec![None],
            Tls::Off => vec![None],
            Tls::Offered => {
                let lax = SslOpts::default()
                    .with_danger_accept_invalid_certs(true)
                    .with_danger_skip_domain_validation(true);
                vec![Some(lax), None]
            }
            Tls::Required { named } => {
                let roots = roots::certificates(self.roots.as_deref())?;
                let roots = roots.into_iter().map(|root| root.as_ref().to_vec().into()).collect();
                let strict = SslOpts::default()
                    .with_root_certs(roots)
                    .with_disable_built_in_roots(true)
                    .with_danger_skip_domain_validation(!named);
                vec![Some(strict)]
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
                // Only where the URL says so.
                .prefer_socket(false)
                .tcp_nodelay(true)
                // An idle connection to a machine that is gone is noticed one day.
                .tcp_keepalive(Some(KEEPALIVE_MS))
                // Diesel keeps the statements.
                .stmt_cache_size(0)
                // How many rows a statement met, and not how many it changed: as everywhere else.
                .client_found_rows(true);
            ways.iter().map(|tls| base.clone().ssl_opts(tls.clone()).into()).collect()
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
        // As on PostgreSQL, encryption that is required is required with the right server.
        "required" | "require" | "verify_identity" | "verify_full" => Tls::Required { named: true },
        "verify_ca" => Tls::Required { named: false },
        _ => return None,
    })
}

fn bad(expected: &'static str) -> OpenError {
    OpenError::Address { engine: "MySQL", expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let address =
            Address::read("mariadb://us%40er:p%2Fw@one:3307,[::1]/reset?ssl-mode=VERIFY_CA&ssl-ca=%2Fca.pem");
        let address = address.ok().unwrap();
        assert_eq!(address.hosts, [("one".to_owned(), 3307), ("::1".to_owned(), PORT)]);
        assert_eq!((address.user.as_deref(), address.password.as_deref()), (Some("us@er"), Some("p/w")));
        assert_eq!((address.database.as_str(), address.tls), ("reset", Tls::Required { named: false }));
        assert_eq!(address.roots.as_deref(), Some(std::path::Path::new("/ca.pem")));
    }

    #[test]
    fn who_names_an_authority_has_it_asked() {
        let address = Address::read("mysql://u@db/x?ssl-ca=/ca.pem").ok().unwrap();
        assert_eq!(address.tls, Tls::Required { named: true });
        for mode in ["disabled", "preferred"] {
            let url = format!("mysql://u@db/x?ssl-mode={mode}&ssl-ca=/ca.pem");
            let said = Address::read(&url).err().expect("refused").to_string();
            assert!(said.contains("leave ssl-mode out"), "{said}");
        }
    }

    #[test]
    fn what_leaves_the_machine_and_is_not_verified_is_known() {
        let unverified = |url: &str| Address::read(url).ok().unwrap().is_unverified();
        assert!(unverified("mysql://u@db/x") && unverified("mysql://u@localhost,db/x?ssl-mode=disabled"));
        for url in ["mysql://u@db/x?ssl-mode=required", "mysql://u@[::1]/x", "mysql://u@db/x?socket=/run/s"] {
            assert!(!unverified(url), "{url}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for url in [
            "mysql://u:hunter2@db/x?ssl-mode=maybe",
            "mysql://u:hunter2@db",
            "mysql://u:hunter2@db:port/x",
            "mysql://u:hunter2@db/x?hunter2=1",
        ] {
            let said = Address::read(url).err().expect("refused").to_string();
            assert!(said.contains("MySQL") && !said.contains("hunter2"), "{said}");
        }
    }
}
