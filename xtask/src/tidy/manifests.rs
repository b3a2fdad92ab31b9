//! Manifests: every shared dependency has a reason, and the crates keep their boundaries.

use super::{File, numbered};

/// Crates that the domain must not depend on.
const NOT_IN_CORE: [&str; 9] =
    ["http", "serde", "serde_json", "diesel", "lettre", "axum", "actix-web", "warp", "utoipa"];

/// Checks one `Cargo.toml`.
pub(super) fn check(file: &File, faults: &mut Vec<String>) {
    let mut section = "";
    for (number, line) in numbered(file) {
        if line.starts_with('[') {
            section = line.trim();
            continue;
        }
        let Some((name, _)) = line.split_once([' ', '.', '=']).filter(|_| !line.starts_with(['#', ' ']))
        else {
            continue;
        };
        let is_local = line.contains("path = ");
        if section == "[workspace.dependencies]" && !is_local && !line.contains('#') {
            faults.push(format!("{}:{number}: {name} has no comment with its reason", file.path));
        }
        if section == "[dependencies]" {
            if file.path == "crates/reset-core/Cargo.toml" && NOT_IN_CORE.contains(&name) {
                faults.push(format!("{}:{number}: the domain must not depend on {name}", file.path));
            }
            if name == "serde_json" && file.path != "crates/reset-dialects/Cargo.toml" {
                faults.push(format!("{}:{number}: only reset-dialects may depend on serde_json", file.path));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::tidy::faults;

    #[test]
    fn manifests_give_reasons_and_keep_the_boundaries() {
        let workspace = "[workspace.dependencies]\na = \"1\"\nb = \"1\" # because\n";
        assert_eq!(faults("Cargo.toml", workspace).len(), 1);
        assert_eq!(
            faults("crates/reset-core/Cargo.toml", "[dependencies]\nhttp.workspace = true\n").len(),
            1
        );
        assert_eq!(
            faults("crates/reset-app/Cargo.toml", "[dependencies]\nserde_json.workspace = true\n").len(),
            1
        );
    }
}
