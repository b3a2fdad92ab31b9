//! Sources of input: the environment, the clock and randomness each enter in one place.

use super::{File, production};

/// Checks that restricted modules and functions are used only in their home.
pub(super) fn check(file: &File, faults: &mut Vec<String>) {
    // Tests and development tools are exempt.
    let exempt = file.path.contains("/tests/")
        || ["xtask/", "crates/conformance/"].iter().any(|folder| file.path.starts_with(folder));
    let only = |needle: &str, home: &str| {
        let allowed = exempt || file.path.starts_with(home);
        (!allowed && production(file).iter().any(|(_, line)| line.contains(needle)))
            .then(|| format!("{}: `{needle}` is allowed only in {home}", file.path))
    };
    faults.extend(only(concat!("std::", "env::"), "crates/reset-app/src/settings"));
    faults.extend(only(concat!("SystemTime", "::now"), "crates/reset-app/src/system.rs"));
    faults.extend(only(concat!("Sys", "Rng"), "crates/reset-app/src/system.rs"));
}
