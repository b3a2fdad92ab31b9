//! Accepted requests survive `kill -9`, and interrupted resets change nothing.

use std::{thread, time::Duration};

use conformance::{
    http::{Connection, post},
    server::Server,
};

use super::{deployment, reset_mail};

/// Paths that request a reset in the four dialects, and the status of an accepted request.
const TRIGGERS: [(&str, u16); 4] = [
    ("/v1/auth/password-reset/trigger", 200),
    ("/auth/api/v1/forgot-password", 200),
    ("/api/auth/forgot-password", 200),
    ("/api/auth/email/send-reset-password", 202),
];

/// Number of resets that are interrupted by a kill.
const ROUNDS: u64 = 12;

fn request_body(email: &str) -> String {
    format!(r#"{{"email":"{email}"}}"#)
}

#[test]
fn an_accepted_request_sends_a_usable_mail_although_the_process_is_killed() {
    let (deployment, _folder) = deployment();
    for round in 0..12 {
        let email = format!("user{round}@example.com");
        deployment.add_user(&email, "the old password").unwrap();
        let (path, accepted) = TRIGGERS[round % TRIGGERS.len()];
        let server = deployment.start().unwrap();
        let answer = post(server.address, path, &request_body(&email)).unwrap();
        assert_eq!(answer.status, accepted, "{}", answer.body);
        server.kill();
        let server = deployment.start().unwrap();
        let mail = reset_mail(&deployment, &email);
        let (path, body) = match round % TRIGGERS.len() {
            0 => (
                "/v1/auth/password-reset/reset",
                format!(r#"{{"code":"{}","new_password":"New Password 1!"}}"#, mail.code().unwrap()),
            ),
            1 => (
                "/auth/api/v1/reset-password",
                format!(r#"{{"password":"New Password 1!","reset_token":"{}"}}"#, mail.token().unwrap()),
            ),
            2 => (
                "/auth/reset-password",
                format!(
                    r#"{{"code":"{}","password":"New Password 1!","passwordConfirmation":"New Password 1!"}}"#,
                    mail.token().unwrap()
                ),
            ),
            _ => {
                let body = format!(r#"{{"email":"{email}","code":"{}"}}"#, mail.code().unwrap());
                let answer =
                    post(server.address, "/api/auth/email/exchange-reset-password-token", &body).unwrap();
                let token = answer.body.split('"').nth(3).unwrap_or_default().to_owned();
                (
                    "/api/auth/email/reset-password",
                    format!(r#"{{"newPassword":"New Password 1!","otp":"{token}"}}"#),
                )
            }
        };
        let answer = post(server.address, path, &body).unwrap();
        assert_eq!(answer.status, 200, "round {round}: {}", answer.body);
        assert!(deployment.accepts(&email, "New Password 1!").unwrap());
    }
}

#[test]
fn undelivered_mail_of_a_killed_process_is_sent_later() {
    let (mut deployment, _folder) = deployment();
    deployment.add_user("user@example.com", "the old password").unwrap();
    // No server listens on the discard port.
    deployment.set("POLYRESET_MAIL_URL", "smtp://127.0.0.1:9");
    let server = deployment.start().unwrap();
    for _ in 0..2 {
        let answer =
            post(server.address, "/v1/auth/password-reset/trigger", &request_body("user@example.com"))
                .unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    server.kill();
    let folder = deployment.mails();
    deployment.set("POLYRESET_MAIL_URL", &format!("file://{}", folder.display()));
    let server = deployment.start().unwrap();
    let mut succeeded = false;
    // Two requests send two mails. Only the code of the later one is live.
    for _ in 0..200 {
        let mail = reset_mail(&deployment, "user@example.com");
        let body = format!(r#"{{"code":"{}","new_password":"New Password 1!"}}"#, mail.code().unwrap());
        succeeded |= post(server.address, "/v1/auth/password-reset/reset", &body).unwrap().status == 200;
        if succeeded {
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    assert!(succeeded, "no mailed code was usable");
}

#[test]
fn a_killed_process_leaves_no_half_finished_reset() {
    let (mut deployment, _folder) = deployment();
    // Hashing takes some milliseconds, so that kills occur before, during and after it.
    deployment.set("POLYRESET_PASSWORD__ARGON2_M_KIB", "8192");
    let (mut done, mut undone) = (0, 0);
    for round in 0..ROUNDS {
        let email = format!("user{round}@example.com");
        deployment.add_user(&email, "the old password").unwrap();
        let server = deployment.start().unwrap();
        post(server.address, "/v1/auth/password-reset/trigger", &request_body(&email)).unwrap();
        let code = reset_mail(&deployment, &email).code().unwrap().to_owned();
        let body = format!(r#"{{"code":"{code}","new_password":"New Password 1!"}}"#);
        let answered = reset_and_kill(server, round, &body);

        let changed = deployment.accepts(&email, "New Password 1!").unwrap();
        assert!(changed || !answered, "a reset with a response was lost");
        assert_eq!(
            changed,
            !deployment.accepts(&email, "the old password").unwrap(),
            "exactly one password is valid"
        );
        let server = deployment.start().unwrap();
        let again = post(server.address, "/v1/auth/password-reset/reset", &body).unwrap();
        assert_eq!(
            again.status == 200,
            !changed,
            "the code is spent if and only if the password changed: {}",
            again.body
        );
        if changed { done += 1 } else { undone += 1 }
    }
    assert!(
        done > 0 && undone > 0,
        "{done} resets were completed when the process was killed, {undone} were not"
    );
}

/// Sends a reset and kills the server: in the first round before the last byte of the request, in the last round after
/// the response, and in between a little later each time. Returns whether there was a successful response.
fn reset_and_kill(server: Server, round: u64, body: &str) -> bool {
    let mut connection = Connection::open(server.address).unwrap();
    let length = body.len() + usize::from(round == 0);
    let head = "POST /v1/auth/password-reset/reset HTTP/1.1\r\nhost: test\r\ncontent-type: application/json";
    let request = format!("{head}\r\ncontent-length: {length}\r\n\r\n{body}");
    let sender = thread::spawn(move || connection.send(request.as_bytes()));
    if round + 1 < ROUNDS {
        // The process uses the real clock, so the test has to sleep.
        thread::sleep(Duration::from_millis(2 * round));
        server.kill();
        sender.join().unwrap().is_ok_and(|answer| answer.status == 200)
    } else {
        let answer = sender.join().unwrap().unwrap();
        server.kill();
        answer.status == 200
    }
}
