//! The diagnosis that `doctor` prints.

use reset_mail::{DiagnosisStep, SmtpSettings, Tls};

use crate::{
    service,
    sink::{Identity, Script, Sink, credentials},
};

/// Returns lines such as `ok dns` and `FAIL ehlo: ...`, with the sink's address as `[endpoint]`.
async fn diagnosis(sink: &Sink, settings: SmtpSettings) -> Vec<String> {
    let endpoint = sink.address.to_string();
    let line = |step: DiagnosisStep| match step.result {
        Ok(_) => format!("ok {}", step.name),
        Err(sentence) => format!("FAIL {}: {}", step.name, sentence.replace(&endpoint, "[endpoint]")),
    };
    service(settings).diagnose().await.into_iter().map(line).collect()
}

#[tokio::test]
async fn diagnosis_runs_every_step_and_sends_nothing() {
    let identity = Identity::of("127.0.0.1");
    let script = Script { starttls: Some(identity.clone()), auth: Some("AUTH PLAIN"), ..Script::default() };
    let sink = Sink::run(script).await;
    let settings = SmtpSettings {
        credentials: Some(credentials()),
        extra_roots: vec![identity.pem],
        ..sink.settings(Tls::Required)
    };
    let steps = diagnosis(&sink, settings).await;
    assert_eq!(steps, ["ok dns", "ok tcp", "ok ehlo", "ok starttls", "ok auth", "ok rcpt"]);
    let log = sink.log();
    assert_eq!(
        (log.count("RCPT TO:<no-reply@example.org>"), log.count("RSET"), log.count("QUIT")),
        (1, 1, 1)
    );
    assert_eq!((log.count("DATA"), log.messages.len()), (0, 0));
}

#[tokio::test]
async fn first_failing_step_names_its_remedy_and_is_the_last() {
    let replies = |command, reply| Script { replies: vec![(command, reply)], ..Script::default() };
    for (script, tls, with_login, last) in [
        (
            Script::default(),
            Tls::Required,
            false,
            "FAIL starttls: [endpoint] offers no STARTTLS: enable it there, or use smtps:// if the port expects TLS.",
        ),
        (
            Script { starttls: Some(Identity::of("127.0.0.1")), ..Script::default() },
            Tls::WhenOffered,
            false,
            "FAIL starttls: TLS with [endpoint] failed because the certificate's issuer is unknown: give the server a certificate for the host in mail_url, or add its issuer to SSL_CERT_FILE.",
        ),
        (
            Script { auth: Some("AUTH PLAIN"), ..replies("AUTH", "535 5.7.8 canary") },
            Tls::WhenOffered,
            true,
            "FAIL auth: [endpoint] rejected the login (535 5.7.8): correct user and password in mail_url.",
        ),
        (
            replies("MAIL", "550 5.7.1 canary"),
            Tls::WhenOffered,
            false,
            "FAIL mail: [endpoint] rejected the sender (550 5.7.1): set mail_from to an address that this login may send from.",
        ),
        (
            replies("RCPT", "550 5.1.1 canary"),
            Tls::WhenOffered,
            false,
            "FAIL rcpt: [endpoint] rejected mail to the address in mail_from (550 5.1.1): make sure that it exists and that this host may relay.",
        ),
    ] {
        let sink = Sink::run(script).await;
        let credentials = with_login.then(credentials);
        let steps = diagnosis(&sink, SmtpSettings { credentials, ..sink.settings(tls) }).await;
        assert_eq!(steps.last().map(String::as_str), Some(last));
        assert!(steps[..steps.len() - 1].iter().all(|step| step.starts_with("ok ")), "{steps:?}");
    }
}
