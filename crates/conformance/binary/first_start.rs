//! The first start: what is refused, what is logged, and the settings file.

use std::{fs, process::Output, time::Duration};

use conformance::{
    http::{Connection, RawResponse},
    mails,
    server::{Server, TestDeployment},
    sink::Sink,
};

use super::{deployment, limited};

/// Returns the exit code, and what the command printed.
fn ran(deployment: &TestDeployment, args: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = deployment.run(args, "").unwrap();
    (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

#[test]
fn start_with_sound_settings_logs_one_line() {
    let (mut deployment, _folder) = limited();
    deployment.set("POLYRESET_LOG", "info");
    deployment.start().unwrap().terminate().unwrap();
    let before = deployment.logged().lines().count();
    deployment.start().unwrap().terminate().unwrap();
    let log = deployment.logged();
    let lines: Vec<&str> = log.lines().skip(before).filter(|line| !line.contains("shut")).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].contains("serving px0, worthai, strapi, insforge, django at http://127.0.0.1:8080"),
        "{lines:?}"
    );
    assert!(!lines[0].contains(" R13") && lines[0].contains("SQLite"), "{lines:?}");
}

#[test]
fn public_deployment_whose_mails_reach_nobody_is_logged_as_an_error() {
    let (mut deployment, _folder) = deployment();
    deployment.set("POLYRESET_PUBLIC_URL", "https://accounts.example.com");
    let (file, smtp) = (format!("file://{}", deployment.mails().display()), "smtp://127.0.0.1:9");
    for (mail_url, said) in [(None, "mail_url is not set"), (Some(smtp), "mail_from (default) is")] {
        deployment.unset("POLYRESET_MAIL_URL");
        if let Some(mail_url) = mail_url {
            deployment.set("POLYRESET_MAIL_URL", mail_url);
        }
        let (code, text) = ran(&deployment, &["doctor"]);
        assert!(code == Some(1) && text.contains(&format!("\nFAIL  mail: {said}")), "{text}");
    }
    deployment.start().unwrap().terminate().unwrap();
    assert!(deployment.logged().contains("ERROR"), "{}", deployment.logged());
    assert!(deployment.logged().contains("mail_from (default) is"), "{}", deployment.logged());
    deployment.set("POLYRESET_MAIL_URL", &file);
    deployment.start().unwrap().terminate().unwrap();
    assert!(
        deployment.logged().contains("mails are written to files and not sent"),
        "{}",
        deployment.logged()
    );
    let (code, text) = ran(&deployment, &["doctor"]);
    assert!(code == Some(0) && text.contains("\nWARN  mail: public_url is https://"), "{text}");
    assert!(
        text.contains("\nWARN  security: public_url is https, so clients connect through a proxy"),
        "{text}"
    );
}

fn forwarded(server: &Server) -> RawResponse {
    let head = "GET /forgot HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 198.51.100.7\r\n\r\n";
    Connection::open(server.address).unwrap().send(head.as_bytes()).unwrap()
}

#[test]
fn untrusted_proxy_is_logged_once() {
    let (mut deployment, _folder) = limited();
    let notices =
        |deployment: &TestDeployment| deployment.logged().matches("ignored X-Forwarded-For").count();
    let server = deployment.start().unwrap();
    for _ in 0..3 {
        assert_eq!(forwarded(&server).status, 200);
    }
    server.terminate().unwrap();
    assert_eq!(notices(&deployment), 1, "{}", deployment.logged());
    assert!(deployment.logged().contains("from 127.0.0.1, which is not in trusted_proxies"));
    deployment.set("POLYRESET_TRUSTED_PROXIES", "127.0.0.1");
    let server = deployment.start().unwrap();
    assert_eq!(forwarded(&server).status, 200);
    server.terminate().unwrap();
    assert_eq!(notices(&deployment), 1);
}

