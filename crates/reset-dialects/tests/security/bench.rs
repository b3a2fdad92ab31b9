//! Every dialect with in-memory adapters. Requests are matched as in an HTTP front-end.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, header};
use reset_core::{
    Notices, Resets,
    account::NewAccount,
    budget::Budgeting,
    email::EmailAddress,
    event::{Event, EventKind},
    job::{Job, Outcome},
    keys::{Key, Keys},
    password::{NewPassword, PASSWORD_MAX, Policy},
    ports::Accounts as _,
};
use reset_dialects::{
    Api, DialectSettings, Peer, ServeOptions, dialects,
    insforge::{AllowList, Method as Mailed},
    px0::Codes,
    worthai::Forged,
};
use reset_testkit::memory::{Memory, SentKind, SentMail};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
pub(crate) const ANN: &str = "ann@example.org";
pub(crate) const BOB: &str = "bob@example.org";
pub(crate) const OLD_PASSWORD: &str = "the old password";
/// A password that satisfies the policy of every dialect.
pub(crate) const NEW_PASSWORD: &str = "NewSecretPassword123!";
/// The allowed redirect target of InsForge links.
pub(crate) const TARGET: &str = "https://app.example.com/reset";

/// The settings of a deployment under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Default settings.
    Compatible,
    /// Default settings, but InsForge mails links.
    Links,
    /// The settings of profile `hardened`.
    Hardened,
}

impl Profile {
    pub(crate) const ALL: [Self; 3] = [Self::Compatible, Self::Links, Self::Hardened];

    /// Returns whether InsForge mails links.
    pub(crate) fn mails_links(self) -> bool {
        self != Self::Compatible
    }
}

pub(crate) struct AttackBench {
    pub(crate) memory: Memory,
    pub(crate) api: Api,
    pub(crate) resets: Resets,
    pub(crate) profile: Profile,
}

pub(crate) fn root() -> Key {
    Key::root(&[5; 32]).unwrap()
}

/// Returns the settings of a profile with the given allow-list.
pub(crate) fn settings(profile: Profile, allowed: &[&str]) -> DialectSettings {
    let mut all = DialectSettings::defaults(&root(), "https://accounts.example.com");
    let insforge = all.insforge.as_mut().unwrap();
    let allowed: Vec<String> = allowed.iter().map(|&text| text.to_owned()).collect();
    insforge.allowed = AllowList::parse(&allowed).unwrap();
    if profile.mails_links() {
        insforge.method = Mailed::Link;
    }
    if profile == Profile::Hardened {
        let px0 = all.px0.as_mut().unwrap();
        (px0.disclose_unknown, px0.codes) = (false, Codes::Long);
        all.worthai.as_mut().unwrap().forged = Forged::AsExpired;
        all.strapi.as_mut().unwrap().issue_jwt = false;
    }
    all
}

/// Returns a bench without rate limits and budgets, for properties that must hold without them.
pub(crate) fn bench(profile: Profile) -> AttackBench {
    bench_over(Memory::new(11), profile, settings(profile, &[TARGET]), Budgeting::default())
}

/// Returns a bench on existing adapters, so that two deployments can share them.
pub(crate) fn bench_over(
    memory: Memory,
    profile: Profile,
    settings: DialectSettings,
    budgeting: Budgeting,
) -> AttackBench {
    let all = dialects(settings);
    let policies = all.iter().filter_map(|dialect| dialect.policies.clone()).collect();
    let notices =
        Notices { owner: true, dispute_page: Some("https://accounts.example.com/not-me".to_owned()) };
    let resets = Resets::within(budgeting, memory.adapters(), Keys::new(&root()), policies, notices);
    let api = Api::new(resets.clone(), all, ServeOptions::default());
    AttackBench { memory, api, resets, profile }
}

/// Returns a bench without limits, with the accounts of Ann and Bob.
pub(crate) async fn with_accounts(profile: Profile) -> AttackBench {
    let bench = bench(profile);
    bench.account(ANN).await;
    bench.account(BOB).await;
    bench
}

