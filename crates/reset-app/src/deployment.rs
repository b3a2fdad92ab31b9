//! Builds the adapters from the settings.

use std::{
    fs::{File, TryLockError},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, anyhow, bail};
use reset_core::{
    hasher::HashPool,
    keys::Keyring,
    ports::{Clock, Entropy, Hasher, Store, Webhook},
};
use reset_diesel::{OpenError, SchemaDifference};
use reset_http::SharedCounters;
use reset_mail::{MailService, Templates, TransportConfig};
use rustix::fs::{Mode, OFlags};
use tracing::warn;
use url::Url;

use crate::{
    counters::RedisCounters,
    settings::Settings,
    system::{OsEntropy, SystemClock},
    webhook::HttpWebhook,
};

/// Returns the clock of the operating system.
pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// Returns the randomness of the operating system.
pub(crate) fn entropy() -> Arc<dyn Entropy> {
    Arc::new(OsEntropy)
}

/// Opens the database, and creates it if necessary. A SQLite file is migrated. A database server is migrated only if
/// `database.auto_migrate` is set, because an older version may still use its schema.
pub(crate) async fn store(settings: &Settings) -> Result<Arc<dyn Store>> {
    let database = &settings.database.address;
    let may_migrate = database.file().is_some() || settings.database.auto_migrate;
    // Check first: if nothing is pending, the role does not need permission to change the schema.
    let schema = database.schema().await.context("database_url")?;
    check_not_newer(&schema)?;
    if !schema.pending.is_empty() {
        if !may_migrate {
            bail!(
                "database migrations are pending: run the command `migrate`, or set database.auto_migrate \
                 (POLYRESET_DATABASE__AUTO_MIGRATE=true)"
            );
        }
        database.migrate().await.context("database_url")?;
    }
    database.open().await.map_err(setting_of)
}

/// Fails if a newer version has migrated the database: what this version would read and write may have another meaning.
pub(crate) fn check_not_newer(schema: &SchemaDifference) -> Result<()> {
    if schema.newer.is_empty() {
        return Ok(());
    }
    bail!(
        "database_url: the schema is from a newer version of polyreset (migration {}): start that version or a later one, or \
         restore the backup from before its migration (docs/upgrade.md)",
        schema.newer.join(", ")
    )
}

/// Adds the setting to an error that does not name it.
pub(crate) fn setting_of(error: OpenError) -> anyhow::Error {
    match error {
        OpenError::UsersFile { .. } => error.into(),
        error => anyhow::Error::new(error).context("database_url"),
    }
}

/// Returns the root keys, and generates the secret at the first start.
///
/// # Errors
/// Fails if the secret is missing although the database was used with one: a new secret would silently void every code
/// and link that was issued.
pub(crate) async fn roots(settings: &Settings) -> Result<Keyring> {
    check_secret(settings).await?;
    settings.database.secret.roots(&*entropy())
}

/// Fails if the generated secret is missing although the database was used with one.
pub(crate) async fn check_secret(settings: &Settings) -> Result<()> {
    let database = &settings.database;
    let Some(path) = database.secret.generated().filter(|path| !path.exists()) else { return Ok(()) };
    if database.address.file_has_events().await.context("database_url")? {
        let path = path.display();
        bail!(
            "the secret {path} is missing, but its database was used with one: restore the file from your backup; or, \
             to void every issued code and link and to begin with a new secret, run: \
             (umask 077; openssl rand -hex 32 > {path})"
        );
    }
    Ok(())
}

/// Returns the path of the database file if the start will create it: there is none, or it is empty, as after an
/// interrupted start or on a volume that was not mounted.
pub(crate) fn new_database(settings: &Settings) -> Option<&Path> {
    let path = settings.database.address.file()?;
    let is_new = path.metadata().map_or(true, |metadata| metadata.len() == 0);
    is_new.then_some(path)
}

