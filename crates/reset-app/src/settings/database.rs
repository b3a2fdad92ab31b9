//! What is remembered, and where.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::{secret::Secret, value::Values};

/// Name of the file for a secret of our own making.
const SECRET_FILE: &str = "reset.secret";

/// The database and the secret that belongs to it.
pub(crate) struct Database {
    /// Path of the SQLite file.
    pub(crate) path: PathBuf,
    /// The root of every key.
    pub(crate) secret: Secret,
}

impl Database {
    pub(super) fn read(values: &Values) -> Result<Self> {
        let url = values.text("database_url")?;
        if ["postgres:", "postgresql:", "mysql:", "mariadb:"].iter().any(|scheme| url.starts_with(scheme)) {
            bail!("database_url names a database that this version does not offer yet; use sqlite://PATH");
        }
        let path = values.read("database_url", "sqlite://PATH", |url| {
            let path = url.strip_prefix("sqlite://")?;
            let plain = !path.is_empty() && !path.starts_with(':') && !path.contains(['?', '#', '\0']);
            plain.then(|| PathBuf::from(path))
        })?;
        let beside = path.parent().unwrap_or(Path::new("")).join(SECRET_FILE);
        Ok(Self { path, secret: Secret::read(values, beside)? })
    }
}
