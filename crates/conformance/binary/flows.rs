//! Flows that need the real process: a link scanner, and a locked database.

use std::{path::Path, thread};

use conformance::{
    clients,
    http::{self, get},
};
use diesel::{Connection, SqliteConnection, connection::SimpleConnection};

use super::{deployment, mailed_secret, reset_mail};

#[test]
fn a_link_opened_forty_times_by_a_scanner_still_resets_the_password() {
    let (mut deployment, _folder) = deployment();
    let links =
        [("insforge.method", "link"), ("insforge.allowed_redirect_urls", "https://app.example.com/done")];
    for (name, value) in links {
        deployment.set(&clients::variable(name), value);
    }
    deployment.add_user("user@example.com", "the old password").unwrap();
    let server = deployment.start().unwrap();
    let insforge = clients::with(&links).into_iter().find(|client| client.dialect == "insforge").unwrap();
    let requested = http::send(server.address, &insforge.request_for("user@example.com")).unwrap();
    assert_eq!(requested.status, 202, "{}", requested.body);
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
    let reset = insforge.redeem_with(mail.token().unwrap(), "newSecurePassword123");
    assert_eq!(http::send(server.address, &reset).unwrap().status, 200);
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
    let px0 = clients::named("px0");
    let code = mailed_secret(&deployment, server.address, &px0, "user@example.com");
    // Another program locks the database for longer than the lock timeout.
    let lock = lock_database(&folder.path().join("reset.db"));
    let reset = px0.redeem_with(&code, "New Password 1!");
    let requests =
        clients::all().into_iter().map(|client| (client.dialect, client.request_for("user@example.com")));
    // In parallel, so that all wait for the lock at the same time.
    thread::scope(|scope| {
        for (dialect, step) in requests.chain([("px0", reset.clone())]) {
            let address = server.address;
            scope.spawn(move || {
                let answer = http::send(address, &step).unwrap();
                let text = match dialect {
                    "px0" => r#"{"error":"internal error"}"#,
                    "worthai" => r#""status":"error""#,
                    "strapi" => r#""code":500"#,
                    "insforge" => r#""statusCode":500"#,
                    _ => "{",
                };
                assert_eq!(answer.status, 500, "{}: {}", step.path, answer.body);
                assert!(answer.body.contains(text), "{}: {}", step.path, answer.body);
            });
        }
    });
    drop(lock);
    let answer = http::send(server.address, &reset).unwrap();
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
