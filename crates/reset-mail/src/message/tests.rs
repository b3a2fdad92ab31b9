//! Composed mails, checked with an independent MIME parser.

use std::time::Duration;

use insta::assert_snapshot;
use mail_parser::{MessageParser, MimeHeaders};
use reset_core::{job::Reference, language::Language, time::Timestamp};

use super::*;

mod brand;
mod languages;

const MINUTES: Duration = Duration::from_secs(900);

fn composer() -> Composer {
    let from = "Polyreset <no-reply@localhost>".parse().unwrap();
    Composer::new(from, "reset.example.org".to_owned(), Templates::built_in("en"))
}

fn mail(body: MailBody) -> Mail {
    Mail {
        to: "Ada@Example.org".to_owned(),
        name: None,
        locale: None,
        dialect: "px0".to_owned(),
        reference: Reference::stored("K7Q2M4ZD8R"),
        at: Timestamp::from_millis(1_796_047_320_000),
        network: None,
        message_id: "0af1".to_owned(),
        body,
    }
}

fn code(code: &str) -> MailBody {
    MailBody::ResetCode { code: code.to_owned().into(), lifetime: MINUTES }
}

fn link(url: &str) -> MailBody {
    MailBody::ResetLink { url: url.to_owned().into(), lifetime: MINUTES }
}

fn compose(mail: &Mail) -> ComposedMail {
    composer().compose(mail).unwrap_or_else(|error| panic!("{error}"))
}

/// Returns the text and HTML parts as a mail program decodes them.
fn parts(composed: &ComposedMail) -> (String, String) {
    let message = MessageParser::default().parse(&composed.bytes).unwrap();
    let text = message.text_part(0).unwrap().text_contents().unwrap();
    let html = message.html_part(0).unwrap().text_contents().unwrap();
    (text.to_owned(), html.to_owned())
}

