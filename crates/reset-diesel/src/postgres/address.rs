//! PostgreSQL's URL: what libpq understands, as far as it is ours to promise.
//!
//! The driver reads it, but for the two options that it does not know as libpq does: `sslmode` and `sslrootcert`.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use tokio_postgres::{
    Config,
    config::{Host, SslMode, TargetSessionAttrs},
};

use crate::{OpenError, roots::is_here};

/// How a URL has to look like.
const SHAPE: &str = "write postgres://USER:PASSWORD@HOST[:PORT][,HOST…]/DATABASE, special characters in the password \
                     percent-encoded; options are those of libpq, such as \
                     ?sslmode=verify-full&sslrootcert=/path/ca.pem";
/// What `sslmode` may be.
const MODES: &str = "sslmode is one of disable, prefer, require, verify-ca, verify-full";
/// What named authorities ask for.
const ROOTS: &str = "sslrootcert verifies the server, and sslmode disable, allow or prefer does not: leave sslmode out, or \
                     write verify-full";

/// How the connection is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tls {
    /// Not at all.
    Off,
    /// Where the server offers it. Nothing is verified: who could forge a certificate could as well say that there
    /// is no TLS.
    Offered,
    /// Always, with a certificate that the roots vouch for.
    Required {
        /// Whether it has to be the host's: only `verify-ca` does without.
        named: bool,
        /// A file with the roots; else the system's.
        roots: Option<PathBuf>,
    },
}

/// Where the server is, and as whom we go there. It holds a password: no `Debug`.
#[derive(Clone)]
pub(crate) struct Address {
    pub(super) config: Config,
    tls: Tls,
}

impl Address {
    /// Reads a URL `postgres://…` or `postgresql://…`.
    pub(crate) fn read(url: &str) -> Result<Self, OpenError> {
        let (mode, roots, rest) = split(url);
        let named = mode.as_deref() != Some("verify-ca");
        let tls = match mode.as_deref() {
            Some("disable" | "prefer" | "allow") if roots.is_some() => return Err(bad(ROOTS)),
            Some("disable") => Tls::Off,
            None if roots.is_none() => Tls::Offered,
            Some("prefer" | "allow") => Tls::Offered,
            // Stricter than libpq, which asks `require` for encryption and not for whose. No reason to be that lax.
            // Whoever names authorities wants them asked.
            None | Some("require" | "verify-ca" | "verify-full") => {
                Tls::Required { named, roots: roots.filter(|path| path != "system").map(PathBuf::from) }
            }
            Some(_) => return Err(bad(MODES)),
        };
        let mut config: Config = rest.parse().map_err(|_| bad(SHAPE))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(bad(SHAPE));
        }
        config.ssl_mode(match tls {
            Tls::Off => SslMode::Disable,
            Tls::Offered => SslMode::Prefer,
            Tls::Required { .. } => SslMode::Require,
        });
        let several = config.get_hosts().len() > 1;
        if several && config.get_target_session_attrs() == TargetSessionAttrs::Any {
            // Of several servers one is the primary, and we write.
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        if config.get_application_name().is_none() {
            config.application_name("polyreset");
        }
        Ok(Self { config, tls })
    }

    pub(super) fn tls(&self) -> &Tls {
        &self.tls
    }

    /// Whether the connection leaves this machine without the server having shown who it is.
    pub(crate) fn is_unverified(&self) -> bool {
        let away = |host: &Host| matches!(host, Host::Tcp(name) if !is_here(name));
        let hosts = self.config.get_hosts().iter().any(away);
        let addresses = self.config.get_hostaddrs().iter().any(|address| !address.is_loopback());
        !matches!(self.tls, Tls::Required { .. }) && (hosts || addresses)
    }

    /// How many servers may have to be tried.
    pub(super) fn servers(&self) -> u32 {
        u32::try_from(self.config.get_hosts().len()).unwrap_or(1).max(1)
    }
}

/// The two options that are ours to read, and the URL without them.
fn split(url: &str) -> (Option<String>, Option<String>, String) {
    let Some((base, query)) = url.split_once('?') else { return (None, None, url.to_owned()) };
    let (mut mode, mut roots, mut rest) = (None, None, Vec::new());
    for pair in query.split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = || Some(percent_decode_str(value).decode_utf8_lossy().into_owned());
        match key {
            "sslmode" => mode = value(),
            "sslrootcert" => roots = value(),
            _ => rest.push(pair),
        }
    }
    let rest = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
    (mode, roots, rest)
}

fn bad(expected: &'static str) -> OpenError {
    OpenError::Address { engine: "PostgreSQL", expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls(url: &str) -> Tls {
        Address::read(url).ok().unwrap().tls
    }

    #[test]
    fn every_mode_of_libpq_is_understood() {
        let required = |named, roots: Option<&str>| Tls::Required { named, roots: roots.map(PathBuf::from) };
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
    fn who_names_authorities_has_them_asked() {
        let roots = Some(PathBuf::from("/ca.pem"));
        assert_eq!(tls("postgres://u@db/x?sslrootcert=/ca.pem"), Tls::Required { named: true, roots });
        assert_eq!(tls("postgres://u@db/x?sslrootcert=system"), Tls::Required { named: true, roots: None });
        for mode in ["disable", "allow", "prefer"] {
            let url = format!("postgres://u@db/x?sslrootcert=/ca.pem&sslmode={mode}");
            let said = Address::read(&url).err().expect("refused").to_string();
            assert!(said.contains("leave sslmode out"), "{said}");
        }
    }

    #[test]
    fn what_leaves_the_machine_and_is_not_verified_is_known() {
        let unverified = |url: &str| Address::read(url).ok().unwrap().is_unverified();
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
    fn of_several_hosts_the_one_that_can_be_written_to_is_meant() {
        let address = Address::read("postgres://u@one,two:5433/x?sslmode=disable").ok().unwrap();
        assert_eq!(address.servers(), 2);
        assert_eq!(address.config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
        let one = Address::read("postgres://u@one/x").ok().unwrap();
        assert_eq!(one.config.get_target_session_attrs(), TargetSessionAttrs::Any);
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for url in
            ["postgres://u:hunter2@db/x?sslmode=maybe", "postgres://u:hunter2@db:port/x", "postgres:///x"]
        {
            let said = Address::read(url).err().expect("refused").to_string();
            assert!(said.contains("PostgreSQL") && !said.contains("hunter2"), "{said}");
        }
    }
}
