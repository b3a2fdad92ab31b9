//! Environment variables that begin like settings and are not read: those that Kubernetes and Docker inject for a
//! service named polyreset, and the `RESET_…` variables of earlier versions.
//!
//! Settings are read before logging starts, so these variables are collected here and logged later.

use anyhow::Error;
use tracing::{info, warn};

use crate::key::{self, KeyTable, Named};

/// Variables that were found in the environment and not read.
#[derive(Default)]
pub struct Unread {
    /// Names that Kubernetes or Docker injects.
    injected: Vec<String>,
    /// Names of earlier versions, such as `RESET_PUBLIC_URL`, whose settings have no value under the new name.
    old: Vec<String>,
}

impl Unread {
    /// Moves the variables that are not read out of `environment`.
    pub fn take_from(keys: &KeyTable, environment: &mut Vec<(String, String)>) -> Self {
        let mut unread = Self::default();
        environment.retain(|(variable, value)| {
            let (list, drop) = if is_injected(keys, variable, value) {
                (&mut unread.injected, true)
            } else {
                (&mut unread.old, variable.starts_with("RESET_"))
            };
            if drop {
                list.push(variable.clone());
            }
            !drop
        });
        unread.old.retain(|old| {
            let set = |name: &str| environment.iter().any(|(variable, _)| variable == name);
            let new = format!("POLY{old}");
            let other_form =
                new.strip_suffix("_FILE").map_or_else(|| format!("{new}_FILE"), ToOwned::to_owned);
            is_setting(keys, &new) && !set(&new) && !set(&other_form)
        });
        unread
    }

    /// Logs the variables, one line for all injected ones and one for each old one.
    pub fn log(&self) {
        if let Some(line) = self.ignored() {
            info!(variables = self.injected.join(" "), "{line}");
        }
        for line in self.renamed() {
            warn!("{line}");
        }
    }

    /// Adds the old variables to an error: a failed start logs nothing, and an old variable may be the cause.
    pub fn explain(&self, error: Error) -> Error {
        let renamed: Vec<String> = self.renamed().collect();
        if renamed.is_empty() { error } else { error.context(renamed.join(", ")) }
    }

    /// Returns every line that [`Unread::log`] writes.
    pub fn lines(&self) -> Vec<String> {
        self.ignored().into_iter().chain(self.renamed()).collect()
    }

    fn ignored(&self) -> Option<String> {
        let count = self.injected.len();
        let variables = if count == 1 { "variable" } else { "variables" };
        (count > 0).then(|| {
            format!(
                "ignored {count} environment {variables} that Kubernetes or Docker injects for a service named \
                 polyreset"
            )
        })
    }

    fn renamed(&self) -> impl Iterator<Item = String> {
        self.old.iter().map(|old| format!("{old} is no longer read; use POLY{old}"))
    }
}

/// Whether the variable sets a setting, directly, by its file, or as the name of the settings file.
fn is_setting(keys: &KeyTable, variable: &str) -> bool {
    let name = key::name(variable);
    variable == key::CONFIG || name.is_some_and(|name| !matches!(keys.named(&name), Named::Unknown))
}

/// Whether Kubernetes injects the variable for a Service, or Docker for a linked container, whose name begins with
/// `polyreset`.
///
/// `…_NAME` could also be a misspelt setting, so it counts only with Docker's value, the path of the link.
fn is_injected(keys: &KeyTable, variable: &str, value: &str) -> bool {
    let Some(rest) = variable.strip_prefix("POLYRESET_") else { return false };
    if is_setting(keys, variable) {
        return false;
    }
    // The service may be named `polyreset-admin`, so the known words can begin behind any underscore.
    let words: Vec<&str> = rest.split('_').collect();
    (0..words.len()).any(|begin| {
        let (service, words) = words.split_at(begin);
        // No word is empty: two underscores stand for the dot of a setting.
        let upper =
            |words: &[&str]| words.iter().all(|word| !word.is_empty() && word.bytes().all(is_upper_or_digit));
        let matches = match words {
            ["SERVICE", "HOST"] | ["PORT"] => true,
            ["SERVICE", "PORT", name @ ..] => upper(name),
            ["PORT", number, "TCP" | "UDP" | "SCTP", suffix @ ..] => {
                let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
                is_number
                    && matches!(
                        suffix,
                        // Docker describes consecutive ports as a range, too.
                        [] | ["PROTO" | "PORT" | "ADDR" | "START" | "END"] | ["PORT", "START" | "END"]
                    )
            }
            // The linked container's own variables may have any name.
            ["ENV", name, ..] => !name.is_empty(),
            ["NAME"] => service.is_empty() || value.starts_with('/'),
            _ => false,
        };
        matches && upper(service)
    })
}

fn is_upper_or_digit(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}
