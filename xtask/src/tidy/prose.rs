//! Extracts the prose of a file: the comments and string literals of Rust, and the whole text of other formats.

use super::File;

/// Where a paragraph comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A comment.
    Comment,
    /// A string literal, or text outside comments in a format other than Rust.
    Text,
}

/// Consecutive lines of prose, joined with single spaces, so that a phrase may span lines.
#[derive(Debug)]
pub(super) struct Paragraph {
    pub(super) origin: Origin,
    pub(super) text: String,
    /// Offset in `text` and line number of each line.
    lines: Vec<(usize, usize)>,
}

impl Paragraph {
    /// Returns the line number of an offset in the text.
    pub(super) fn line_at(&self, offset: usize) -> usize {
        self.lines.iter().rev().find(|(start, _)| *start <= offset).map_or(0, |(_, line)| *line)
    }
}

/// Returns the paragraphs of a `.rs`, `.md`, `.toml`, `.sql` or `.html` file; other files have none.
pub(super) fn paragraphs(file: &File) -> Vec<Paragraph> {
    let mut prose = Prose::default();
    match file.extension() {
        "rs" => rust(&file.text, &mut prose),
        "md" | "html" => {
            (1..).zip(file.text.lines()).for_each(|(line, text)| prose.push(Origin::Text, line, text));
        }
        "toml" => with_comments(&file.text, "#", &mut prose),
        "sql" => with_comments(&file.text, "--", &mut prose),
        _ => {}
    }
    prose.0
}

#[derive(Default)]
struct Prose(Vec<Paragraph>);

impl Prose {
    /// Adds a line, to the last paragraph if it continues that. An empty line ends a paragraph.
    fn push(&mut self, origin: Origin, line: usize, text: &str) {
        let text = match origin {
            Origin::Comment => text.trim_start_matches(['/', '!', '*', '#', '-']),
            Origin::Text => text.trim_end_matches('\\'),
        };
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if words.is_empty() {
            return;
        }
        let continues = |last: &&mut Paragraph| {
            last.origin == origin && last.lines.last().is_some_and(|(_, previous)| *previous + 1 == line)
        };
        match self.0.last_mut().filter(continues) {
            Some(last) => {
                last.text.push(' ');
                last.lines.push((last.text.len(), line));
                last.text.push_str(&words);
            }
            None => self.0.push(Paragraph { origin, text: words, lines: vec![(0, line)] }),
        }
    }
}

/// Splits each line at the start of a comment that is outside quotes.
fn with_comments(text: &str, marker: &str, prose: &mut Prose) {
    for (number, line) in (1..).zip(text.lines()) {
        let mut quote = None;
        let start = line.char_indices().find_map(|(at, character)| match (quote, character) {
            (None, '"' | '\'') => {
                quote = Some(character);
                None
            }
            (Some(open), _) => {
                quote = quote.filter(|_| open != character);
                None
            }
            (None, _) => line[at..].starts_with(marker).then_some(at),
        });
        let (code, comment) = line.split_at(start.unwrap_or(line.len()));
        prose.push(Origin::Text, number, code);
        prose.push(Origin::Comment, number, comment);
    }
}

