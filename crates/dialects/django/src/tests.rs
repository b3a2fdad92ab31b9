//! Django, from the reset request through the mail to the new password, without a server. Expected bodies are those
//! that dj-rest-auth 7.2.0 and Djoser 2.3.5 send on Django 5.2, unless a test says otherwise.

mod confirmations;
mod requests;
mod settings;
mod wire;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, header};
use reset_core::{
    Resets,
    account::NewAccount,
    email::EmailAddress,
    encoding::base64_url,
    event::{Event, EventKind},
    keys::{HmacKey, Keys},
    password::Policy,
    ports::{Accounts, Clock},
};
use reset_http::{Api, ServeOptions};
use reset_testkit::memory::{Memory, SentKind};
use serde_json::json;

use super::{DjangoSettings, dialect};

const ASK: &str = "/auth/password/reset/";
const CONFIRM: &str = "/auth/password/reset/confirm/";
const USERS_ASK: &str = "/auth/users/reset_password/";
const USERS_CONFIRM: &str = "/auth/users/reset_password_confirm/";

const SENT: &str = r#"{"detail":"Password reset e-mail has been sent."}"#;
const CHANGED: &str = r#"{"detail":"Password has been reset with the new password."}"#;
const GOOD: &str = "A-new-passw0rd";

struct Bench {
    memory: Memory,
    resets: Resets,
    api: Api,
}

fn policy() -> Policy {
    Policy { min: 8, four_classes: false, refuse_common: true, max_bytes: 1024 }
}

fn settings() -> DjangoSettings {
    DjangoSettings {
        base_path: "/auth".into(),
        page_url: "https://app.example.org/reset?lang=en".into(),
        token_ttl: Duration::from_secs(3600),
        retype: false,
        tags: HmacKey::shared(b"tags").into(),
        policy: policy(),
    }
}

/// The uid and the token of a link.
struct Link {
    uid: String,
    token: String,
}

impl Bench {
    async fn new(settings: DjangoSettings) -> Self {
        let memory = Memory::new(7);
        let django = dialect(settings);
        let policies = django.policies.clone().into_iter().collect();
        let keys = Keys::new(&HmacKey::root(&[3; 32]).unwrap());
        let resets = Resets::new(memory.adapters(), keys, policies, false);
        let api = Api::new(resets.clone(), vec![django], ServeOptions::default());
        for email in ["Ann@example.org", "bob@example.org"] {
            let account = NewAccount {
                email: email.into(),
                username: None,
                name: None,
                locale: None,
                password_hash: String::new(),
                created_at: memory.clock.now(),
            };
            memory.store.add_account(&address(email), account).await.unwrap();
        }
        Self { memory, resets, api }
    }

