//! Settings: read once, judged whole, then carried as types.
//!
//! [`keys`] is the one table; [`source`] merges flags, environment and file by it; [`value`] reads what is
//! written as what is meant; a file for each section makes types of it. Whatever is wrong stops the start
//! with one sentence.

mod bounds;
mod database;
mod dialects;
pub(crate) mod environment;
mod file;
mod http;
mod keys;
mod limits;
mod mail;
mod notify;
mod pages;
mod password;
pub(crate) mod schema;
mod secret;
mod show;
mod source;
#[cfg(test)]
mod table;
#[cfg(test)]
mod tests;
mod users;
mod value;
mod weaknesses;

use std::time::Duration;

use anyhow::{Result, anyhow};
use reset_core::keys::Keyring;
use reset_diesel::foreign_users::Mapping;
use reset_http::route::Dialect;
use reset_pages::hosted::PagesSettings;
use tracing_subscriber::EnvFilter;
use url::Url;

use self::value::Values;
pub(crate) use self::{
    database::DatabaseSettings,
    http::HttpSettings,
    limits::LimitSettings,
    mail::MailSettings,
    notify::{NotifySettings, WebhookSettings},
    password::PasswordSettings,
    secret::rotate,
    source::Inputs,
};

/// Longest time that events are kept: ten years.
const RETENTION_MAX: Duration = Duration::from_secs(3660 * 24 * 60 * 60);

/// Everything a deployment decides. It holds secrets: no `Debug`.
pub(crate) struct Settings {
    /// Log filter.
    pub(crate) log: String,
    /// Where we listen and are reached.
    pub(crate) http: HttpSettings,
    /// What is remembered, and the secret.
    pub(crate) database: DatabaseSettings,
    /// Another system's users table, where it is not our own.
    pub(crate) users: Option<Mapping>,
    /// How mail leaves.
    pub(crate) mail: MailSettings,
    /// How passwords are judged and stored.
    pub(crate) passwords: PasswordSettings,
    /// What may be done how often.
    pub(crate) limits: LimitSettings,
    /// Who is told of a completed reset.
    pub(crate) notify: NotifySettings,
    /// How long events are kept.
    pub(crate) audit_retention: Duration,
    values: Values,
}

/// Which doors the dialects' own contracts leave open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// All of them: every client keeps working.
    Compatible,
    /// None.
    Hardened,
}

impl Settings {
    /// Merges the sources and judges everything that can be judged before the start.
    pub(crate) fn read(inputs: Inputs) -> Result<Self> {
        let values = Values::new(source::gather(inputs)?)?;
        let log = values.text("log")?;
        EnvFilter::try_new(&log).map_err(|_| values.bad("log", "a level such as info, or target=level,…"))?;
        let users = users::read(&values)?;
        let http = HttpSettings::read(&values)?;
        let settings = Self {
            log,
            limits: LimitSettings::read(&values, &http.listen)?,
            http,
            database: DatabaseSettings::read(&values, users.clone())?,
            users,
            mail: MailSettings::read(&values)?,
            passwords: PasswordSettings::read(&values)?,
            notify: NotifySettings::read(&values)?,
            audit_retention: values.duration("audit.retention", RETENTION_MAX)?,
            values,
        };
        settings.stand_in_dialects()?;
        Ok(settings)
    }

    /// What the dialects are told, once the public URL and the root keys are known.
    pub(crate) fn dialects(
        &self,
        public_url: &str,
        roots: &Keyring,
    ) -> Result<reset_dialects::DialectSettings> {
        dialects::read(&self.values, &self.passwords, public_url, roots)
    }

    /// The hosted pages, once the public URL and the root keys are known; `None` where they are switched off.
    pub(crate) fn pages(&self, public_url: &str, roots: &Keyring) -> Result<Option<PagesSettings>> {
        pages::read(&self.values, &self.passwords, public_url, roots)
    }

    /// Every dialect and page that these settings serve, for commands that serve and mail nothing.
    pub(crate) fn stand_in_dialects(&self) -> Result<Vec<Dialect>> {
        let (url, roots) = (self.likely_url(), self.database.secret.likely_roots());
        let dialects = reset_dialects::dialects(self.dialects(&url, &roots)?);
        Ok(reset_pages::complete(dialects, self.pages(&url, &roots)?, None))
    }

    /// What the deployment is called, once its URL is known: what people put into passwords (R56).
    pub(crate) fn names(&self, public_url: &str) -> Vec<String> {
        let host = Url::parse(public_url).ok().and_then(|url| url.host_str().map(ToOwned::to_owned));
        let sender = self.mail.from.split_once('<').map(|(name, _)| name.trim().trim_matches('"').to_owned());
        self.passwords.context_words.iter().cloned().chain(host).chain(sender).collect()
    }

    /// What the dialects' tables are made from when nothing is going to be served or mailed.
    pub(crate) fn stand_in(&self) -> Result<reset_dialects::DialectSettings> {
        self.stand_in_at(&self.likely_url())
    }

    /// The same once the public URL is known.
    pub(crate) fn stand_in_at(&self, public_url: &str) -> Result<reset_dialects::DialectSettings> {
        self.dialects(public_url, &self.database.secret.likely_roots())
    }

    /// Whether somebody set `name`, or left it to its default.
    pub(crate) fn is_given(&self, name: &str) -> bool {
        self.values.is_given(name)
    }

    /// How requests are served.
    pub(crate) fn serving(&self) -> Result<reset_http::ServeOptions> {
        let origins = self.http.cors_origins.iter().map(|origin| origin.parse());
        let cors_origins =
            origins.collect::<Result<_, _>>().map_err(|_| anyhow!("cors_origins is no header value"))?;
        let (proxies, client_limits) = (self.limits.proxies.clone(), self.limits.client_limits.clone());
        let body_limit = self.http.body_limit;
        let (shared, observer) = (None, None);
        Ok(reset_http::ServeOptions { body_limit, cors_origins, proxies, client_limits, shared, observer })
    }

    /// The public URL as far as it is known before the listener is bound.
    pub(crate) fn likely_url(&self) -> String {
        self.http.public_url.of(&self.http.listen)
    }
}
