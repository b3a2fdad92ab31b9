//! What a part of a mail has to be, whoever wrote its template.

use minijinja::HtmlEscape;

use crate::mail_kind::Part;

/// Judges a rendered part of a mail with this code or link.
///
/// # Errors
/// What is wrong, in words that quote nothing.
pub(super) fn judge(part: Part, rendered: &str, secret: Option<&str>) -> Result<(), &'static str> {
    if rendered.trim().is_empty() {
        return Err("it comes out empty");
    }
    match (part, secret) {
        (Part::Subject, _) if rendered.contains(char::is_control) => Err("a subject is one line"),
        (Part::Subject, Some(secret)) if rendered.contains(secret) => {
            Err("a subject must not hold the code or the link: it is shown on locked screens")
        }
        (Part::Text, Some(secret)) => {
            let mut lines = rendered.lines().filter(|line| line.contains(secret)).peekable();
            if lines.peek().is_none() {
                Err("the code or the link is missing")
            } else if lines.any(|line| line != secret) {
                Err("the code or the link must stand alone on its line")
            } else {
                Ok(())
            }
        }
        (Part::Html, Some(secret))
            if !rendered.contains(secret) && !rendered.contains(&HtmlEscape(secret).to_string()) =>
        {
            Err("the code or the link is missing")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_one_line_without_a_secret() {
        assert!(judge(Part::Subject, "Your code", Some("123456")).is_ok());
        assert!(judge(Part::Subject, "Your code: 123456", Some("123456")).is_err());
        for bad in ["", "  ", "a\nb", "a\tb", "a\u{85}b"] {
            assert!(judge(Part::Subject, bad, None).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn in_a_text_the_secret_stands_alone_wherever_it_stands() {
        assert!(judge(Part::Text, "Hello\n\n123456\n", Some("123456")).is_ok());
        assert!(judge(Part::Text, "No secret here", None).is_ok());
        for bad in ["Hello", "Code: 123456", "123456\n\nCode: 123456", " 123456", "123456 "] {
            assert!(judge(Part::Text, bad, Some("123456")).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_page_holds_the_secret_escaped_or_not() {
        let url = "https://a.example/?a=1&b=2";
        assert!(judge(Part::Html, "<a href=\"https://a.example/?a=1&b=2\">", Some(url)).is_ok());
        assert!(judge(Part::Html, "https:&#x2f;&#x2f;a.example&#x2f;?a=1&amp;b=2", Some(url)).is_ok());
        assert!(judge(Part::Html, "<p>Hello</p>", Some(url)).is_err());
    }
}
