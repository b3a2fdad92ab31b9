//! Sources of input: the environment, the clock and randomness each enter in one place.

use super::{File, production};

/// Checks that restricted modules and functions are used only in their home.
pub(super) fn check(file: &File, faults: &mut Vec<String>) {
    // Tests and development tools are exempt.
    let exempt = file.path.contains("/tests/")
        || ["xtask/", "crates/conformance/"].iter().any(|folder| file.path.starts_with(folder));
    let only = |needle: &str, homes: &[&str]| {
        let allowed = exempt || homes.iter().any(|home| file.path.starts_with(home));
        (!allowed && production(file).iter().any(|(_, line)| line.contains(needle)))
            .then(|| format!("{}: `{needle}` is allowed only in {}", file.path, homes.join(" and ")))
    };
    // The enumeration probe's own program is no part of the server, and only dates its report.
    let clocks = ["crates/reset-app/src/system.rs", "crates/reset-probe/src/main.rs"];
    faults.extend(only(concat!("std::", "env::"), &["crates/reset-settings/src/environment.rs"]));
    faults.extend(only(concat!("SystemTime", "::now"), &clocks));
    faults.extend(only(concat!("Sys", "Rng"), &["crates/reset-app/src/system.rs"]));
}
