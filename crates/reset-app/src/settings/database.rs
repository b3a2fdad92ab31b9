//! What is remembered, and where.

use std::{path::Path, time::Duration};

use anyhow::{Result, anyhow};
use reset_diesel::{Options, Pooler, foreign_users::Mapping};

use super::{secret::Secret, value::Values};

/// Name of the file for a secret of our own making.
const SECRET_FILE: &str = "reset.secret";

/// Longest of the time limits. No client waits longer for an answer.
const LONGEST: Duration = Duration::from_secs(60);
/// Shortest of them: below it nothing would ever succeed.
const SHORTEST: Duration = Duration::from_millis(100);

/// The database and the secret that belongs to it.
pub(crate) struct DatabaseSettings {
    /// The database.
    pub(crate) address: reset_diesel::Database,
    /// Whether a server's schema is migrated at start. A file's always is.
    pub(crate) auto_migrate: bool,
    /// The root of every key.
    pub(crate) secret: Secret,
}

impl DatabaseSettings {
    pub(super) fn read(values: &Values, users: Option<Mapping>) -> Result<Self> {
        let (url, source) = (values.text("database_url")?, values.value("database_url").source);
        let address =
            reset_diesel::Database::at(&url).map_err(|error| anyhow!("database_url ({source}): {error}"))?;
        let options = options(values)?;
        if options.pooler == Pooler::Transaction && !address.may_be_pooled() {
            return Err(values.bad(
                "database.pooler",
                "`none`: only PostgreSQL is used behind a pooler in transaction mode",
            ));
        }
        let address = address.with(options).with_users(users);
        let beside = address.file().and_then(Path::parent).map(|dir| dir.join(SECRET_FILE));
        let secret = Secret::read(values, beside)?;
        Ok(Self { address, auto_migrate: values.boolean("database.auto_migrate")?, secret })
    }
}

/// How a server is used.
fn options(values: &Values) -> Result<Options> {
    let pooler = match values.choice("database.pooler")? {
        "transaction" => Pooler::Transaction,
        _ => Pooler::None,
    };
    let span = |name: &str| {
        let span = values.duration(name, LONGEST)?;
        if span < SHORTEST { Err(values.bad(name, "at least 100ms")) } else { Ok(span) }
    };
    Ok(Options {
        connections: values.integer("database.connections", 1..=1000)?,
        connect_timeout: span("database.connect_timeout")?,
        statement_timeout: span("database.statement_timeout")?,
        pooler,
    })
}
