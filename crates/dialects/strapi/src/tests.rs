//! Strapi, from the reset request through the mail to the new password, without a server.

mod faults;
mod v3;

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, header};
use reset_core::{
    Resets,
    account::NewAccount,
    email::EmailAddress,
    event::{Event, EventKind},
    keys::{HmacKey, Keyring, Keys},
    password::Policy,
    ports::{Accounts, Clock},
};
use reset_testkit::memory::{FrozenClock, Memory, Outage, SentKind};
use serde_json::{Value, json};

use super::{StrapiSettings, Wire, dialect};
use reset_http::{Api, ServeOptions, common_error::CommonError, jwt, wire::iso};

const PATHS: [&str; 2] = ["/auth/reset-password", "/api/auth/reset-password"];

struct Bench {
    memory: Memory,
    resets: Resets,
    api: Api,
}

fn settings() -> StrapiSettings {
    StrapiSettings {
        wire: Wire::Published,
        base_path: String::new(),
        page_url: "https://app.example.org/reset?lang=en".into(),
        token_ttl: Duration::from_secs(3600),
        tags: HmacKey::shared(b"tags").into(),
        jwt_key: HmacKey::shared(&[9; 32]),
        jwt_ttl: Duration::from_secs(2_592_000),
        issue_jwt: true,
        public: true,
        policy: Policy { min: 8, four_classes: false, refuse_common: false, max_bytes: 72 },
    }
}

impl Bench {
    async fn new(settings: StrapiSettings) -> Self {
        let memory = Memory::new(7);
        let strapi = dialect(settings);
        let policies = strapi.policies.clone().into_iter().collect();
        let keys = Keys::new(&HmacKey::root(&[3; 32]).unwrap());
        let resets = Resets::new(memory.adapters(), keys, policies, false);
        let api = Api::new(resets.clone(), vec![strapi], ServeOptions::default());
        for (email, username) in [("Ann@example.org", Some("ann")), ("Bob@example.org", None)] {
            let account = NewAccount {
                email: email.into(),
                username: username.map(ToOwned::to_owned),
                name: None,
                locale: None,
                password_hash: String::new(),
                created_at: memory.clock.now(),
            };
            memory.store.add_account(&EmailAddress::parse(email).unwrap(), account).await.unwrap();
        }
        Self { memory, resets, api }
    }

    async fn post(&self, path: &str, body: impl Into<Bytes>) -> (u16, String) {
        let route = self.api.routes().iter().find(|route| route.path == path).unwrap();
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        status_and_body(
            &self.api.answer(route, &route.endpoints[0], request.body(Ok(body.into())).unwrap()).await,
        )
    }

    async fn reset(&self, code: &str, password: &str) -> (u16, String) {
        let body = json!({"code": code, "password": password, "passwordConfirmation": password});
        self.post(PATHS[1], body.to_string()).await
    }

    async fn deliver(&self) {
        for job in self.resets.claim(10).await.unwrap() {
            self.resets.deliver(&job).await.unwrap();
        }
    }

