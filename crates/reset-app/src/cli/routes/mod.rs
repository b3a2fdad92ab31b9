//! `routes`: the configuration of a proxy that sends polyreset's paths to it and everything else to the back end that was
//! there before.
//!
//! A back end keeps sign-in and its other operations below the same prefixes, so the paths are exact. They come from the
//! route table, and so follow the enabled dialects, their base paths and the hosted pages.

mod caddy;
mod envoy;
mod haproxy;
mod ingress;
mod nginx;
mod table;
#[cfg(test)]
mod tests;
mod traefik;

use std::{collections::HashSet, net::Ipv4Addr, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use http::Method;
use reset_http::{Dialect, Endpoint};
use reset_listen::ListenAddress;
use reset_pages::{hosted, service};
use url::Url;

use super::print;
use crate::settings::Settings;

/// Address in the output that stands for the back end.
const BACK_END: &str = "127.0.0.1:3000";
/// Path of the hosted pages that browsers look for at the root of a host (RFC 8615), whatever the prefix in `public_url`.
const WELL_KNOWN: &str = "/.well-known/";

#[derive(Args)]
pub(super) struct RoutesArgs {
    /// The proxy to configure, or `table` for a list
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Nginx,
    Caddy,
    Traefik,
    Haproxy,
    Envoy,
    Ingress,
    Table,
}

/// Everything that a proxy needs to know.
struct Routing {
    /// Host of `public_url`.
    host: String,
    /// Path of `public_url`, without a slash at its end; often empty.
    prefix: String,
    /// The address of polyreset's listener.
    server: ListenAddress,
    /// The paths to send to polyreset.
    paths: Vec<RoutedPath>,
    /// Paths that polyreset serves only in part, and that therefore stay with the back end.
    left: Vec<String>,
}

/// A path to send to polyreset.
struct RoutedPath {
    /// The path as clients send it.
    path: String,
    /// Whether the proxy must strip the prefix of `public_url`.
    stripped: bool,
    /// Whether any case and a slash at the end match, too.
    lenient: bool,
    /// The methods of the path.
    methods: Vec<Method>,
    /// Name of the dialect.
    dialect: &'static str,
}

pub(super) fn run(settings: &Settings, arguments: &RoutesArgs) -> Result<ExitCode> {
    print(&Routing::of(settings)?.written(arguments.format)?);
    Ok(ExitCode::SUCCESS)
}

impl Routing {
    fn of(settings: &Settings) -> Result<Self> {
        let url = Url::parse(&settings.likely_url()).context("public_url")?;
        let host = url.host_str().context("public_url has no host")?.to_owned();
        let prefix = url.path().trim_end_matches('/').to_owned();
        let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.~".contains(c);
        if !prefix.chars().all(plain) {
            bail!("public_url has the path {prefix}: `routes` supports letters, digits and /-_.~ in it");
        }
        let (mut paths, mut left) = (Vec::new(), Vec::new());
        // The service's own rows are for operators and for clients of polyreset's own host.
        for dialect in settings.stand_in()?.iter().filter(|dialect| dialect.name != service::NAME) {
            for (path, endpoints) in &dialect.rows {
                if endpoints.iter().all(|endpoint| endpoint.merged_keys.is_empty()) {
                    paths.extend(routed(&prefix, dialect, path, endpoints));
                } else {
                    left.push(path.clone());
                }
            }
        }
        // A path below the prefix can equal one without it. `public_url` decides.
        let mut seen = HashSet::new();
        paths.sort_by_key(|routed| !routed.stripped);
        paths.retain(|routed| seen.insert(routed.path.clone()));
        Ok(Self { host, prefix, server: reachable(&settings.http.listen), paths, left })
    }

    fn written(&self, format: Format) -> Result<String> {
        match format {
            Format::Nginx => Ok(nginx::written(self)),
            Format::Caddy => Ok(caddy::written(self)),
            Format::Traefik => traefik::written(self),
            Format::Haproxy => Ok(haproxy::written(self)),
            Format::Envoy => Ok(envoy::written(self)),
            Format::Ingress => ingress::written(self),
            Format::Table => Ok(table::written(self)),
        }
    }

    /// Returns the first lines of every configuration, as comments that begin with `#`.
    fn introduction(&self, format: &str) -> String {
        let mut lines = vec![
            "Sends the paths of polyreset to it and everything else to your back end.".to_owned(),
            format!(
                "Printed by `routes --format {format}`. Print it again after changing dialects, pages or public_url."
            ),
            "List the address of this proxy in trusted_proxies, or all users share one rate limit."
                .to_owned(),
        ];
        for path in &self.left {
            lines.push(format!("{path} stays with your back end: polyreset knows only some of its values."));
        }
        format!("# {}\n", lines.join("\n# "))
    }

    /// Returns the IP address and port of polyreset's listener.
    ///
    /// # Errors
    /// Fails if the listener is a Unix socket, which `proxy` cannot connect to.
    fn tcp(&self, proxy: &str) -> Result<std::net::SocketAddr> {
        match &self.server {
            ListenAddress::Tcp(address) => Ok(*address),
            ListenAddress::Unix(_) => {
                bail!("listen is a Unix socket, which {proxy} cannot connect to: set a TCP address")
            }
        }
    }

    /// Whether a proxy must strip the prefix of any path.
    fn strips(&self) -> bool {
        self.paths.iter().any(|routed| routed.stripped)
    }
}

impl RoutedPath {
    /// Returns an anchored regular expression that matches the path. Where `lenient` is set, the caller must ignore case.
    fn regex(&self) -> String {
        format!("^{}{}$", escaped(&self.path), if self.lenient { "/?" } else { "" })
    }

    /// Returns [`RoutedPath::regex`] with the flag for case in the expression, for the syntax of RE2.
    fn re2(&self) -> String {
        format!("{}{}", if self.lenient { "(?i)" } else { "" }, self.regex())
    }

    /// Returns the methods, with `separator` between them.
    fn methods(&self, separator: &str) -> String {
        self.methods.iter().map(Method::as_str).collect::<Vec<_>>().join(separator)
    }
}

/// Returns what to send to polyreset for one row. Pages are below the prefix of `public_url`, as all links in mails are.
/// Operations of a dialect are there, too, and also without the prefix, for clients that keep the base URL of the system
/// that they were written for.
fn routed(prefix: &str, dialect: &Dialect, path: &str, endpoints: &[Endpoint]) -> Vec<RoutedPath> {
    let is_page = dialect.name == hosted::NAME;
    let mut methods: Vec<Method> = Vec::new();
    for endpoint in endpoints {
        methods.push(endpoint.method.clone());
        if endpoint.method == Method::GET {
            methods.push(Method::HEAD);
        }
    }
    if !is_page {
        methods.push(Method::OPTIONS);
    }
    let row = |path: String, stripped: bool| RoutedPath {
        path,
        stripped,
        lenient: dialect.lenient,
        methods: methods.clone(),
        dialect: dialect.name,
    };
    let bare = row(path.to_owned(), false);
    if prefix.is_empty() || path.starts_with(WELL_KNOWN) {
        return vec![bare];
    }
    let below = row(format!("{prefix}{path}"), true);
    if is_page { vec![below] } else { vec![below, bare] }
}

/// Returns the address at which a proxy on the same machine reaches the listener.
fn reachable(listen: &ListenAddress) -> ListenAddress {
    match listen {
        ListenAddress::Tcp(address) if address.ip().is_unspecified() => {
            ListenAddress::Tcp((Ipv4Addr::LOCALHOST, address.port()).into())
        }
        other => other.clone(),
    }
}

/// Returns plain path characters as a regular expression that matches them.
fn escaped(path: &str) -> String {
    path.replace('.', r"\.")
}
