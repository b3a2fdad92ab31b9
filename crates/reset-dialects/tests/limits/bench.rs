//! Every dialect of the registry with in-memory adapters, the default limits and a clock that the test advances.

use std::{net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header};
use reset_core::{
    Notices, Resets,
    account::NewAccount,
    budget::{Budgeting, Window},
    email::EmailAddress,
    keys::{HmacKey, Keys},
    password::{NewPassword, PASSWORD_MAX, Policy},
    ports::Accounts as _,
};
use reset_http::{
    Api, ClientLimits, Peer, ServeOptions, TrustedProxies,
    client::{Client, MailedSecret, Step},
    common_error::CommonError,
    route::Dialect,
    traits::Traits,
};
use reset_pages::{complete, hosted::PagesSettings};
use reset_testkit::memory::{Memory, SentMail};

use crate::support::{mailing_links, redirecting_to};

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
pub(crate) const OLD_PASSWORD: &str = "the old password";
/// A password that satisfies the policy of every dialect.
pub(crate) const NEW_PASSWORD: &str = "NewSecretPassword123!";
const PUBLIC_URL: &str = "http://127.0.0.1:8080";

pub(crate) struct LimitsBench {
    pub(crate) memory: Memory,
    pub(crate) api: Api,
    resets: Resets,
    /// The dialects and pages that are served, built once more.
    dialects: Vec<Dialect>,
}

/// What a deployment mails in dialects that can mail a code or a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mailed {
    Codes,
    Links,
}

/// The default budgets of a deployment.
fn budgeting() -> Budgeting {
    Budgeting {
        requests: vec![Window::new(1, MINUTE), Window::new(3, HOUR), Window::new(6, DAY)],
        mails: vec![Window::new(1_000, HOUR)],
        open_guesses: vec![Window::new(5, 10 * MINUTE), Window::new(20, DAY)],
        guesses: vec![Window::new(10, DAY), Window::new(25, 30 * DAY)],
        all_guesses: vec![Window::new(100, DAY)],
        disclosures: vec![Window::new(1_000, DAY)],
        disclosures_per_network: vec![Window::new(50, DAY)],
    }
}

pub(crate) fn bench() -> LimitsBench {
    bench_that_mails(Mailed::Codes)
}

/// Returns a bench that is served otherwise than by default.
pub(crate) fn bench_serving(serving: impl FnOnce(ServeOptions) -> ServeOptions) -> LimitsBench {
    bench_as(budgeting(), Some(ClientLimits::default()), Mailed::Codes, serving)
}

pub(crate) fn bench_that_mails(mailed: Mailed) -> LimitsBench {
    bench_with(budgeting(), Some(ClientLimits::default()), mailed)
}

/// Returns a bench as with `limits.enabled=false`.
pub(crate) fn unlimited() -> LimitsBench {
    bench_with(Budgeting::default(), None, Mailed::Codes)
}

/// Returns every dialect of the registry, and the hosted pages.
fn dialects(root: &HmacKey, mailed: Mailed) -> Vec<Dialect> {
    let mut settings = reset_dialects::all_on();
    if mailed == Mailed::Links {
        settings.extend(mailing_links());
        settings.extend(redirecting_to("https://app.example.com/reset"));
    }
    let dialects = reset_dialects::with(&settings, root, PUBLIC_URL).unwrap();
    complete(dialects, Some(PagesSettings::defaults(root, PUBLIC_URL)), None)
}

fn bench_with(budgeting: Budgeting, client_limits: Option<ClientLimits>, mailed: Mailed) -> LimitsBench {
    bench_as(budgeting, client_limits, mailed, |serving| serving)
}

fn bench_as(
    budgeting: Budgeting,
    client_limits: Option<ClientLimits>,
    mailed: Mailed,
    serving: impl FnOnce(ServeOptions) -> ServeOptions,
) -> LimitsBench {
    let memory = Memory::new(3);
    let root = HmacKey::root(&[5; 32]).unwrap();
    let all = dialects(&root, mailed);
    let policies = all.iter().filter_map(|dialect| dialect.policies.clone()).collect();
    let resets = Resets::within(budgeting, memory.adapters(), Keys::new(&root), policies, Notices::default());
    let proxies = TrustedProxies { networks: vec!["10.0.0.0/8".parse().unwrap()], local: false };
    let options = ServeOptions { proxies, client_limits, ..ServeOptions::default() };
    let api = Api::new(resets.clone(), all, serving(options));
    LimitsBench { memory, api, resets, dialects: dialects(&root, mailed) }
}

