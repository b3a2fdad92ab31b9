//! What is remembered, and where.

use std::path::Path;

use anyhow::{Result, anyhow, bail};

use super::{secret::Secret, value::Values};

/// Name of the file for a secret of our own making.
const SECRET_FILE: &str = "reset.secret";

/// The database and the secret that belongs to it.
pub(crate) struct Database {
    /// The database.
    pub(crate) address: reset_diesel::Database,
    /// The root of every key.
    pub(crate) secret: Secret,
}

impl Database {
    pub(super) fn read(values: &Values) -> Result<Self> {
        let (url, source) = (values.text("database_url")?, values.value("database_url").source);
        if ["postgres:", "postgresql:", "mysql:", "mariadb:"].iter().any(|scheme| url.starts_with(scheme)) {
            bail!(
                "database_url ({source}) names an engine that this version does not offer yet; use sqlite://PATH"
            );
        }
        let address =
            reset_diesel::Database::at(&url).map_err(|error| anyhow!("database_url ({source}): {error}"))?;
        let beside = address.file().and_then(Path::parent).map(|dir| dir.join(SECRET_FILE));
        let secret = Secret::read(values, beside)?;
        Ok(Self { address, secret })
    }
}
