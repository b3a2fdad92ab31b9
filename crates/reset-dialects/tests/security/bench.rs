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
    keys::{HmacKey, Keys},
    password::{NewPassword, PASSWORD_MAX, Policy},
    ports::Accounts as _,
};
use reset_http::{Api, Peer, ServeOptions, client::Step, route::Dialect};
use reset_pages::{complete, hosted::PagesSettings};
use reset_testkit::memory::{Memory, SentKind, SentMail};

use crate::{
    attacked::AttackedDialect,
    support::{mailing_links, redirecting_to},
};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
pub(crate) const ANN: &str = "ann@example.org";
pub(crate) const BOB: &str = "bob@example.org";
pub(crate) const OLD_PASSWORD: &str = "the old password";
/// A password that satisfies the policy of every dialect.
pub(crate) const NEW_PASSWORD: &str = "NewSecretPassword123!";
/// Public URL of every deployment under test.
pub(crate) const PUBLIC_URL: &str = "https://accounts.example.com";
/// The allowed redirect target of links.
pub(crate) const TARGET: &str = "https://app.example.com/reset";

/// The settings of a deployment under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Default settings.
    Compatible,
    /// Default settings, but dialects that can mail a code or a link mail links.
    Links,
    /// The settings of profile `hardened`.
    Hardened,
}

impl Profile {
    pub(crate) const ALL: [Self; 3] = [Self::Compatible, Self::Links, Self::Hardened];
}

pub(crate) struct AttackBench {
    pub(crate) memory: Memory,
    pub(crate) api: Api,
    pub(crate) resets: Resets,
    /// Every dialect of the registry with the settings of the deployment.
    pub(crate) dialects: Vec<AttackedDialect>,
}

pub(crate) fn root() -> HmacKey {
    HmacKey::root(&[5; 32]).unwrap()
}

/// Returns every dialect with the settings of a profile, whose links may redirect to `allowed`.
pub(crate) fn dialects(profile: Profile, allowed: &[&str]) -> Vec<Dialect> {
    let allowed = allowed.join(",");
    let mut settings = reset_dialects::all_on();
    settings.extend(redirecting_to(&allowed));
    if profile == Profile::Links {
        settings.extend(mailing_links());
    }
    if profile == Profile::Hardened {
        settings.push(("profile", "hardened"));
    }
    reset_dialects::with(&settings, &root(), PUBLIC_URL).unwrap()
}

/// Returns the API of `dialects` and of the hosted pages.
pub(crate) fn api(resets: &Resets, dialects: Vec<Dialect>, options: ServeOptions) -> Api {
    let pages = PagesSettings::defaults(&root(), PUBLIC_URL);
    Api::new(resets.clone(), complete(dialects, Some(pages), None), options)
}

/// Returns how every dialect of a profile is attacked.
pub(crate) fn attacked(profile: Profile) -> Vec<AttackedDialect> {
    dialects(profile, &[TARGET]).into_iter().map(AttackedDialect::new).collect()
}

/// Returns a bench without rate limits and budgets, for properties that must hold without them.
pub(crate) fn bench(profile: Profile) -> AttackBench {
    bench_over(Memory::new(11), || dialects(profile, &[TARGET]), Budgeting::default())
}

/// Returns a bench on existing adapters, so that two deployments can share them. `build` builds the dialects: once to
/// serve them, and once to attack them.
pub(crate) fn bench_over(
    memory: Memory,
    build: impl Fn() -> Vec<Dialect>,
    budgeting: Budgeting,
) -> AttackBench {
    let pages = PagesSettings::defaults(&root(), PUBLIC_URL);
    let served = complete(build(), Some(pages), None);
    let policies = served.iter().filter_map(|dialect| dialect.policies.clone()).collect();
    let notices = Notices { owner: true, dispute_page: Some(format!("{PUBLIC_URL}/not-me")) };
    let resets = Resets::within(budgeting, memory.adapters(), Keys::new(&root()), policies, notices);
    let api = Api::new(resets.clone(), served, ServeOptions::default());
    let dialects = build().into_iter().map(AttackedDialect::new).collect();
    AttackBench { memory, api, resets, dialects }
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

    /// Returns the dialect of this name, for tests that are about one dialect.
    pub(crate) fn dialect(&self, name: &str) -> &AttackedDialect {
        let found = self.dialects.iter().find(|dialect| dialect.name() == name);
        found.unwrap_or_else(|| panic!("the registry has no dialect {name}: remove the tests that name it"))
    }

    /// Sends a step of a client.
    pub(crate) async fn step(&self, step: &Step) -> Response<Bytes> {
        self.post(&step.path, step.body.clone()).await
    }

    /// Requests a reset through a dialect.
    pub(crate) async fn request(&self, dialect: &AttackedDialect, email: &str) -> Response<Bytes> {
        self.step(&dialect.request(email)).await
    }

    /// Requests a reset through a dialect and returns the only mail.
    pub(crate) async fn mail(&self, dialect: &AttackedDialect, email: &str) -> SentMail {
        let answer = self.request(dialect, email).await;
        assert!(answer.status().is_success(), "{} {}", dialect.name(), answer.status());
        let mails = self.mails().await;
        let mut others = mails.iter().filter(|mail| mail.kind != SentKind::Changed);
        let (Some(mail), None) = (others.next(), others.next()) else { panic!("one mail: {mails:?}") };
        assert_eq!(mail.to, email);
        mail.clone()
    }

    /// Requests a reset through a dialect and returns the code, or the secret of the link, from the only mail.
    pub(crate) async fn mailed(&self, dialect: &AttackedDialect, email: &str) -> String {
        dialect.secret_in(&self.mail(dialect, email).await)
    }

    /// Requests a reset and returns the secret that sets a password: the mailed one, or the token that it is exchanged
    /// for.
    pub(crate) async fn secret(&self, dialect: &AttackedDialect, email: &str) -> String {
        let mailed = self.mailed(dialect, email).await;
        if dialect.client.exchange.is_some() { self.exchanged(dialect, email, &mailed).await } else { mailed }
    }

    /// Exchanges a code and returns the token.
    pub(crate) async fn exchanged(&self, dialect: &AttackedDialect, email: &str, code: &str) -> String {
        let answer = self.step(&dialect.client.exchange_of(email, code).unwrap()).await;
        dialect.client.token_in(text(&answer)).unwrap_or_else(|| panic!("{}", status_and_body(&answer)))
    }

    /// Sets a password by a mailed secret, exchanged for a token where the dialect does that. Returns the last response.
    pub(crate) async fn redeem_mailed(
        &self,
        dialect: &AttackedDialect,
        email: &str,
        mailed: &str,
        password: &str,
    ) -> Response<Bytes> {
        let Some(exchange) = dialect.client.exchange_of(email, mailed) else {
            return self.reset(dialect, mailed, password).await;
        };
        let answer = self.step(&exchange).await;
        match dialect.client.token_in(text(&answer)) {
            Some(token) => self.reset(dialect, &token, password).await,
            None => answer,
        }
    }

    pub(crate) async fn reset(
        &self,
        dialect: &AttackedDialect,
        secret: &str,
        password: &str,
    ) -> Response<Bytes> {
        self.step(&dialect.client.redeem_with(secret, password)).await
    }
}

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