impl AttackBench {
    pub(crate) async fn account(&self, email: &str) {
        let hasher = self.resets.adapters().hasher.clone();
        let account = NewAccount {
            email: email.to_owned(),
            username: None,
            name: None,
            locale: None,
            password_hash: hasher.hash(password(OLD_PASSWORD), None).await.unwrap(),
            created_at: self.resets.adapters().clock.now(),
        };
        self.memory.store.add_account(&address(email), account).await.unwrap();
    }

    pub(crate) async fn hash(&self, email: &str) -> String {
        let account = self.memory.store.account_by_email(&address(email)).await.unwrap().unwrap();
        self.memory.store.password_hash(&account.id).await.unwrap().unwrap()
    }

    pub(crate) async fn logs_in(&self, email: &str, text: &str) -> bool {
        let stored = self.hash(email).await;
        self.resets.adapters().hasher.verify(password(text), &stored).await.unwrap()
    }

    pub(crate) async fn block(&self, email: &str, blocked: bool) {
        let event = Event::new(EventKind::Blocked, self.resets.adapters().clock.now());
        assert!(self.memory.store.set_blocked(&address(email), blocked, &event).await.unwrap());
    }

    /// Answers a request as an HTTP front-end does: by its route, with a 405, or with the fallback.
    pub(crate) async fn answer(&self, request: Request<Bytes>) -> Response<Bytes> {
        let request = request.map(Ok);
        let route = self.api.routes().iter().find(|route| route.path == request.uri().path()).cloned();
        match route {
            None => self.api.fallback(request).await,
            Some(route) => match route.endpoint(request.method()) {
                None => self.api.wrong_method(&route, request.method(), request.headers()),
                Some(endpoint) => self.api.answer(&route, endpoint, request).await,
            },
        }
    }