/// Locks the SQLite file at `database` for the only process that serves from it; `None` if another process has the lock.
///
/// Several processes can serve from one file, because each job goes to one worker. But only the sole process may treat
/// claimed jobs as orphaned.
pub(crate) fn lock_as_sole_server(database: &Path) -> Result<Option<File>> {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    let path = PathBuf::from(path);
    let file = private_file(&path)
        .with_context(|| format!("database_url: the lock file {} cannot be opened", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => {
            warn!(
                "another process serves from the same database file; jobs of a crashed process wait for their lease"
            );
            Ok(None)
        }
        Err(TryLockError::Error(error)) => Err(error).context("database_url: the lock file cannot be locked"),
    }
}

/// Opens a file that only its owner can open, whatever the umask, and creates it if necessary. A symbolic link is not
/// followed. Any user who can open the lock file could hold its lock.
fn private_file(path: &Path) -> io::Result<File> {
    let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    let file = File::from(rustix::fs::open(path, flags, mode)?);
    // Versions up to 0.1.0 created it readable for all. Another owner's file keeps its mode.
    if file.metadata()?.uid() == rustix::process::geteuid().as_raw() {
        rustix::fs::fchmod(&file, mode)?;
    }
    Ok(file)
}

/// Opens an existing database.
pub(crate) async fn existing_store(settings: &Settings) -> Result<Arc<dyn Store>> {
    if let Some(path) = settings.database.address.file().filter(|path| !path.exists()) {
        bail!("database_url: there is no database at {}", path.display());
    }
    store(settings).await
}

/// Creates a pool of up to `threads` threads for password hashing.
pub(crate) fn hasher(settings: &Settings, threads: usize) -> Result<Arc<dyn Hasher>> {
    let passwords = &settings.passwords;
    let pool = HashPool::start_within(passwords.scheme, threads, passwords.room_kib, entropy());
    let pool = pool.context("password.hash and its parameters")?;
    Ok(Arc::new(match passwords.own_forms {
        Some(schemes) => pool.keeping_forms(schemes),
        None => pool,
    }))
}

/// Builds the webhook, if one is configured.
pub(crate) fn webhook(settings: &Settings) -> Result<Option<Arc<dyn Webhook>>> {
    let webhook = settings.notify.webhook.clone().map(|webhook| HttpWebhook::new(webhook, clock()));
    Ok(webhook.transpose()?.map(|webhook| Arc::new(webhook) as Arc<dyn Webhook>))
}

/// Connects to the per-client counters that all replicas share, if Redis is configured. The names of the counters are
/// derived with a separate key.
pub(crate) async fn counters(settings: &Settings, roots: &Keyring) -> Result<Option<SharedCounters>> {
    let Some(url) = &settings.limits.redis_url else { return Ok(None) };
    let counters = Arc::new(RedisCounters::start(url, clock(), &*entropy()).await?);
    Ok(Some(SharedCounters { counters, names: roots.current().derive("clients") }))
}

/// Builds the mail service, whose mails name the host of `public_url`. Mail that `transports` temporarily reject goes to
/// `mail_fallback_url`.
pub(crate) fn mail(
    settings: &Settings,
    transports: Vec<TransportConfig>,
    public_url: &str,
) -> Result<MailService> {
    let url = Url::parse(public_url)?;
    let domain = url.host_str().context("public_url has no host")?;
    let mut mail = MailService::new(transports, &settings.mail.from, domain)?;
    mail = mail
        .with_brand(settings.brand.clone())
        .with_templates(templates(settings)?)
        .with_limits(settings.mail.limits);
    if let Some(signer) = &settings.mail.dkim {
        mail = mail.with_dkim(signer.clone());
    }
    if let Some(fallback) = &settings.mail.fallback {
        mail = mail.with_fallback(fallback.clone()).context("mail_fallback_url")?;
    }
    Ok(mail)
}

/// Loads the mail templates.
fn templates(settings: &Settings) -> Result<Templates> {
    let (own, locale) = (settings.mail.templates.as_deref(), settings.mail.locale.as_str());
    let templates = Templates::new(locale, own, &reset_dialects::names().collect::<Vec<_>>());
    let templates = templates.map_err(|fault| anyhow!("mail.templates: {fault}"))?;
    if !templates.speaks(locale) {
        bail!("mail.locale is {locale:?}, but mail.templates lacks a kind of mail in this language");
    }
    Ok(templates)
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, symlink},
    };

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn lock_file_can_be_opened_by_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let (database, lock) = (dir.path().join("reset.db"), dir.path().join("reset.db.lock"));
        let first = lock_as_sole_server(&database).unwrap();
        assert!(first.is_some() && lock_as_sole_server(&database).unwrap().is_none());
        assert_eq!(mode(&lock), 0o600);
        drop(first);
        fs::set_permissions(&lock, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(lock_as_sole_server(&database).unwrap().is_some());
        assert_eq!(mode(&lock), 0o600, "the file of an earlier version");
    }

    #[test]
    fn lock_file_that_is_a_link_is_rejected() {
        let dir = tempfile::tempdir().unwrap();
        let (database, target) = (dir.path().join("reset.db"), dir.path().join("target"));
        symlink(&target, dir.path().join("reset.db.lock")).unwrap();
        let error = format!("{:#}", lock_as_sole_server(&database).unwrap_err());
        assert!(error.contains("reset.db.lock cannot be opened") && !target.exists(), "{error}");
    }
}
