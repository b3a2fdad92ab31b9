//! Citations: a Markdown file that a source comment names exists, and so does the heading.

use super::{
    File,
    markdown::anchors,
    prose::{Origin, paragraphs},
};

/// The target of a citation or link exists.
pub(super) struct Target;

/// Checks the comments of every `.rs`, `.sql` and `.toml` file.
pub(super) fn check(files: &[File], faults: &mut Vec<String>) {
    for file in files.iter().filter(|file| ["rs", "sql", "toml"].contains(&file.extension())) {
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for comment in paragraphs(file).iter().filter(|paragraph| paragraph.origin == Origin::Comment) {
            for (at, citation) in citations(&comment.text) {
                let found = resolve(files, "", citation)
                    .or_else(|what| resolve(files, folder, citation).map_err(|_| what));
                if let Err(what) = found {
                    faults.push(format!("{}:{}: {what}", file.path, comment.line_at(at)));
                }
            }
        }
    }
}

/// Returns the Markdown files that a comment names, with their anchors and offsets. Patterns and URLs are skipped.
fn citations(comment: &str) -> Vec<(usize, &str)> {
    let in_path = |character: char| character.is_ascii_alphanumeric() || "_-./".contains(character);
    let in_anchor = |character: char| character.is_alphanumeric() || "_-".contains(character);
    let extensions = comment.match_indices(".md").map(|(at, extension)| (at, at + extension.len()));
    let citation = |(at, end): (usize, usize)| {
        let before = comment[..at].trim_end_matches(in_path);
        let name = &comment[before.len()..end];
        let after = &comment[end..];
        let anchor = after
            .strip_prefix('#')
            .map_or(0, |rest| rest.find(|character| !in_anchor(character)).unwrap_or(rest.len()));
        let is_whole = !after.starts_with(|character: char| character.is_alphanumeric() || character == '_');
        let is_pattern =
            before.ends_with(['*', '<', '>', '{', '}']) || name == ".md" || name.starts_with("//");
        let length = name.len() + if anchor == 0 { 0 } else { anchor + 1 };
        (is_whole && !is_pattern).then(|| (before.len(), &comment[before.len()..before.len() + length]))
    };
    extensions.filter_map(citation).collect()
}

/// Finds a path, relative to `folder`, with an optional `#anchor`.
///
/// # Errors
/// Returns a sentence if the file or the heading does not exist.
pub(super) fn resolve(files: &[File], folder: &str, target: &str) -> Result<Target, String> {
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let missing = || format!("`{path}` does not exist");
    let full = join(folder, path).ok_or_else(missing)?;
    let prefix = format!("{full}/");
    let Some(found) = files.iter().find(|file| file.path == full) else {
        return files.iter().any(|file| file.path.starts_with(&prefix)).then_some(Target).ok_or_else(missing);
    };
    match anchor {
        Some(anchor) if found.extension() == "md" && !anchors(&found.text).contains(anchor) => {
            Err(format!("`{path}` has no heading `#{anchor}`"))
        }
        _ => Ok(Target),
    }
}

/// Joins a relative path to a folder. Returns `None` if it leaves the repository.
fn join(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            parts.pop()?;
        } else {
            parts.push(part);
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::file;

    #[test]
    fn comments_name_files_and_headings_that_exist() {
        let cite = |path: &str, text: &str| {
            let documents = [file("docs/a.md", "# One two\n"), file("crates/x/README.md", "")];
            let mut faults = Vec::new();
            let files: Vec<File> = documents.into_iter().chain([file(path, text)]).collect();
            check(&files, &mut faults);
            faults
        };
        for text in [
            "//! See docs/a.md.",
            "//! (docs/a.md#one-two), `README.md`",
            "//! *.md, <name>.md and https://example.com/b.md",
            "fn f() { g(\"b.md\") }",
        ] {
            assert_eq!(cite("crates/x/a.rs", text), [] as [&str; 0], "{text}");
        }
        for (path, text, fault) in [
            ("crates/x/a.rs", "//! A.\n/// See a.md B3.", "crates/x/a.rs:2: `a.md` does not exist"),
            ("a.rs", "// README.md", "a.rs:1: `README.md` does not exist"),
            ("a.sql", "-- docs/b.md", "a.sql:1: `docs/b.md` does not exist"),
            ("a.toml", "x = 1 # docs/a.md#three", "a.toml:1: `docs/a.md` has no heading `#three`"),
        ] {
            assert_eq!(cite(path, text), [fault]);
        }
    }
}
