//! Test fixture: the hosted pages on in-memory adapters with a manual clock, and a browser that keeps cookies.

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

/// A hasher that the test can make report that it is busy, or verify slowly.
struct ControlledHasher {
    hasher: Arc<dyn Hasher>,
    busy: Arc<AtomicBool>,
    slow: Arc<AtomicBool>,
}

#[async_trait]
impl Hasher for ControlledHasher {
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

/// Builds the fixture with the default settings.
pub(crate) async fn bench() -> PagesBench {
    bench_with(settings("http://127.0.0.1:8080"), ServeOptions::default()).await
}

/// Builds the fixture with these settings and one account.
pub(crate) async fn bench_with(settings: DialectSettings, serving: ServeOptions) -> PagesBench {
    let (memory, root) = (Memory::new(3), Key::root(&[5; 32]).unwrap());
    let pages = settings.pages.as_ref();
    let base = pages.map_or("http://127.0.0.1:8080", |pages| &pages.public_url).to_owned();
    let all = dialects(settings);
    let policies = all.iter().filter_map(|dialect| dialect.policies.clone()).collect();
    let (busy, slow) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let adapters = memory.adapters();
    let hasher = Arc::new(ControlledHasher {
        hasher: adapters.hasher.clone(),
        busy: busy.clone(),
        slow: slow.clone(),
    });
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

    /// Whether `text` is the account's password.
    pub(crate) async fn logs_in(&self, text: &str) -> bool {
        let store = &self.memory.store;
        let account = store.account_by_email(&EmailAddress::parse(PERSON).unwrap()).await.unwrap().unwrap();
        let stored = store.password_hash(&account.id).await.unwrap().unwrap();
        self.resets.adapters().hasher.verify(password(text), &stored).await.unwrap()
    }

    /// Sends a request. `target` is relative to the public URL.
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

    /// Requests a reset with a JSON body, and returns the mailed secret: a code or a link.
    pub(crate) async fn mailed(&self, path: &str, body: &str) -> String {
        let json = [("content-type", "application/json")];
        let status = self.send(Method::POST, path, &json, body).await.status();
        assert!(status.is_success(), "{path}: {status}");
        let mails = self.mails().await;
        assert_eq!(mails.len(), 1);
        mails[0].secret.clone()
    }

    /// Processes jobs until none is due, and returns the mails that were sent.
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

/// A page as the browser received it.
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) html: String,
}

impl Page {
    pub(crate) fn of(response: Response<Bytes>) -> Self {
        let (parts, body) = response.into_parts();
        let html = String::from_utf8(body.to_vec()).unwrap();
        Self { status: parts.status.as_u16(), headers: parts.headers, html }
    }

    #[track_caller]
    pub(crate) fn says(&self, text: &str) {
        assert!(self.html.contains(text), "no {text:?} in {} {}", self.status, self.main());
    }

    /// Returns the HTML between header and footer.
    pub(crate) fn main(&self) -> &str {
        let main = self.html.split("<main").nth(1).unwrap_or(&self.html);
        main.split("</main>").next().unwrap_or_default()
    }
}

/// A browser with a cookie jar.
pub(crate) struct Browser<'a> {
    bench: &'a PagesBench,
    pub(crate) cookies: BTreeMap<String, String>,
    pub(crate) language: &'static str,
    /// Tag of the link that the current form belongs to.
    pub(crate) link: String,
}

impl Browser<'_> {
    pub(crate) async fn get(&mut self, target: &str) -> Page {
        self.request(Method::GET, target, "").await
    }

    /// Submits a form.
    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let body = form(fields);
        self.request(Method::POST, path, &body).await
    }

    async fn request(&mut self, method: Method, target: &str, body: &str) -> Page {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("cookie", cookies.as_str()),
            ("accept-language", self.language),
            ("sec-fetch-site", "same-origin"),
        ];
        let response = self.bench.send(method, target, &headers, body).await;
        for cookie in response.headers().get_all(header::SET_COOKIE) {
            let (pair, rest) = cookie.to_str().unwrap().split_once("; ").unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if rest.contains("Max-Age=0;") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let page = Page::of(response);
        if let Some((_, rest)) = page.html.split_once("name=\"link\" value=\"") {
            rest.split('"').next().unwrap().clone_into(&mut self.link);
        }
        page
    }

    /// Loads the form of the opened link again.
    pub(crate) async fn form(&mut self, query: &str) -> Page {
        let target = format!("/reset?by=link&link={}{query}", self.link);
        self.get(&target).await
    }

    /// Opens a mailed link, follows redirects and refreshes on this server, and returns the last page.
    pub(crate) async fn open(&mut self, link: &str) -> Page {
        let mut target = link.strip_prefix(&self.bench.base).unwrap_or_else(|| panic!("{link}")).to_owned();
        for _ in 0..4 {
            let page = self.get(&target).await;
            if let Some(location) = page.headers.get(header::LOCATION) {
                location.to_str().unwrap().strip_prefix(&self.bench.base).unwrap().clone_into(&mut target);
            } else if let Some((_, rest)) = page.html.split_once("http-equiv=\"refresh\" content=\"0; url=") {
                target = format!("/{}", rest.split('"').next().unwrap().replace("&#38;", "&"));
            } else {
                return page;
            }
        }
        panic!("{link}: too many redirects");
    }

    /// Sets a password with the opened link.
    pub(crate) async fn set(&mut self, password: &str) -> Page {
        let link = self.link.clone();
        self.post("/reset", &[("password", password), ("link", &link)]).await
    }
}

/// Encodes fields as a form body.
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

fn password(text: &str) -> NewPassword {
    Policy { min: 8, four_classes: false, refuse_common: false, max_bytes: PASSWORD_MAX }
        .accept(text)
        .unwrap()
}
