//! Secret rotation on a deployment in use: tickets mailed before stay valid.

use std::{fs, path::Path, thread};

use conformance::{http::post, server::Deployment};

use super::{deployment, reset_mail};

const PASSWORD: &str = "A new passw0rd!";

/// An issued ticket: its account and the request that spends it.
struct IssuedTicket {
    email: String,
    path: &'static str,
    body: String,
}

/// Requests a ticket in each dialect, and two in `InsForge`: one code is exchanged, the other is not.
fn issue(deployment: &Deployment, address: std::net::SocketAddr, round: usize) -> Vec<IssuedTicket> {
    let dialects = [
        ("px0", "/v1/auth/password-reset/trigger", "/v1/auth/password-reset/reset"),
        ("worthai", "/auth/api/v1/forgot-password", "/auth/api/v1/reset-password"),
        ("strapi", "/auth/forgot-password", "/auth/reset-password"),
        ("exchanged", SEND, "/api/auth/email/reset-password"),
        ("code", SEND, EXCHANGE),
    ];
    let one = |(dialect, trigger, path): (&str, &'static str, &'static str)| {
        let email = format!("{dialect}{round}@example.com");
        deployment.add_user(&email, "the old password").unwrap();
        post(address, trigger, &format!(r#"{{"email":"{email}"}}"#)).unwrap();
        let mail = reset_mail(deployment, &email);
        let secret = mail.code().or(mail.token()).unwrap();
        let body = match dialect {
            "px0" => format!(r#"{{"code":"{secret}","new_password":"{PASSWORD}"}}"#),
            "worthai" => format!(r#"{{"reset_token":"{secret}","password":"{PASSWORD}"}}"#),
            "strapi" => format!(
                r#"{{"code":"{secret}","password":"{PASSWORD}","passwordConfirmation":"{PASSWORD}"}}"#
            ),
            "exchanged" => with_token(&exchange(address, &email, secret)),
            _ => format!(r#"{{"email":"{email}","code":"{secret}"}}"#),
        };
        IssuedTicket { email, path, body }
    };
    dialects.into_iter().map(one).collect()
}

const SEND: &str = "/api/auth/email/send-reset-password";
const EXCHANGE: &str = "/api/auth/email/exchange-reset-password-token";

fn exchange(address: std::net::SocketAddr, email: &str, code: &str) -> String {
    let answer = post(address, EXCHANGE, &format!(r#"{{"email":"{email}","code":"{code}"}}"#)).unwrap();
    token(&answer.body)
}

/// Returns the token in the response to an exchange.
fn token(body: &str) -> String {
    body.split('"').find(|text| text.len() == 64).unwrap().to_owned()
}

fn with_token(token: &str) -> String {
    format!(r#"{{"newPassword":"{PASSWORD}","otp":"{token}"}}"#)
}

fn rotate(deployment: &Deployment) {
    let rotated = deployment.run(&["secret", "rotate"], "").unwrap();
    assert!(rotated.status.success(), "{}", String::from_utf8_lossy(&rotated.stderr));
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn a_rotation_under_load_fails_no_valid_reset_in_any_dialect() {
    let (deployment, folder) = deployment();
    let server = deployment.start().unwrap();
    let mut all = issue(&deployment, server.address, 0);
    let (secret, previous) =
        (folder.path().join("reset.secret"), folder.path().join("reset.secret.previous"));
    let first = read(&secret);
    rotate(&deployment);
    assert_eq!(read(&previous), first);
    assert_ne!(read(&secret), first);
    // The running process still uses the old secret.
    all.extend(issue(&deployment, server.address, 1));
    server.kill();
    let server = deployment.start().unwrap();
    thread::scope(|scope| {
        let (deployment, address) = (&deployment, server.address);
        // Tickets requested in the meantime are issued under the new secret.
        let fresh = scope.spawn(move || issue(deployment, address, 2));
        for IssuedTicket { email, path, body } in &all {
            scope.spawn(move || {
                let answer = post(address, path, body).unwrap();
                assert_eq!(answer.status, 200, "{email}: {}", answer.body);
                if *path == EXCHANGE {
                    let body = with_token(&token(&answer.body));
                    let answer = post(address, "/api/auth/email/reset-password", &body).unwrap();
                    assert_eq!(answer.status, 200, "{email}: {}", answer.body);
                }
            });
        }
        for IssuedTicket { email, path, body } in fresh.join().unwrap() {
            let answer = post(address, path, &body).unwrap();
            assert_eq!(answer.status, 200, "{email}: {}", answer.body);
        }
    });
    for IssuedTicket { email, .. } in &all {
        assert!(deployment.accepts(email, PASSWORD).unwrap(), "{email}");
    }
}

#[test]
fn tickets_are_invalid_after_the_previous_secret_is_removed() {
    let (deployment, folder) = deployment();
    let server = deployment.start().unwrap();
    let all = issue(&deployment, server.address, 0);
    rotate(&deployment);
    fs::remove_file(folder.path().join("reset.secret.previous")).unwrap();
    server.kill();
    let server = deployment.start().unwrap();
    for IssuedTicket { email, path, body } in &all {
        let answer = post(server.address, path, body).unwrap();
        let (status, text) = match *path {
            "/v1/auth/password-reset/reset" => (400, "invalid or expired password reset code"),
            "/auth/api/v1/reset-password" => (500, "invalid signature"),
            "/auth/reset-password" => (400, "Incorrect code provided"),
            _ => (401, "Invalid or expired"),
        };
        assert!(answer.status == status && answer.body.contains(text), "{email}: {}", answer.body);
        assert!(deployment.accepts(email, "the old password").unwrap());
    }
}

#[test]
fn a_configured_secret_is_rotated_by_settings() {
    let (mut deployment, _folder) = deployment();
    let [old, new] = ["ab", "cd"].map(|byte| byte.repeat(32));
    deployment.set("POLYRESET_SECRET", &old);
    let refused = deployment.run(&["secret", "rotate"], "").unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("POLYRESET_SECRET_PREVIOUS"), "{said}");
    let server = deployment.start().unwrap();
    let all = issue(&deployment, server.address, 0);
    deployment.set("POLYRESET_SECRET", &new);
    deployment.set("POLYRESET_SECRET_PREVIOUS", &old);
    server.kill();
    let server = deployment.start().unwrap();
    for IssuedTicket { email, path, body } in &all {
        assert_eq!(post(server.address, path, body).unwrap().status, 200, "{email}");
    }
    let doctor = deployment.run(&["doctor"], "").unwrap();
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains("ok    secret: at least 32 bytes; previous secrets still accepted: 1"), "{said}");
}
