//! The environment of the process. No other code in the workspace reads it.

use anyhow::{Result, anyhow};

/// Returns every variable that begins with `POLYRESET_`, and those that begin with `RESET_`, without their values:
/// they are not read, but an operator who still sets one should know.
///
/// # Errors
/// Fails if a value is not valid UTF-8.
pub fn variables() -> Result<Vec<(String, String)>> {
    let mut variables = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Ok(name) = name.into_string() else { continue };
        if name.starts_with("POLYRESET_") {
            let value = value.into_string().map_err(|_| anyhow!("{name} is not valid UTF-8"))?;
            variables.push((name, value));
        } else if name.starts_with("RESET_") {
            variables.push((name, String::new()));
        }
    }
    // The process's own order changes from start to start, and that of log lines should not.
    variables.sort();
    Ok(variables)
}
