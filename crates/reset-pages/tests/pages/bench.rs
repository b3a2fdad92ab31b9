//! The pages over memory adapters, and a browser that keeps cookies. Time stands still until it is moved.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, header};
use reset_core::{
    Notices, Resets,
    account::NewAccount,
    budget::Budgeting,
    email::EmailAddress,
    error::HashError,
    hasher::HashForm,
    keys::{Key, Keys},
    password::{NewPassword, PASSWORD_MAX, Policy},
    ports::{Accounts as _, Adapters, Hasher},
};
use reset_dialects::{Api, DialectSettings, Peer, ServeOptions, dialects};
use reset_testkit::memory::{Memory, SentMail};

pub(crate) const PERSON: &str = "user@example.com";
pub(crate) const OLD: &str = "the old password";
pub(crate) const NEW: &str = "New Secret Password 1!";

pub(crate) struct PagesBench {
    pub(crate) memory: Memory,
    pub(crate) api: Api,
    pub(crate) resets: Resets,
    busy: Arc<AtomicBool>,
    slow: Arc<AtomicBool>,
    base: String,
}

/// Hashes, unless it is told to be busy; and verifies, slowly if it is told to.
struct Sometimes {
    hasher: Arc<dyn Hasher>,
    busy: Arc<AtomicBool>,
    slow: Arc<AtomicBool>,
}

#[async_trait]
impl Hasher for Sometimes {
    async fn hash(&self, password: NewPassword, like: Option<&HashForm>) -> Result<String, HashError> {
        if self.busy.load(Ordering::SeqCst) {
            return Err(HashError::Busy { retry_after: Duration::from_secs(2) });
        }
        self.hasher.hash(password, like).await
    }

    async fn verify(&self, password: NewPassword, stored: &str) -> Result<bool, HashError> {
        if self.slow.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        self.hasher.verify(password, stored).await
    }
}

pub(crate) fn settings(public_url: &str) -> DialectSettings {
    DialectSettings::defaults(&Key::root(&[5; 32]).unwrap(), public_url)
}

/// The default settings.
pub(crate) async fn bench() -> PagesBench {
    bench_with(settings("http://127.0.0.1:8080"), ServeOptions::default()).await
}

/// One account, whatever else is decided.
pub(crate) async fn bench_with(settings: DialectSettings, serving: ServeOptions) -> PagesBench {
    let (memory, root) = (Memory::new(3), Key::root(&[5; 32]).unwrap());
    let pages = settings.pages.as_ref();
    let base = pages.map_or("http://127.0.0.1:8080", |pages| &pages.public_url).to_owned();
    let all = dialects(settings);
    let policies = all.iter().filter_map(|dialect| dialect.policies.clone()).collect();
    let (busy, slow) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let adapters = memory.adapters();
    let hasher =
        Arc::new(Sometimes { hasher: adapters.hasher.clone(), busy: busy.clone(), slow: slow.clone() });
    let adapters = Adapters { hasher, ..adapters };
    let notices = Notices { owner: true, dispute_page: Some(format!("{base}/not-me")) };
    let resets = Resets::within(Budgeting::default(), adapters, Keys::new(&root), policies, notices);
    let bench = PagesBench { memory, api: Api::new(resets.clone(), all, serving), resets, busy, slow, base };
    let account = NewAccount {
        email: PERSON.to_owned(),
        username: None,
        name: None,
        locale: None,
        password_hash: bench.resets.adapters().hasher.hash(password(OLD), None).await.unwrap(),
        created_at: bench.resets.adapters().clock.now(),
    };
    bench.memory.store.add_account(&EmailAddress::parse(PERSON).unwrap(), account).await.unwrap();
    bench
}

impl PagesBench {
    pub(crate) fn set_verifying_slowly(&self, slow: bool) {
        self.slow.store(slow, Ordering::SeqCst);
    }

    pub(crate) fn set_busy(&self, busy: bool) {
        self.busy.store(busy, Ordering::SeqCst);
    }

    pub(crate) async fn logs_in(&self, text: &str) -> bool {
        let store = &self.memory.store;
        let account = store.account_by_email(&EmailAddress::parse(PERSON).unwrap()).await.unwrap().unwrap();
        let stored = store.password_hash(&account.id).await.unwrap().unwrap();
        self.resets.adapters().hasher.verify(password(text), &stored).await.unwrap()
    }

