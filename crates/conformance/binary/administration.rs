//! Commands for administrators: `trace`, `outbox`, `link` and `audit`, and disputes of the owner.

use std::{fs, net::SocketAddr, process::Output, thread, time::Duration};

use conformance::{
    http::{self, Connection, RawResponse, get},
    mails,
    server::TestDeployment,
};
use diesel::{Connection as _, SqliteConnection, connection::SimpleConnection};

use super::{TIMEOUT, deployment, px0, reset_mail};

const PERSON: &str = "user@example.com";

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs a command, asserts that it succeeds, and returns its output.
fn run(deployment: &TestDeployment, args: &[&str]) -> String {
    let output = deployment.run(args, "").unwrap();
    assert!(output.status.success(), "{args:?}: {}{}", stdout(&output), stderr(&output));
    stdout(&output)
}

/// Requests a reset and returns the reference in the response.
fn request(address: SocketAddr, email: &str) -> String {
    http::send(address, &px0().request_for(email)).unwrap().header("x-reset-reference").unwrap().to_owned()
}

/// Repeats the command `args` until its output contains `wanted`, and returns the output.
fn until(deployment: &TestDeployment, args: &[&str], wanted: &str) -> String {
    let started = std::time::Instant::now();
    loop {
        let text = run(deployment, args);
        if text.contains(wanted) {
            return text;
        }
        assert!(started.elapsed() < TIMEOUT, "{args:?} never prints {wanted:?}:\n{text}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn kinds(trace: &str) -> Vec<&str> {
    trace.lines().map(|line| line.split_whitespace().nth(1).unwrap()).collect()
}

fn reset(address: SocketAddr, code: &str) -> u16 {
    http::send(address, &px0().redeem_with(code, "New Password 1!")).unwrap().status
}

#[test]
fn trace_shows_a_resets_events_without_address_or_secret() {
    let (mut deployment, _folder) = deployment();
    deployment.set("POLYRESET_PX0__DISCLOSE_UNKNOWN", "false");
    deployment.add_user(PERSON, "the old password").unwrap();
    let server = deployment.start().unwrap();
    let reference = request(server.address, PERSON);
    let code = reset_mail(&deployment, PERSON).code().unwrap().to_owned();
    assert_eq!(reset(server.address, &code), 200);
    let trace = until(&deployment, &["trace", &reference.to_lowercase()], "notice: filed");
    assert_eq!(kinds(&trace), ["accepted", "matched", "mailed", "done", "mailed"]);
    assert!(
        trace.contains("px0  from 127.0.0.1") && !trace.contains('@') && !trace.contains(&code),
        "{trace}"
    );

    let unknown = request(server.address, "ghost@example.com");
    assert_eq!(unknown.len(), reference.len());
    let trace = until(&deployment, &["trace", &unknown], "no-account");
    assert_eq!(kinds(&trace), ["accepted", "ended"]);

    let listed = run(&deployment, &["trace", "User@Example.com"]);
    assert!(listed.contains(&reference) && listed.lines().count() == 1, "{listed}");
    let none = deployment.run(&["trace", "0000000000"], "").unwrap();
    assert!(!none.status.success() && stderr(&none).contains("no reset with the reference"));
}

#[test]
fn a_request_over_the_limit_is_traced_as_limited() {
    let (mut deployment, _folder) = deployment();
    deployment.set("POLYRESET_LIMITS__REQUEST_SPACING", "1m");
    deployment.add_user(PERSON, "the old password").unwrap();
    let server = deployment.start().unwrap();
    let (first, second) = (request(server.address, PERSON), request(server.address, PERSON));
    assert_eq!(kinds(&run(&deployment, &["trace", &second])), ["limited"]);
    until(&deployment, &["trace", &first], "mailed");
}

#[test]
fn undeliverable_mails_are_listed_and_sent_when_retried() {
    let (mut deployment, folder) = deployment();
    deployment.add_user(PERSON, "the old password").unwrap();
    // A file in the place of the mail folder makes every delivery fail.
    fs::write(folder.path().join("mail"), "").unwrap();
    let server = deployment.start().unwrap();
    let reference = request(server.address, PERSON);
    let listed = until(&deployment, &["outbox", "list"], "attempts 3");
    assert!(listed.contains(&reference) && listed.contains("px0 reset") && !listed.contains('@'), "{listed}");
    let id = listed.split_whitespace().next().unwrap().to_owned();
    // No automatic retry interferes: the server has finished its attempt and ended.
    assert!(server.terminate().unwrap().success());
    run(&deployment, &["outbox", "retry", &id]);
    assert!(run(&deployment, &["outbox", "list"]).contains("  due"));
    assert!(run(&deployment, &["trace", &reference]).contains("retried"));
    fs::remove_file(folder.path().join("mail")).unwrap();
    let server = deployment.start().unwrap();
    let code = reset_mail(&deployment, PERSON).code().unwrap().to_owned();
    assert_eq!(reset(server.address, &code), 200);
    // A job that a worker has claimed when its process ends cannot be purged, so wait for the notice.
    until(&deployment, &["trace", &reference], "notice: filed");
    let unknown = deployment.run(&["outbox", "retry", "nothing"], "").unwrap();
    assert!(!unknown.status.success() && stderr(&unknown).starts_with("error: ID \"nothing\""));
    drop(server);
    deployment.set("POLYRESET_MAIL_URL", "smtp://127.0.0.1:9");
    let removed = run(&deployment, &["outbox", "purge", "--waiting"]);
    assert!(removed.starts_with("removed: ") && removed.ends_with(" waiting\n"), "{removed}");
    assert_eq!(run(&deployment, &["outbox", "list"]), "");
    assert!(run(&deployment, &["audit", "export"]).contains("\"kind\":\"cleared\""));
}

#[test]
fn an_administrators_link_works_once_and_is_recorded() {
    let (deployment, _folder) = deployment();
    deployment.add_user(PERSON, "the old password").unwrap();
    let server = deployment.start().unwrap();
    let created = deployment.run(&["link", PERSON, "--dialect", "px0"], "").unwrap();
    let (code, message) = (stdout(&created).trim().to_owned(), stderr(&created));
    assert!(created.status.success() && code.len() == 6 && !message.contains(&code), "{code} {message}");
    let reference = message.trim().rsplit(' ').next().unwrap();
    assert_eq!((reset(server.address, &code), reset(server.address, &code)), (200, 400));
    let trace = run(&deployment, &["trace", reference]);
    // The worker may mail the notice of the first reset before the second one is rejected.
    let kinds: Vec<&str> = kinds(&trace).into_iter().filter(|kind| *kind != "mailed").collect();
    assert_eq!(kinds, ["linked", "done", "dead"]);
    assert!(mails::all(&deployment.mails()).unwrap().iter().all(|mail| mail.code().is_none()));

    let worthai = run(&deployment, &["link", PERSON, "--dialect", "worthai"]);
    assert!(worthai.starts_with("http://127.0.0.1:8080/reset?reset_token="), "{worthai}");
    for (args, reason) in [
        (&["link", "ghost@example.com", "--dialect", "px0"][..], "no account"),
        (&["link", PERSON, "--dialect", "other"], "invalid value 'other'"),
        (&["link", PERSON, "--dialect", "px0", "--redirect-to", "https://x.example"], "--redirect-to"),
    ] {
        let refused = deployment.run(args, "").unwrap();
        let sentence = stderr(&refused);
        assert!(!refused.status.success() && sentence.contains(reason), "{sentence}");
        assert_eq!(sentence.lines().count(), 1, "{sentence}");
    }
}

fn form(address: SocketAddr, token: &str) -> RawResponse {
    let body = format!("token={token}");
    let head = format!(
        "POST /not-me HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    Connection::open(address).unwrap().send(head.as_bytes()).unwrap()
}

#[test]
fn the_owner_disputes_a_reset_by_somebody_else() {
    let (deployment, _folder) = deployment();
    deployment.add_user(PERSON, "the old password").unwrap();
    let server = deployment.start().unwrap();
    request(server.address, PERSON);
    let code = reset_mail(&deployment, PERSON).code().unwrap().to_owned();
    assert_eq!(reset(server.address, &code), 200);
    let has_dispute_link =
        |mail: &mails::ReceivedMail| mail.link().is_some_and(|link| link.contains("/not-me?"));
    let notice = mails::wait_for(&deployment.mails(), PERSON, TIMEOUT, has_dispute_link).unwrap();
    let (link, token) = (notice.link().unwrap(), notice.token().unwrap());
    let target = link.strip_prefix("http://127.0.0.1:8080").unwrap();
    for _ in 0..50 {
        let page = get(server.address, target).unwrap();
        assert!(page.status == 200 && page.body.contains("<form method=\"post\""), "{}", page.body);
    }
    assert!(deployment.accepts(PERSON, "New Password 1!").unwrap(), "opening the page changes nothing");

    assert_eq!(form(server.address, &token.replace(&token[..1], "x")).status, 404);
    assert_eq!(form(server.address, token).status, 200);
    for password in ["New Password 1!", "the old password"] {
        assert!(!deployment.accepts(PERSON, password).unwrap(), "{password}");
    }
    assert_eq!(form(server.address, token).status, 200, "a second dispute is not an error");
    assert!(
        get(server.address, target).unwrap().body.contains("<h1>The password was cancelled</h1>"),
        "the page shows the dispute"
    );
    // While the dispute is open, reset mails go to the mailbox of the notice.
    let again = request(server.address, PERSON);
    until(&deployment, &["trace", &again], "mailed");
    let newest = |mail: &mails::ReceivedMail| mail.code().is_some_and(|other| other != code);
    let mail = mails::wait_for(&deployment.mails(), PERSON, TIMEOUT, newest).unwrap();
    assert_eq!(reset(server.address, mail.code().unwrap()), 200);
    assert!(deployment.accepts(PERSON, "New Password 1!").unwrap());
    let whole = run(&deployment, &["audit", "export"]);
    assert!(whole.contains("\"kind\":\"disputed\""), "{whole}");
}

#[test]
fn the_audit_log_is_exported_and_a_changed_event_is_detected() {
    let (deployment, folder) = deployment();
    deployment.add_user(PERSON, "the old password").unwrap();
    let server = deployment.start().unwrap();
    for _ in 0..3 {
        let reference = request(server.address, PERSON);
        until(&deployment, &["trace", &reference], "mailed");
    }
    drop(server);
    let export = run(&deployment, &["audit", "export"]);
    assert!(export.lines().count() >= 10 && !export.contains('@'), "{export}");
    let file = folder.path().join("audit.jsonl");
    fs::write(&file, &export).unwrap();
    let file = file.to_str().unwrap();
    let (whole, exported) =
        (run(&deployment, &["audit", "verify"]), run(&deployment, &["audit", "verify", file]));
    assert_eq!(whole, exported, "the same events and the same last mark");
    let known = whole.trim().rsplit(' ').next().unwrap().to_owned();
    run(&deployment, &["audit", "verify", "--known", &known]);
    let tail = run(&deployment, &["audit", "export", "--after", "4"]);
    assert_eq!(tail.lines().count(), export.lines().count() - 4);

    fs::write(file, export.replacen("\"network\":\"127.0.0.1\"", "\"network\":\"127.0.0.2\"", 1)).unwrap();
    let forged = deployment.run(&["audit", "verify", file], "").unwrap();
    assert_eq!(forged.status.code(), Some(1));
    assert!(stdout(&forged).contains("broken at place 1"), "{}", stdout(&forged));
    let database = folder.path().join("reset.db");
    let change = |statement: &str| {
        let mut db = SqliteConnection::establish(database.to_str().unwrap()).unwrap();
        db.batch_execute(statement).unwrap();
        let output = deployment.run(&["audit", "verify", "--known", &known], "").unwrap();
        assert_eq!(output.status.code(), Some(1), "{statement}");
        stdout(&output)
    };
    let cut = change("DELETE FROM events WHERE place = (SELECT max(place) FROM events)");
    assert!(cut.contains("does not contain the mark"), "{cut}");
    let changed = change("UPDATE events SET detail = 'x' WHERE place = 2");
    assert!(changed.contains("broken at place 2"), "{changed}");
    let missing = deployment.run(&["audit", "verify", "nothing.jsonl"], "").unwrap();
    assert_eq!(missing.status.code(), Some(2));
}

/// An attacker with write access to the database can neither forge a valid chain nor make the server create one.
#[test]
fn the_audit_chain_cannot_be_rolled_back_or_restarted_without_the_secret() {
    let (mut deployment, folder) = deployment();
    deployment.add_user(PERSON, "the old password").unwrap();
    let server = deployment.start().unwrap();
    for _ in 0..3 {
        let reference = request(server.address, PERSON);
        until(&deployment, &["trace", &reference], "mailed");
    }
    let link = run(&deployment, &["link", PERSON, "--dialect", "px0"]);
    assert_eq!(reset(server.address, link.trim()), 200);
    drop(server);
    run(&deployment, &["audit", "export"]);
    let verified = run(&deployment, &["audit", "verify"]);
    let known = verified.trim().rsplit(' ').next().unwrap();
    let database = folder.path().join("reset.db");
    let whole = fs::read(&database).unwrap();
    for statement in [
        "DELETE FROM events; UPDATE marks SET place = 1000000",
        "DELETE FROM events WHERE place <= 2; UPDATE marks SET (place, seal) = (2, zeroblob(32)) WHERE name = 'base'",
        "UPDATE events SET place = NULL, seal = NULL WHERE place > 4; UPDATE marks SET place = 4, seal = \
         (SELECT seal FROM events WHERE place = 4) WHERE name = 'head'",
        "DELETE FROM marks",
        "DELETE FROM events; DELETE FROM marks",
        "DELETE FROM events; DELETE FROM marks; DELETE FROM jobs",
        "DELETE FROM events; DELETE FROM marks; DELETE FROM jobs; DELETE FROM tickets",
        "DELETE FROM events WHERE place = (SELECT max(place) FROM events)",
    ] {
        let mut db = SqliteConnection::establish(database.to_str().unwrap()).unwrap();
        db.batch_execute(statement).unwrap();
        drop(db);
        let output = deployment.run(&["audit", "verify"], "").unwrap();
        assert_eq!(output.status.code(), Some(1), "{statement}: {}", stdout(&output));
        fs::write(&database, &whole).unwrap();
    }
    // A restart begins a new chain, which says so, and a mark that was kept elsewhere is not part of it.
    let mut db = SqliteConnection::establish(database.to_str().unwrap()).unwrap();
    db.batch_execute("DELETE FROM events; DELETE FROM marks").unwrap();
    drop(db);
    let server = deployment.start().unwrap();
    until(&deployment, &["audit", "export"], "events-lost");
    drop(server);
    assert!(deployment.logged().contains("the audit log was emptied"));
    let output = deployment.run(&["audit", "verify", "--known", known], "").unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    deployment.set("POLYRESET_SECRET", &"ab01020304050607".repeat(4));
    let other = deployment.run(&["audit", "verify"], "").unwrap();
    assert_eq!(other.status.code(), Some(1), "another secret: {}", stdout(&other));
    assert!(
        !deployment.run(&["audit", "export"], "").unwrap().status.success(),
        "events cannot be sealed under another secret"
    );
}

/// After a backup was restored, tickets that had been spent are live again.
#[test]
fn void_tickets_ends_the_live_secrets_of_one_account_or_of_all() {
    const OTHER: &str = "other@example.com";
    let (deployment, _folder) = deployment();
    for person in [PERSON, OTHER] {
        deployment.add_user(person, "the old password").unwrap();
    }
    let server = deployment.start().unwrap();
    let code = |person: &str| run(&deployment, &["link", person, "--dialect", "px0"]).trim().to_owned();
    let (first, others) = (code(PERSON), code(OTHER));
    assert_eq!(run(&deployment, &["user", "void-tickets", PERSON]), "voided codes and links: 1\n");
    assert_eq!((reset(server.address, &first), reset(server.address, &others)), (400, 200));
    let codes = [code(PERSON), code(OTHER)];
    assert_eq!(run(&deployment, &["user", "void-tickets", "--all"]), "voided codes and links: 2\n");
    assert_eq!(codes.map(|code| reset(server.address, &code)), [400, 400]);
    assert_eq!(run(&deployment, &["user", "void-tickets", "--all"]), "voided codes and links: 0\n");
    assert_eq!(reset(server.address, &code(PERSON)), 200, "a new one works");
    let export = run(&deployment, &["audit", "export"]);
    assert_eq!(export.matches("\"kind\":\"tickets-voided\"").count(), 3, "{export}");
    for (args, code, reason) in [
        (&["user", "void-tickets", "ghost@example.com"][..], 1, "no account"),
        (&["user", "void-tickets"], 2, "EMAIL"),
        (&["user", "void-tickets", PERSON, "--all"], 2, "--all"),
    ] {
        let refused = deployment.run(args, "").unwrap();
        assert_eq!(refused.status.code(), Some(code), "{args:?}");
        assert!(stderr(&refused).contains(reason), "{}", stderr(&refused));
    }
}
