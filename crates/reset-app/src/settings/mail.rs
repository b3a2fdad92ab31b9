//! Settings of mail delivery.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use reset_core::language::Language;
use reset_mail::{BadMailSettings, CONNECTIONS, MailService, SmtpSettings, Tls, TransportConfig};

use reset_settings::{Key, Text, Values};

use super::keys;

/// Settings of mail delivery.
pub(crate) struct MailSettings {
    /// Primary transport (`mail_url`).
    pub(crate) transport: TransportConfig,
    /// Fallback transport for mail that the primary temporarily rejects (`mail_fallback_url`).
    pub(crate) fallback: Option<TransportConfig>,
    /// Sender of every mail.
    pub(crate) from: String,
    /// Maximum concurrent deliveries per recipient domain.
    pub(crate) per_domain: usize,
    /// Language tag for recipients without a supported language.
    pub(crate) locale: String,
    /// Directory of the deployment's own templates.
    pub(crate) templates: Option<PathBuf>,
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
        let per_domain = values.integer(&keys::MAIL_PER_DOMAIN, 1..=CONNECTIONS)?;
        Ok(Self { transport, fallback, from, per_domain, locale, templates })
    }

    /// Returns the settings whose mail server may be used without TLS.
    pub(crate) fn may_be_plain(&self) -> impl Iterator<Item = &'static str> {
        let transports = [("mail_url", Some(&self.transport)), ("mail_fallback_url", self.fallback.as_ref())];
        let plain = |transport: &TransportConfig| {
            matches!(transport, TransportConfig::Smtp(SmtpSettings { tls: Tls::WhenOffered, .. }))
        };
        transports
            .into_iter()
            .filter(move |(_, transport)| transport.is_some_and(plain))
            .map(|(name, _)| name)
    }
}

fn transport(values: &Values, key: &Key<Text>, url: &str) -> Result<TransportConfig> {
    let (setting, source) = (key.name, values.value(key).source.clone());
    TransportConfig::parse(url).map_err(|error| anyhow!("{setting} {} ({source})", error.reason()))
}
