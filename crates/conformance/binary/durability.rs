//! Accepted requests survive `kill -9`, and interrupted resets change nothing.

use std::{thread, time::Duration};

use conformance::{
    clients::{self, Step, exchanged},
    http::{self, Connection},
    mails,
    server::Server,
};

use super::{TIMEOUT, deployment, mailed_secret, reset_mail};

/// Number of requests in each dialect that are followed by a kill.
const KILLS: usize = 3;
/// Number of resets that are interrupted by a kill.
const ROUNDS: u64 = 12;

#[test]
fn an_accepted_request_sends_a_usable_mail_although_the_process_is_killed() {
    let (deployment, _folder) = deployment();
    for (round, client) in
        (0..KILLS).flat_map(|round| clients::all().into_iter().map(move |one| (round, one)))
    {
        let email = format!("{}{round}@example.com", client.dialect);
        deployment.add_user(&email, "the old password").unwrap();
        let server = deployment.start().unwrap();
        let answer = http::send(server.address, &client.request_for(&email)).unwrap();
        assert!(answer.status < 300, "{email}: {} {}", answer.status, answer.body);
        server.kill();
        let server = deployment.start().unwrap();
        let wanted = |mail: &mails::ReceivedMail| clients::secret_in(&client, mail).is_some();
        let mail = mails::wait_for(&deployment.mails(), &email, TIMEOUT, wanted).unwrap();
        let secret = clients::secret_in(&client, &mail).unwrap();
        let secret = exchanged(&client, server.address, &email, secret).unwrap();
        let answer = http::send(server.address, &client.redeem_with(&secret, "New Password 1!")).unwrap();
        assert!(answer.is_success(), "{email}: {}", answer.body);
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
    let px0 = clients::named("px0");
    for _ in 0..2 {
        let answer = http::send(server.address, &px0.request_for("user@example.com")).unwrap();
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
        let step = px0.redeem_with(mail.code().unwrap(), "New Password 1!");
        succeeded |= http::send(server.address, &step).unwrap().status == 200;
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
    // A code whose check is killed stays counted as a wrong guess, and several wrong guesses block short codes.
    deployment.set("POLYRESET_LIMITS__ENABLED", "false");
    let px0 = clients::named("px0");
    let (mut done, mut undone) = (0, 0);
    for round in 0..ROUNDS {
        let email = format!("user{round}@example.com");
        deployment.add_user(&email, "the old password").unwrap();
        let server = deployment.start().unwrap();
        let code = mailed_secret(&deployment, server.address, &px0, &email);
        let step = px0.redeem_with(&code, "New Password 1!");
        let answered = reset_and_kill(server, round, &step);

        let changed = deployment.accepts(&email, "New Password 1!").unwrap();
        assert!(changed || !answered, "a reset with a response was lost");
        assert_eq!(
            changed,
            !deployment.accepts(&email, "the old password").unwrap(),
            "exactly one password is valid"
        );
        let server = deployment.start().unwrap();
        let again = http::send(server.address, &step).unwrap();
        assert_eq!(
            again.is_success(),
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
fn reset_and_kill(server: Server, round: u64, step: &Step) -> bool {
    let mut connection = Connection::open(server.address).unwrap();
    let Step { path, body, .. } = step;
    let length = body.len() + usize::from(round == 0);
    let head = format!("POST {path} HTTP/1.1\r\nhost: test\r\ncontent-type: application/json");
    let request = format!("{head}\r\ncontent-length: {length}\r\n\r\n{body}");
    let sender = thread::spawn(move || connection.send(request.as_bytes()));
    if round + 1 < ROUNDS {
        // The process uses the real clock, so the test has to sleep.
        thread::sleep(Duration::from_millis(2 * round));
        server.kill();
        sender.join().unwrap().is_ok_and(|answer| answer.is_success())
    } else {
        let answer = sender.join().unwrap().unwrap();
        server.kill();
        answer.is_success()
    }
}
