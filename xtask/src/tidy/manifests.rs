//! Manifests: every shared dependency has a reason, and the crates keep their boundaries.

use super::{File, numbered};

/// Dependencies that a crate must not have, by the folder of the crate. A trailing `*` matches every name with that prefix.
const BANNED: [(&str, &[&str]); 5] = [
    (
        "crates/reset-core/",
        &["http", "serde", "serde_json", "diesel", "lettre", "axum", "actix-web", "warp", "utoipa"],
    ),
    ("crates/reset-diesel/", &["serde_json"]),
    ("crates/reset-mail/", &["serde_json"]),
    ("crates/reset-http/", &["dialect-*", "reset-dialects", "reset-pages", "askama"]),
    ("crates/dialects/", &["dialect-*", "reset-dialects", "reset-pages"]),
];

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
        if section == "[dependencies]" && is_banned(&file.path, name) {
            faults.push(format!("{}:{number}: this crate must not depend on {name}", file.path));
        }
    }
}

/// Returns whether the crate of this manifest must not depend on `name`.
fn is_banned(manifest: &str, name: &str) -> bool {
    let matches = |banned: &str| match banned.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == banned,
    };
    BANNED
        .iter()
        .filter(|(folder, _)| manifest.starts_with(folder))
        .any(|(_, banned)| banned.iter().any(|banned| matches(banned)))
}

#[cfg(test)]
mod tests {
    use crate::tidy::faults;

    #[test]
    fn manifests_give_reasons_and_keep_the_boundaries() {
        let workspace = "[workspace.dependencies]\na = \"1\"\nb = \"1\" # because\n";
        assert_eq!(faults("Cargo.toml", workspace).len(), 1);
        let depends = |manifest: &str, name: &str| {
            faults(manifest, &format!("[dependencies]\n{name}.workspace = true\n")).len()
        };
        for (manifest, name, count) in [
            ("crates/reset-core/Cargo.toml", "http", 1),
            ("crates/reset-core/Cargo.toml", "hmac", 0),
            ("crates/reset-mail/Cargo.toml", "serde_json", 1),
            ("crates/reset-app/Cargo.toml", "serde_json", 0),
            ("crates/reset-http/Cargo.toml", "dialect-px0", 1),
            ("crates/dialects/px0/Cargo.toml", "dialect-strapi", 1),
            ("crates/reset-dialects/Cargo.toml", "dialect-strapi", 0),
        ] {
            assert_eq!(depends(manifest, name), count, "{manifest} {name}");
        }
    }
}
