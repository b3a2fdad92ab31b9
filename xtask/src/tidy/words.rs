//! Banned words: private jargon, and phrases that read like a translation.
//!
//! `words/banned.txt` lists them with their replacements. A comment with [`MARKER`] on the line, or on the line above,
//! allows the words of that line.

use super::{File, prose};

/// The list: `phrase = replacement`, one per line. A phrase that ends in `*` matches every word that starts with it.
const LIST: &str = include_str!("words/banned.txt");
/// Allows the words of its line and the next.
const MARKER: &str = "tidy: allow-word";

/// Checks the comments, string literals and documents of one file.
pub(super) fn check(file: &File, faults: &mut Vec<String>) {
    let lines: Vec<&str> = file.text.lines().collect();
    let is_allowed = |number: usize| {
        [number, number.saturating_sub(1)].iter().any(|number| {
            number.checked_sub(1).and_then(|at| lines.get(at)).is_some_and(|line| line.contains(MARKER))
        })
    };
    for paragraph in prose::paragraphs(file) {
        let text = paragraph.text.to_ascii_lowercase();
        for (phrase, replacement) in banned() {
            for at in occurrences(&text, phrase) {
                let line = paragraph.line_at(at);
                if !is_allowed(line) {
                    let phrase = phrase.trim_end_matches('*');
                    faults.push(format!("{}:{line}: banned word \"{phrase}\": {replacement}", file.path));
                }
            }
        }
    }
}

/// Returns each banned phrase with its replacement.
fn banned() -> impl Iterator<Item = (&'static str, &'static str)> {
    LIST.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(" = "))
}

/// Returns the offsets of `phrase` in lower-case `text`, at word boundaries.
fn occurrences(text: &str, phrase: &str) -> Vec<usize> {
    let (stem, is_prefix) = phrase.strip_suffix('*').map_or((phrase, false), |stem| (stem, true));
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    let starts = |at: usize| !text[..at].ends_with(is_word);
    let ends = |at: usize| is_prefix || !text[at + stem.len()..].starts_with(is_word);
    text.match_indices(stem).map(|(at, _)| at).filter(|at| starts(*at) && ends(*at)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::faults;

    /// A banned word, spelled so that this file has no fault.
    const WORD: &str = concat!("err", "and");

    fn source(text: &str) -> Vec<String> {
        faults("crates/a/src/a.rs", &format!("//! A.\n{text}\n"))
    }

    #[test]
    fn list_is_lower_case_with_a_replacement_each() {
        assert!(banned().count() > 20);
        for (phrase, replacement) in banned() {
            assert!(!phrase.is_empty() && phrase.to_ascii_lowercase() == phrase, "{phrase}");
            assert!(!replacement.is_empty() && phrase == phrase.trim(), "{phrase}");
        }
        let entries = LIST.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        assert_eq!(entries.count(), banned().count());
    }

    #[test]
    fn banned_word_is_found_in_comments_strings_and_documents() {
        let capitalized = format!("{}{}", WORD[..1].to_uppercase(), &WORD[1..]);
        assert_eq!(source(&format!("// An {WORD}.")).len(), 1);
        assert_eq!(source(&format!("/// {capitalized}s.\nfn f() {{}}")).len(), 1);
        assert_eq!(source(&format!("fn f() {{ g(\"an {WORD}\") }}")).len(), 1);
        for path in ["docs/a.md", "a.toml", "a.sql", "a.html"] {
            let faults = faults(path, &format!("one\n{WORD}s two\n"));
            assert_eq!(faults, [format!("{path}:2: banned word \"{WORD}\": say job")]);
        }
    }

    #[test]
    fn code_and_parts_of_words_are_not_checked() {
        assert_eq!(source(&format!("fn {WORD}() {{ x_{WORD}(); }}")), [] as [&str; 0]);
        assert_eq!(source(&format!("// see x_{WORD} and k{WORD}")), [] as [&str; 0]);
        assert_eq!(faults("a.mjs", WORD), [] as [&str; 0]);
    }

    #[test]
    fn phrase_is_found_across_lines() {
        let phrase = source(concat!("// He is\n// ", "told so.\n\n// The client is\n\n// told. Twice."));
        assert_eq!(phrase.len(), 1, "{phrase:?}");
        assert!(phrase[0].starts_with("crates/a/src/a.rs:2: "), "{phrase:?}");
    }

    #[test]
    fn marker_allows_its_line_and_the_next() {
        assert_eq!(source(&format!("// {WORD} ({MARKER}: a quotation)")), [] as [&str; 0]);
        assert_eq!(source(&format!("// {MARKER}: a quotation\n// {WORD}")), [] as [&str; 0]);
        assert_eq!(source(&format!("// {MARKER}: a quotation\n//\n// {WORD}")).len(), 1);
    }
}
