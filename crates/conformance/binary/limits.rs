//! The default limits of a deployment.

use std::{
    thread,
    time::{Duration, Instant},
};

use conformance::{clients, http, mails};

use super::{TIMEOUT, limited, px0, reset_mail};

/// Address of the account.
const ANN: &str = "ann@example.com";

#[test]
fn second_request_within_a_minute_sends_no_mail_even_after_a_restart() {
    let (deployment, _folder) = limited();
    deployment.add_user(ANN, "the old password").unwrap();
    let (request, other) = (px0().request_for(ANN), clients::named("strapi").request_for(ANN));
    let server = deployment.start().unwrap();
    assert_eq!(http::send(server.address, &request).unwrap().status, 200);
    let mail = reset_mail(&deployment, ANN);
    // The mail is filed before its job is recorded as done. If killed in between, the next process would send it again.
    let started = Instant::now();
    while !deployment.logged().contains("job mailed") {
        assert!(started.elapsed() < TIMEOUT, "{}", deployment.logged());
        thread::sleep(Duration::from_millis(5));
    }
    mails::clear(&deployment.mails()).unwrap();
    assert_eq!(http::send(server.address, &other).unwrap().status, 200);
    server.kill();
    let server = deployment.start().unwrap();
    for _ in 0..5 {
        assert_eq!(http::send(server.address, &request).unwrap().status, 200);
    }
    let refused = http::send(server.address, &request).unwrap();
    assert_eq!(
        (refused.status, refused.body.as_str()),
        (429, r#"{"error":"too many requests, try again later"}"#)
    );
    assert!(refused.header("retry-after").is_some());
    thread::sleep(Duration::from_millis(300));
    let mails = mails::all(&deployment.mails()).unwrap();
    assert!(mails.is_empty(), "no second mail is sent: {mails:?}");
    let reset = px0().redeem_with(mail.code().unwrap(), "New Password 1!");
    assert_eq!(http::send(server.address, &reset).unwrap().status, 200, "the first code is still valid");
}

#[test]
fn wrong_guesses_count_after_a_restart() {
    let (mut deployment, _folder) = limited();
    for limit in ["CLIENT_PX0_WRONG_PER_HOUR", "CLIENT_PX0_WRONG_PER_DAY", "NETWORK_PX0_WRONG_PER_DAY"] {
        deployment.set(&format!("POLYRESET_LIMITS__{limit}"), "100");
    }
    deployment.add_user(ANN, "the old password").unwrap();
    let guess = |code: &str| px0().redeem_with(code, "New Password 1!");
    let server = deployment.start().unwrap();
    http::send(server.address, &px0().request_for(ANN)).unwrap();
    let mail = reset_mail(&deployment, ANN);
    let code = mail.code().unwrap();
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..5 {
        assert_eq!(http::send(server.address, &guess(wrong)).unwrap().status, 400);
    }
    server.kill();
    let server = deployment.start().unwrap();
    assert_eq!(http::send(server.address, &guess(code)).unwrap().status, 400, "short codes are frozen");
    assert!(deployment.accepts(ANN, "the old password").unwrap());
}

#[test]
fn config_show_prints_the_bounds_that_follow_from_the_limits() {
    let (deployment, _folder) = limited();
    let shown = deployment.run(&["config", "show"], "").unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    for line in [
        "# px0_wrong_per_day = 20  # default",
        "# takeover bound: px0: 20 wrong guesses per day at 10 live 6-digit codes: P(any takeover) <= 2.0e-4 per day of attack",
        "# takeover bound: insforge: 10 wrong guesses per day at the 6-digit codes of one account, 100 at those of all: \
         P(takeover) <= 1.0e-5 per account, P(any takeover) <= 1.0e-4 per day of attack",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
}
