//! Complete resets over TCP: request, mail, exchange, reset and replay, in each dialect on every server.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue panics")]

mod bench;

use bench::{FRONT_ENDS, RunningServer, default_settings};
use conformance::http::{Connection, RawResponse};
use reset_testkit::memory::{SentKind, SentMail};

const USER: &str = r#"{"email":"user@example.com"}"#;

fn post(bench: &RunningServer, path: &str, body: &str) -> RawResponse {
    Connection::open(bench.address).unwrap().post(path, body).unwrap()
}

fn token(mail: &SentMail) -> &str {
    mail.secret.rsplit('=').next().unwrap()
}

/// Takes the notice that follows every completed reset.
fn expect_notice(bench: &RunningServer) {
    let notice = bench.next_mail();
    assert_eq!((notice.kind, notice.to.as_str()), (SentKind::Changed, "user@example.com"));
}

#[test]
fn px0_resets_by_code_once() {
    for front_end in FRONT_ENDS {
        let bench = RunningServer::start(front_end, default_settings());
        assert_eq!(post(&bench, "/v1/auth/password-reset/trigger", USER).status, 200);
        let body =
            format!(r#"{{"code":"{}","new_password":"NewSecretPassword123!"}}"#, bench.next_mail().secret);
        let answer = post(&bench, "/v1/auth/password-reset/reset", &body);
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (200, r#"{"message":"password reset successfully","email":"user@example.com"}"#)
        );
        expect_notice(&bench);
        let replay = post(&bench, "/v1/auth/password-reset/reset", &body);
        assert_eq!(
            (replay.status, replay.body.as_str()),
            (400, r#"{"error":"invalid or expired password reset code"}"#)
        );
    }
}

#[test]
fn worthai_resets_by_token_once() {
    for front_end in FRONT_ENDS {
        let bench = RunningServer::start(front_end, default_settings());
        assert_eq!(post(&bench, "/auth/api/v1/forgot-password", USER).status, 200);
        let body =
            format!(r#"{{"password":"a new password","reset_token":"{}"}}"#, token(&bench.next_mail()));
        let answer = post(&bench, "/auth/api/v1/reset-password", &body);
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (200, r#"{"status":"success","message":"Password Changed successfully"}"#)
        );
        expect_notice(&bench);
        let replay = post(&bench, "/auth/api/v1/reset-password", &body);
        assert_eq!(
            (replay.status, replay.body.as_str()),
            (
                400,
                r#"{"status":"fail","message":"This reset password link has expired","errorCode":"INVALID","data":{"errorName":"SignInApiError"}}"#
            )
        );
    }
}

#[test]
fn strapi_resets_by_code_once_under_either_prefix() {
    for front_end in FRONT_ENDS {
        for (request, reset) in [("/auth", "/api/auth"), ("/api/auth", "/auth")] {
            let bench = RunningServer::start(front_end, default_settings());
            assert_eq!(post(&bench, &format!("{request}/forgot-password"), USER).status, 200);
            let body = format!(
                r#"{{"code":"{}","password":"a new password","passwordConfirmation":"a new password"}}"#,
                token(&bench.next_mail())
            );
            let answer = post(&bench, &format!("{reset}/reset-password"), &body);
            assert_eq!(answer.status, 200, "{}", answer.body);
            assert!(answer.body.starts_with(r#"{"jwt":"ey"#), "{}", answer.body);
            let user = r#""user":{"id":1,"username":"user","email":"user@example.com","provider":"local","confirmed":true,"blocked":false,"#;
            assert!(answer.body.contains(user), "{}", answer.body);
            expect_notice(&bench);
            let replay = post(&bench, &format!("{request}/reset-password"), &body);
            assert_eq!(replay.status, 400);
            assert!(
                replay.body.starts_with(r#"{"code":400,"message":"Incorrect code provided""#),
                "{}",
                replay.body
            );
        }
    }
}

#[test]
fn insforge_exchanges_a_code_for_a_token_and_resets_once() {
    for front_end in FRONT_ENDS {
        let bench = RunningServer::start(front_end, default_settings());
        assert_eq!(post(&bench, "/api/auth/email/send-reset-password", USER).status, 202);
        let body = format!(r#"{{"email":"user@example.com","code":"{}"}}"#, bench.next_mail().secret);
        let exchanged = post(&bench, "/api/auth/email/exchange-reset-password-token", &body);
        assert_eq!(exchanged.status, 200, "{}", exchanged.body);
        let token = exchanged.body.strip_prefix(r#"{"token":""#).unwrap().split('"').next().unwrap();
        assert_eq!(token.len(), 64);
        let again = post(&bench, "/api/auth/email/exchange-reset-password-token", &body);
        assert_eq!(again.status, 401, "{}", again.body);
        let body = format!(r#"{{"newPassword":"newSecurePassword123","otp":"{token}"}}"#);
        let answer = post(&bench, "/api/auth/email/reset-password", &body);
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (200, r#"{"message":"Password reset successfully"}"#)
        );
        expect_notice(&bench);
        let replay = post(&bench, "/api/auth/email/reset-password", &body);
        assert_eq!(replay.status, 401, "{}", replay.body);
    }
}
