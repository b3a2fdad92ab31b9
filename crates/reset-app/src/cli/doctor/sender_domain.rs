//! What receivers look up about the sender's domain: SPF (RFC 7208), DKIM (RFC 6376) and DMARC (RFC 7489).

use std::{fmt, net::SocketAddr, time::Duration};

use anyhow::{Context, Result};
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolverConfig},
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::rr::RData,
};

use super::report::Report;

/// Longest wait for one answer, and the number of attempts.
const TIMEOUT: Duration = Duration::from_secs(3);
const ATTEMPTS: usize = 2;

/// Looks up TXT records.
pub(super) struct Lookup {
    resolver: TokioResolver,
}

/// Why records are missing.
#[derive(Debug, PartialEq, Eq)]
enum Missing {
    /// The name does not exist, nor any name below it (RFC 8020).
    Name,
    /// The name has no TXT record.
    Records,
    /// DNS did not answer, for this reason.
    Unanswered(String),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name | Self::Records => f.write_str("there is none"),
            Self::Unanswered(reason) => write!(f, "DNS does not answer: {reason}"),
        }
    }
}

impl Lookup {
    /// Asks `server`, or without one the system's DNS servers.
    pub(super) fn new(server: Option<SocketAddr>) -> Result<Self> {
        let mut builder = match server {
            None => {
                TokioResolver::builder_tokio().context("the system's DNS configuration cannot be read")?
            }
            Some(server) => {
                let connection = |mut connection: ConnectionConfig| {
                    connection.port = server.port();
                    connection
                };
                let connections =
                    vec![connection(ConnectionConfig::udp()), connection(ConnectionConfig::tcp())];
                let server = NameServerConfig::new(server.ip(), true, connections);
                let config = ResolverConfig::from_name_servers(vec![server]);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        let options = builder.options_mut();
        options.timeout = TIMEOUT;
        options.attempts = ATTEMPTS;
        Ok(Self { resolver: builder.build().context("the DNS resolver cannot be started")? })
    }

    /// Returns the TXT records of a name.
    async fn texts(&self, name: &str) -> Result<Vec<String>, Missing> {
        // The final dot keeps the resolver from trying the system's search domains.
        let found = self.resolver.txt_lookup(format!("{name}.")).await.map_err(|error| missing(&error))?;
        let texts: Vec<String> = found
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::TXT(text) => {
                    Some(text.txt_data.iter().map(|part| String::from_utf8_lossy(part)).collect())
                }
                _ => None,
            })
            .collect();
        if texts.is_empty() { Err(Missing::Records) } else { Ok(texts) }
    }

    /// Returns the records of a name whose first tag is `version`, such as `v=spf1`.
    async fn versioned(&self, name: &str, version: &str) -> Result<Vec<String>, Missing> {
        let mut texts = self.texts(name).await?;
        texts.retain(|text| {
            let rest = text.get(..version.len()).filter(|start| start.eq_ignore_ascii_case(version));
            rest.is_some() && text[version.len()..].chars().next().is_none_or(|next| " ;\t".contains(next))
        });
        if texts.is_empty() { Err(Missing::Records) } else { Ok(texts) }
    }
}

fn missing(error: &NetError) -> Missing {
    if error.is_nx_domain() {
        Missing::Name
    } else if error.is_no_records_found() {
        Missing::Records
    } else {
        Missing::Unanswered(error.to_string())
    }
}

/// Reports the records of `domain`. `selector` names its DKIM key: without one, a key cannot be found.
pub(super) async fn check(lookup: &Lookup, domain: &str, selector: Option<&str>, report: &mut Report) {
    spf(lookup, domain, report).await;
    dkim(lookup, domain, selector, report).await;
    dmarc(lookup, domain, report).await;
}

