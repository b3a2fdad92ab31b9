//! worthai, from the reset request through the mail to the new password, without a server.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, header};
use reset_core::{
    Resets,
    account::NewAccount,
    email::EmailAddress,
    event::{Event, EventKind},
    job::Outcome,
    keys::{HmacKey, Keys},
    password::Policy,
    ports::{Accounts, Clock},
};
use reset_testkit::memory::{MailRefusal, Memory, Outage, SentKind};
use serde_json::{Value, json};

use super::{ForgedResponse, NAME, WorthaiSettings, dialect, error::render};
use reset_http::{Api, ServeOptions, common_error::CommonError, jwt};

const EXPIRED: &str = r#"{"status":"fail","message":"This reset password link has expired","errorCode":"INVALID","data":{"errorName":"SignInApiError"}}"#;
const INVALID_SIGNATURE: &str = r#"{"status":"error","message":"invalid signature","errorCode":"UNKNOWN_ERROR","data":{"errorName":"JsonWebTokenError"}}"#;
const FAILURE: &str = r#"{"status":"error","message":"Internal Server Error","errorCode":"UNKNOWN_ERROR","data":{"errorName":"InternalServerError"}}"#;
const UNAUTHORIZED: &str = r#"{"message":"Unauthorized","errorCode":"ERR_UNAUTHORIZED"}"#;
const FORBIDDEN: &str = r#"{"message":"Forbidden","errorCode":"ERR_FORBIDDEN"}"#;
const CHANGED: &str = r#"{"status":"success","message":"Password Changed successfully"}"#;
const SENT: &str =
    r#"{"status":"success","message":"A link to reset your password has been sent to the registered email"}"#;

struct Bench {
    memory: Memory,
    resets: Resets,
    api: Api,
}

fn policy() -> Policy {
    Policy { min: 8, four_classes: false, refuse_common: false, max_bytes: 72 }
}

fn settings(forged: ForgedResponse) -> WorthaiSettings {
    WorthaiSettings {
        base_path: "/auth/api/v1".into(),
        page_url: "https://app.example.org/reset".into(),
        token_ttl: Duration::from_secs(1800),
        jwt_keys: jwt_key().into(),
        forged,
        policy: policy(),
    }
}

fn jwt_key() -> HmacKey {
    HmacKey::shared(&[9; 32])
}

impl Bench {
    async fn new(forged: ForgedResponse) -> Self {
        let memory = Memory::new(7);
        let worthai = dialect(settings(forged));
        let policies = worthai.policies.clone().into_iter().collect();
        let keys = Keys::new(&HmacKey::root(&[3; 32]).unwrap());
        let resets = Resets::new(memory.adapters(), keys, policies, false);
        let api = Api::new(resets.clone(), vec![worthai], ServeOptions::default());
        let account = NewAccount {
            email: "Ann@example.org".into(),
            username: None,
            name: None,
            locale: None,
            password_hash: String::new(),
            created_at: memory.clock.now(),
        };
        memory.store.add_account(&ann(), account).await.unwrap();
        Self { memory, resets, api }
    }

    async fn post(&self, path: &str, body: impl Into<Bytes>) -> Response<Bytes> {
        let route = self.api.routes().iter().find(|route| route.path == path).unwrap();
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        self.api.answer(route, &route.endpoints[0], request.body(Ok(body.into())).unwrap()).await
    }

    async fn forgot(&self, body: impl Into<Bytes>) -> (u16, String) {
        status_and_body(&self.post("/auth/api/v1/forgot-password", body).await)
    }

    async fn reset(&self, token: &str, password: &str) -> (u16, String) {
        let body = json!({"password": password, "reset_token": token}).to_string();
        status_and_body(&self.post("/auth/api/v1/reset-password", body).await)
    }

    async fn deliver(&self) {
        for job in self.resets.claim(10).await.unwrap() {
            self.resets.deliver(&job).await.unwrap();
        }
    }