    /// Sends a request; its path is one of ours, behind whatever path the public URL has.
    pub(crate) async fn send(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response<Bytes> {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Ok(Bytes::from(body.to_owned()))).unwrap();
        request.extensions_mut().insert(Peer("203.0.113.9".parse().unwrap()));
        let routes = self.api.routes();
        match routes.iter().find(|route| route.path == request.uri().path()) {
            Some(route) => self.api.answer(route, route.endpoint(request.method()).unwrap(), request).await,
            None => self.api.fallback(request).await,
        }
    }

    /// Asks for a reset by JSON, and returns the secret that is mailed: a code or a link.
    pub(crate) async fn mailed(&self, path: &str, body: &str) -> String {
        let json = [("content-type", "application/json")];
        let status = self.send(Method::POST, path, &json, body).await.status();
        assert!(status.is_success(), "{path}: {status}");
        let mails = self.mails().await;
        assert_eq!(mails.len(), 1);
        mails[0].secret.clone()
    }

    /// The worker works until nothing is due; what it mailed.
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

    pub(crate) fn browser(&self) -> Browser<'_> {
        Browser { bench: self, cookies: BTreeMap::new(), language: "en", link: String::new() }
    }
}

/// What somebody sees.
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) html: String,
}

impl Seen {
    pub(crate) fn of(answer: Response<Bytes>) -> Self {
        let (parts, body) = answer.into_parts();
        let html = String::from_utf8(body.to_vec()).unwrap();
        Self { status: parts.status.as_u16(), headers: parts.headers, html }
    }

    #[track_caller]
    pub(crate) fn says(&self, text: &str) {
        assert!(self.html.contains(text), "no {text:?} in {} {}", self.status, self.main());
    }

    /// What is between header and footer.
    pub(crate) fn main(&self) -> &str {
        let main = self.html.split("<main").nth(1).unwrap_or(&self.html);
        main.split("</main>").next().unwrap_or_default()
    }
}

/// A browser with cookies, for one person.
pub(crate) struct Browser<'a> {
    bench: &'a PagesBench,
    pub(crate) cookies: BTreeMap<String, String>,
    pub(crate) language: &'static str,
    /// Which link the form on the screen is for.
    pub(crate) link: String,
}

impl Browser<'_> {
    pub(crate) async fn get(&mut self, target: &str) -> Seen {
        self.request(Method::GET, target, "").await
    }

    /// Sends a form of a page of ours.
    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Seen {
        let body = form(fields);
        self.request(Method::POST, path, &body).await
    }

    async fn request(&mut self, method: Method, target: &str, body: &str) -> Seen {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("cookie", cookies.as_str()),
            ("accept-language", self.language),
            ("sec-fetch-site", "same-origin"),
        ];
        let answer = self.bench.send(method, target, &headers, body).await;
        for cookie in answer.headers().get_all(header::SET_COOKIE) {
            let (pair, rest) = cookie.to_str().unwrap().split_once("; ").unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if rest.contains("Max-Age=0;") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let seen = Seen::of(answer);
        if let Some((_, rest)) = seen.html.split_once("name=\"link\" value=\"") {
            rest.split('"').next().unwrap().clone_into(&mut self.link);
        }
        seen
    }

    /// The form of the link that was opened, once more.
    pub(crate) async fn form(&mut self, query: &str) -> Seen {
        let target = format!("/reset?by=link&link={}{query}", self.link);
        self.get(&target).await
    }

    /// Opens a mailed link, follows it wherever it leads on our own server, and returns the last page.
    pub(crate) async fn open(&mut self, link: &str) -> Seen {
        let mut target = link.strip_prefix(&self.bench.base).unwrap_or_else(|| panic!("{link}")).to_owned();
        for _ in 0..4 {
            let seen = self.get(&target).await;
            if let Some(location) = seen.headers.get(header::LOCATION) {
                location.to_str().unwrap().strip_prefix(&self.bench.base).unwrap().clone_into(&mut target);
            } else if let Some((_, rest)) = seen.html.split_once("http-equiv=\"refresh\" content=\"0; url=") {
                target = format!("/{}", rest.split('"').next().unwrap().replace("&#38;", "&"));
            } else {
                return seen;
            }
        }
        panic!("{link} leads in circles");
    }

    /// Sets a password by the link that was opened.
    pub(crate) async fn set(&mut self, password: &str) -> Seen {
        let link = self.link.clone();
        self.post("/reset", &[("password", password), ("link", &link)]).await
    }
}

/// Fields as a form sends them.
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

fn password(text: &str) -> NewPassword {
    Policy { min: 8, four_classes: false, refuse_common: false, max_bytes: PASSWORD_MAX }
        .accept(text)
        .unwrap()
}
