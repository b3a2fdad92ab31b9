//! Every dialect with in-memory adapters, the default limits and a clock that the test advances.

use std::{net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, header};
use reset_core::{
    Notices, Resets,
    account::NewAccount,
    budget::{Budgeting, Window},
    email::EmailAddress,
    keys::{Key, Keys},
    password::{NewPassword, PASSWORD_MAX, Policy},
    ports::Accounts as _,
};
use reset_dialects::{Api, ClientLimits, DialectSettings, Peer, ServeOptions, TrustedProxies, dialects};
use reset_testkit::memory::{Memory, SentMail};

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
pub(crate) const OLD_PASSWORD: &str = "the old password";

pub(crate) struct LimitsBench {
    pub(crate) memory: Memory,
    pub(crate) api: Api,
    resets: Resets,
}

/// The default budgets of a deployment.
fn budgeting() -> Budgeting {
    Budgeting {
        requests: vec![Window::new(1, MINUTE), Window::new(3, HOUR), Window::new(6, DAY)],
        mails: vec![Window::new(1_000, HOUR)],
        open_guesses: vec![Window::new(5, 10 * MINUTE), Window::new(20, DAY)],
        guesses: vec![Window::new(10, DAY), Window::new(25, 30 * DAY)],
        all_guesses: vec![Window::new(100, DAY)],
    }
}

pub(crate) fn bench() -> LimitsBench {
    bench_with(budgeting(), Some(ClientLimits::default()))
}

/// Returns a bench as with `limits.enabled=false`.
pub(crate) fn unlimited() -> LimitsBench {
    bench_with(Budgeting::default(), None)
}

fn bench_with(budgeting: Budgeting, client_limits: Option<ClientLimits>) -> LimitsBench {
    let memory = Memory::new(3);
    let root = Key::root(&[5; 32]).unwrap();
    let all = dialects(DialectSettings::defaults(&root, "http://127.0.0.1:8080"));
    let policies = all.iter().filter_map(|dialect| dialect.policies.clone()).collect();
    let resets = Resets::within(budgeting, memory.adapters(), Keys::new(&root), policies, Notices::default());
    let proxies = TrustedProxies { networks: vec!["10.0.0.0/8".parse().unwrap()], local: false };
    let serving = ServeOptions { proxies, client_limits, ..ServeOptions::default() };
    LimitsBench { memory, api: Api::new(resets.clone(), all, serving), resets }
}

impl LimitsBench {
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

fn password(text: &str) -> NewPassword {
    Policy { min: 8, four_classes: false, refuse_common: false, max_bytes: PASSWORD_MAX }
        .accept(text)
        .unwrap()
}

/// Returns a bench to share between spawned tasks.
pub(crate) fn shared() -> Arc<LimitsBench> {
    Arc::new(bench())
}
