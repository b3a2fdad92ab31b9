//! Adapters: what the settings say, made of the crates that can do it.

use std::{
    fs::{File, TryLockError},
    path::Path,
    sync::Arc,
};

use anyhow::{Context, Result, anyhow, bail};
use reset_core::{
    hasher::HashPool,
    keys::Keyring,
    ports::{Clock, Entropy, Hasher, Store, Webhook},
};
use reset_http::SharedCounters;
use reset_mail::{MailService, Templates, TransportConfig};
use tracing::warn;
use url::Url;

use crate::{
    counters::RedisCounters,
    settings::Settings,
    system::{OsEntropy, SystemClock},
    webhook::HttpWebhook,
};

/// The machine's clock.
pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// The machine's randomness.
pub(crate) fn entropy() -> Arc<dyn Entropy> {
    Arc::new(OsEntropy)
}

/// The store, made where there is none. An embedded database is migrated; a server's only where the settings say
/// so, for its schema may be in use by an older program.
pub(crate) async fn store(settings: &Settings) -> Result<Arc<dyn Store>> {
    let database = &settings.database.address;
    let may_migrate = database.file().is_some() || settings.database.auto_migrate;
    // Looked at first: where nothing is pending, a role that may not change the schema need not.
    if !database.pending().await.context("database_url")?.is_empty() {
        if !may_migrate {
            bail!(
                "the database schema is behind: run the command migrate, or set database.auto_migrate \
                 (POLYRESET_DATABASE__AUTO_MIGRATE=true)"
            );
        }
        database.migrate().await.context("database_url")?;
    }
    database.open().await.context("database_url")
}

/// A claim to be the only process that serves from the file at `database`; nothing when another has it. Both
/// may serve: each job goes to one of two workers. But only a sole one knows that what is taken is nobody's.
pub(crate) fn sole_server(database: &Path) -> Result<Option<File>> {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file =
        file.with_context(|| format!("database_url: {} cannot be made", Path::new(&path).display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => {
            warn!("another process serves from the same database file");
            Ok(None)
        }
        Err(TryLockError::Error(error)) => Err(error).context("database_url: the lock file cannot be locked"),
    }
}

/// The store, where there is one already.
pub(crate) async fn existing_store(settings: &Settings) -> Result<Arc<dyn Store>> {
    if let Some(path) = settings.database.address.file().filter(|path| !path.exists()) {
        bail!("database_url: there is no database at {}", path.display());
    }
    store(settings).await
}

/// The password hash on `threads` threads.
pub(crate) fn hasher(settings: &Settings, threads: usize) -> Result<Arc<dyn Hasher>> {
    let passwords = &settings.passwords;
    let pool = HashPool::start_within(passwords.scheme, threads, passwords.room_kib, entropy());
    Ok(Arc::new(pool.context("password.hash and its parameters")?))
}

/// Who else is told of a reset, if anybody.
pub(crate) fn webhook(settings: &Settings) -> Result<Option<Arc<dyn Webhook>>> {
    let webhook = settings.notify.webhook.clone().map(|webhook| HttpWebhook::new(webhook, clock()));
    Ok(webhook.transpose()?.map(|webhook| Arc::new(webhook) as Arc<dyn Webhook>))
}

/// Where all replicas count clients together, if they do. Its names are made with a key of their own.
pub(crate) async fn counters(settings: &Settings, roots: &Keyring) -> Result<Option<SharedCounters>> {
    let Some(url) = &settings.limits.redis_url else { return Ok(None) };
    let counters = Arc::new(RedisCounters::start(url, clock(), &*entropy()).await?);
    Ok(Some(SharedCounters { counters, names: roots.current().derive("clients") }))
}

/// The mail service, whose mails name the host of `public_url`. Those that `transports` do not take for now go by
/// `mail_fallback_url`.
pub(crate) fn mail(
    settings: &Settings,
    transports: Vec<TransportConfig>,
    public_url: &str,
) -> Result<MailService> {
    let url = Url::parse(public_url)?;
    let domain = url.host_str().context("public_url has no host")?;
    let mut mail = MailService::new(transports, &settings.mail.from, domain)?;
    mail = mail.with_templates(templates(settings)?).with_per_domain(settings.mail.per_domain);
    if let Some(fallback) = &settings.mail.fallback {
        mail = mail.with_fallback(fallback.clone()).context("mail_fallback_url")?;
    }
    Ok(mail)
}

/// The texts of mails.
fn templates(settings: &Settings) -> Result<Templates> {
    let (own, locale) = (settings.mail.templates.as_deref(), settings.mail.locale.as_str());
    let templates = Templates::new(locale, own, &reset_dialects::names().collect::<Vec<_>>());
    let templates = templates.map_err(|fault| anyhow!("mail.templates: {fault}"))?;
    if !templates.speaks(locale) {
        bail!("mail.locale is {locale:?}, and mail.templates does not have every kind of mail in it");
    }
    Ok(templates)
}
