//! Settings from environment variables and from a file.

use std::{fs, thread, time::Duration};

use conformance::{clients, http, mails};

use super::{deployment, mailed_secret};

/// Asserts that the command failed with one line on stderr, and returns the line.
fn sentence(output: &std::process::Output) -> String {
    assert!(!output.status.success());
    let error = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}

#[test]
fn an_unknown_setting_stops_the_start_and_is_named() {
    let (mut deployment, folder) = deployment();
    let file = folder.path().join("reset.toml");
    fs::write(&file, "profile = \"compatible\"\n\n[px0]\ncode_tll = \"1m\"\n").unwrap();
    let said = sentence(&deployment.run(&["serve", "--config", file.to_str().unwrap()], "").unwrap());
    assert!(said.contains("px0.code_tll") && said.contains("line 4"), "{said}");
    deployment.set("POLYRESET_PX0__CODE_TLL", "1m");
    let said = sentence(&deployment.run(&["serve"], "").unwrap());
    assert!(said.contains("POLYRESET_PX0__CODE_TLL"), "{said}");
}

#[test]
fn a_bad_value_is_named_with_what_is_expected() {
    for (name, value, expected) in [
        ("POLYRESET_PX0__CODE_TTL", "soon", "px0.code_ttl"),
        ("POLYRESET_LISTEN", "everywhere", "listen"),
        ("POLYRESET_DATABASE_URL", "oracle://x", "database_url"),
        ("POLYRESET_MAIL_URL", "pigeon://x", "mail_url"),
        ("POLYRESET_SECRET", "short", "secret"),
        ("POLYRESET_PROFILE", "paranoid", "profile"),
        ("POLYRESET_INSFORGE__METHOD", "link", "insforge.allowed_redirect_urls"),
    ] {
        let (mut deployment, _folder) = deployment();
        deployment.set(name, value);
        let said = sentence(&deployment.run(&["serve"], "").unwrap());
        assert!(said.contains(expected), "{name}: {said}");
    }
}

/// `ps` shows the arguments of a process to every user of the machine.
#[test]
fn a_secret_on_the_command_line_is_rejected_before_anything_happens() {
    for (argument, named) in [
        (format!("secret={}", "c0ffee0011223344".repeat(4)), "POLYRESET_SECRET_FILE"),
        ("mail_url=smtp://user:c0ffee@mail.example.com".to_owned(), "POLYRESET_MAIL_URL_FILE"),
        ("database_url=postgres://u:c0ffee@127.0.0.1:1/app".to_owned(), "POLYRESET_DATABASE_URL_FILE"),
        (
            "worthai.jwt_secret=c0ffee-c0ffee-c0ffee-c0ffee-01234".to_owned(),
            "POLYRESET_WORTHAI__JWT_SECRET_FILE",
        ),
        ("admin_token=c0ffee0011223344".to_owned(), "POLYRESET_ADMIN_TOKEN_FILE"),
    ] {
        let (deployment, folder) = deployment();
        for command in ["serve", "doctor", "migrate"] {
            let refused = deployment.run(&["--set", &argument, command], "").unwrap();
            let said = String::from_utf8_lossy(&[refused.stderr, refused.stdout].concat()).into_owned();
            assert!(!refused.status.success() && said.contains(named), "{argument} {command}: {said}");
            assert!(!said.contains("c0ffee"), "{said}");
        }
        assert!(!folder.path().join("reset.db").exists());
    }
}

#[test]
fn a_lifetime_of_one_second_expires_after_one_second() {
    let (mut deployment, _folder) = deployment();
    for name in clients::lifetime_variables() {
        deployment.set(&name, "1s");
    }
    deployment.add_user("user@example.com", "the old password").unwrap();
    let server = deployment.start().unwrap();
    for client in clients::all() {
        let secret = mailed_secret(&deployment, server.address, &client, "user@example.com");
        mails::clear(&deployment.mails()).unwrap();
        // The process uses the real clock, so the test has to wait.
        thread::sleep(Duration::from_millis(2_100));
        let step = client
            .exchange_of("user@example.com", &secret)
            .unwrap_or_else(|| client.redeem_with(&secret, "New Password 1!"));
        let answer = http::send(server.address, &step).unwrap();
        let text = match client.dialect {
            "px0" => "invalid or expired",
            "worthai" => "link has expired",
            "strapi" => "Incorrect code",
            "insforge" => "Invalid or expired",
            _ => "",
        };
        let dialect = client.dialect;
        assert!(answer.status == client.refused && answer.body.contains(text), "{dialect}: {}", answer.body);
    }
    assert!(deployment.accepts("user@example.com", "the old password").unwrap());
}

#[test]
fn config_show_prints_the_effective_settings_without_secrets() {
    let (mut deployment, _folder) = deployment();
    let canary = "c0ffee0011223344c0ffee0011223344c0ffee0011223344c0ffee0011223344";
    deployment.set("POLYRESET_SECRET", canary);
    deployment.set("POLYRESET_WORTHAI__JWT_SECRET", "canary-of-the-worthai-tests-canary");
    deployment.set("POLYRESET_MAIL_URL", "smtps://user:canary-password@mail.example.com");
    let shown = deployment.run(&["config", "show"], "").unwrap();
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.status.success() && text.contains("code_ttl"), "{text}");
    assert!(!text.contains("canary") && !text.contains("c0ffee"), "{text}");
    let schema = String::from_utf8(deployment.run(&["config", "schema"], "").unwrap().stdout).unwrap();
    assert!(schema.trim_start().starts_with('{') && schema.contains("\"code_ttl\""), "{schema}");
}
