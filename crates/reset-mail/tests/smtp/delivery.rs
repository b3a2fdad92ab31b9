//! Delivery in plain text: dialogue, replies and connections.

use std::sync::Arc;

use mail_parser::MessageParser;
use reset_core::{mail::Mail, ports::Mailer};
use reset_mail::{SmtpSettings, Tls};
use tokio::{net::TcpListener, sync::Barrier, task::JoinSet};

use crate::{
    mail, outcome, service,
    sink::{Script, Sink, credentials},
};

async fn sent_to(script: Script) -> (String, Sink) {
    let sink = Sink::run(script).await;
    let reply = service(sink.settings(Tls::WhenOffered)).send(&mail("123456")).await;
    (outcome(reply), sink)
}

#[tokio::test]
async fn mail_is_delivered_in_one_short_dialogue() {
    let (reply, sink) = sent_to(Script::default()).await;
    assert_eq!(reply, "accepted: 250 2.0.0");
    let log = sink.log();
    assert_eq!(
        log.lines,
        [
            "EHLO reset.example.org",
            "MAIL FROM:<no-reply@example.org>",
            "RCPT TO:<canary@example.net>",
            "DATA"
        ]
    );
    let message = MessageParser::default().parse(log.messages[0].as_bytes()).unwrap();
    assert_eq!(message.message_id(), Some("0af1@example.org"));
    assert!(message.body_text(0).unwrap().lines().any(|line| line == "123456"));
}

#[tokio::test]
async fn hostile_text_cannot_end_the_message_early() {
    let sink = Sink::run(Script::default()).await;
    let hostile = "\n.\nMAIL FROM:<x>\r\n.\r\nDATA\r.\r\n\r.\r.\n.";
    let reply = service(sink.settings(Tls::WhenOffered)).send(&mail(hostile)).await;
    assert_eq!(outcome(reply), "accepted: 250 2.0.0");
    let log = sink.log();
    assert_eq!((log.messages.len(), log.count("DATA"), log.count("MAIL FROM")), (1, 1, 1));
    assert!(log.messages[0].contains("MAIL FROM:<x>"));
    for line in log.messages[0].split(['\r', '\n']) {
        assert_ne!(line, ".");
    }
}

/// Name and locale are the only input of users in a mail (R23, R24).
#[tokio::test]
async fn hostile_name_or_locale_adds_no_header_recipient_or_command() {
    let sink = Sink::run(Script::default()).await;
    let service = service(sink.settings(Tls::WhenOffered));
    let hostile = [
        "Ann\r\nBcc: evil@example.net",
        "Ann\nBcc: evil@example.net",
        "Ann\rBcc: evil@example.net",
        "Ann\0",
        "Ann\u{85}Bcc: evil@example.net",
        "Ann\u{2028}Bcc: evil@example.net",
        "=?utf-8?q?Ann=0d=0aBcc:_evil@example.net?=",
        "\r\n.\r\nMAIL FROM:<evil@example.net>\r\nRCPT TO:<evil@example.net>\r\nDATA",
        "Ann> <evil@example.net",
        "\"Ann\" <evil@example.net>,",
        "../../../etc/passwd",
    ];
    for text in hostile {
        let mail = Mail { name: Some(text.to_owned()), locale: Some(text.to_owned()), ..mail("123456") };
        assert_eq!(outcome(service.send(&mail).await), "accepted: 250 2.0.0", "{text:?}");
    }
    let log = sink.log();
    let once_per_mail = |command: &str| log.count(command) == hostile.len();
    assert!(once_per_mail("MAIL FROM:<no-reply@example.org>"));
    assert!(once_per_mail("RCPT TO:<canary@example.net>") && once_per_mail("DATA"));
    assert_eq!((log.count("MAIL"), log.count("RCPT"), log.messages.len()), (11, 11, 11));
    for message in &log.messages {
        assert!(message.is_ascii() && !message.contains("evil"), "{message}");
        assert!(message.split("\r\n").all(|line| line != "." && !line.contains(['\r', '\n'])));
        let parsed = MessageParser::default().parse(message.as_bytes()).unwrap();
        let headers: Vec<&str> = parsed.headers().iter().map(mail_parser::Header::name).collect();
        let expected =
            ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"];
        assert_eq!(headers, expected);
        let to: Vec<_> = parsed.to().unwrap().iter().filter_map(|to| to.address()).collect();
        assert_eq!(to, ["canary@example.net"]);
    }
}