async fn spf(lookup: &Lookup, domain: &str, report: &mut Report) {
    match lookup.versioned(domain, "v=spf1").await {
        Err(Missing::Unanswered(reason)) => report.warn("spf", &not_checked(&reason)),
        Err(_) => report.warn(
            "spf",
            &format!(
                "{domain} has no SPF record, so receivers may refuse its mail or file it as spam: publish the TXT record \
                 that your mail provider names, such as `v=spf1 include:… -all`"
            ),
        ),
        Ok(records) => match &records[..] {
            [record] if record.split_whitespace().any(|term| matches!(term, "+all" | "all")) => report.warn(
                "spf",
                &format!("{domain} has `{record}`, which allows every machine on the internet: end it with -all or ~all"),
            ),
            [record] => report.line(
                "spf",
                Ok(format!("{domain} has `{record}`; whether it allows your mail server's addresses is not checked")),
            ),
            records => report.warn(
                "spf",
                &format!("{domain} has {} SPF records, which receivers treat as an error: keep one", records.len()),
            ),
        },
    }
}

async fn dkim(lookup: &Lookup, domain: &str, selector: Option<&str>, report: &mut Report) {
    let Some(selector) = selector else {
        return match lookup.texts(&format!("_domainkey.{domain}")).await {
            Err(Missing::Name) => report.warn(
                "dkim",
                &format!("{domain} has no DKIM key at all: sign mails at your mail provider, and publish the key it names"),
            ),
            Err(Missing::Unanswered(reason)) => report.warn("dkim", &not_checked(&reason)),
            Ok(_) | Err(Missing::Records) => report.warn(
                "dkim",
                "not checked: name the selector with --dkim-selector; it is the s= of the header DKIM-Signature in the mail \
                 that arrived",
            ),
        };
    };
    let name = format!("{selector}._domainkey.{domain}");
    let key_of = |text: &String| {
        let tags = text.split(';').filter_map(|tag| tag.split_once('='));
        tags.map(|(name, value)| (name.trim(), value.trim()))
            .find(|(name, _)| *name == "p")
            .map(|(_, key)| key.to_owned())
    };
    match lookup.texts(&name).await {
        Err(Missing::Unanswered(reason)) => report.warn("dkim", &not_checked(&reason)),
        Err(missing) => report.warn(
            "dkim",
            &format!("{name}: {missing}: publish the key that your mail provider names, or correct the selector"),
        ),
        Ok(texts) => match texts.iter().find_map(key_of) {
            Some(key) if key.is_empty() => {
                report.warn("dkim", &format!("{name} has an empty key, which means that it was revoked"));
            }
            Some(_) => report.line(
                "dkim",
                Ok(format!("{name} has a key; whether your mail server signs with it shows only in a mail that arrived")),
            ),
            None => report.warn("dkim", &format!("{name} has a TXT record without a key (p=)")),
        },
    }
}

async fn dmarc(lookup: &Lookup, domain: &str, report: &mut Report) {
    // A domain without a policy inherits that of the nearest domain above it.
    let labels: Vec<&str> = domain.split('.').collect();
    for parent in (0..labels.len().saturating_sub(1)).map(|skipped| labels[skipped..].join(".")) {
        match lookup.versioned(&format!("_dmarc.{parent}"), "v=DMARC1").await {
            Err(Missing::Unanswered(reason)) => return report.warn("dmarc", &not_checked(&reason)),
            Err(_) => {}
            Ok(records) => {
                return match &records[..] {
                    [record] => report.line("dmarc", Ok(format!("{parent} has `{record}`"))),
                    records => report.warn(
                        "dmarc",
                        &format!(
                            "{parent} has {} DMARC records, so receivers ignore them: keep one",
                            records.len()
                        ),
                    ),
                };
            }
        }
    }
    report.warn(
        "dmarc",
        &format!(
            "{domain} has no DMARC record, which large mailbox providers expect: publish `v=DMARC1; p=none; rua=mailto:…` at \
             _dmarc.{domain}, and a stricter policy once its reports are clean"
        ),
    );
}

fn not_checked(reason: &str) -> String {
    format!("not checked: DNS does not answer ({reason})")
}

#[cfg(test)]
mod tests;