/// Scans Rust for comments and string literals.
fn rust(source: &str, prose: &mut Prose) {
    let (mut rest, mut line) = (source, 1);
    let mut previous = ' ';
    while let Some(character) = rest.chars().next() {
        let is_word = previous.is_alphanumeric() || previous == '_';
        let (origin, skipped, length) = if rest.starts_with("//") {
            (Some(Origin::Comment), 0, rest.find('\n').unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            (Some(Origin::Comment), 0, block_comment(rest))
        } else if let Some((prefix, hashes)) = raw_prefix(rest).filter(|_| !is_word || previous == 'b') {
            let end = format!("\"{}", "#".repeat(hashes));
            let body = &rest[prefix..];
            (Some(Origin::Text), prefix, prefix + body.find(&end).map_or(body.len(), |at| at + end.len()))
        } else if character == '"' {
            (Some(Origin::Text), 1, string(rest))
        } else if character == '\'' {
            (None, 0, char_or_lifetime(rest))
        } else {
            (None, 0, character.len_utf8())
        };
        let (token, after) = rest.split_at(length);
        if let Some(origin) = origin {
            let content =
                if origin == Origin::Text { token[skipped..].trim_end_matches(['"', '#']) } else { token };
            (line..).zip(content.lines()).for_each(|(line, text)| prose.push(origin, line, text));
        }
        line += token.matches('\n').count();
        previous = token.chars().next_back().unwrap_or(character);
        rest = after;
    }
}

/// Returns the length of the block comment at the start of `rest`.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        let tail = &rest.as_bytes()[at..];
        if tail.starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if tail.starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// Returns the length of the opening of a raw string at the start of `rest`, and its number of hashes.
fn raw_prefix(rest: &str) -> Option<(usize, usize)> {
    let after = rest.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].starts_with('"').then_some((hashes + 2, hashes))
}

/// Returns the length of the string literal at the start of `rest`, quotes included.
fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            '"' if !escaped => return at + 1,
            _ => escaped = character == '\\' && !escaped,
        }
    }
    rest.len()
}

/// Returns the length of the character literal at the start of `rest`, or 1 for the quote of a lifetime.
fn char_or_lifetime(rest: &str) -> usize {
    let mut characters = rest.char_indices().skip(1);
    match (characters.next(), characters.next()) {
        (Some((_, '\\')), Some((after_escape, escaped))) => {
            let tail = after_escape + escaped.len_utf8();
            rest[tail..].find('\'').map_or(rest.len(), |at| tail + at + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::file;

    fn found(path: &str, text: &str) -> Vec<(Origin, usize, String)> {
        let paragraphs = paragraphs(&file(path, text));
        paragraphs.into_iter().map(|found| (found.origin, found.line_at(0), found.text)).collect()
    }

    #[test]
    fn rust_has_comments_and_strings_but_no_code() {
        let source = "//! One\n//! two.\n//!\n//! Three\nfn f<'a>(x: &'a str) -> char { g(\"a \\\"b\\\" \\\n    c\", '\"'); \
                      '\\'' } // end\nlet y = br#\"raw \"x\" \"#; /* block /* nested */ */ h('x', \"last\");\n";
        let expected = [
            (Origin::Comment, 1, "One two."),
            (Origin::Comment, 4, "Three"),
            (Origin::Text, 5, "a \\\"b\\\" c"),
            (Origin::Comment, 6, "end"),
            (Origin::Text, 7, "raw \"x\""),
            (Origin::Comment, 7, "block /* nested */ */"),
            (Origin::Text, 7, "last"),
        ];
        assert_eq!(
            found("a.rs", source),
            expected.map(|(origin, line, text)| (origin, line, text.to_owned()))
        );
    }

    #[test]
    fn other_formats_are_text_with_comments() {
        let toml = [(Origin::Text, 1, "a = \"x # y\"".to_owned()), (Origin::Comment, 1, "why".to_owned())];
        assert_eq!(found("a.toml", "a = \"x # y\" # why\n"), toml);
        let sql = [(Origin::Comment, 1, "why".to_owned()), (Origin::Text, 2, "SELECT 1;".to_owned())];
        assert_eq!(found("a.sql", "-- why\nSELECT 1;\n"), sql);
        assert_eq!(found("a.md", "one\ntwo\n\nthree\n").len(), 2);
        assert_eq!(found("a.mjs", "// one\n"), []);
    }

    #[test]
    fn offsets_know_their_line() {
        let paragraphs = paragraphs(&file("a.md", "\none\ntwo three\n"));
        let at = |word: &str| paragraphs[0].line_at(paragraphs[0].text.find(word).unwrap());
        assert_eq!([at("one"), at("two"), at("three")], [2, 3, 3]);
    }
}
