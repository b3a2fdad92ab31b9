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
            "FAIL starttls: The certificate of [endpoint] has an unknown issuer: name the issuer's certificate with ?ca=/path/to/ca.pem in mail_url, or pin the server's certificate with ?pin=sha256:….",
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

#[tokio::test]
async fn each_fault_of_tls_has_its_own_remedy() {
    let (here, other) = (Identity::of("127.0.0.1"), Identity::of("mail.example.org"));
    let starttls = |identity: &Identity| Script { starttls: Some(identity.clone()), ..Script::default() };
    for (script, tls, pins, roots, last) in [
        (
            starttls(&other),
            Tls::Required,
            vec![],
            vec![other.pem.clone()],
            "FAIL starttls: The certificate of [endpoint] is for another name: use a host of the certificate in mail_url, or pin the certificate with ?pin=sha256:….",
        ),
        (
            starttls(&here),
            Tls::Required,
            vec![other.fingerprint],
            vec![],
            "FAIL starttls: The certificate of [endpoint] has none of the fingerprints in mail_url: if the mail server has a new certificate, update pin=; otherwise another server answers at this address.",
        ),
        (
            Script::default(),
            Tls::Implicit,
            vec![],
            vec![],
            "FAIL tls: [endpoint] does not speak TLS from the start: use smtp:// instead of smtps:// in mail_url, or the port for implicit TLS, usually 465.",
        ),
        (
            Script { injected: "250 canary\r\n", ..starttls(&here) },
            Tls::Required,
            vec![],
            vec![here.pem.clone()],
            "FAIL starttls: [endpoint] sent plain text after its reply to STARTTLS: check the mail server, and that nothing on the way changes the traffic.",
        ),
    ] {
        let sink = Sink::run(script).await;
        let settings = SmtpSettings { pins, extra_roots: roots, ..sink.settings(tls) };
        assert_eq!(diagnosis(&sink, settings).await.last().map(String::as_str), Some(last));
    }
}

#[tokio::test]
async fn diagnosis_says_what_it_cannot_see_without_sending_a_mail() {
    let sink = Sink::run(Script::default()).await;
    let steps = service(sink.settings(Tls::Never)).diagnose().await;
    let finding =
        |name| steps.iter().find(|step| step.name == name).and_then(|step| step.result.clone().ok());
    assert!(finding("rcpt").is_some_and(|text| text.contains("A rejection at DATA")));
    assert!(finding("starttls").is_some_and(|text| text.contains("tls=none")));
}
