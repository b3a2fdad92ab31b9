//! Emphasises a part of a phrase.

use minijinja::{HtmlEscape, Value};

/// Returns the text escaped for HTML, with its first occurrence of `part` in bold: `{{ phrases.terms | strong(lifetime) }}`.
pub(super) fn strong(text: &str, part: Option<&str>) -> Value {
    let found = part.filter(|part| !part.is_empty()).and_then(|part| Some((text.split_once(part)?, part)));
    Value::from_safe_string(match found {
        Some(((before, after), part)) => {
            format!("{}<strong>{}</strong>{}", HtmlEscape(before), HtmlEscape(part), HtmlEscape(after))
        }
        None => HtmlEscape(text).to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_is_bold_and_everything_is_escaped() {
        let html = |text, part| strong(text, part).to_string();
        assert_eq!(html("a < b & c < b", Some("< b")), "a <strong>&lt; b</strong> &amp; c &lt; b");
        assert_eq!(html("a <b>", Some("x")), "a &lt;b&gt;");
        assert_eq!(html("a", None), "a");
        assert_eq!(html("a", Some("")), "a");
    }
}
