//! Checks rendered parts of a mail, for built-in and custom templates alike.

use minijinja::HtmlEscape;

use crate::mail_kind::Part;

/// Checks a rendered part of a mail with this code or link.
///
/// # Errors
/// Returns a description of the fault that quotes nothing.
pub(super) fn check_part(part: Part, rendered: &str, secret: Option<&str>) -> Result<(), &'static str> {
    if rendered.trim().is_empty() {
        return Err("renders to empty text");
    }
    match (part, secret) {
        (Part::Subject, _) if rendered.contains(char::is_control) => Err("a subject must be one line"),
        (Part::Subject, Some(secret)) if rendered.contains(secret) => {
            Err("a subject must not contain the code or the link: lock screens show it")
        }
        (Part::Text, Some(secret)) => {
            let (alone, others): (Vec<_>, Vec<_>) =
                rendered.lines().filter(|line| line.contains(secret)).partition(|line| *line == secret);
            if alone.is_empty() && others.is_empty() {
                Err("the code or the link is missing")
            } else if alone.is_empty() || others.into_iter().any(|line| !binds_to_domain(line, secret)) {
                Err("the code or the link must stand alone on its line")
            } else {
                Ok(())
            }
        }
        (Part::Html, Some(secret))
            if ![secret, &HtmlEscape(secret).to_string()]
                .iter()
                .any(|secret| rendered.contains(secret) || without_tags(rendered).contains(secret)) =>
        {
            Err("the code or the link is missing")
        }
        _ => Ok(()),
    }
}

/// Returns whether a line is a domain-bound code, `@example.com #123456`, which programs fill in only on a site of that
/// domain (WICG, "Origin-bound one-time codes delivered via SMS").
fn binds_to_domain(line: &str, code: &str) -> bool {
    let host = line
        .strip_suffix(code)
        .and_then(|line| line.strip_suffix(" #"))
        .and_then(|line| line.strip_prefix('@'));
    host.is_some_and(|host| !host.is_empty() && !host.contains(char::is_whitespace))
}

/// Returns the text between the tags, so that a code in several elements is found.
fn without_tags(html: &str) -> String {
    let mut texts = html.split('<');
    let first = texts.next().unwrap_or_default().to_owned();
    texts.fold(first, |text, from_tag| text + from_tag.split_once('>').map_or("", |(_, after)| after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subject_is_one_line_without_a_secret() {
        assert!(check_part(Part::Subject, "Your code", Some("123456")).is_ok());
        assert!(check_part(Part::Subject, "Your code: 123456", Some("123456")).is_err());
        for bad in ["", "  ", "a\nb", "a\tb", "a\u{85}b"] {
            assert!(check_part(Part::Subject, bad, None).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn secret_is_alone_on_its_line_in_every_text() {
        assert!(check_part(Part::Text, "Hello\n\n123456\n", Some("123456")).is_ok());
        assert!(check_part(Part::Text, "No secret here", None).is_ok());
        assert!(check_part(Part::Text, "123456\n\n@example.com #123456", Some("123456")).is_ok());
        for bad in [
            "Hello",
            "Code: 123456",
            "123456\n\nCode: 123456",
            " 123456",
            "123456 ",
            "@example.com #123456",
            "123456\n@ #123456",
            "123456\nsee @example.com #123456",
        ] {
            assert!(check_part(Part::Text, bad, Some("123456")).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn html_contains_the_secret_escaped_or_not() {
        let url = "https://a.example/?a=1&b=2";
        assert!(check_part(Part::Html, "<a href=\"https://a.example/?a=1&b=2\">", Some(url)).is_ok());
        assert!(check_part(Part::Html, "https:&#x2f;&#x2f;a.example&#x2f;?a=1&amp;b=2", Some(url)).is_ok());
        assert!(check_part(Part::Html, "<p>Hello</p>", Some(url)).is_err());
        assert!(check_part(Part::Html, "<p><b>123</b><b>456</b></p>", Some("123456")).is_ok());
        assert!(check_part(Part::Html, "<p><b>123</b> <b>456</b></p>", Some("123456")).is_err());
    }
}