#[test]
fn reached_limit_is_logged_once_and_without_an_address() {
    let (deployment, _folder) = limited();
    let server = deployment.start().unwrap();
    let forgot = |number: usize| {
        let body = format!(r#"{{"email":"person-{number}@example.com"}}"#);
        let head = format!(
            "POST /auth/forgot-password HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        Connection::open(server.address).unwrap().send(head.as_bytes()).unwrap().status
    };
    assert_eq!((0..8).map(forgot).filter(|status| *status == 429).count(), 3);
    server.terminate().unwrap();
    let log = deployment.logged();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("client limit reached")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(
        lines[0].contains("limit.class=\"reset-request\"") && lines[0].contains("limit.retry_after_s="),
        "{log}"
    );
    assert!(!log.contains("person-"), "{log}");
}

#[test]
fn log_filter_that_would_silence_everything_stops_the_start() {
    let (mut deployment, _folder) = deployment();
    for (word, level) in [("warning", "warn"), ("verbose", "debug")] {
        deployment.set("POLYRESET_LOG", word);
        let (code, text) = ran(&deployment, &["serve"]);
        assert!(code == Some(1) && text.starts_with("error: log (POLYRESET_LOG) is"), "{text}");
        assert!(text.ends_with(&format!("; did you mean {level}?\n")), "{text}");
    }
}

#[test]
fn hardened_profile_starts_by_itself() {
    let (mut deployment, _folder) = deployment();
    deployment.set("POLYRESET_PROFILE", "hardened");
    deployment.start().unwrap().terminate().unwrap();
}

#[test]
fn new_settings_file_is_served_and_its_output_can_be_fed_back() {
    let (mut deployment, folder) = limited();
    assert_eq!(ran(&deployment, &["config", "init"]).0, Some(0));
    let (code, text) = ran(&deployment, &["config", "init"]);
    assert!(code == Some(1) && text.contains("polyreset.toml exists already"), "{text}");
    deployment.set("POLYRESET_CONFIG", "polyreset.toml");
    deployment.start().unwrap().terminate().unwrap();
    let (_, shown) = ran(&deployment, &["config", "show"]);
    fs::write(folder.path().join("shown.toml"), &shown).unwrap();
    let (code, again) = ran(&deployment, &["--config", "shown.toml", "config", "show"]);
    assert!(code == Some(0) && again == shown, "the environment overrides both files alike");
    let (_, changed) = ran(&deployment, &["config", "show", "--changed"]);
    assert!(
        changed.contains("\n[password]\nargon2_m_kib = 64  # POLYRESET_PASSWORD__ARGON2_M_KIB\n"),
        "{changed}"
    );
    assert!(!changed.contains("min_length"), "{changed}");
}

#[test]
fn only_listed_dialects_and_no_documents_are_served() {
    let (mut deployment, _folder) = deployment();
    for module in ["PX0", "WORTHAI", "STRAPI", "INSFORGE", "DJANGO"] {
        deployment.unset(&format!("POLYRESET_{module}__ENABLED"));
    }
    deployment.set("POLYRESET_DIALECTS", "strapi");
    deployment.set("POLYRESET_DOCS__ENABLED", "false");
    let server = deployment.start().unwrap();
    let status = |path: &str| conformance::http::get(server.address, path).unwrap().status;
    for (path, expected) in [
        ("/api/auth/forgot-password", 405),
        ("/v1/auth/password-reset/trigger", 404),
        ("/docs", 404),
        ("/docs/swagger-ui.css", 404),
        ("/dialects", 404),
        ("/openapi.json", 404),
        ("/readyz", 200),
        ("/forgot", 200),
    ] {
        assert_eq!(status(path), expected, "{path}");
    }
}

#[test]
fn doctor_sends_a_sample_mail_and_prints_the_reply() {
    let (mut deployment, _folder) = deployment();
    let (code, text) = ran(&deployment, &["doctor", "--send-to", "ops@example.com"]);
    assert!(
        code == Some(0) && text.contains("\nok    mail sample: written to a file; nothing was sent\n"),
        "{text}"
    );
    assert!(
        text.contains(
            "\nWARN  dns: not checked: localhost, the domain of mail_from, is not on the internet\n"
        ),
        "{text}"
    );
    let filed = mails::all(&deployment.mails()).unwrap();
    assert!(filed.len() == 1 && filed[0].to == "ops@example.com", "{filed:?}");
    let sink = Sink::start(Duration::ZERO, |_, _| None).unwrap();
    deployment.set("POLYRESET_MAIL_URL", &sink.url());
    let (code, text) = ran(&deployment, &["doctor", "--send-to", "ops@example.com"]);
    assert!(
        code == Some(0) && text.contains("\nok    mail sample: accepted for ops@example.com: 250 "),
        "{text}"
    );
    assert_eq!(sink.letters().unwrap().len(), 1);
    let (code, text) = ran(&deployment, &["doctor", "--send-to", "ops"]);
    assert!(
        code == Some(1) && text.contains("\nFAIL  mail sample: --send-to: EMAIL \"ops\" is not"),
        "{text}"
    );
}
