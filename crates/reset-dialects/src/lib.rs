//! The registry: every dialect that polyreset speaks.
//!
//! [`MODULES`] has one line for each dialect; routes, mails, documents, settings, pages, probes and tests follow from it.
//! [`served`] builds the dialects that a deployment switches on, [`with`] those of a few settings, for host applications
//! and tests:
//!
//! ```
//! use reset_core::keys::HmacKey;
//!
//! # fn main() -> anyhow::Result<()> {
//! let root = HmacKey::root(&[7; 32])?;
//! let dialects = reset_dialects::with(&[("px0.code_ttl", "10m")], &root, "https://accounts.example.com")?;
//! assert!(dialects.iter().any(|dialect| dialect.name == "px0"));
//! # Ok(())
//! # }
//! ```

use anyhow::{Result, bail};
use reset_core::{
    budget::Budgeting,
    keys::{HmacKey, Keyring},
    password::{PASSWORD_MAX, Policy},
};
use reset_http::{
    client::Client,
    module::{Deployment, DialectModule},
    route::Dialect,
};
use reset_settings::{Inputs, KeyTable, PROFILE};

/// Every dialect, in the order in which documents and settings list them.
pub const MODULES: &[DialectModule] = &[
    dialect_px0::MODULE,
    dialect_worthai::MODULE,
    dialect_strapi::MODULE,
    dialect_insforge::MODULE,
    dialect_django::MODULE,
];

/// Returns the name of every dialect, served or not.
pub fn names() -> impl Iterator<Item = &'static str> {
    MODULES.iter().map(|module| module.name)
}

/// Builds the dialects that the deployment switches on. The sections of the others are read too, so that a mistake shows
/// at once.
///
/// # Errors
/// Fails with one sentence if a setting is invalid, if mailed links would lead to a hosted page that is not served, or if
/// two dialects have the same path.
pub fn served(deployment: &Deployment<'_>) -> Result<Vec<Dialect>> {
    served_of(MODULES, deployment)
}

/// Like [`served`], for `modules` instead of the registry.
///
/// # Errors
/// As [`served`].
pub fn served_of(modules: &[DialectModule], deployment: &Deployment<'_>) -> Result<Vec<Dialect>> {
    let mut served: Vec<Dialect> = Vec::new();
    for module in modules {
        let dialect = (module.read)(deployment)?;
        if !deployment.values.boolean(module.enabled)? {
            continue;
        }
        if let (Some(page), false) = (dialect.needs_page, deployment.pages) {
            let (page, enabled, name) = (page.name, module.enabled.name, module.name);
            bail!(
                "pages.enabled is false, so the links mailed by {name} would lead nowhere: set {page} to your own page, or \
                 {enabled} to false"
            );
        }
        for (path, _) in &dialect.rows {
            let clashes = |other: &&Dialect| {
                // A lenient dialect answers for its paths in any case.
                let folds = other.lenient || dialect.lenient;
                other
                    .rows
                    .iter()
                    .any(|(known, _)| known == path || (folds && known.eq_ignore_ascii_case(path)))
            };
            if let Some(other) = served.iter().find(clashes) {
                bail!(
                    "{} and {} both have the path {path}: change {}.base_path or {}.base_path",
                    other.name,
                    dialect.name,
                    other.name,
                    dialect.name
                );
            }
        }
        served.push(dialect);
    }
    Ok(served)
}

/// Builds the dialects that are on with these settings of theirs (and `profile`), with the default policy for passwords and
/// default limits. Their keys are derived from `root`, and links lead to `public_url`.
///
/// # Errors
/// As [`served`]; also for a name that is no setting of a dialect.
pub fn with(settings: &[(&str, &str)], root: &HmacKey, public_url: &str) -> Result<Vec<Dialect>> {
    let flags = settings.iter().map(|(name, value)| ("the caller", (*name).to_owned(), (*value).to_owned()));
    let keys = [PROFILE.setting()].into_iter().chain(MODULES.iter().flat_map(|module| module.keys).copied());
    let values = Inputs { flags: flags.collect(), ..Inputs::default() }.read(&KeyTable::new(keys))?;
    let policy = Policy { min: 8, four_classes: false, refuse_common: true, max_bytes: PASSWORD_MAX };
    let (roots, budgeting) = (Keyring::from(root.clone()), Budgeting::default());
    served(&Deployment {
        values: &values,
        public_url: public_url.trim_end_matches('/'),
        roots: &roots,
        policy,
        limited: true,
        budgeting: &budgeting,
        pages: true,
    })
}

/// Returns the settings that switch every dialect on, for [`with`].
pub fn all_on() -> Vec<(&'static str, &'static str)> {
    MODULES.iter().map(|module| (module.enabled.name, "true")).collect()
}

/// Returns how clients speak every dialect with default settings, whether or not it is on by default, for tools that know a
/// server only from outside.
///
/// # Panics
/// When a dialect's defaults are not valid; a test reads them all.
pub fn clients() -> Vec<Client> {
    let dialects =
        with(&all_on(), &HmacKey::shared(b"clients"), "http://127.0.0.1:8080").expect("defaults are valid");
    dialects.into_iter().filter_map(|dialect| dialect.client).collect()
}
