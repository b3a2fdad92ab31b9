//! No sender, name, language or network of a deployment, an account or a client adds a header, a recipient or a part to a mail.

#![no_main]

use std::{net::Ipv6Addr, time::Duration};

use libfuzzer_sys::fuzz_target;
use mail_parser::MessageParser;
use reset_core::{
    job::Reference,
    mail::{Mail, MailBody},
    time::Timestamp,
    turns::NetworkBlock,
};
use zeroize::Zeroizing;

const HEADERS: [&str; 8] =
    ["from", "to", "subject", "date", "message-id", "auto-submitted", "mime-version", "content-type"];
const CODE: &str = "730619";
const LINK: &str = "https://a.example/reset#k7q2m4";

fuzz_target!(|input: (u8, u16, &str)| {
    let (kind, network, texts) = input;
    // Three texts: the sender's name, the owner's name and the language.
    let mut texts = texts.splitn(3, '|');
    let sender = texts.next().unwrap_or_default();
    let (name, locale) = (texts.next(), texts.next());
    if sender.contains(CODE) || sender.contains(LINK) {
        return;
    }
    let lifetime = Duration::from_secs(900);
    let link = || Zeroizing::new(LINK.to_owned());
    let (secret, body) = match kind % 4 {
        0 => (CODE, MailBody::ResetCode { code: Zeroizing::new(CODE.to_owned()), lifetime }),
        1 => (LINK, MailBody::ResetLink { url: link(), lifetime }),
        2 => (LINK, MailBody::PasswordChanged { dispute: Some(link()) }),
        _ => ("", MailBody::PasswordChanged { dispute: None }),
    };
    let mail = Mail {
        to: "ann@example.org".to_owned(),
        name: name.map(ToOwned::to_owned),
        locale: locale.map(ToOwned::to_owned),
        dialect: "px0".to_owned(),
        reference: Reference::from_random([7; 10]),
        at: Timestamp::from_millis(1_790_000_000_000),
        network: Some(NetworkBlock::of(Ipv6Addr::new(network, 1, 2, 0, 0, 0, 0, 1).into())),
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
    // The root, the text and the HTML.
    assert_eq!(parsed.parts.len(), 3);
    let root = &parsed.parts[0];
    let mut headers: Vec<_> =
        root.headers.iter().map(|header| header.name.as_str().to_ascii_lowercase()).collect();
    headers.sort_unstable();
    let mut expected = HEADERS;
    expected.sort_unstable();
    assert_eq!(headers, expected, "each header once");
    let to = parsed.to().expect("a recipient");
    assert_eq!(to.iter().map(|address| address.address()).collect::<Vec<_>>(), [Some("ann@example.org")]);
    let from = parsed.from().expect("a sender");
    assert_eq!(
        from.iter().map(|address| address.address()).collect::<Vec<_>>(),
        [Some("no-reply@example.com")]
    );
    let subject = parsed.subject().expect("a subject");
    assert!(!subject.contains(CODE) && !subject.contains(LINK), "no secret in a subject");
    assert!(parsed.body_text(0).is_some_and(|text| text.contains(secret)));
});
