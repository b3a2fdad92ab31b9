//! Settings of mail delivery.

use std::{path::PathBuf, time::Duration};

use anyhow::{Result, anyhow};
use reset_core::language::Language;
use reset_mail::{
    BadDkim, BadMailSettings, CONNECTIONS_MAX, DkimSigner, MailLimits, MailService, Rate, Tls,
    TransportConfig,
};

use reset_settings::{Key, Text, Values};

use super::keys;

/// Longest timeout that RFC 5321 recommends before a message is transferred.
const TIMEOUT_MAX: Duration = Duration::from_secs(300);
/// Minimum of the timeout. Below it, a distant mail server would not reply in time.
const TIMEOUT_MIN: Duration = Duration::from_secs(1);

/// Top-level domains that are not on the internet (RFC 6761, RFC 2606).
const UNREACHABLE_TLDS: [&str; 5] = ["localhost", "localdomain", "invalid", "test", "example"];

/// Settings of mail delivery.
pub(crate) struct MailSettings {
    /// Primary transport (`mail_url`).
    pub(crate) transport: TransportConfig,
    /// Fallback transport for mail that the primary temporarily rejects (`mail_fallback_url`).
    pub(crate) fallback: Option<TransportConfig>,
    /// Sender of every mail.
    pub(crate) from: String,
    /// Limits of mails by SMTP.
    pub(crate) limits: MailLimits,
    /// Language tag for recipients without a supported language.
    pub(crate) locale: String,
    /// Directory of the deployment's own templates.
    pub(crate) templates: Option<PathBuf>,
    /// Signs mails with DKIM.
    pub(crate) dkim: Option<DkimSigner>,
}

impl MailSettings {
    pub(super) fn read(values: &Values) -> Result<Self> {
        let transport = transport(values, &keys::MAIL_URL, &values.text(&keys::MAIL_URL)?)?;
        let fallback = values.given_text(&keys::MAIL_FALLBACK_URL)?;
        let fallback =
            fallback.map(|url| self::transport(values, &keys::MAIL_FALLBACK_URL, &url)).transpose()?;
        if fallback.as_ref() == Some(&transport) {
            return Err(values.bad(&keys::MAIL_FALLBACK_URL, "a transport that differs from mail_url"));
        }
        let from = values.text(&keys::MAIL_FROM)?;
        // The mail service validates the sender, because it also writes it into mails.
        match MailService::new(vec![TransportConfig::Stdout], &from, "localhost") {
            Err(BadMailSettings::From) => {
                let expected = "an ASCII address such as `Polyreset <no-reply@example.org>`";
                return Err(values.bad(&keys::MAIL_FROM, expected));
            }
            Err(error) => return Err(error.into()),
            Ok(_) => {}
        }
        let locale = values.text(&keys::MAIL_LOCALE)?;
        let templates = values.given_text(&keys::MAIL_TEMPLATES)?.map(PathBuf::from);
        // Own templates can add languages, which are known only when the templates are read.
        if templates.is_none() && Language::of(&locale).is_none() {
            let known = Language::ALL.map(Language::primary).join(", ");
            return Err(values.bad(&keys::MAIL_LOCALE, format!("a supported language: {known}")));
        }
        let (limits, dkim) = (limits(values)?, dkim(values, &from)?);
        Ok(Self { transport, fallback, from, limits, locale, templates, dkim })
    }

    /// Returns the domain of the sender's address.
    pub(crate) fn sender_domain(&self) -> &str {
        let (_, domain) = self.from.rsplit_once('@').unwrap_or_default();
        domain.trim_end().trim_end_matches('>').trim_end()
    }

    /// Whether no mail server on the internet accepts the sender's domain.
    pub(crate) fn sender_is_unreachable(&self) -> bool {
        let domain = self.sender_domain().to_ascii_lowercase();
        let last = domain.rsplit('.').next().unwrap_or_default();
        UNREACHABLE_TLDS.contains(&last)
    }