#[test]
fn code_is_alone_on_its_line() {
    assert_snapshot!(compose(&mail(code("123456"))).text, @r"
    Hello,

    We received a request to reset the Polyreset password for
    Ada@Example.org.

    Enter this code to choose a new password:

    123456

    This code expires in 15 minutes and can be used once. Don't share it.
    We'll never ask for it.

    Requested: November 30, 2026 at 14:02 UTC
    Reference: K7Q2M4ZD8R

    Didn't request this? You can safely ignore this email. Your password
    stays the same.

    Polyreset

    @reset.example.org #123456
    ");
}

#[test]
fn link_is_alone_on_its_line() {
    assert_snapshot!(compose(&mail(link("https://app.example.org/reset?a=1&token=canary"))).text, @r"
    Hello,

    We received a request to reset the Polyreset password for
    Ada@Example.org.

    Open this link to choose a new password:

    https://app.example.org/reset?a=1&token=canary

    This link expires in 15 minutes and can be used once. Don't share it.

    Requested: November 30, 2026 at 14:02 UTC
    Reference: K7Q2M4ZD8R

    Didn't request this? You can safely ignore this email. Your password
    stays the same.

    Polyreset
    ");
}

#[test]
fn notice_of_a_changed_password_tells_the_owner_how_to_react() {
    assert_snapshot!(compose(&mail(MailBody::PasswordChanged { dispute: None })).text, @r"
    Hello,

    The Polyreset password for Ada@Example.org was changed.

    If this was you, no action is needed.

    Changed: November 30, 2026 at 14:02 UTC
    Reference: K7Q2M4ZD8R

    Wasn't you? Reset your password again right away, then check who else
    can read this mailbox.

    Polyreset
    ");
}

#[test]
fn notice_with_a_dispute_link_explains_its_effect() {
    let dispute = Some("https://app.example.org/not-me?id=1&token=canary".to_owned().into());
    assert_snapshot!(compose(&mail(MailBody::PasswordChanged { dispute })).text, @r"
    Hello,

    The Polyreset password for Ada@Example.org was changed.

    If this was you, no action is needed.

    Changed: November 30, 2026 at 14:02 UTC
    Reference: K7Q2M4ZD8R

    Wasn't you? You can cancel the new password:

    https://app.example.org/not-me?id=1&token=canary

    The link works for three days. It opens a page where you can cancel the
    new password. For three days after that, only this mailbox can reset it.

    Then choose a new password, and check who else can read this mailbox.

    Polyreset
    ");
}

#[test]
fn message_has_exactly_these_headers() {
    let composed = compose(&mail(code("123456")));
    let message = MessageParser::default().parse(&composed.bytes).unwrap();
    let headers: Vec<String> = message.headers().iter().map(|header| header.name().to_owned()).collect();
    assert_eq!(
        headers,
        ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"]
    );
    let raw = |name: &str| message.header_raw(name).unwrap().trim().to_owned();
    assert_eq!(raw("From"), "Polyreset <no-reply@localhost>");
    assert_eq!(raw("To"), "Ada@Example.org");
    assert_eq!(raw("Message-ID"), "<0af1@localhost>");
    assert_eq!(raw("Auto-Submitted"), "auto-generated");
    assert_eq!(message.to().unwrap().iter().count(), 1);
    assert_eq!((message.text_body_count(), message.html_body_count(), message.attachment_count()), (1, 1, 0));
    for part in &message.parts[1..] {
        assert_eq!(part.content_transfer_encoding(), Some("quoted-printable"));
    }
}

#[test]
fn long_link_survives_the_encoding_of_both_parts() {
    let url = format!("https://app.example.org/reset?x=1&token={}", "canary".repeat(60));
    let (text, html) = parts(&compose(&mail(link(&url))));
    assert!(text.lines().any(|line| line == url));
    let in_html = url.replace('&', "&amp;").replace('/', "&#x2f;");
    assert!(html.contains(&format!("href=\"{in_html}\"")), "{html}");
    assert!(html.contains("15 minutes") && text.contains("15 minutes"));
}

#[test]
fn headers_and_subject_contain_no_secret() {
    for body in [code("canary"), link("https://app.example.org/?token=canary")] {
        let composed = compose(&mail(body));
        let message = String::from_utf8(composed.bytes).unwrap();
        let (headers, bodies) = message.split_once("\r\n\r\n").unwrap();
        assert!(!composed.subject.contains("canary") && !headers.contains("canary"));
        assert!(bodies.contains("canary"));
    }
}

#[test]
fn html_loads_no_external_resources() {
    for body in [
        code("123456"),
        link("https://app.example.org/?token=t"),
        MailBody::PasswordChanged { dispute: None },
    ] {
        let (_, html) = parts(&compose(&mail(body)));
        for remote in ["src=", "<img", "<link", "<script", "url(", "@import", "<form"] {
            assert!(!html.contains(remote), "{remote}");
        }
    }
}

#[test]
fn message_is_ascii_with_crlf_for_any_content() {
    let mut mail = mail(code("\n.\nMAIL FROM:<x>\r\n.\r\nDATA\r.\r\u{e9}"));
    mail.name = Some("Zoë 名前".to_owned());
    let bytes = compose(&mail).bytes;
    assert!(bytes.is_ascii());
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'\r' => assert_eq!(bytes.get(at + 1), Some(&b'\n')),
            b'\n' => assert_eq!(bytes[at - 1], b'\r'),
            _ => {}
        }
    }
}

#[test]
fn harmless_name_appears_in_the_greeting() {
    for name in ["Ada", "Zoë 名前", "O'Neill & Söhne", "J.R. Smith Jr."] {
        let mail = Mail { name: Some(name.to_owned()), ..mail(code("1")) };
        let (text, html) = parts(&compose(&mail));
        assert!(text.starts_with(&format!("Hi {name},")), "{text}");
        let escaped = name.replace('&', "&amp;").replace('\'', "&#x27;");
        assert!(html.contains(&format!(">Hi {escaped},</p>")), "{html}");
    }
}

#[test]
fn unsafe_name_is_omitted() {
    let long = "a".repeat(65);
    for name in [
        "<a href=//evil>",
        "https://evil.tld",
        "www.evil.tld",
        "evil.tld",
        "click evil.tld/now",
        "{{7*7}}",
        "{% raw %}",
        "<%=1%>",
        "mallory@evil.tld",
        "a\r\nBcc: c@evil.tld",
        "a\u{2028}b",
        "a\u{202e}b",
        "a\0b",
        "   ",
        "",
        &long,
    ] {
        let mail = Mail { name: Some(name.to_owned()), ..mail(code("1")) };
        let (text, html) = parts(&compose(&mail));
        assert!(text.starts_with("Hello,"), "{name:?}: {text}");
        assert!(html.contains(">Hello,</p>"), "{name:?}: {html}");
    }
}

#[test]
fn address_outside_the_grammar_is_rejected() {
    for to in
        ["a@b.com\r\nBcc: c@evil.com", "a@b.com,c@evil.com", "\"a@evil.com x\"@b.com", "a@localhost", ""]
    {
        let mail = Mail { to: to.to_owned(), ..mail(code("1")) };
        assert!(matches!(composer().compose(&mail), Err(MailError::Permanent { .. })), "{to:?}");
    }
}

#[test]
fn non_ascii_domain_is_sent_as_a_labels() {
    let mail = Mail { to: "Jo@bücher.example".to_owned(), ..mail(code("1")) };
    assert_eq!(compose(&mail).to.as_ref() as &str, "Jo@xn--bcher-kva.example");
}

#[test]
fn message_id_that_could_escape_header_or_directory_is_rejected() {
    for id in ["", "../../etc/passwd", "a>\r\nBcc: c@evil.com", "a.b", &"a".repeat(65)] {
        let mail = Mail { message_id: id.to_owned(), ..mail(code("1")) };
        assert!(composer().compose(&mail).is_err(), "{id:?}");
    }
}