    /// Requests a reset, delivers the mail and returns its token.
    async fn token(&self) -> String {
        assert_eq!(self.forgot(r#"{"email":"ann@example.org"}"#).await, (200, SENT.to_owned()));
        self.deliver().await;
        let mail = self.memory.mailer.take().pop().unwrap();
        assert_eq!((mail.kind, mail.to.as_str()), (SentKind::Link, "Ann@example.org"));
        let token = mail.secret.strip_prefix("https://app.example.org/reset?reset_token=").unwrap();
        token.to_owned()
    }

    /// Returns whether the stored hash matches `password`.
    async fn logs_in(&self, password: &str) -> bool {
        let account = self.memory.store.account_by_email(&ann()).await.unwrap().unwrap();
        let stored = self.memory.store.password_hash(&account.id).await.unwrap().unwrap();
        let password = policy().accept(password).unwrap();
        !stored.is_empty() && self.memory.adapters().hasher.verify(password, &stored).await.unwrap()
    }
}

fn ann() -> EmailAddress {
    EmailAddress::parse("ann@example.org").unwrap()
}

fn status_and_body(response: &Response<Bytes>) -> (u16, String) {
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json; charset=utf-8");
    (response.status().as_u16(), String::from_utf8(response.body().to_vec()).unwrap())
}

fn invalid(message: &str) -> (u16, String) {
    let envelope = r#","errorCode":"INVALID","data":{"errorName":"ValidationMiddlewareError"}}"#;
    (400, format!(r#"{{"status":"fail","message":{}{envelope}"#, json!(message)))
}

fn expired() -> (u16, String) {
    (400, EXPIRED.to_owned())
}

#[tokio::test]
async fn mailed_link_sets_a_password_once() {
    let bench = Bench::new(ForgedResponse::AsContracted).await;
    let token = bench.token().await;
    assert_eq!(bench.reset(&token, "a new password").await, (200, CHANGED.to_owned()));
    assert!(bench.logs_in("a new password").await);
    assert_eq!(bench.reset(&token, "another password").await, expired());
    assert!(bench.logs_in("a new password").await);
}

#[tokio::test]
async fn every_address_gets_the_same_response_and_only_an_account_gets_mail() {
    let bench = Bench::new(ForgedResponse::AsContracted).await;
    let known = bench.post("/auth/api/v1/forgot-password", r#"{"email":"ann@example.org"}"#).await;
    let unknown = bench.post("/auth/api/v1/forgot-password", r#"{"email":"bob@example.org"}"#).await;
    let names = |response: &Response<Bytes>| response.headers().keys().cloned().collect::<Vec<_>>();
    assert_eq!((status_and_body(&known), names(&known)), (status_and_body(&unknown), names(&unknown)));
    assert_eq!(known.headers()["x-reset-reference"].len(), unknown.headers()["x-reset-reference"].len());
    bench.deliver().await;
    assert_eq!(bench.memory.mailer.sent().len(), 1);
}

#[tokio::test]
async fn token_contains_no_address_and_a_retried_mail_repeats_it() {
    let bench = Bench::new(ForgedResponse::AsContracted).await;
    bench.memory.mailer.refuse_next(1, MailRefusal::Temporary);
    bench.forgot(r#"{"email":"ann@example.org"}"#).await;
    bench.deliver().await;
    let ticket = bench.memory.store.tickets().pop().unwrap();
    bench.memory.clock.advance(Duration::from_secs(5));
    bench.deliver().await;
    let mail = bench.memory.mailer.take().pop().unwrap();
    let token = mail.secret.split_once("reset_token=").unwrap().1;
    let verified = jwt::verify::<Value>(&jwt_key(), token).unwrap();
    let (minted, jti) = (ticket.minted_at.as_secs(), verified.claims["jti"].as_str().unwrap());
    assert_eq!(jti.len(), 32);
    let expected = json!({"sub": "1", "jti": jti, "iat": minted, "nbf": minted, "exp": minted + 1800,
        "iss": "polyreset", "aud": "worthai:password-reset"});
    assert_eq!((verified.typ.as_deref(), &verified.claims), (Some("pwreset+jwt"), &expected));
}

#[tokio::test]
async fn token_expires_after_its_lifetime() {
    let bench = Bench::new(ForgedResponse::AsContracted).await;
    let token = bench.token().await;
    bench.memory.clock.advance(Duration::from_millis(1_799_999));
    assert_eq!(bench.reset(&token, "short").await.0, 400);
    bench.memory.clock.advance(Duration::from_millis(1));
    assert_eq!(bench.reset(&token, "a new password").await, expired());
    let token = bench.token().await;
    bench.memory.clock.advance(Duration::from_millis(1_799_999));
    assert_eq!(bench.reset(&token, "a new password").await.0, 200);
}

#[tokio::test]
async fn newer_link_voids_the_older_one() {
    let bench = Bench::new(ForgedResponse::AsContracted).await;
    let (first, second) = (bench.token().await, bench.token().await);
    assert_ne!(first, second);
    assert_eq!(bench.reset(&first, "a new password").await, expired());
    assert_eq!(bench.reset(&second, "a new password").await.0, 200);
}

#[tokio::test]
async fn blocked_account_gets_403_and_no_mail() {
    let bench = Bench::new(ForgedResponse::AsContracted).await;
    let token = bench.token().await;
    let blocked = Event::new(EventKind::Blocked, bench.memory.clock.now());
    bench.memory.store.set_blocked(&ann(), true, &blocked).await.unwrap();
    assert_eq!(bench.reset(&token, "a new password").await, (403, FORBIDDEN.to_owned()));
    assert_eq!(bench.forgot(r#"{"email":"ann@example.org"}"#).await, (200, SENT.to_owned()));
    bench.deliver().await;
    assert_eq!(bench.memory.mailer.sent(), []);
    assert_eq!(bench.memory.store.jobs().pop().unwrap().1, Some(Outcome::NoAccount));
}

#[tokio::test]
async fn weak_password_neither_uses_up_nor_reveals_the_token() {
    let bench = Bench::new(ForgedResponse::AsContracted).await;
    let token = bench.token().await;
    let short = invalid(r#""password" length must be at least 8 characters long"#);
    assert_eq!(bench.reset(&token, "1234567").await, short);
    assert_eq!(bench.reset("no token at all", "1234567").await, short);
    let long = invalid(r#""password" length must be less than or equal to 72 bytes long"#);
    assert_eq!(bench.reset(&token, &"a".repeat(73)).await, long);
    let nul = invalid(r#""password" must not contain the NUL character"#);
    assert_eq!(bench.reset(&token, "12345678\0").await, nul);
    assert_eq!(bench.reset(&token, "12345678").await.0, 200);
}

#[tokio::test]
async fn forged_token_gets_the_contracts_500_or_the_hardened_400() {
    for (forged, response) in [
        (ForgedResponse::AsContracted, (500, INVALID_SIGNATURE.to_owned())),
        (ForgedResponse::AsExpired, expired()),
    ] {
        let bench = Bench::new(forged).await;
        let token = bench.token().await;
        let (message, _) = token.rsplit_once('.').unwrap();
        let other_key = jwt::sign(&HmacKey::shared(b"other"), "pwreset+jwt", &json!({"sub": "1"}));
        let oversize = "a".repeat(2049);
        for token in ["garbage", "a.b.c", message, &format!("{message}."), &other_key, &oversize] {
            assert_eq!(bench.reset(token, "a new password").await, response);
        }
        assert_eq!(bench.reset(&token, "a new password").await.0, 200);
    }
}

#[tokio::test]
async fn token_for_another_purpose_gets_401_and_an_unknown_one_counts_as_expired() {
    let bench = Bench::new(ForgedResponse::AsContracted).await;
    let now = bench.memory.clock.now().as_secs();
    let claims = |aud: &str| {
        json!({"sub": "1", "jti": "0".repeat(32), "iat": now, "nbf": now, "exp": now + 60,
            "iss": "polyreset", "aud": aud})
    };
    let other = jwt::sign(&jwt_key(), "pwreset+jwt", &claims("worthai:verify-email"));
    assert_eq!(bench.reset(&other, "a new password").await, (401, UNAUTHORIZED.to_owned()));
    let session = jwt::sign(&jwt_key(), "JWT", &claims("worthai:password-reset"));
    assert_eq!(bench.reset(&session, "a new password").await, (401, UNAUTHORIZED.to_owned()));
    let unknown = jwt::sign(&jwt_key(), "pwreset+jwt", &claims("worthai:password-reset"));
    assert_eq!(bench.reset(&unknown, "a new password").await, expired());
}

#[tokio::test]
async fn token_with_another_accounts_id_is_rejected_and_not_used_up() {
    let bench = Bench::new(ForgedResponse::AsContracted).await;
    let token = bench.token().await;
    let mut claims = jwt::verify::<serde_json::Value>(&jwt_key(), &token).ok().unwrap().claims;
    claims["sub"] = json!("999");
    let other = jwt::sign(&jwt_key(), "pwreset+jwt", &claims);
    assert_eq!(bench.reset(&other, "a new password").await, (400, EXPIRED.to_owned()));
    assert_eq!(bench.reset(&token, "a new password").await, (200, CHANGED.to_owned()));
}

#[tokio::test]
async fn invalid_body_is_reported_without_submitted_values() {
    let bench = Bench::new(ForgedResponse::AsContracted).await;
    for (body, message) in [
        ("", r#""body" must be of type object"#),
        ("[]", r#""body" must be of type object"#),
        (r#"["ann@example.org"]"#, r#""body" must be of type object"#),
        (r#"{"email":"ann@example.org","email":"b@example.org"}"#, r#""body" must be of type object"#),
        ("{}", r#""email" is required"#),
        (r#"{"email":""}"#, r#""email" is not allowed to be empty"#),
        (r#"{"email":null}"#, r#""email" must be a string"#),
        (r#"{"email":["ann@example.org"]}"#, r#""email" must be a string"#),
        (r#"{"email":"ann@example.org,b@example.org"}"#, r#""email" must be a valid email"#),
        (r#"{"email":"<script>"}"#, r#""email" must be a valid email"#),
        (r#"{"email":"ann@example.org","<b>":1}"#, r#""body" has fields that are not allowed"#),
    ] {
        assert_eq!(bench.forgot(body).await, invalid(message), "{body}");
    }
    bench.deliver().await;
    assert_eq!(bench.memory.mailer.sent(), []);
    for (body, message) in [
        ("{", r#""body" must be of type object"#),
        ("{}", r#""password" is required"#),
        (r#"{"password":12345678,"reset_token":"t"}"#, r#""password" must be a string"#),
        (r#"{"password":"","reset_token":"t"}"#, r#""password" is not allowed to be empty"#),
        (r#"{"password":"12345678"}"#, r#""reset_token" is required"#),
        (r#"{"password":"12345678","reset_token":{"$gt":""}}"#, r#""reset_token" must be a string"#),
        (r#"{"password":"1","reset_token":"t","id":1}"#, r#""body" has fields that are not allowed"#),
    ] {
        assert_eq!(
            status_and_body(&bench.post("/auth/api/v1/reset-password", body).await),
            invalid(message),
            "{body}"
        );
    }
}

#[tokio::test]
async fn store_failure_is_a_500_and_does_not_use_up_the_token() {
    let bench = Bench::new(ForgedResponse::AsContracted).await;
    let token = bench.token().await;
    bench.memory.store.set_outage(Outage::Only("redeem"));
    assert_eq!(bench.reset(&token, "a new password").await, (500, FAILURE.to_owned()));
    bench.memory.store.set_outage(Outage::Everything);
    assert_eq!(bench.forgot(r#"{"email":"ann@example.org"}"#).await, (500, FAILURE.to_owned()));
    bench.memory.store.set_outage(Outage::None);
    assert_eq!(bench.reset(&token, "a new password").await.0, 200);
}

#[test]
fn common_errors_have_worthais_format() {
    for (error, code, status, message, error_code, name) in [
        (
            CommonError::NotFound { path: "/<b>".into(), query: None },
            404,
            "fail",
            "Not Found",
            "ERR_NOT_FOUND",
            "NotFoundError",
        ),
        (
            CommonError::MethodNotAllowed { method: "PUT".into() },
            405,
            "fail",
            "Method Not Allowed",
            "ERR_METHOD_NOT_ALLOWED",
            "MethodNotAllowedError",
        ),
        (
            CommonError::BodyTooLarge,
            413,
            "fail",
            "Payload Too Large",
            "ERR_PAYLOAD_TOO_LARGE",
            "PayloadTooLargeError",
        ),
        (
            CommonError::UnsupportedMediaType { content_type: "text/plain".into() },
            415,
            "fail",
            "Unsupported Media Type",
            "ERR_UNSUPPORTED_MEDIA_TYPE",
            "UnsupportedMediaTypeError",
        ),
        (
            CommonError::Busy { retry_after: Duration::from_secs(2) },
            503,
            "error",
            "Service Unavailable",
            "ERR_SERVICE_UNAVAILABLE",
            "ServiceUnavailableError",
        ),
    ] {
        let body = format!(
            r#"{{"status":"{status}","message":"{message}","errorCode":"{error_code}","data":{{"errorName":"{name}"}}}}"#
        );
        let response = render(&error);
        assert_eq!(status_and_body(&response), (code, body));
        assert_eq!(response.headers().contains_key(header::RETRY_AFTER), code == 503);
    }
    assert_eq!(
        status_and_body(&render(&CommonError::BodyUnreadable)),
        invalid(r#""body" must be of type object"#)
    );
    assert_eq!(status_and_body(&render(&CommonError::Failure)), (500, FAILURE.to_owned()));
}

#[test]
fn document_has_the_published_paths_and_statuses() {
    let worthai = dialect(settings(ForgedResponse::AsContracted));
    assert_eq!((worthai.name, worthai.base.served.as_str()), (NAME, "/auth/api/v1"));
    let document = serde_json::to_value(&worthai.document).unwrap();
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths, ["/forgot-password", "/reset-password"]);
    let reset = &document["paths"]["/reset-password"]["post"];
    let statuses: Vec<&String> = reset["responses"].as_object().unwrap().keys().collect();
    assert_eq!(statuses, ["200", "400", "401", "403", "429", "500"]);
    assert_eq!(document["servers"][0]["url"], "https://api.joinworth.com/auth/api/v1");
    assert_eq!(
        document["components"]["schemas"]["ResetPasswordRequest"]["required"],
        json!(["password", "reset_token"])
    );
}