    /// Returns one sentence for each mail server that is or may be used without TLS.
    pub(crate) fn plain_text(&self) -> impl Iterator<Item = String> {
        let transports = [("mail_url", Some(&self.transport)), ("mail_fallback_url", self.fallback.as_ref())];
        transports.into_iter().filter_map(|(setting, transport)| {
            let Some(TransportConfig::Smtp(server)) = transport else { return None };
            match server.tls {
                Tls::WhenOffered => Some(format!(
                    "mail is sent in plain text if the mail server offers no STARTTLS ({setting})"
                )),
                Tls::Never if !server.is_loopback() => {
                    Some(format!("mail crosses the network in plain text ({setting}: tls=none)"))
                }
                Tls::Never | Tls::Required | Tls::Implicit => None,
            }
        })
    }
}

/// Reads the key and names of DKIM.
fn dkim(values: &Values, from: &str) -> Result<Option<DkimSigner>> {
    let (key, selector) = (&keys::MAIL_DKIM_KEY, &keys::MAIL_DKIM_SELECTOR);
    let Some(pem) = values.given_text(key)? else {
        let lone = [selector, &keys::MAIL_DKIM_DOMAIN].into_iter().find(|lone| values.is_given(lone));
        return match lone {
            Some(lone) => Err(values.bad(lone, "used only with mail.dkim_key")),
            None => Ok(None),
        };
    };
    let sender = from.trim_end_matches('>').rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
    let domain = values.given_text(&keys::MAIL_DKIM_DOMAIN)?.map(|domain| domain.to_ascii_lowercase());
    // DMARC counts a signature only if its domain is the sender's or, in relaxed alignment, one above it (RFC 7489, 3.1).
    if let Some(domain) = &domain
        && sender != *domain
        && !sender.ends_with(&format!(".{domain}"))
    {
        return Err(values.bad(&keys::MAIL_DKIM_DOMAIN, format!("{sender}, or a domain above it")));
    }
    let name = values.given_text(selector)?.ok_or_else(|| {
        anyhow!(
            "mail.dkim_selector is required with mail.dkim_key: the DNS name of its public key begins with it"
        )
    })?;
    let signer = DkimSigner::new(&pem, domain.as_deref().unwrap_or(&sender), &name);
    signer.map(Some).map_err(|error| {
        let setting = match error {
            BadDkim::Key => key,
            BadDkim::Domain => &keys::MAIL_DKIM_DOMAIN,
            BadDkim::Selector => selector,
        };
        values.bad(setting, error.to_string())
    })
}

fn limits(values: &Values) -> Result<MailLimits> {
    let connections = values.integer(&keys::MAIL_CONNECTIONS, 1..=CONNECTIONS_MAX)?;
    let per_domain = if values.is_given(&keys::MAIL_PER_DOMAIN) {
        values.integer(&keys::MAIL_PER_DOMAIN, 1..=connections)?
    } else {
        // Leaves connections to other domains.
        (connections * 2 / 3).max(1)
    };
    let rate = values.given_text(&keys::MAIL_RATE)?;
    let rate = rate.map(|rate| rate.parse::<Rate>()).transpose();
    let rate = rate.map_err(|()| values.bad(&keys::MAIL_RATE, "mails per period such as 100/1h or 14/1s"))?;
    let timeout = values.is_given(&keys::MAIL_TIMEOUT);
    let timeout = timeout.then(|| values.duration(&keys::MAIL_TIMEOUT, TIMEOUT_MAX)).transpose()?;
    if timeout.is_some_and(|timeout| timeout < TIMEOUT_MIN) {
        return Err(values.bad(&keys::MAIL_TIMEOUT, "at least 1s"));
    }
    Ok(MailLimits { connections, per_domain, rate, timeout })
}

fn transport(values: &Values, key: &Key<Text>, url: &str) -> Result<TransportConfig> {
    let (setting, source) = (key.name, values.value(key).source.clone());
    TransportConfig::parse(url)
        .map_err(|error| anyhow!("{setting} ({source}) {}", error.reason().trim_end_matches('.')))
}
