//! Settings: read once, validated as a whole, then passed on as types.
//!
//! `reset-settings` is the engine. [`keys`] declares the settings outside the dialects' sections and collects all of them in
//! one table; one file per section builds its types. Any error stops the start with one sentence.

mod brand;
mod database;
mod http;
pub(crate) mod keys;
mod limits;
mod log_filter;
mod mail;
mod notify;
mod pages;
mod password;
mod production;
pub(crate) mod schema;
mod secret;
mod served;
mod show;
mod template;
#[cfg(test)]
mod tests;
mod toml_text;
mod upstream;
mod users;
mod weaknesses;

use std::time::Duration;

use anyhow::{Result, anyhow};
use reset_core::keys::Keyring;
use reset_diesel::foreign_users::Mapping;
use reset_http::{
    module::{Deployment, DialectModule},
    route::Dialect,
};
use reset_pages::{demo::DemoSettings, hosted::PagesSettings};
pub(crate) use reset_settings::Inputs;
use reset_settings::{Profile, SettingKey, Unread, Values};
use reset_words::brand::Brand;
use url::Url;

pub(crate) use self::{
    database::DatabaseSettings,
    http::HttpSettings,
    limits::LimitSettings,
    mail::MailSettings,
    notify::{NotifySettings, WebhookSettings},
    password::PasswordSettings,
    secret::rotate,
    template::settings_file,
    weaknesses::without_number,
};

/// Maximum retention of events: ten years.
const RETENTION_MAX: Duration = Duration::from_secs(3660 * 24 * 60 * 60);

/// Adapts the pages to the demo and returns its settings.
type AdaptPages<'a> = dyn Fn(&mut Option<PagesSettings>) -> DemoSettings + 'a;

/// All settings of a deployment. They contain secrets: no `Debug`.
pub(crate) struct Settings {
    /// Log filter.
    pub(crate) log: String,
    /// Listeners, public URL and request limits.
    pub(crate) http: HttpSettings,
    /// Database and root secret.
    pub(crate) database: DatabaseSettings,
    /// Mapping of another system's users table; `None` for polyreset's own.
    pub(crate) users: Option<Mapping>,
    /// Brand of pages and mails.
    pub(crate) brand: Brand,
    /// Mail delivery.
    pub(crate) mail: MailSettings,
    /// Password policy and hashing.
    pub(crate) passwords: PasswordSettings,
    /// Rate limits and trusted proxies.
    pub(crate) limits: LimitSettings,
    /// Notifications of a completed reset.
    pub(crate) notify: NotifySettings,
    /// Retention of audit events.
    pub(crate) audit_retention: Duration,
    /// Environment variables that were ignored, to be logged once logging is up.
    pub(crate) unread: Unread,
    values: Values,
    /// The dialects that can be served.
    modules: &'static [DialectModule],
}

impl Settings {
    /// Merges the sources and validates everything that can be validated before the start.
    ///
    /// # Errors
    /// Returns one sentence that names the setting, its source and what is expected.
    pub(crate) fn read(inputs: Inputs) -> Result<Self> {
        Self::read_for(reset_dialects::MODULES, inputs)
    }

    /// Like [`Settings::read`], for the dialects of `modules` instead of the registry.
    fn read_for(modules: &'static [DialectModule], mut inputs: Inputs) -> Result<Self> {
        let table = keys::table_of(modules);
        let unread = Unread::take_from(&table, &mut inputs.environment);
        let read = inputs.read(&table).and_then(|mut values| {
            served::select(modules, &mut values)?;
            Self::validate(modules, values)
        });
        match read {
            Ok(settings) => Ok(Self { unread, ..settings }),
            Err(error) => Err(unread.explain(error)),
        }
    }

    fn validate(modules: &'static [DialectModule], values: Values) -> Result<Self> {
        let log = log_filter::read(&values)?;
        let users = users::read(&values)?;
        let http = HttpSettings::read(&values)?;
        let settings = Self {
            log,
            limits: LimitSettings::read(&values, &http.listen)?,
            http,
            database: DatabaseSettings::read(&values, users.clone())?,
            users,
            brand: brand::read(&values)?,
            mail: MailSettings::read(&values)?,
            passwords: PasswordSettings::read(&values)?,
            notify: NotifySettings::read(&values)?,
            audit_retention: values.duration(&keys::AUDIT_RETENTION, RETENTION_MAX)?,
            unread: Unread::default(),
            values,
            modules,
        };
        settings.stand_in()?;
        Ok(settings)
    }

