//! No sender, name or language of a deployment or of an account adds a header, a recipient or a part to a mail.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use mail_parser::MessageParser;
use reset_core::mail::{Mail, MailBody};
use zeroize::Zeroizing;

const HEADERS: [&str; 8] =
    ["from", "to", "subject", "date", "message-id", "auto-submitted", "mime-version", "content-type"];

fuzz_target!(|input: (&str, Option<&str>, Option<&str>, bool)| {
    let (sender, name, locale, link) = input;
    let lifetime = Duration::from_secs(900);
    let body = if link {
        MailBody::ResetLink { url: Zeroizing::new("https://a.example/reset#x".to_owned()), lifetime }
    } else {
        MailBody::ResetCode { code: Zeroizing::new("123456".to_owned()), lifetime }
    };
    let mail = Mail {
        to: "ann@example.org".to_owned(),
        name: name.map(ToOwned::to_owned),
        locale: locale.map(ToOwned::to_owned),
        dialect: "px0".to_owned(),
        message_id: "id-1".to_owned(),
        body,
    };
    let from = format!("{sender} <no-reply@example.com>");
    let Some(message) = reset_mail::fuzzing::compose(&from, &mail) else { return };
    assert!(message.is_ascii(), "ASCII only");
    let text = std::str::from_utf8(&message).unwrap();
    assert!(!text.replace("\r\n", "").contains(['\r', '\n', '\0']), "line breaks are CRLF");
    assert!(text.split("\r\n").all(|line| line.len() <= 998), "the longest line of RFC 5322");
    let parsed = MessageParser::default().parse(&message).expect("a mail");
    let root = &parsed.parts[0];
    for header in &root.headers {
        let header = header.name.as_str().to_ascii_lowercase();
        assert!(HEADERS.contains(&header.as_str()) || header.starts_with("x-"), "{header}");
    }
    for single in ["from", "to", "subject", "message-id"] {
        let count = root.headers.iter().filter(|header| header.name.as_str().eq_ignore_ascii_case(single)).count();
        assert_eq!(count, 1, "{single}");
    }
    let to = parsed.to().expect("a recipient");
    assert_eq!(to.iter().map(|address| address.address()).collect::<Vec<_>>(), [Some("ann@example.org")]);
    let from = parsed.from().expect("a sender");
    assert_eq!(from.iter().map(|address| address.address()).collect::<Vec<_>>(), [Some("no-reply@example.com")]);
    assert!(parsed.bcc().is_none() && parsed.cc().is_none());
    let subject = parsed.subject().expect("a subject");
    assert!(!subject.contains("123456"), "no secret in a subject");
    let secret = if link { "https://a.example/reset#x" } else { "123456" };
    assert!(parsed.body_text(0).is_some_and(|text| text.contains(secret)));
});
