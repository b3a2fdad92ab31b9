//! Flows that need the real process: a link scanner, and a locked database.

use std::{path::Path, thread};

use conformance::http::{self, get, post};
use diesel::{Connection, SqliteConnection, connection::SimpleConnection};

use super::{deployment, reset_mail};

#[test]
fn a_link_opened_forty_times_by_a_scanner_still_resets_the_password() {
    let (mut deployment, _folder) = deployment();
    deployment.set("POLYRESET_INSFORGE__METHOD", "link");
    deployment.set("POLYRESET_INSFORGE__ALLOWED_REDIRECT_URLS", "https://app.example.com/done");
    deployment.add_user("user@example.com", "the old password").unwrap();
    let server = deployment.start().unwrap();
    let body = r#"{"email":"user@example.com","redirectTo":"https://app.example.com/done"}"#;
    assert_eq!(post(server.address, "/api/auth/email/send-reset-password", body).unwrap().status, 202);
    let mail = reset_mail(&deployment, "user@example.com");
    let link = mail.link().unwrap();
    let target = link.strip_prefix("http://127.0.0.1:8080").unwrap();
    let mut connection = http::Connection::open(server.address).unwrap();
    for round in 0..40 {
        let method = if round % 2 == 0 { "HEAD" } else { "GET" };
        let request = format!("{method} {target} HTTP/1.1\r\nhost: x\r\nsec-purpose: prefetch\r\n\r\n");
        let answer = connection.send(request.as_bytes()).unwrap();
        let location = answer.header("location").unwrap();
        assert_eq!(answer.status, 302);
        assert!(location.starts_with("https://app.example.com/done?token="), "{location}");
        assert!(location.ends_with("&insforge_status=ready&insforge_type=reset_password"), "{location}");
    }
    let body = format!(r#"{{"newPassword":"newSecurePassword123","otp":"{}"}}"#, mail.token().unwrap());
    assert_eq!(post(server.address, "/api/auth/email/reset-password", &body).unwrap().status, 200);
    assert!(deployment.accepts("user@example.com", "newSecurePassword123").unwrap());
    let dead = get(server.address, target).unwrap();
    let location = dead.header("location").unwrap();
    assert!(dead.status == 302 && location.contains("insforge_status=error") && !location.contains("token="));
}

#[test]
fn a_locked_database_returns_each_dialects_500_and_spends_no_code() {
    let (deployment, folder) = deployment();
    deployment.add_user("user@example.com", "the old password").unwrap();
    let server = deployment.start().unwrap();
    post(server.address, "/v1/auth/password-reset/trigger", r#"{"email":"user@example.com"}"#).unwrap();
    let code = reset_mail(&deployment, "user@example.com").code().unwrap().to_owned();
    // Another program locks the database for longer than the lock timeout.
    let lock = lock_database(&folder.path().join("reset.db"));
    let request = r#"{"email":"user@example.com"}"#;
    let reset = format!(r#"{{"code":"{code}","new_password":"New Password 1!"}}"#);
    let expected = [
        ("/v1/auth/password-reset/trigger", request, r#"{"error":"internal error"}"#),
        ("/v1/auth/password-reset/reset", reset.as_str(), r#"{"error":"internal error"}"#),
        ("/auth/api/v1/forgot-password", request, r#""status":"error""#),
        ("/auth/forgot-password", request, r#""code":500"#),
        ("/api/auth/email/send-reset-password", request, r#""statusCode":500"#),
    ];
    // In parallel, so that all wait for the lock at the same time.
    thread::scope(|scope| {
        for (path, body, text) in expected {
            let address = server.address;
            scope.spawn(move || {
                let answer = post(address, path, body).unwrap();
                assert_eq!(answer.status, 500, "{path}: {}", answer.body);
                assert!(answer.body.contains(text), "{path}: {}", answer.body);
            });
        }
    });
    drop(lock);
    let answer = post(server.address, "/v1/auth/password-reset/reset", &reset).unwrap();
    assert_eq!(answer.status, 200, "the code was not spent: {}", answer.body);
}

/// An exclusive lock on the database, held until dropped.
struct Lock(SqliteConnection);

fn lock_database(path: &Path) -> Lock {
    let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    connection.batch_execute("PRAGMA busy_timeout=5000; BEGIN EXCLUSIVE").unwrap();
    Lock(connection)
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.0.batch_execute("ROLLBACK");
    }
}
