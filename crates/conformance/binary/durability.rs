//! What was accepted survives `kill -9`; what was not finished did not happen.

use std::{thread, time::Duration};

use conformance::{
    http::{Connection, post},
    server::Server,
};

use super::{deployment, reset_mail};

/// The triggers of the four dialects, and the status of "accepted".
const TRIGGERS: [(&str, u16); 4] = [
    ("/v1/auth/password-reset/trigger", 200),
    ("/auth/api/v1/forgot-password", 200),
    ("/api/auth/forgot-password", 200),
    ("/api/auth/email/send-reset-password", 202),
];

/// How often a reset meets a kill.
const ROUNDS: u64 = 12;

fn asks(email: &str) -> String {
    format!(r#"{{"email":"{email}"}}"#)
}

#[test]
fn every_accepted_request_ends_in_a_usable_mail_though_the_process_is_killed_at_once() {
    let (deployment, _folder) = deployment();
    for round in 0..12 {
        let email = format!("user{round}@example.com");
        deployment.add_user(&email, "the old password").unwrap();
        let (path, accepted) = TRIGGERS[round % TRIGGERS.len()];
        let server = deployment.start().unwrap();
        let answer = post(server.address, path, &asks(&email)).unwrap();
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
fn mail_that_had_nowhere_to_go_when_the_process_died_arrives_later() {
    let (mut deployment, _folder) = deployment();
    deployment.add_user("user@example.com", "the old password").unwrap();
    // Nobody listens on the discard port.
    deployment.set("POLYRESET_MAIL_URL", "smtp://127.0.0.1:9");
    let server = deployment.start().unwrap();
    for _ in 0..2 {
        let answer =
            post(server.address, "/v1/auth/password-reset/trigger", &asks("user@example.com")).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    server.kill();
    let folder = deployment.mails();
    deployment.set("POLYRESET_MAIL_URL", &format!("file://{}", folder.display()));
    let server = deployment.start().unwrap();
    let mut worked = false;
    // Two requests, two mails; the later one's code is the live one.
    for _ in 0..200 {
        let mail = reset_mail(&deployment, "user@example.com");
        let body = format!(r#"{{"code":"{}","new_password":"New Password 1!"}}"#, mail.code().unwrap());
        worked |= post(server.address, "/v1/auth/password-reset/reset", &body).unwrap().status == 200;
        if worked {
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    assert!(worked, "no mailed code was usable");
}

#[test]
fn no_reset_is_torn_by_a_kill() {
    let (mut deployment, _folder) = deployment();
    // A hash of some milliseconds, so that kills fall before, into and after it.
    deployment.set("POLYRESET_PASSWORD__ARGON2_M_KIB", "8192");
    let (mut done, mut undone) = (0, 0);
    for round in 0..ROUNDS {
        let email = format!("user{round}@example.com");
        deployment.add_user(&email, "the old password").unwrap();
        let server = deployment.start().unwrap();
        post(server.address, "/v1/auth/password-reset/trigger", &asks(&email)).unwrap();
        let code = reset_mail(&deployment, &email).code().unwrap().to_owned();
        let body = format!(r#"{{"code":"{code}","new_password":"New Password 1!"}}"#);
        let answered = ask_and_kill(server, round, &body);

        let changed = deployment.accepts(&email, "New Password 1!").unwrap();
        assert!(changed || !answered, "an answered reset was lost");
        assert_eq!(
            changed,
            !deployment.accepts(&email, "the old password").unwrap(),
            "one password, not two"
        );
        let server = deployment.start().unwrap();
        let again = post(server.address, "/v1/auth/password-reset/reset", &body).unwrap();
        assert_eq!(again.status == 200, !changed, "spent if and only if changed: {}", again.body);
        if changed { done += 1 } else { undone += 1 }
    }
    assert!(done > 0 && undone > 0, "{done} resets were done when the kill came, {undone} were not");
}

/// Asks for a reset and kills the server: in the first round before it has the last byte of the request, in the
/// last round after its answer, in those between a little later each time. Whether there was an answer.
fn ask_and_kill(server: Server, round: u64, body: &str) -> bool {
    let mut connection = Connection::open(server.address).unwrap();
    let length = body.len() + usize::from(round == 0);
    let head = "POST /v1/auth/password-reset/reset HTTP/1.1\r\nhost: test\r\ncontent-type: application/json";
    let request = format!("{head}\r\ncontent-length: {length}\r\n\r\n{body}");
    let asking = thread::spawn(move || connection.send(request.as_bytes()));
    if round + 1 < ROUNDS {
        // The process has a clock of its own.
        thread::sleep(Duration::from_millis(2 * round));
        server.kill();
        asking.join().unwrap().is_ok_and(|answer| answer.status == 200)
    } else {
        let answer = asking.join().unwrap().unwrap();
        server.kill();
        answer.status == 200
    }
}
