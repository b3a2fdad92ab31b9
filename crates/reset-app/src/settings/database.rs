//! Settings of the database, and the root secret that belongs to it.

use std::{path::Path, time::Duration};

use anyhow::{Result, anyhow};
use reset_diesel::{Database, Options, Pooler, foreign_users::Mapping};

use reset_settings::{Key, Values};

use super::{keys, secret::Secret};

/// File name of the generated secret.
const SECRET_FILE: &str = "reset.secret";

/// Maximum of the timeouts. No client waits longer for a response.
const TIMEOUT_MAX: Duration = Duration::from_secs(60);
/// Minimum of the timeouts. Below it, no operation would succeed.
const TIMEOUT_MIN: Duration = Duration::from_millis(100);

/// The database and the secret that belongs to it.
pub(crate) struct DatabaseSettings {
    /// The database.
    pub(crate) address: Database,
    /// Whether the schema of a database server is migrated at start. A SQLite file is always migrated.
    pub(crate) auto_migrate: bool,
    /// The root secret, from which every key is derived.
    pub(crate) secret: Secret,
}

impl DatabaseSettings {
    pub(super) fn read(values: &Values, users: Option<Mapping>) -> Result<Self> {
        let (url, source) = (values.text(&keys::DATABASE_URL)?, values.value(&keys::DATABASE_URL).source);
        let address = Database::at(&url).map_err(|error| anyhow!("database_url ({source}): {error}"))?;
        let options = options(values)?;
        if options.pooler == Pooler::Transaction && !address.may_be_pooled() {
            return Err(values.bad(
                &keys::DATABASE_POOLER,
                "`none`: only PostgreSQL works behind a pooler in transaction mode",
            ));
        }
        let address = with_users_file(values, address.with(options).with_users(users))?;
        let beside = address.file().and_then(Path::parent).map(|dir| dir.join(SECRET_FILE));
        let secret = Secret::read(values, beside)?;
        Ok(Self { address, auto_migrate: values.boolean(&keys::DATABASE_AUTO_MIGRATE)?, secret })
    }
}

/// Adds the SQLite file with another system's users table, if there is one.
fn with_users_file(values: &Values, address: Database) -> Result<Database> {
    let Some(url) = values.given_text(&keys::USERS_DATABASE_URL)? else { return Ok(address) };
    let source = &values.value(&keys::USERS_DATABASE_URL).source;
    let address =
        address.with_users_file(&url).map_err(|error| anyhow!("users.database_url ({source}): {error}"))?;
    let is_same = |one: &Path, other: &Path| {
        let resolved = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        resolved(one) == resolved(other)
    };
    match address.file().zip(address.users_file()) {
        Some((own, users)) if is_same(own, users) => Err(anyhow!(
            "users.database_url ({source}) and database_url are the same file: polyreset's own tables need a file of \
             their own"
        )),
        _ => Ok(address),
    }
}

/// Reads the connection options of a database server.
fn options(values: &Values) -> Result<Options> {
    let pooler = match values.choice(&keys::DATABASE_POOLER)? {
        "transaction" => Pooler::Transaction,
        _ => Pooler::None,
    };
    let timeout = |key: &Key<Duration>| {
        let timeout = values.duration(key, TIMEOUT_MAX)?;
        if timeout < TIMEOUT_MIN { Err(values.bad(key, "at least 100ms")) } else { Ok(timeout) }
    };
    Ok(Options {
        connections: values.integer(&keys::DATABASE_CONNECTIONS, 1..=1000)?,
        connect_timeout: timeout(&keys::DATABASE_CONNECT_TIMEOUT)?,
        statement_timeout: timeout(&keys::DATABASE_STATEMENT_TIMEOUT)?,
        pooler,
    })
}
