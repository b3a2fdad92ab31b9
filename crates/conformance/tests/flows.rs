//! Complete resets over TCP: request, mail, exchange, reset and replay, in each dialect on every server.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue panics")]

mod bench;

use bench::{FRONT_ENDS, FrontEnd, RunningServer, every_dialect};
use conformance::{
    clients::{self, Client, Step, exchanged},
    http::{self, RawResponse},
};
use reset_http::client::MailedSecret;
use reset_testkit::memory::SentKind;

const USER: &str = "user@example.com";
const PASSWORD: &str = "NewSecretPassword123!";

/// The responses to the same reset, sent twice.
struct ResetOnce {
    reset: RawResponse,
    replay: RawResponse,
}

/// Requests a reset by one step of the client, and sends another step twice with the mailed secret.
fn reset_twice(front_end: &FrontEnd, client: &Client, request: &Step, redeem: &Step) -> ResetOnce {
    let bench = RunningServer::start(front_end, every_dialect(&[], None));
    let send = |step: &Step| http::send(bench.address, step).unwrap();
    let accepted = send(&request.with("EMAIL", USER));
    assert!(accepted.status < 300, "{}: {} {}", request.path, accepted.status, accepted.body);
    let mailed = bench.next_mail().secret;
    let secret = match client.mailed {
        MailedSecret::Code => mailed,
        MailedSecret::Link { .. } => client.secret_in(&mailed).unwrap(),
    };
    let code = secret.clone();
    let secret = exchanged(client, bench.address, USER, secret).unwrap();
    if let Some(again) = client.exchange_of(USER, &code) {
        assert_eq!(secret.len(), client.forged.len(), "{}: the token has another form", client.dialect);
        let again = send(&again);
        assert_eq!(again.status, client.refused, "a code is exchanged once: {}", again.body);
    }
    let step = client.fill(redeem, &secret, PASSWORD);
    let reset = send(&step);
    assert!(reset.is_success(), "{}: {}", redeem.path, reset.body);
    let notice = bench.next_mail();
    assert_eq!((notice.kind, notice.to.as_str()), (SentKind::Changed, USER));
    let replay = send(&step);
    assert_eq!(replay.status, client.refused, "{}: {}", redeem.path, replay.body);
    ResetOnce { reset, replay }
}

/// Resets by the current paths of the dialect `name` on every server, and returns the responses of each.
fn by_current_paths(name: &str) -> Vec<ResetOnce> {
    let client = clients::named(name);
    let (request, redeem) = (client.request.last().unwrap(), client.redeem.last().unwrap());
    FRONT_ENDS.iter().map(|front_end| reset_twice(front_end, &client, request, redeem)).collect()
}

#[test]
fn every_dialect_resets_once_by_each_of_its_paths() {
    for front_end in FRONT_ENDS {
        for client in clients::all() {
            for request in &client.request {
                for redeem in &client.redeem {
                    reset_twice(front_end, &client, request, redeem);
                }
            }
        }
    }
}

#[test]
fn px0_confirms_the_address_and_rejects_a_spent_code() {
    for ResetOnce { reset, replay } in by_current_paths("px0") {
        assert_eq!(reset.body, r#"{"message":"password reset successfully","email":"user@example.com"}"#);
        assert_eq!(replay.body, r#"{"error":"invalid or expired password reset code"}"#);
    }
}

#[test]
fn worthai_reports_a_spent_token_as_expired() {
    for ResetOnce { reset, replay } in by_current_paths("worthai") {
        assert_eq!(reset.body, r#"{"status":"success","message":"Password Changed successfully"}"#);
        assert_eq!(
            replay.body,
            r#"{"status":"fail","message":"This reset password link has expired","errorCode":"INVALID","data":{"errorName":"SignInApiError"}}"#
        );
    }
}

#[test]
fn strapi_returns_a_session_and_the_user() {
    for ResetOnce { reset, replay } in by_current_paths("strapi") {
        assert!(reset.body.starts_with(r#"{"jwt":"ey"#), "{}", reset.body);
        let user = r#""user":{"id":1,"username":"user","email":"user@example.com","provider":"local","confirmed":true,"blocked":false,"#;
        assert!(reset.body.contains(user), "{}", reset.body);
        let refused = r#"{"code":400,"message":"Incorrect code provided""#;
        assert!(replay.body.starts_with(refused), "{}", replay.body);
    }
}

#[test]
fn insforge_confirms_the_reset() {
    for ResetOnce { reset, .. } in by_current_paths("insforge") {
        assert_eq!(reset.body, r#"{"message":"Password reset successfully"}"#);
    }
}
