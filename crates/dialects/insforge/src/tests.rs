//! InsForge's flows with in-memory adapters, from the reset request through the worker's mail to the new password.

mod code;
mod link;
mod table;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, header};
use reset_core::{
    Resets,
    account::{AccountId, NewAccount},
    email::EmailAddress,
    event::{Event, EventKind},
    keys::{HmacKey, Keys},
    password::{PASSWORD_MAX, Policy},
    ports::Accounts,
};
use reset_testkit::memory::{Memory, SentMail};

use super::{AllowList, InsForgeSettings, Method, dialect};
use reset_http::{Api, ServeOptions};

const SEND: &str = "POST /api/auth/email/send-reset-password";
const EXCHANGE: &str = "POST /api/auth/email/exchange-reset-password-token";
const RESET: &str = "POST /api/auth/email/reset-password";
const CONFIG: &str = "GET /api/auth/public-config";

const ANN: &str = "ann@example.org";
/// The response to every reset request with method `code`.
const SENT: &str = r#"202 {"success":true,"message":"If your email is registered, we have sent you a password reset code. Please check your inbox."}"#;
const DONE: &str = r#"200 {"message":"Password reset successfully"}"#;
const DEAD_CODE: &str =
    r#"401 {"error":"AUTH_UNAUTHORIZED","message":"Invalid or expired verification code","statusCode":401}"#;
const DEAD_TOKEN: &str =
    r#"401 {"error":"AUTH_UNAUTHORIZED","message":"Invalid or expired verification token","statusCode":401}"#;
const TOO_SHORT: &str = r#"400 {"error":"INVALID_INPUT","message":"Password must contain at least 8 characters long","statusCode":400}"#;

const POLICY: Policy = Policy { min: 8, four_classes: false, refuse_common: false, max_bytes: PASSWORD_MAX };
const CODE_LIFETIME: Duration = Duration::from_secs(15 * 60);
const TOKEN_LIFETIME: Duration = Duration::from_secs(60 * 60);
const SECOND: Duration = Duration::from_secs(1);

/// An in-memory deployment with one account, Ann's.
struct InsForgeBench {
    memory: Memory,
    resets: Resets,
    api: Arc<Api>,
}

/// One response.
struct TestResponse {
    /// Status and body, if any: `200 {…}`.
    text: String,
    headers: HeaderMap,
}

async fn bench(method: Method) -> InsForgeBench {
    bench_with(method, &["https://app.example.com/reset"], POLICY).await
}

async fn bench_with(method: Method, allowed: &[&str], policy: Policy) -> InsForgeBench {
    let memory = Memory::new(1);
    let root = HmacKey::root(&[7; 32]).unwrap();
    let dialect = dialect(settings(method, allowed, policy));
    let policies = dialect.policies.clone().into_iter().collect();
    let resets = Resets::new(memory.adapters(), Keys::new(&root), policies, false);
    let api = Arc::new(Api::new(resets.clone(), vec![dialect], ServeOptions::default()));
    let bench = InsForgeBench { memory, resets, api };
    bench.add(ANN).await;
    bench
}

fn settings(method: Method, allowed: &[&str], policy: Policy) -> InsForgeSettings {
    let allowed: Vec<String> = allowed.iter().map(|text| (*text).to_owned()).collect();
    InsForgeSettings {
        base_path: "/api/auth".into(),
        method,
        public_url: "https://auth.example.com/".into(),
        allowed: AllowList::parse(&allowed).unwrap(),
        code_ttl: CODE_LIFETIME,
        token_ttl: TOKEN_LIFETIME,
        pages: true,
        max_attempts: 3,
        tags: HmacKey::shared(b"tags").into(),
        policy,
    }
}

impl InsForgeBench {
    async fn add(&self, email: &str) {
        let account = NewAccount {
            email: email.to_owned(),
            username: None,
            name: None,
            locale: None,
            password_hash: "old".into(),
            created_at: self.resets.adapters().clock.now(),
        };
        self.memory.store.add_account(&address(email), account).await.unwrap();
    }

    /// Sends `body` as JSON to `endpoint`, as an HTTP front-end does.
    async fn call(&self, endpoint: &str, body: &str) -> TestResponse {
        answer(&self.api, endpoint, body).await
    }

    async fn text(&self, endpoint: &str, body: &str) -> String {
        self.call(endpoint, body).await.text
    }

    /// Processes all due jobs and returns the mails that were sent.
    async fn mails(&self) -> Vec<SentMail> {
        for job in self.resets.claim(100).await.unwrap() {
            self.resets.deliver(&job).await.unwrap();
        }
        self.memory.mailer.take()
    }

    /// Requests a reset and returns the secret of Ann's only mail: the code, or the path and query of the link.
    async fn mailed(&self, body: &str) -> String {
        assert!(self.text(SEND, body).await.starts_with("202 "));
        let [mail] = <[SentMail; 1]>::try_from(self.mails().await).unwrap();
        assert_eq!(mail.to, ANN);
        mail.secret.strip_prefix("https://auth.example.com").unwrap_or(&mail.secret).to_owned()
    }

    async fn exchange(&self, code: &str) -> TestResponse {
        self.call(EXCHANGE, &format!(r#"{{"email":"{ANN}","code":"{code}"}}"#)).await
    }

    /// Exchanges `code` and returns the token.
    async fn token(&self, code: &str) -> String {
        let answer = self.exchange(code).await.text;
        let token = answer.strip_prefix(r#"200 {"token":""#).unwrap_or_else(|| panic!("{answer}"));
        token[..64].to_owned()
    }

    async fn reset(&self, token: &str, password: &str) -> String {
        self.text(RESET, &format!(r#"{{"newPassword":"{password}","otp":"{token}"}}"#)).await
    }

    /// Returns whether Ann's password is `password`.
    async fn is_set(&self, password: &str) -> bool {
        let stored = self.memory.store.password_hash(&AccountId::new("1")).await.unwrap().unwrap();
        let password = POLICY.accept(password).unwrap();
        stored != "old" && self.resets.adapters().hasher.verify(password, &stored).await.unwrap()
    }

    async fn block(&self, email: &str) {
        let now = self.resets.adapters().clock.now();
        assert!(
            self.memory
                .store
                .set_blocked(&address(email), true, &Event::new(EventKind::Blocked, now))
                .await
                .unwrap()
        );
    }
}

impl TestResponse {
    fn location(&self) -> Option<&str> {
        self.headers.get(header::LOCATION).map(|location| location.to_str().unwrap())
    }
}

/// Answers `METHOD /path?query`, with the fallback if no route matches.
async fn answer(api: &Api, endpoint: &str, body: &str) -> TestResponse {
    let (method, target) = endpoint.split_once(' ').unwrap();
    let request =
        Request::builder().method(method).uri(target).header(header::CONTENT_TYPE, "application/json");
    let request = request.body(Ok(Bytes::from(body.to_owned()))).unwrap();
    let path = request.uri().path().to_owned();
    let served = if method == "HEAD" { "GET" } else { method };
    let response = match api.routes().iter().find(|route| route.path == path) {
        None => api.fallback(request).await,
        Some(route) => match route.endpoints.iter().find(|endpoint| endpoint.method == served) {
            None => api.wrong_method(route, request.method(), request.headers()),
            Some(endpoint) => api.answer(route, endpoint, request).await,
        },
    };
    let (parts, body) = response.into_parts();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let text = format!("{} {body}", parts.status.as_u16()).trim_end().to_owned();
    TestResponse { text, headers: parts.headers }
}

fn address(email: &str) -> EmailAddress {
    EmailAddress::parse(email).unwrap()
}
