//! The process's environment. Nothing else in the workspace reads it.

use anyhow::{Result, anyhow};

/// Every variable that begins with `POLYRESET_`.
pub(crate) fn variables() -> Result<Vec<(String, String)>> {
    let ours = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok().filter(|name| name.starts_with("POLYRESET_"))?;
        Some((name, value))
    });
    ours.map(|(name, value)| match value.into_string() {
        Ok(value) => Ok((name, value)),
        Err(_) => Err(anyhow!("{name} is not valid UTF-8")),
    })
    .collect()
}
