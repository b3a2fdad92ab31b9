//! Type names: no two public types of the workspace share a bare name, so that a symbol search finds one.

use std::collections::BTreeMap;

use super::{File, production};

/// Names that several types may share, each with its reason.
const SHARED: [(&str, &str); 0] = [];

/// Checks the plain `pub` types in the `src` folder of each crate, except those of tests.
pub(super) fn check(files: &[File], faults: &mut Vec<String>) {
    let mut places = BTreeMap::<&str, Vec<String>>::new();
    for file in files.iter().filter(|file| is_library(file)) {
        for (number, line) in production(file) {
            if let Some(name) = declared(line) {
                places.entry(name).or_default().push(format!("{}:{number}", file.path));
            }
        }
    }
    let is_shared = |name: &str| SHARED.iter().any(|(shared, _)| *shared == name);
    for (name, places) in places {
        if let [first, others @ ..] = places.as_slice()
            && !is_shared(name)
        {
            let fault = |other| format!("{other}: the public type {name} has the same name as {first}");
            faults.extend(others.iter().map(fault));
        }
    }
}

fn is_library(file: &File) -> bool {
    let in_src = file.path.starts_with("crates/") && file.path.contains("/src/");
    let is_test = file.path.contains("/tests/") || file.path.ends_with("/tests.rs");
    file.extension() == "rs" && in_src && !is_test
}

/// Returns the name of the public type that a line declares.
fn declared(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("pub ")?;
    let (keyword, rest) = rest.split_once(' ')?;
    let name = rest.split(|character: char| !character.is_alphanumeric() && character != '_').next()?;
    ["struct", "enum", "trait", "type", "union"].contains(&keyword).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::file;

    #[test]
    fn public_types_have_unique_names() {
        let text = "//! A.\npub struct One;\npub(crate) struct Two;\npub fn three() {}\n\n#[cfg(test)]\nmod tests {\n    \
                    pub struct Four;\n}\n";
        let files = [
            file("crates/a/src/lib.rs", text),
            file("crates/b/src/x.rs", "//! B.\n    pub type One = u8;\npub struct Two;\npub enum Four {}\n"),
            file("crates/dialects/c/src/tests.rs", text),
            file("crates/c/tests/x.rs", text),
            file("xtask/src/x.rs", text),
        ];
        let mut faults = Vec::new();
        check(&files, &mut faults);
        let fault = "crates/b/src/x.rs:2: the public type One has the same name as crates/a/src/lib.rs:2";
        assert_eq!(faults, [fault]);
    }
}
