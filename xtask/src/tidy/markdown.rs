//! Headings and links of Markdown documents.

use std::collections::{BTreeMap, BTreeSet};

/// Returns the lines outside fenced code blocks, numbered from 1.
pub(super) fn text_lines(text: &str) -> Vec<(usize, &str)> {
    let mut fenced = false;
    (1..)
        .zip(text.lines())
        .filter(|(_, line)| {
            let is_fence = line.trim_start().starts_with("```");
            fenced ^= is_fence;
            !is_fence && !fenced
        })
        .collect()
}

/// Returns the anchors of a document: the slugs of its headings, and the ids of HTML elements.
pub(super) fn anchors(text: &str) -> BTreeSet<String> {
    let (mut anchors, mut occurrences) = (BTreeSet::new(), BTreeMap::<String, usize>::new());
    for (_, line) in text_lines(text) {
        let level = line.len() - line.trim_start_matches('#').len();
        if let Some(heading) = line[level..].strip_prefix(' ').filter(|_| (1..=6).contains(&level)) {
            let slug = slug(heading.trim());
            let count = occurrences.entry(slug.clone()).or_default();
            anchors.insert(if *count == 0 { slug } else { format!("{slug}-{count}") });
            *count += 1;
        }
        for attribute in ["id=\"", "name=\""] {
            let ids = line.split(attribute).skip(1).filter_map(|rest| rest.split('"').next());
            anchors.extend(ids.map(ToOwned::to_owned));
        }
    }
    anchors
}

/// Returns the anchor that GitHub gives a heading: lower case, hyphens for spaces, and no punctuation.
fn slug(heading: &str) -> String {
    let kept = |character: char| match character {
        ' ' => Some('-'),
        '-' | '_' => Some(character),
        _ => character.is_alphanumeric().then_some(character),
    };
    without_targets(heading).to_lowercase().chars().filter_map(kept).collect()
}

/// Replaces each link with its text.
fn without_targets(heading: &str) -> String {
    let mut parts = heading.split("](");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once(')').map_or("", |(_, after)| after))
}

/// Returns the targets of the links in a line, except those in inline code.
pub(super) fn link_targets(line: &str) -> Vec<String> {
    let text: String = line.split('`').step_by(2).collect();
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
    targets.map(|target| target.trim_matches(['<', '>']).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_follow_the_rules_of_github() {
        for (heading, expected) in [
            ("Rotate the secret", "rotate-the-secret"),
            ("`mail.from` & co.", "mailfrom--co"),
            ("What's new? (1.0)", "whats-new-10"),
            ("The [book](docs/x) of *snake_case*", "the-book-of-snake_case"),
            ("Über-Größe", "über-größe"),
        ] {
            assert_eq!(slug(heading), expected);
        }
    }

    #[test]
    fn anchors_are_headings_outside_fences_and_ids() {
        let text =
            "# A\n## B b\n### B b\n```\n# no heading\n```\n#no heading\n<a id=\"x\"></a><a name=\"y\"></a>\n";
        let anchors = anchors(text);
        assert_eq!(anchors.iter().map(String::as_str).collect::<Vec<_>>(), ["a", "b-b", "b-b-1", "x", "y"]);
    }

    #[test]
    fn links_in_code_are_not_targets() {
        let line = "[a](b.md#c) and [`d`](<e.md> \"title\"), not `[f](g.md)`";
        assert_eq!(link_targets(line), ["b.md#c", "e.md"]);
    }
}
