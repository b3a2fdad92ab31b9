//! Letters, judged by a second MIME reader.

use std::time::Duration;

use insta::assert_snapshot;
use mail_parser::{MessageParser, MimeHeaders};
use reset_core::language::Language;

use super::*;

mod languages;

const MINUTES: Duration = Duration::from_secs(900);

fn composer() -> Composer {
    let from = "Polyreset <no-reply@localhost>".parse().unwrap();
    Composer::new(from, "reset.example.org".to_owned(), Templates::ours("en"))
}

fn mail(body: MailBody) -> Mail {
    Mail {
        to: "Ada@Example.org".to_owned(),
        name: None,
        locale: None,
        dialect: "px0".to_owned(),
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

fn letter(mail: &Mail) -> ComposedMail {
    composer().compose(mail).unwrap_or_else(|error| panic!("{error}"))
}

/// Text and HTML part as a mail program would show them.
fn parts(letter: &ComposedMail) -> (String, String) {
    let message = MessageParser::default().parse(&letter.bytes).unwrap();
    let text = message.text_part(0).unwrap().text_contents().unwrap();
    let html = message.html_part(0).unwrap().text_contents().unwrap();
    (text.to_owned(), html.to_owned())
}

#[test]
fn a_code_stands_alone_on_its_line() {
    assert_snapshot!(letter(&mail(code("123456"))).text, @r"
    Hello,

    This is your code to set a new password:

    123456

    The code works once, within 15 minutes. Give it to nobody: we never ask
    for it.

    If you did not ask for this, you can ignore this mail. Nothing changes.

    Polyreset
    ");
}

#[test]
fn a_link_stands_alone_on_its_line() {
    assert_snapshot!(letter(&mail(link("https://app.example.org/reset?a=1&token=canary"))).text, @r"
    Hello,

    Open this link to set a new password:

    https://app.example.org/reset?a=1&token=canary

    The link works once, within 15 minutes. Please pass it on to nobody.

    If you did not ask for this, you can ignore this mail. Nothing changes.

    Polyreset
    ");
}

#[test]
fn the_owner_of_a_changed_password_is_told_what_to_do_if_it_was_not_him() {
    assert_snapshot!(letter(&mail(MailBody::PasswordChanged { dispute: None })).text, @r"
    Hello,

    The password of your account was changed.

    If that was you, all is well.

    If it was not you, request a password reset again at once, and then
    check who else can read this mailbox.

    Polyreset
    ");
}

#[test]
fn the_link_that_takes_a_password_away_again_says_what_it_does() {
    let dispute = Some("https://app.example.org/not-me?id=1&token=canary".to_owned().into());
    assert_snapshot!(letter(&mail(MailBody::PasswordChanged { dispute })).text, @r"
    Hello,

    The password of your account was changed.

    If that was you, all is well.

    If it was not you, open this link:

    https://app.example.org/not-me?id=1&token=canary

    The link leads to a page with a button. The button takes the new
    password away again, ends all sessions, and keeps others from resetting
    your password for three days.

    After that, ask for a new password, and check who else can read this
    mailbox.

    Polyreset
    ");
}

#[test]
fn another_reader_finds_exactly_these_headers() {
    let letter = letter(&mail(code("123456")));
    let message = MessageParser::default().parse(&letter.bytes).unwrap();
    let headers: Vec<String> = message.headers().iter().map(|header| header.name().to_owned()).collect();
    assert_eq!(
        headers,
        ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"]
    );
    let raw = |name: &str| message.header_raw(name).unwrap().trim().to_owned();
    assert_eq!(raw("From"), "Polyreset <no-reply@localhost>");
    assert_eq!(raw("To"), "Ada@Example.org");
    assert_eq!(raw("Message-ID"), "<0af1@reset.example.org>");
    assert_eq!(raw("Auto-Submitted"), "auto-generated");
    assert_eq!(message.to().unwrap().iter().count(), 1);
    assert_eq!((message.text_body_count(), message.html_body_count(), message.attachment_count()), (1, 1, 0));
    for part in &message.parts[1..] {
        assert_eq!(part.content_transfer_encoding(), Some("quoted-printable"));
    }
}

#[test]
fn both_parts_say_the_same_and_arrive_whole() {
    let url = format!("https://app.example.org/reset?x=1&token={}", "canary".repeat(60));
    let (text, html) = parts(&letter(&mail(link(&url))));
    assert!(text.lines().any(|line| line == url));
    let in_html = url.replace('&', "&amp;").replace('/', "&#x2f;");
    assert!(html.contains(&format!("href=\"{in_html}\"")), "{html}");
    assert!(html.contains("15 minutes") && text.contains("15 minutes"));
}

#[test]
fn no_subject_and_no_header_holds_a_secret() {
    for body in [code("canary"), link("https://app.example.org/?token=canary")] {
        let letter = letter(&mail(body));
        let message = String::from_utf8(letter.bytes).unwrap();
        let (headers, bodies) = message.split_once("\r\n\r\n").unwrap();
        assert!(!letter.subject.contains("canary") && !headers.contains("canary"));
        assert!(bodies.contains("canary"));
    }
}

#[test]
fn html_loads_nothing_from_elsewhere() {
    for body in [
        code("123456"),
        link("https://app.example.org/?token=t"),
        MailBody::PasswordChanged { dispute: None },
    ] {
        let (_, html) = parts(&letter(&mail(body)));
        for remote in ["src=", "<img", "<link", "<script", "url(", "@import", "<form"] {
            assert!(!html.contains(remote), "{remote}");
        }
    }
}

#[test]
fn a_message_is_ascii_with_crlf_whatever_is_in_it() {
    let mut mail = mail(code("\n.\nMAIL FROM:<x>\r\n.\r\nDATA\r.\r\u{e9}"));
    mail.name = Some("Zoë 名前".to_owned());
    let bytes = letter(&mail).bytes;
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
fn a_plain_name_is_greeted() {
    for name in ["Ada", "Zoë 名前", "O'Neill & Söhne", "J.R. Smith Jr."] {
        let mail = Mail { name: Some(name.to_owned()), ..mail(code("1")) };
        let (text, html) = parts(&letter(&mail));
        assert!(text.starts_with(&format!("Hello {name},")), "{text}");
        let escaped = name.replace('&', "&amp;").replace('\'', "&#x27;");
        assert!(html.contains(&format!("<p>Hello {escaped},</p>")), "{html}");
    }
}

#[test]
fn a_name_that_could_do_something_is_left_out() {
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
        let (text, html) = parts(&letter(&mail));
        assert!(text.starts_with("Hello,"), "{name:?}: {text}");
        assert!(html.contains("<p>Hello,</p>"), "{name:?}: {html}");
    }
}

#[test]
fn only_addresses_of_our_grammar_are_sent_to() {
    for to in
        ["a@b.com\r\nBcc: c@evil.com", "a@b.com,c@evil.com", "\"a@evil.com x\"@b.com", "a@localhost", ""]
    {
        let mail = Mail { to: to.to_owned(), ..mail(code("1")) };
        assert!(matches!(composer().compose(&mail), Err(MailError::Permanent { .. })), "{to:?}");
    }
}

#[test]
fn a_domain_outside_ascii_travels_as_a_labels() {
    let mail = Mail { to: "Jo@bücher.example".to_owned(), ..mail(code("1")) };
    assert_eq!(letter(&mail).to.as_ref() as &str, "Jo@xn--bcher-kva.example");
}

#[test]
fn a_message_id_that_could_leave_its_header_or_directory_is_refused() {
    for id in ["", "../../etc/passwd", "a>\r\nBcc: c@evil.com", "a.b", &"a".repeat(65)] {
        let mail = Mail { message_id: id.to_owned(), ..mail(code("1")) };
        assert!(composer().compose(&mail).is_err(), "{id:?}");
    }
}