impl LimitsBench {
    /// Returns how clients speak every dialect.
    pub(crate) fn clients(&self) -> impl Iterator<Item = &Client> + Clone {
        self.dialects.iter().filter_map(|dialect| dialect.client.as_ref())
    }

    /// Returns how clients speak the dialect of this name, for tests that are about one dialect.
    pub(crate) fn client(&self, name: &str) -> &Client {
        let found = self.clients().find(|client| client.dialect == name);
        found.unwrap_or_else(|| panic!("the registry has no client of {name}: remove the tests that name it"))
    }

    fn dialect(&self, name: &str) -> &Dialect {
        self.dialects.iter().find(|dialect| dialect.name == name).unwrap()
    }

    /// Returns the facts that a dialect states about itself.
    pub(crate) fn traits(&self, name: &str) -> &Traits {
        let traits = self.dialect(name).traits.as_ref();
        traits.unwrap_or_else(|| {
            panic!("{name} has no traits: state them in crates/dialects/{name}/src/lib.rs")
        })
    }

    /// Returns the body of the dialect's 429. The tests of each dialect state its bytes.
    pub(crate) fn too_many(&self, dialect: &str, retry_after: Duration) -> Bytes {
        let error = CommonError::TooMany { retry_after };
        self.dialect(dialect).errors.render(&error, &HeaderMap::new()).into_body()
    }

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
        self.memory.store.add_account(&EmailAddress::parse(email).unwrap(), account).await.unwrap();
    }

    pub(crate) async fn logs_in(&self, email: &str, text: &str) -> bool {
        let store = &self.memory.store;
        let account = store.account_by_email(&EmailAddress::parse(email).unwrap()).await.unwrap().unwrap();
        let stored = store.password_hash(&account.id).await.unwrap().unwrap();
        self.resets.adapters().hasher.verify(password(text), &stored).await.unwrap()
    }

    /// Sends a request from the address `client`: a POST, or a GET if `body` is empty.
    pub(crate) async fn send(
        &self,
        client: &str,
        path: &str,
        body: &str,
        headers: &[(&str, &str)],
    ) -> Response<Bytes> {
        let method = if body.is_empty() { http::Method::GET } else { http::Method::POST };
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request
            .header(header::CONTENT_TYPE, "application/json")
            .body(Ok(Bytes::from(body.to_owned())))
            .unwrap();
        if !client.is_empty() {
            request.extensions_mut().insert(Peer(client.parse::<IpAddr>().unwrap()));
        }
        let routes = self.api.routes();
        let route = routes.iter().find(|route| route.path == request.uri().path()).unwrap().clone();
        let endpoint = route.endpoint(request.method()).unwrap();
        self.api.answer(&route, endpoint, request).await
    }

    pub(crate) async fn post(&self, client: &str, path: &str, body: &str) -> u16 {
        self.send(client, path, body, &[]).await.status().as_u16()
    }

    /// Sends a step of a dialect from the address `client`; returns the status and the body.
    pub(crate) async fn step(&self, client: &str, step: &Step) -> (u16, String) {
        let answer = self.send(client, &step.path, &step.body, &[]).await;
        (answer.status().as_u16(), String::from_utf8(answer.body().to_vec()).unwrap())
    }

    /// As [`Self::step`], for tests of the status only.
    pub(crate) async fn status(&self, client: &str, step: &Step) -> u16 {
        self.step(client, step).await.0
    }

    /// Processes all due jobs and returns the mails that were sent.
    pub(crate) async fn mails(&self) -> Vec<SentMail> {
        loop {
            let jobs = self.resets.claim(50).await.unwrap();
            if jobs.is_empty() {
                return self.memory.mailer.take();
            }
            for job in jobs {
                self.resets.deliver(&job).await.unwrap();
            }
        }
    }
}

/// Returns whether a dialect mails codes that identify the account on their own, which are the easiest to guess.
pub(crate) fn mails_open_codes(client: &Client) -> bool {
    client.mailed == MailedSecret::Code && client.exchange.is_none()
}

pub(crate) fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

fn password(text: &str) -> NewPassword {
    Policy { min: 8, four_classes: false, refuse_common: false, max_bytes: PASSWORD_MAX }
        .accept(text)
        .unwrap()
}

/// Returns a bench to share between spawned tasks.
pub(crate) fn shared() -> Arc<LimitsBench> {
    Arc::new(bench())
}