    /// Returns the dialects and pages that these settings serve, once the public URL and the root keys are known. `demo`
    /// adapts the pages and adds its own.
    pub(crate) fn dialects(
        &self,
        public_url: &str,
        roots: &Keyring,
        demo: Option<&AdaptPages<'_>>,
    ) -> Result<Vec<Dialect>> {
        let (values, limits) = (&self.values, &self.limits);
        let pages = pages::read(values, &self.passwords, &self.brand, public_url, roots)?;
        let deployment = Deployment {
            values,
            public_url,
            roots,
            policy: self.passwords.policy,
            limited: limits.enabled,
            budgeting: &limits.budgeting,
            pages: pages.is_some(),
        };
        let dialects = reset_dialects::served_of(self.modules, &deployment)?;
        let mut pages = pages;
        let demo = demo.map(|demo| demo(&mut pages));
        served::without_hidden_documents(values, reset_pages::complete(dialects, pages, demo))
    }

    /// Returns every dialect and page that these settings serve, for commands that neither serve nor send mail.
    pub(crate) fn stand_in(&self) -> Result<Vec<Dialect>> {
        self.stand_in_at(&self.likely_url())
    }

    /// Like [`Settings::stand_in`], once the public URL is known.
    pub(crate) fn stand_in_at(&self, public_url: &str) -> Result<Vec<Dialect>> {
        self.dialects(public_url, &self.database.secret.likely_roots(), None)
    }

    /// Returns the names of the deployment, once its URL is known: users put them into passwords (R56).
    pub(crate) fn names(&self, public_url: &str) -> Vec<String> {
        let host = Url::parse(public_url).ok().and_then(|url| url.host_str().map(ToOwned::to_owned));
        let sender = self.mail.from.split_once('<').map(|(name, _)| name.trim().trim_matches('"').to_owned());
        self.passwords.context_words.iter().cloned().chain(host).chain(sender).collect()
    }

    /// Whether a reset ends the account's sessions: in polyreset's own table by the epoch, in another system's as far as it
    /// is mapped, or by the webhook.
    pub(crate) fn ends_sessions(&self) -> bool {
        self.notify.webhook.is_some() || self.users.as_ref().is_none_or(Mapping::ends_sessions)
    }

    /// Whether the notice after a reset has a link: notices are on, and so is the page that it opens.
    pub(crate) fn has_disputes(&self) -> Result<bool> {
        Ok(self.notify.owner && self.values.boolean(&keys::PAGES_ENABLED)?)
    }

    /// The profile, which decides defaults.
    pub(crate) fn profile(&self) -> Profile {
        self.values.profile()
    }

    /// Whether `key` was set, as opposed to having its default.
    pub(crate) fn is_given(&self, key: &SettingKey) -> bool {
        self.values.is_given(key)
    }

    /// Returns the options for serving requests.
    pub(crate) fn serving(&self) -> Result<reset_http::ServeOptions> {
        let origins = self.http.cors_origins.iter().map(|origin| origin.parse());
        let cors_origins = origins
            .collect::<Result<_, _>>()
            .map_err(|_| anyhow!("cors_origins is not a valid header value"))?;
        let cors_headers = self.http.cors_headers.clone();
        let (proxies, client_limits) = (self.limits.proxies.clone(), self.limits.client_limits.clone());
        let body_limit = self.http.body_limit;
        Ok(reset_http::ServeOptions {
            body_limit,
            cors_origins,
            cors_headers,
            proxies,
            own_servers: self.limits.own_servers.clone(),
            client_limits,
            client_connections: self.limits.client_connections,
            upstream: self.http.upstream.clone(),
            ..reset_http::ServeOptions::default()
        })
    }

    /// Returns the public URL as far as it is known before the listener is bound.
    pub(crate) fn likely_url(&self) -> String {
        self.http.public_url.of(&self.http.listen)
    }
}
