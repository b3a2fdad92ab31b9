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
    keys::{HmacKey, Keys},
    password::{NewPassword, PASSWORD_MAX, Policy},
    ports::{Accounts as _, Adapters, Hasher},
};
use reset_dialects::MODULES;
use reset_http::{
    Api, Peer, ServeOptions,
    client::{Client, MailedSecret, Step},
    redemption::RedemptionKind,
    route::Dialect,
};
use reset_pages::{complete, demo::DemoSettings, hosted::PagesSettings};
use reset_testkit::memory::{Memory, SentMail};

pub(crate) const PERSON: &str = "user@example.com";
pub(crate) const OLD: &str = "the old password";
pub(crate) const NEW: &str = "New Secret Password 1!";

/// Public URL of a fixture that needs no other one.
pub(crate) const BASE: &str = "http://127.0.0.1:8080";

/// What a fixture serves: by default every dialect of the registry with its default settings, and the hosted pages.
pub(crate) struct Settings {
    pub(crate) base: String,
    pub(crate) dialects: Vec<(&'static str, String)>,
    pub(crate) pages: Option<PagesSettings>,
    pub(crate) demo: Option<DemoSettings>,
    pub(crate) budgeting: Budgeting,
    pub(crate) ends_sessions: bool,
}

impl Settings {
    /// Sets a setting of a dialect.
    pub(crate) fn set(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.dialects.push((name, value.into()));
        self
    }

    /// Switches off every dialect for which `keep` is false.
    pub(crate) fn retain(self, keep: impl Fn(&Client) -> bool) -> Self {
        let off = reset_dialects::clients().into_iter().filter(|client| !keep(client));
        let off = off.map(|client| MODULES.iter().find(|module| module.name == client.dialect).unwrap());
        off.fold(self, |settings, module| settings.set(module.enabled.name, "false"))
    }

    /// Makes InsForge mail links to the hosted page.
    pub(crate) fn with_insforge_links(self) -> Self {
        let page = format!("{}/reset", self.base);
        self.set("insforge.method", "link").set("insforge.allowed_redirect_urls", page)
    }

    fn dialects(&self, root: &HmacKey) -> Vec<Dialect> {
        let settings: Vec<(&str, &str)> =
            self.dialects.iter().map(|(name, value)| (*name, value.as_str())).collect();
        reset_dialects::with(&settings, root, &self.base).unwrap()
    }
}

pub(crate) struct PagesBench {
    pub(crate) memory: Memory,
    pub(crate) api: Api,
    pub(crate) resets: Resets,
    /// How a client speaks each served dialect, in the order of the registry.
    pub(crate) clients: Vec<Client>,
    /// The dialects that check the secret of a link themselves, before the link reaches the hosted page.
    pub(crate) checking: Vec<&'static str>,
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

pub(crate) fn settings(public_url: &str) -> Settings {
    let dialects = reset_dialects::all_on().into_iter().map(|(name, value)| (name, value.to_owned()));
    let pages = PagesSettings::defaults(&HmacKey::root(&[5; 32]).unwrap(), public_url);
    Settings {
        base: public_url.to_owned(),
        dialects: dialects.collect(),
        pages: Some(pages),
        demo: None,
        budgeting: Budgeting::default(),
        ends_sessions: true,
    }
}

/// Builds the fixture with the default settings.
pub(crate) async fn bench() -> PagesBench {
    bench_with(settings(BASE), ServeOptions::default()).await
}

/// Builds the fixture with these settings and one account.
pub(crate) async fn bench_with(settings: Settings, serving: ServeOptions) -> PagesBench {
    let (memory, root) = (Memory::new(3), HmacKey::root(&[5; 32]).unwrap());
    let dialects = settings.dialects(&root);
    let clients = dialects.iter().map(client_of).collect();
    let redemptions = dialects.iter().flat_map(|dialect| &dialect.redemptions);
    let checking =
        redemptions.filter(|one| matches!(one.kind, RedemptionKind::Link { refused: Some(_), .. }));
    let checking = checking.map(|redemption| redemption.dialect).collect();
    let Settings { base, pages, demo, budgeting, ends_sessions, .. } = settings;
    let all = complete(dialects, pages, demo);
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
    let resets = Resets::within(budgeting, adapters, Keys::new(&root), policies, notices);
    let resets = resets.ending_sessions(ends_sessions);
    let api = Api::new(resets.clone(), all, serving);
    let bench = PagesBench { memory, api, resets, clients, checking, busy, slow, base };
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

/// Returns how a client speaks this dialect.
fn client_of(dialect: &Dialect) -> Client {
    dialect.client.clone().unwrap_or_else(|| {
        panic!("{0} has no client: describe it in crates/dialects/{0}/src/client.rs", dialect.name)
    })
}

impl PagesBench {
    /// Returns how a client speaks the dialect of this name.
    pub(crate) fn client(&self, name: &str) -> &Client {
        let found = self.clients.iter().find(|client| client.dialect == name);
        found
            .unwrap_or_else(|| panic!("no dialect of the registry (reset_dialects::MODULES) is named {name}"))
    }

    /// Returns the dialects that mail codes.
    pub(crate) fn mailing_codes(&self) -> Vec<&Client> {
        self.clients.iter().filter(|client| client.mailed == MailedSecret::Code).collect()
    }

    /// Returns the dialects that mail links.
    pub(crate) fn mailing_links(&self) -> Vec<&Client> {
        self.clients.iter().filter(|client| client.mailed != MailedSecret::Code).collect()
    }

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

    /// Sends a request of a client.
    pub(crate) async fn send_step(&self, step: &Step) -> Response<Bytes> {
        self.send(Method::POST, &step.path, &[("content-type", "application/json")], &step.body).await
    }

    /// Requests a reset as a client of this dialect, and returns the mailed secret: a code or a link.
    pub(crate) async fn mailed(&self, client: &Client) -> String {
        let status = self.send_step(&client.request_for(PERSON)).await.status();
        assert!(status.is_success(), "{}: {status}", client.dialect);
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