    /// Sends a request as a server would.
    async fn send(
        &self,
        method: &str,
        target: &str,
        content_type: &str,
        body: impl Into<Bytes>,
    ) -> Response<Bytes> {
        let mut request = Request::builder().method(method).uri(target);
        if !content_type.is_empty() {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        let request = request.body(Ok(body.into())).unwrap();
        let path = request.uri().path().to_owned();
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let Some(route) = self.api.routes().iter().find(|route| route.path == path) else {
            return self.api.fallback(request).await;
        };
        match route.endpoint(&method) {
            Some(endpoint) => self.api.answer(route, endpoint, request).await,
            None => self.api.wrong_method(route, &method, &HeaderMap::new()),
        }
    }

    async fn post(&self, path: &str, body: impl Into<Bytes>) -> (u16, String) {
        status_and_body(&self.send("POST", path, "application/json", body).await)
    }

    async fn confirm(&self, link: &Link, password: &str) -> (u16, String) {
        self.post(CONFIRM, rest_auth(link, password)).await
    }

    async fn users_confirm(&self, link: &Link, password: &str) -> (u16, String) {
        self.post(USERS_CONFIRM, djoser(link, password)).await
    }

    async fn deliver(&self) {
        for job in self.resets.claim(10).await.unwrap() {
            self.resets.deliver(&job).await.unwrap();
        }
    }

    /// Requests a reset, delivers the mail and returns its link.
    async fn link(&self, email: &str) -> Link {
        let response = self.post(ASK, json!({"email": email}).to_string()).await;
        assert_eq!(response, (200, SENT.to_owned()));
        self.deliver().await;
        let mail = self.memory.mailer.take().pop().unwrap();
        assert_eq!(mail.kind, SentKind::Link);
        let query = mail.secret.strip_prefix("https://app.example.org/reset?lang=en&uid=").unwrap();
        let (uid, token) = query.split_once("&token=").unwrap();
        assert_eq!((uid, token.len()), (self.uid(email).await.as_str(), 64));
        Link { uid: uid.to_owned(), token: token.to_owned() }
    }

    async fn uid(&self, email: &str) -> String {
        let account = self.memory.store.account_by_email(&address(email)).await.unwrap().unwrap();
        base64_url(account.id.as_str().as_bytes())
    }

    /// Returns whether the stored hash matches `password`.
    async fn logs_in(&self, email: &str, password: &str) -> bool {
        let account = self.memory.store.account_by_email(&address(email)).await.unwrap().unwrap();
        let stored = self.memory.store.password_hash(&account.id).await.unwrap().unwrap();
        let password = policy().accept(password).unwrap();
        !stored.is_empty() && self.memory.adapters().hasher.verify(password, &stored).await.unwrap()
    }

    async fn block(&self, email: &str) {
        let event = Event::new(EventKind::Blocked, self.memory.clock.now());
        assert!(self.memory.store.set_blocked(&address(email), true, &event).await.unwrap());
    }
}

fn address(email: &str) -> EmailAddress {
    EmailAddress::parse(email).unwrap()
}

/// The body of dj-rest-auth's confirmation.
fn rest_auth(Link { uid, token }: &Link, password: &str) -> String {
    json!({"new_password1": password, "new_password2": password, "uid": uid, "token": token}).to_string()
}

/// The body of Djoser's confirmation.
fn djoser(Link { uid, token }: &Link, password: &str) -> String {
    json!({"uid": uid, "token": token, "new_password": password}).to_string()
}

fn status_and_body(response: &Response<Bytes>) -> (u16, String) {
    let json = (!response.body().is_empty()).then(|| "application/json".parse().unwrap());
    assert_eq!(response.headers().get(header::CONTENT_TYPE), json.as_ref());
    assert_eq!(response.headers()[header::ALLOW], "POST, OPTIONS");
    (response.status().as_u16(), String::from_utf8(response.body().to_vec()).unwrap())
}

fn bad(body: &str) -> (u16, String) {
    (400, body.to_owned())
}

#[tokio::test]
async fn link_of_either_library_sets_a_password_once_through_either_library() {
    let bench = Bench::new(settings()).await;
    let link = bench.link("ann@example.org").await;
    assert_eq!(bench.confirm(&link, GOOD).await, (200, CHANGED.to_owned()));
    assert!(bench.logs_in("ann@example.org", GOOD).await && !bench.logs_in("bob@example.org", GOOD).await);
    assert_eq!(bench.confirm(&link, GOOD).await, bad(r#"{"token":["Invalid value"]}"#));
    let link = bench.link("ann@example.org").await;
    assert_eq!(bench.users_confirm(&link, "B-new-passw0rd").await, (204, String::new()));
    assert!(bench.logs_in("ann@example.org", "B-new-passw0rd").await);
    let spent = bad(r#"{"token":["Invalid token for given user."]}"#);
    assert_eq!(bench.users_confirm(&link, GOOD).await, spent);
}

#[tokio::test]
async fn reset_request_is_accepted_for_every_address_and_mails_only_to_known_ones() {
    let bench = Bench::new(settings()).await;
    bench.block("bob@example.org").await;
    for email in ["ann@example.org", "bob@example.org", "nobody@example.org"] {
        let body = json!({"email": email}).to_string();
        for path in [ASK, "/auth/password/reset"] {
            assert_eq!(bench.post(path, body.clone()).await, (200, SENT.to_owned()), "{email}");
        }
        assert_eq!(bench.post(USERS_ASK, body).await, (204, String::new()), "{email}");
    }
    bench.deliver().await;
    let mails = bench.memory.mailer.take();
    assert!(!mails.is_empty() && mails.iter().all(|mail| mail.to == "Ann@example.org"));
}

#[tokio::test]
async fn page_url_with_placeholders_is_the_whole_link() {
    for (page_url, expected) in [
        ("https://app.example.org/#/confirm/{uid}/{token}", "https://app.example.org/#/confirm/UID/TOKEN"),
        ("https://app.example.org/reset", "https://app.example.org/reset?uid=UID&token=TOKEN"),
    ] {
        let bench = Bench::new(DjangoSettings { page_url: page_url.into(), ..settings() }).await;
        assert_eq!(bench.post(USERS_ASK, r#"{"email":"ann@example.org"}"#).await.0, 204);
        bench.deliver().await;
        let url = bench.memory.mailer.take().pop().unwrap().secret;
        let token = &url[url.len() - 64..];
        let expected = expected.replace("UID", &bench.uid("ann@example.org").await).replace("TOKEN", token);
        assert_eq!(url.as_str(), expected);
    }
}

#[tokio::test]
async fn hosted_page_reads_the_token_of_a_link() {
    let bench = Bench::new(settings()).await;
    let link = bench.link("ann@example.org").await;
    let redemptions = dialect(settings()).redemptions;
    let [redemption] = redemptions.as_slice() else { panic!("one redemption") };
    assert!(redemption.uses_parameter("token") && !redemption.uses_parameter("uid"));
    let secret = redemption.parse_link(&link.token, bench.memory.clock.now()).ok().unwrap();
    let password = policy().accept(GOOD).unwrap();
    assert!(bench.resets.redeem(super::NAME, &secret, password, None, None).await.is_ok());
}
