//! Documents: every path, link and anchor in a Markdown file leads somewhere.

use super::{
    File,
    citations::{Target, resolve},
    markdown::{link_targets, text_lines},
    numbered,
};

/// Checks the quoted paths and the links of every Markdown file.
pub(super) fn check(files: &[File], faults: &mut Vec<String>) {
    for document in files.iter().filter(|file| file.extension() == "md") {
        for (number, line) in numbered(document) {
            for quoted in line.split('`').skip(1).step_by(2) {
                let is_path = ["crates/", "docs/", "openapi/", "xtask/", ".ci/"]
                    .iter()
                    .any(|folder| quoted.starts_with(folder));
                let is_pattern = quoted.contains([' ', '*', '<', '{', '|']);
                if is_path
                    && !is_pattern
                    && let Err(what) = resolve(files, "", quoted)
                {
                    faults.push(format!("{}:{number}: {what}", document.path));
                }
            }
        }
        for (number, line) in text_lines(&document.text) {
            for target in link_targets(line) {
                if let Err(what) = check_link(files, document, &target) {
                    faults.push(format!("{}:{number}: {what}", document.path));
                }
            }
        }
    }
}

/// Checks a link to a file or heading. Links to other sites are not checked.
fn check_link(files: &[File], document: &File, target: &str) -> Result<Target, String> {
    if target.contains("://") || target.starts_with("mailto:") || target.starts_with('/') {
        return Ok(Target);
    }
    match target.strip_prefix('#') {
        Some(_) => resolve(files, "", &format!("{}{target}", document.path)),
        None => resolve(files, folder_of(&document.path), target),
    }
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{faults, file};

    #[test]
    fn quoted_paths_must_exist() {
        assert_eq!(faults("docs/A.md", "see `crates/nothing/src` and `docs/A.md`, not `a b`\n").len(), 1);
    }

    #[test]
    fn links_and_their_anchors_must_exist() {
        let readme = "# Start\n[a](docs/a.md#one), [a](#start), [a](docs), [a](https://example.com/x.md#y)\n\
                      [b](docs/b.md) [b](docs/a.md#two) [b](#end) [b](../docs/a.md)\n";
        let files = [
            file("README.md", readme),
            file("docs/a.md", "# One\n[up](../README.md#start) `docs/a.md#three`\n"),
        ];
        let mut faults = Vec::new();
        check(&files, &mut faults);
        let expected = [
            "README.md:3: `docs/b.md` does not exist",
            "README.md:3: `docs/a.md` has no heading `#two`",
            "README.md:3: `README.md` has no heading `#end`",
            "README.md:3: `../docs/a.md` does not exist",
            "docs/a.md:2: `docs/a.md` has no heading `#three`",
        ];
        assert_eq!(faults, expected);
    }
}
