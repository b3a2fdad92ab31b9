//! The limits of a deployment as it comes.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use conformance::http::post;

use super::{TIMEOUT, limited, reset_mail};

const TRIGGER: &str = "/v1/auth/password-reset/trigger";
const RESET: &str = "/v1/auth/password-reset/reset";

#[test]
fn an_address_is_mailed_once_a_minute_and_a_client_asks_five_times_though_the_process_is_another() {
    let (deployment, _folder) = limited();
    deployment.add_user("ann@example.com", "the old password").unwrap();
    let ask = r#"{"email":"ann@example.com"}"#;
    let server = deployment.start().unwrap();
    assert_eq!(post(server.address, TRIGGER, ask).unwrap().status, 200);
    let mail = reset_mail(&deployment, "ann@example.com");
    // A mail is there before that is recorded; killed in between, the next process would rightly mail it again.
    let begun = Instant::now();
    while !deployment.logged().contains("job mailed") {
        assert!(begun.elapsed() < TIMEOUT, "{}", deployment.logged());
        thread::sleep(Duration::from_millis(5));
    }
    fs::remove_dir_all(deployment.mails()).unwrap();
    assert_eq!(post(server.address, "/auth/forgot-password", ask).unwrap().status, 200);
    server.kill();
    let server = deployment.start().unwrap();
    for _ in 0..5 {
        assert_eq!(post(server.address, TRIGGER, ask).unwrap().status, 200);
    }
    let refused = post(server.address, TRIGGER, ask).unwrap();
    assert_eq!(
        (refused.status, refused.body.as_str()),
        (429, r#"{"error":"too many requests, try again later"}"#)
    );
    assert!(refused.header("retry-after").is_some());
    thread::sleep(Duration::from_millis(300));
    // The next process has made the folder again.
    let mails = fs::read_dir(deployment.mails()).map_or(0, Iterator::count);
    assert_eq!(mails, 0, "no second mail");
    let reset = format!(r#"{{"code":"{}","new_password":"New Password 1!"}}"#, mail.code().unwrap());
    assert_eq!(post(server.address, RESET, &reset).unwrap().status, 200, "the first code is still good");
}

#[test]
fn wrong_guesses_are_remembered_by_the_next_process() {
    let (mut deployment, _folder) = limited();
    for limit in ["CLIENT_PX0_WRONG_PER_HOUR", "CLIENT_PX0_WRONG_PER_DAY", "NETWORK_PX0_WRONG_PER_DAY"] {
        deployment.set(&format!("POLYRESET_LIMITS__{limit}"), "100");
    }
    deployment.add_user("ann@example.com", "the old password").unwrap();
    let guess = |code: &str| format!(r#"{{"code":"{code}","new_password":"New Password 1!"}}"#);
    let server = deployment.start().unwrap();
    post(server.address, TRIGGER, r#"{"email":"ann@example.com"}"#).unwrap();
    let mail = reset_mail(&deployment, "ann@example.com");
    let code = mail.code().unwrap();
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..5 {
        assert_eq!(post(server.address, RESET, &guess(wrong)).unwrap().status, 400);
    }
    server.kill();
    let server = deployment.start().unwrap();
    assert_eq!(post(server.address, RESET, &guess(code)).unwrap().status, 400, "frozen");
    assert!(deployment.accepts("ann@example.com", "the old password").unwrap());
}

#[test]
fn the_settings_tell_what_the_limits_come_to() {
    let (deployment, _folder) = limited();
    let shown = deployment.run(&["config", "show"], "").unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    for line in [
        "px0_wrong_per_day = 20  # default",
        "# takeover bound: px0: 20 wrong guesses per day at 10 live 6-digit codes: P(any takeover) <= 2.0e-4 per day of attack",
        "# takeover bound: insforge: 10 wrong guesses per day at the 6-digit codes of one account, 100 at those of all: \
         P(takeover) <= 1.0e-5 per account, P(any takeover) <= 1.0e-4 per day of attack",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
}