#[tokio::test]
async fn only_a_rejection_of_the_recipient_is_permanent() {
    for (command, reply, expected) in [
        ("RCPT", "550 5.1.1 <canary@example.net> unknown", "permanent: 550 5.1.1"),
        ("RCPT", "550 <canary@example.net> unknown", "permanent: 550"),
        ("RCPT", "550-5.1.1 first\r\n550 5.1.1 canary@example.net", "permanent: 550 5.1.1"),
        ("RCPT", "451 4.7.1 greylisted, canary", "temporary: 451 4.7.1"),
        ("RCPT", "530 5.7.0 authenticate first", "temporary: 530 5.7.0"),
        ("RCPT", "554 5.7.1 <canary@example.net>: relay access denied", "temporary: 554 5.7.1"),
        ("RCPT", "550 5.7.606 your address is blocked", "temporary: 550 5.7.606"),
        ("RCPT", "550-5.7.1 first\r\n550 5.7.1 authentication required", "temporary: 550 5.7.1"),
        ("RCPT", "554 <canary@example.net>: relay access denied", "temporary: 554"),
        ("RCPT", "421 4.3.2 going down", "temporary: 421 4.3.2"),
        ("DATA", "554 5.5.1 no valid recipients", "temporary: 554 5.5.1"),
        ("DATA", "250 2.0.0 out of step", "temporary: connection lost"),
        (".", "552 5.3.4 too big", "temporary: 552 5.3.4"),
        (".", "554 5.7.1 looks like spam", "temporary: 554 5.7.1"),
        (".", "554 Message rejected: Email address is not verified", "temporary: 554"),
        (".", "554 5.2.252 SendAsDenied; canary@example.net", "temporary: 554 5.2.252"),
        (".", "550 5.1.1 <canary@example.net> unknown", "permanent: 550 5.1.1"),
        (".", "552 5.2.2 <canary@example.net> mailbox full", "permanent: 552 5.2.2"),
        ("RCPT", "550 5.1.8 bad outbound sender", "temporary: 550 5.1.8"),
        ("RCPT", "550 5.4.5 daily sending quota exceeded", "temporary: 550 5.4.5"),
        (".", "452 4.3.1 disk full", "temporary: 452 4.3.1"),
        (".", "354 out of step", "uncertain: connection lost"),
        (".", "250 Ok: queued as canary@example.net", "accepted: 250"),
        ("MAIL", "550 5.7.1 sender not welcome", "temporary: 550 5.7.1"),
        ("EHLO", "554 5.7.1 host not welcome", "temporary: 554 5.7.1"),
    ] {
        let (actual, _) = sent_to(Script { replies: vec![(command, reply)], ..Script::default() }).await;
        assert_eq!(actual, expected, "{command}: {reply}");
    }
}

#[tokio::test]
async fn wrong_password_is_temporary() {
    let replies = vec![("AUTH", "535 5.7.8 canary-user: wrong password")];
    let sink = Sink::run(Script { auth: Some("AUTH PLAIN"), replies, ..Script::default() }).await;
    let settings = SmtpSettings { credentials: Some(credentials()), ..sink.settings(Tls::WhenOffered) };
    assert_eq!(outcome(service(settings).send(&mail("1")).await), "temporary: 535 5.7.8");
    assert_eq!(sink.log().count("MAIL"), 0);
}

#[tokio::test]
async fn refused_connection_is_temporary() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (host, port) = (address.ip().to_string(), address.port());
    let settings = SmtpSettings {
        host,
        port,
        tls: Tls::WhenOffered,
        credentials: None,
        extra_roots: vec![],
        pins: vec![],
    };
    assert_eq!(outcome(service(settings).send(&mail("1")).await), "temporary: connection refused");
}

#[tokio::test]
async fn unresolvable_host_is_temporary() {
    let host = "mail.invalid".to_owned();
    let settings = SmtpSettings {
        host,
        port: 25,
        tls: Tls::WhenOffered,
        credentials: None,
        extra_roots: vec![],
        pins: vec![],
    };
    assert_eq!(outcome(service(settings).send(&mail("1")).await), "temporary: dns");
}

#[tokio::test]
async fn connection_is_reused_for_the_next_mail() {
    let sink = Sink::run(Script::default()).await;
    let service = service(sink.settings(Tls::WhenOffered));
    for _ in 0..3 {
        service.send(&mail("123456")).await.unwrap();
    }
    service.shutdown().await;
    let log = sink.log();
    assert_eq!((log.connections, log.messages.len(), log.count("QUIT")), (1, 3, 1));
}

#[tokio::test]
async fn connection_is_reused_after_a_rejected_recipient() {
    let sink = Sink::run(Script { replies: vec![("RCPT", "550 5.1.1 unknown")], ..Script::default() }).await;
    let service = service(sink.settings(Tls::WhenOffered));
    for _ in 0..2 {
        assert_eq!(outcome(service.send(&mail("1")).await), "permanent: 550 5.1.1");
    }
    let log = sink.log();
    // RSET is sent only when the connection is needed again.
    let transaction = ["MAIL FROM:<no-reply@example.org>", "RCPT TO:<canary@example.net>"];
    assert_eq!(log.connections, 1);
    assert_eq!(log.lines[1..], [&transaction[..], &["RSET"], &transaction[..]].concat());
}

#[tokio::test]
async fn connection_that_died_while_idle_is_replaced_transparently() {
    let sink = Sink::run(Script { mails_per_connection: Some(1), ..Script::default() }).await;
    let service = service(sink.settings(Tls::WhenOffered));
    for _ in 0..3 {
        assert_eq!(outcome(service.send(&mail("1")).await), "accepted: 250 2.0.0");
    }
    let log = sink.log();
    assert_eq!((log.connections, log.messages.len()), (3, 3));
}

#[tokio::test]
async fn at_most_six_mails_are_sent_at_once() {
    let gather = Some(Arc::new(Barrier::new(6)));
    let sink = Sink::run(Script { gather, ..Script::default() }).await;
    let service = Arc::new(service(sink.settings(Tls::WhenOffered)));
    let mut mails = JoinSet::new();
    for number in 0..12 {
        let (service, to) = (service.clone(), format!("ann@{number}.example"));
        mails.spawn(async move { service.send(&Mail { to, ..mail("1") }).await.unwrap() });
    }
    assert_eq!(mails.join_all().await.len(), 12);
    let log = sink.log();
    assert_eq!((log.most_open, log.connections, log.messages.len()), (6, 6, 12));
}

#[tokio::test]
async fn check_sends_nothing() {
    let sink = Sink::run(Script::default()).await;
    service(sink.settings(Tls::WhenOffered)).check().await.unwrap();
    assert_eq!(sink.log().lines, ["EHLO reset.example.org", "QUIT"]);
}