    /// Requests a reset, delivers the mail and returns its code.
    async fn code(&self, email: &str) -> String {
        let response = self.post("/auth/forgot-password", json!({"email": email}).to_string()).await;
        assert_eq!(response, (200, r#"{"ok":true}"#.to_owned()));
        self.deliver().await;
        let mail = self.memory.mailer.take().pop().unwrap();
        assert_eq!(mail.kind, SentKind::Link);
        let code = mail.secret.strip_prefix("https://app.example.org/reset?lang=en&code=").unwrap();
        assert_eq!(code.len(), 128);
        code.to_owned()
    }

    async fn block(&self, email: &str) {
        let (email, now) = (EmailAddress::parse(email).unwrap(), self.memory.clock.now());
        assert!(
            self.memory.store.set_blocked(&email, true, &Event::new(EventKind::Blocked, now)).await.unwrap()
        );
    }
}

fn status_and_body(response: &Response<Bytes>) -> (u16, String) {
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json; charset=utf-8");
    (response.status().as_u16(), String::from_utf8(response.body().to_vec()).unwrap())
}

/// Status and body of an error response.
fn failure(code: u16, name: &str, message: &str, details: &str) -> (u16, String) {
    let body = format!(
        r#"{{"code":{code},"message":"{message}","data":null,"error":{{"status":{code},"name":"{name}","message":"{message}","details":{details}}}}}"#
    );
    (code, body)
}

fn incorrect() -> (u16, String) {
    failure(400, "ValidationError", "Incorrect code provided", "{}")
}

/// Status and body of a validation error, in the format of v4.
fn faults(faults: &[(&str, &str)]) -> (u16, String) {
    let one = |(field, message): &(&str, &str)| {
        let path = if field.is_empty() { String::new() } else { format!("{field:?}") };
        format!(r#"{{"path":[{path}],"message":"{message}","name":"ValidationError"}}"#)
    };
    let details = format!(r#"{{"errors":[{}]}}"#, faults.iter().map(one).collect::<Vec<_>>().join(","));
    let several = format!("{} errors occurred", faults.len());
    let message = if let [(_, message)] = faults { *message } else { &several };
    failure(400, "ValidationError", message, &details)
}

#[tokio::test]
async fn mailed_code_sets_a_password_once_and_returns_a_session_token() {
    let bench = Bench::new(settings()).await;
    let code = bench.code("ann@example.org").await;
    let (status, body) = bench.reset(&code, "a new password").await;
    let iat = bench.memory.clock.now().as_secs();
    let at = iso(FrozenClock::START);
    let token = body.split('"').nth(3).unwrap();
    let user = format!(
        r#"{{"id":1,"username":"ann","email":"Ann@example.org","provider":"local","confirmed":true,"blocked":false,"createdAt":"{at}","updatedAt":"{at}"}}"#
    );
    assert_eq!((status, &body), (200, &format!(r#"{{"jwt":"{token}","user":{user}}}"#)));
    let session = jwt::verify::<Value>(&settings().jwt_key, token).unwrap();
    assert_eq!(session.typ.as_deref(), Some("JWT"));
    assert_eq!(session.claims, json!({"id": 1, "iat": iat, "exp": iat + 2_592_000}));
    assert_eq!(bench.reset(&code, "another password").await, incorrect());
}

#[tokio::test]
async fn response_omits_the_jwt_if_disabled_and_uses_the_address_as_missing_username() {
    let bench = Bench::new(StrapiSettings { issue_jwt: false, ..settings() }).await;
    let code = bench.code("bob@example.org").await;
    let at = iso(FrozenClock::START);
    let body = format!(
        r#"{{"user":{{"id":2,"username":"Bob@example.org","email":"Bob@example.org","provider":"local","confirmed":true,"blocked":false,"createdAt":"{at}","updatedAt":"{at}"}}}}"#
    );
    assert_eq!(bench.reset(&code.to_uppercase(), "a new password").await, (200, body));
}

#[tokio::test]
async fn wrong_expired_superseded_used_and_blocked_codes_get_the_same_response() {
    let bench = Bench::new(settings()).await;
    for wrong in ["x", "0", &"0".repeat(128), "' OR 1=1", "%", " ", "\0"] {
        assert_eq!(bench.reset(wrong, "a new password").await, incorrect(), "{wrong:?}");
    }
    let (first, second) = (bench.code("ann@example.org").await, bench.code("ann@example.org").await);
    assert_eq!(bench.reset(&first, "a new password").await, incorrect());
    bench.memory.clock.advance(Duration::from_secs(3600));
    assert_eq!(bench.reset(&second, "a new password").await, incorrect());
    let third = bench.code("ann@example.org").await;
    bench.memory.clock.advance(Duration::from_millis(3_599_999));
    bench.block("ann@example.org").await;
    assert_eq!(bench.reset(&third, "a new password").await, incorrect());
}

#[tokio::test]
async fn code_is_valid_until_its_last_millisecond() {
    let bench = Bench::new(settings()).await;
    let code = bench.code("ann@example.org").await;
    bench.memory.clock.advance(Duration::from_millis(3_599_999));
    assert_eq!(bench.reset(&code, "a new password").await.0, 200);
}

#[tokio::test]
async fn unknown_and_blocked_addresses_get_the_usual_response_and_no_mail() {
    let bench = Bench::new(settings()).await;
    bench.block("ann@example.org").await;
    for email in ["ann@example.org", "nobody@example.org"] {
        for path in ["/auth/forgot-password", "/api/auth/forgot-password"] {
            let response = bench.post(path, json!({"email": email}).to_string()).await;
            assert_eq!(response, (200, r#"{"ok":true}"#.to_owned()));
        }
    }
    bench.deliver().await;
    assert_eq!(bench.memory.mailer.sent(), []);
}

#[tokio::test]
async fn weak_password_is_rejected_before_the_code_is_checked_or_used_up() {
    let bench = Bench::new(settings()).await;
    let code = bench.code("ann@example.org").await;
    for code in [code.as_str(), "wrong"] {
        let short = faults(&[("password", "password must be at least 8 characters")]);
        assert_eq!(bench.reset(code, "1234567").await, short);
        let long = faults(&[("password", "Password must be less than 73 bytes")]);
        assert_eq!(bench.reset(code, &"é".repeat(37)).await, long);
        let nul = faults(&[("password", "password must not contain the NUL character")]);
        assert_eq!(bench.reset(code, "12345678\0").await, nul);
        let body = json!({"code": code, "password": "1", "passwordConfirmation": "2"}).to_string();
        let mismatch = faults(&[("passwordConfirmation", "Passwords do not match")]);
        assert_eq!(bench.post(PATHS[0], body).await, mismatch);
    }
    assert_eq!(bench.reset(&code, "$a$b$c$d$e").await.0, 200);
}

#[tokio::test]
async fn private_deployment_returns_403_before_reading_the_body() {
    let bench = Bench::new(StrapiSettings { public: false, ..settings() }).await;
    let forbidden = failure(403, "ForbiddenError", "Forbidden", "{}");
    for route in bench.api.routes() {
        assert_eq!(bench.post(&route.path, "").await, forbidden, "{}", route.path);
    }
    assert_eq!(bench.memory.store.jobs(), []);
}

#[tokio::test]
async fn store_failure_is_a_500_and_does_not_use_up_the_code() {
    let bench = Bench::new(settings()).await;
    let code = bench.code("ann@example.org").await;
    let internal = failure(500, "InternalServerError", "Internal Server Error", "{}");
    bench.memory.store.set_outage(Outage::Only("redeem"));
    assert_eq!(bench.reset(&code, "a new password").await, internal);
    bench.memory.store.set_outage(Outage::Everything);
    assert_eq!(bench.post("/auth/forgot-password", r#"{"email":"ann@example.org"}"#).await, internal);
    bench.memory.store.set_outage(Outage::None);
    assert_eq!(bench.reset(&code, "a new password").await.0, 200);
}

#[test]
fn common_errors_have_the_same_format() {
    for (error, code, name, message) in [
        (CommonError::NotFound { path: "/auth/<b>".into(), query: None }, 404, "NotFoundError", "Not Found"),
        (
            CommonError::MethodNotAllowed { method: "PUT".into() },
            405,
            "MethodNotAllowedError",
            "Method Not Allowed",
        ),
        (CommonError::BodyTooLarge, 413, "PayloadTooLargeError", "Payload Too Large"),
        (CommonError::BodyUnreadable, 400, "ValidationError", "Invalid request body"),
        (
            CommonError::UnsupportedMediaType { content_type: "text/plain".into() },
            415,
            "UnsupportedMediaTypeError",
            "Unsupported Media Type",
        ),
        (CommonError::Failure, 500, "InternalServerError", "Internal Server Error"),
    ] {
        assert_eq!(status_and_body(&super::error::render(&error)), failure(code, name, message, "{}"));
    }
    let busy = super::error::render(&CommonError::Busy { retry_after: Duration::from_secs(2) });
    assert_eq!(busy.headers()[header::RETRY_AFTER], "2");
    assert_eq!(status_and_body(&busy), failure(503, "ServiceUnavailableError", "Service Unavailable", "{}"));
}

#[test]
fn document_has_the_published_paths_and_statuses_under_both_prefixes() {
    let document = serde_json::to_value(dialect(settings()).document).unwrap();
    for (path, id) in [
        ("/auth/forgot-password", "forgotPassword"),
        ("/auth/reset-password", "resetPassword"),
        ("/api/auth/forgot-password", "forgotPasswordV4"),
        ("/api/auth/reset-password", "resetPasswordV4"),
    ] {
        assert_eq!(document["paths"][path]["post"]["operationId"], id);
    }
    let reset = &document["paths"]["/auth/reset-password"]["post"];
    let statuses: Vec<&String> = reset["responses"].as_object().unwrap().keys().collect();
    assert_eq!(statuses, ["200", "400", "403", "404", "429", "default"]);
    let error = &document["components"]["schemas"]["Error"];
    assert_eq!(error["required"], json!(["code", "message", "data", "error"]));
    assert_eq!(
        (&error["properties"]["code"]["type"], &error["properties"]["code"]["format"]),
        (&json!("integer"), &json!("int32"))
    );
    assert_eq!(
        document["components"]["schemas"]["ResetPasswordRequest"]["required"],
        json!(["code", "password", "passwordConfirmation"])
    );
}

#[tokio::test]
async fn forged_code_causes_no_lookup_even_with_several_tag_keys() {
    let [new, old, older] = [1, 2, 3].map(|byte| HmacKey::shared(&[byte; 32]));
    let with_tag_key = |key: &HmacKey| StrapiSettings { tags: key.clone().into(), ..settings() };
    let bench =
        Bench::new(StrapiSettings { tags: Keyring::new(new, [old.clone(), older]), ..settings() }).await;
    let previous = Bench::new(with_tag_key(&old)).await.code("Ann@example.org").await;
    let foreign = Bench::new(with_tag_key(&HmacKey::shared(b"strange"))).await.code("Ann@example.org").await;
    let rejected = failure(400, "ValidationError", "Incorrect code provided", "{}");
    for forged in [foreign, "0".repeat(128), format!("{}{}", &previous[..127], "g")] {
        assert_eq!(bench.reset(&forged, "a new password").await, rejected);
    }
    assert_eq!(bench.memory.store.look_ups(), 0);
    // A tag with a previous key is valid, so the ticket is looked up; this store has none.
    assert_eq!(bench.reset(&previous, "a new password").await, rejected);
    assert_eq!(bench.memory.store.look_ups(), 1);
}