    /// Sends a request with these headers, as JSON unless they set another type. All requests share one client
    /// address.
    pub(crate) async fn send(
        &self,
        method: &Method,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Response<Bytes> {
        let mut request = Request::new(body.into());
        (*request.method_mut(), *request.uri_mut()) = (method.clone(), target.parse().unwrap());
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in headers {
            request.headers_mut().insert(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        request.extensions_mut().insert(Peer([203, 0, 113, 9].into()));
        self.answer(request).await
    }

    pub(crate) async fn post(&self, target: &str, body: impl Into<Bytes>) -> Response<Bytes> {
        self.send(&Method::POST, target, &[], body).await
    }

    pub(crate) async fn get(&self, target: &str) -> Response<Bytes> {
        self.send(&Method::GET, target, &[], "").await
    }

    /// Processes all due jobs and returns the mails that were sent.
    pub(crate) async fn mails(&self) -> Vec<SentMail> {
        self.work().await;
        self.memory.mailer.take()
    }

    /// Processes all due jobs and leaves the mails in the mailbox.
    pub(crate) async fn work(&self) {
        loop {
            let jobs = self.resets.claim(50).await.unwrap();
            if jobs.is_empty() {
                return;
            }
            for job in jobs {
                self.resets.deliver(&job).await.unwrap();
            }
        }
    }

    /// Returns all jobs, pending and finished.
    pub(crate) fn jobs(&self) -> Vec<(Job, Option<Outcome>)> {
        self.memory.store.jobs()
    }

    /// Requests a reset through a dialect and returns the code, or the secret of the link, from the only mail.
    pub(crate) async fn mailed(&self, dialect: &AttackedDialect, email: &str) -> String {
        let answer = self.post(dialect.trigger, dialect.request_body(email)).await;
        assert!(answer.status().is_success(), "{} {}", dialect.name, answer.status());
        let mails = self.mails().await;
        let mut secrets = mails.iter().filter(|mail| mail.kind != SentKind::Changed);
        let (Some(mail), None) = (secrets.next(), secrets.next()) else { panic!("one mail: {mails:?}") };
        assert_eq!(mail.to, email);
        mail.secret.rsplit('=').next().unwrap().to_owned()
    }

    /// Requests a reset and returns the secret that sets a password: the mailed one, or the token that it is exchanged
    /// for.
    pub(crate) async fn secret(&self, dialect: &AttackedDialect, email: &str) -> String {
        let mailed = self.mailed(dialect, email).await;
        if dialect.name == "insforge" && !self.profile.mails_links() {
            self.exchanged(email, &mailed).await
        } else {
            mailed
        }
    }

    pub(crate) async fn exchanged(&self, email: &str, code: &str) -> String {
        let answer = self.post(EXCHANGE, format!(r#"{{"email":"{email}","code":"{code}"}}"#)).await;
        let body = text(&answer);
        body.strip_prefix(r#"{"token":""#).unwrap_or_else(|| panic!("{body}"))[..64].to_owned()
    }

    pub(crate) async fn reset(
        &self,
        dialect: &AttackedDialect,
        secret: &str,
        password: &str,
    ) -> Response<Bytes> {
        self.post(dialect.reset, (dialect.body)(secret, password)).await
    }
}

pub(crate) const EXCHANGE: &str = "/api/auth/email/exchange-reset-password-token";
pub(crate) const LINK: &str = "/api/auth/email/reset-password-link";

/// The paths and bodies of one dialect.
pub(crate) struct AttackedDialect {
    pub(crate) name: &'static str,
    /// Path that requests a reset.
    pub(crate) trigger: &'static str,
    /// Path that sets a password.
    pub(crate) reset: &'static str,
    /// Names of the secret and password fields of `reset`.
    pub(crate) fields: [&'static str; 2],
    /// Builds the body of `reset` from a secret and a password.
    pub(crate) body: fn(&str, &str) -> String,
}

impl AttackedDialect {
    /// Returns the body that requests a reset for `email`.
    pub(crate) fn request_body(&self, email: &str) -> String {
        self.request_body_raw(&serde_json::json!(email).to_string())
    }

    /// As [`Self::request_body`], with any JSON value as the address.
    pub(crate) fn request_body_raw(&self, email: &str) -> String {
        if self.name == "insforge" {
            format!(r#"{{"email":{email},"redirectTo":"{TARGET}"}}"#)
        } else {
            format!(r#"{{"email":{email}}}"#)
        }
    }

    /// Returns the body that sets a password, with any JSON value as the secret.
    pub(crate) fn reset_body_raw(&self, secret: &str) -> String {
        (self.body)("\u{1}", NEW_PASSWORD).replace("\"\u{1}\"", secret)
    }
}

pub(crate) const PX0: usize = 0;
pub(crate) const WORTHAI: usize = 1;
pub(crate) const STRAPI: usize = 2;
pub(crate) const INSFORGE: usize = 3;

pub(crate) const DIALECTS: [AttackedDialect; 4] = [
    AttackedDialect {
        name: "px0",
        trigger: "/v1/auth/password-reset/trigger",
        reset: "/v1/auth/password-reset/reset",
        fields: ["code", "new_password"],
        body: |secret, password| format!(r#"{{"code":"{secret}","new_password":"{password}"}}"#),
    },
    AttackedDialect {
        name: "worthai",
        trigger: "/auth/api/v1/forgot-password",
        reset: "/auth/api/v1/reset-password",
        fields: ["reset_token", "password"],
        body: |secret, password| format!(r#"{{"reset_token":"{secret}","password":"{password}"}}"#),
    },
    AttackedDialect {
        name: "strapi",
        trigger: "/api/auth/forgot-password",
        reset: "/api/auth/reset-password",
        fields: ["code", "password"],
        body: |secret, password| {
            format!(r#"{{"code":"{secret}","password":"{password}","passwordConfirmation":"{password}"}}"#)
        },
    },
    AttackedDialect {
        name: "insforge",
        trigger: "/api/auth/email/send-reset-password",
        reset: "/api/auth/email/reset-password",
        fields: ["otp", "newPassword"],
        body: |secret, password| format!(r#"{{"otp":"{secret}","newPassword":"{password}"}}"#),
    },
];

pub(crate) fn address(email: &str) -> EmailAddress {
    EmailAddress::parse(email).unwrap()
}

pub(crate) fn password(text: &str) -> NewPassword {
    Policy { min: 8, four_classes: false, refuse_common: false, max_bytes: PASSWORD_MAX }
        .accept(text)
        .unwrap()
}

pub(crate) fn text(answer: &Response<Bytes>) -> &str {
    std::str::from_utf8(answer.body()).unwrap()
}

/// Returns status and body as one string.
pub(crate) fn status_and_body(answer: &Response<Bytes>) -> String {
    format!("{} {}", answer.status().as_u16(), text(answer)).trim_end().to_owned()
}
