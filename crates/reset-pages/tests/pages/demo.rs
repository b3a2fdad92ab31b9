//! The demo: reset requests through each dialect, the mailbox and sign-in; and the requests that it rejects.

use std::sync::{Arc, Mutex};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::Method;
use reset_core::time::Timestamp;
use reset_http::{
    ClientLimits, ServeOptions,
    client::{Client, MailedSecret},
};
use reset_pages::demo::{self, Carries, Person, ShownMail, Stage, walkthroughs};
use reset_testkit::memory::{SentKind, SentMail};
use sha2::{Digest, Sha256};

use crate::bench::{BASE, NEW, OLD, PERSON, Page, PagesBench, Settings, bench, bench_with, settings};

/// One account, and the mails that a test adds.
#[derive(Default)]
pub(crate) struct TestStage(pub(crate) Mutex<Vec<ShownMail>>);

impl Stage for TestStage {
    fn people(&self) -> Vec<Person> {
        let password = "Demo-<1>".to_owned();
        vec![Person { email: PERSON.to_owned(), name: "Alice".to_owned(), password }]
    }

    fn mails(&self) -> Vec<ShownMail> {
        self.0.lock().unwrap().iter().rev().cloned().collect()
    }
}

impl TestStage {
    fn put(&self, dialect: &str, mail: &SentMail) {
        let secret = mail.secret.clone();
        let carries = match mail.kind {
            SentKind::Code => Carries::Code(secret.clone()),
            SentKind::Link => Carries::Link(secret.clone()),
            SentKind::Changed => Carries::Notice(Some(secret.clone()).filter(|link| !link.is_empty())),
        };
        self.0.lock().unwrap().push(ShownMail {
            id: mail.message_id.clone(),
            to: mail.to.clone(),
            from: "Demo <no-reply@localhost>".to_owned(),
            at: Timestamp::from_millis(1_768_574_400_000),
            subject: "Something <new>".to_owned(),
            text: format!("Hello <Alice>,\n\n{secret}\n\nBye"),
            html: format!("<!DOCTYPE html><p>Hello</p><a href=\"{secret}\">Reset</a>"),
            dialect: dialect.to_owned(),
            carries,
        });
    }
}

async fn demo_bench_with(settings: Settings, serving: ServeOptions) -> (PagesBench, Arc<TestStage>) {
    let stage = Arc::new(TestStage::default());
    let demo = demo::DemoSettings { public_url: BASE.to_owned(), stage: stage.clone() };
    (bench_with(Settings { demo: Some(demo), ..settings }, serving).await, stage)
}

pub(crate) async fn demo_bench() -> (PagesBench, Arc<TestStage>) {
    demo_bench_with(settings(BASE), ServeOptions::default()).await
}

/// Requests a reset through a dialect on the start page. Returns the page of the request and the page of its mail.
pub(crate) async fn request_reset(bench: &PagesBench, stage: &TestStage, client: &Client) -> (Page, Page) {
    let dialect = client.dialect;
    let mut browser = bench.browser();
    let exchange = browser.post("/ask", &[("dialect", dialect), ("email", PERSON)]).await;
    assert_eq!(exchange.status, 200, "{}", exchange.main());
    let mails = bench.mails().await;
    assert_eq!(mails.len(), 1, "{dialect}");
    stage.put(dialect, &mails[0]);
    let list = browser.get("/mailbox").await;
    let target = list.html.split("href=\"mail?").nth(1).unwrap().split('"').next().unwrap();
    (exchange, browser.get(&format!("/mail?{target}")).await)
}

#[tokio::test]
async fn each_dialect_shows_request_and_response_and_its_mail_sets_the_password() {
    for client in demo_bench().await.0.clients {
        let (dialect, request) = (client.dialect, client.request_for(PERSON));
        let (bench, stage) = demo_bench().await;
        let (exchange, mail) = request_reset(&bench, &stage, &client).await;
        exchange.says(&format!("<pre>POST {}\nContent-Type: application/json\n", request.path));
        exchange.says(&format!("\n\n{}</pre>", escaped(&request.body)));
        exchange.says(&format!("{{&#34;email&#34;:&#34;{PERSON}&#34;"));
        // The page shows the response that a client of the dialect gets.
        let response = Page::of(demo_bench().await.0.send_step(&request).await);
        exchange.says(&format!("\n\n{}</pre>", escaped(&response.html)));
        exchange.says("X-Reset-Reference: ");
        match client.mailed {
            MailedSecret::Code => mail.says("<form class=\"carry\" method=\"post\" action=\"reset\">"),
            MailedSecret::Link { parameters } => mail.says(&format!("/reset?{}=", parameters[0])),
        }
        let secret = stage.mails().remove(0).carries;
        let mut browser = bench.browser();
        let done = match &secret {
            Carries::Code(code) => {
                let fields = [("by", "code"), ("email", PERSON), ("code", code.as_str()), ("password", NEW)];
                browser.post("/reset", &fields).await
            }
            Carries::Link(link) => {
                mail.says(&format!("<a href=\"{}\">", escaped(link)));
                browser.open(link).await;
                browser.set(NEW).await
            }
            Carries::Notice(_) => panic!("unexpected notice"),
        };
        assert_eq!(done.status, 200, "{dialect}: {}", done.main());
        for (password, status) in [(OLD, 403), (NEW, 200)] {
            let tried = browser.post("/sign-in", &[("email", PERSON), ("password", password)]).await;
            assert_eq!(tried.status, status, "{dialect} {password}: {}", tried.main());
        }
    }
}

/// Returns `text` as a page shows it.
fn escaped(text: &str) -> String {
    text.replace('&', "&#38;")
        .replace('<', "&#60;")
        .replace('>', "&#62;")
        .replace('"', "&#34;")
        .replace('\'', "&#39;")
}

/// Returns the path and the body of each command on a page.
fn commands(page: &Page) -> Vec<(String, String)> {
    let commands = page.html.split("\">curl -sS ").skip(1).map(|rest| rest.split("</pre>").next().unwrap());
    let parts = commands.map(|command| {
        let command = command.replace("&#34;", "\"").replace("&#39;", "'");
        let path = command.strip_prefix(BASE).unwrap().split(' ').next().unwrap();
        let body = command.split("-d '").nth(1).unwrap().split('\'').next().unwrap();
        (path.to_owned(), body.to_owned())
    });
    parts.collect()
}

#[tokio::test]
async fn commands_of_a_mail_contain_its_secret_and_work_unchanged() {
    for client in demo_bench().await.0.clients {
        let (bench, stage) = demo_bench().await;
        let (_, mail) = request_reset(&bench, &stage, &client).await;
        let mut token: Option<String> = None;
        let commands = commands(&mail);
        assert_eq!(commands.len(), 1 + usize::from(client.exchange.is_some()), "{}", client.dialect);
        for (path, body) in commands {
            // The reader puts the token of the first response into the second command.
            let body = match &token {
                Some(token) => body.replace("\"TOKEN\"", &format!("\"{token}\"")),
                None => body,
            };
            assert!(!body.contains("TOKEN\""), "{body}");
            let json = [("content-type", "application/json")];
            let response = Page::of(bench.send(Method::POST, &path, &json, &body).await);
            assert!((200..300).contains(&response.status), "{path}: {body}: {}", response.html);
            token = client.token_in(&response.html);
        }
        assert!(bench.logs_in("A-new-passw0rd-of-mine").await, "{}", client.dialect);
    }
}

#[tokio::test]
async fn start_page_lists_accounts_dialects_and_links() {
    let (bench, _) = demo_bench().await;
    let start = bench.browser().get("/").await;
    assert_eq!(start.status, 200);
    for text in ["href=\"docs\"", "href=\"dialects\"", "href=\"?dialect=pages\"", "nobody@example.com"] {
        start.says(text);
    }
    bench.browser().get("/sign-in").await.says("Demo-&#60;1&#62;");
    bench.browser().get("/?dialect=pages").await.says("<a class=\"button\" href=\"forgot\">");
    for walkthrough in walkthroughs(bench.clients.clone()) {
        let Client { dialect, title, summary, .. } = walkthrough.client.clone();
        start.says(&format!("href=\"?dialect={dialect}\""));
        let page = bench.browser().get(&format!("/?dialect={dialect}")).await;
        page.says(&format!("<input type=\"hidden\" name=\"dialect\" value=\"{dialect}\">"));
        page.says(&format!("<strong>{}</strong>: {}</p>", escaped(title), escaped(summary)));
        assert_eq!(commands(&page).len(), walkthrough.steps().len(), "{dialect}");
    }
    assert_eq!(bench.browser().get("/?dialect=nonsense").await.html, start.html);
    // Dialects and pages that are not served are not offered.
    for name in reset_dialects::names() {
        let settings = Settings { pages: None, ..settings(BASE).retain(|client| client.dialect != name) };
        let (bench, _) = demo_bench_with(settings, ServeOptions::default()).await;
        let start = bench.browser().get("/").await;
        assert!(!start.main().contains(&format!("?dialect={name}\"")), "{name}");
        assert!(!start.main().contains("dialect=pages"), "{name}");
        let hosted = bench.browser().get("/?dialect=pages").await;
        assert!(!hosted.main().contains("href=\"forgot\""), "{name}");
    }
}

#[tokio::test]
async fn demo_pages_load_no_external_resource_and_share_one_policy() {
    let (bench, stage) = demo_bench().await;
    let (exchange, mail) = request_reset(&bench, &stage, &bench.clients[0]).await;
    let mut browser = bench.browser();
    let all = [
        exchange,
        mail,
        browser.get("/").await,
        browser.get("/mailbox").await,
        browser.get("/mail?id=x").await,
        browser.get("/sign-in").await,
        browser.post("/sign-in", &[("email", PERSON), ("password", "x")]).await,
    ];
    for page in all {
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        let script = page.html.split("<script>").nth(1).unwrap().split("</script>").next().unwrap();
        let script = BASE64_STANDARD.encode(Sha256::digest(script));
        let rest = format!(
            "; script-src 'sha256-{script}'; img-src data:; frame-src 'self'; form-action 'self'; \
             frame-ancestors 'none'; base-uri 'none'"
        );
        assert!(policy.ends_with(&rest), "{policy}");
        assert!(page.headers.get("set-cookie").is_none());
        // The one frame is the mail, from the same server.
        let html = page.html.replace("src=\"mail/html?id=", "");
        for absent in ["<img", "<script ", " src=", "@import", "url(", " style=", "href=\"/"] {
            assert!(!html.contains(absent), "{absent}");
        }
        assert_eq!(
            html.matches("<link").count(),
            html.matches("<link rel=\"icon\" href=\"data:,\">").count()
        );
    }
}

#[tokio::test]
async fn only_demo_accounts_can_request_resets_and_sign_in() {
    let (bench, _) = demo_bench().await;
    let mut browser = bench.browser();
    let mut requests = vec![("nothing", PERSON, 400), ("", "", 400)];
    for client in &bench.clients {
        requests.push((client.dialect, "somebody@example.org", 400));
        // The unknown address of the start page is allowed.
        requests.push((client.dialect, "nobody@example.com", 200));
    }
    for (dialect, email, status) in requests {
        let page = browser.post("/ask", &[("dialect", dialect), ("email", email)]).await;
        assert_eq!(page.status, status, "{dialect} {email}");
    }
    assert!(bench.mails().await.is_empty());
    for (email, password) in [("somebody@example.org", OLD), (PERSON, ""), (PERSON, "a\0b"), ("", "")] {
        let page = browser.post("/sign-in", &[("email", email), ("password", password)]).await;
        assert_eq!(page.status, 403, "{email}");
    }
    let oversized = "a".repeat(5000);
    assert_eq!(browser.post("/sign-in", &[("email", PERSON), ("password", &oversized)]).await.status, 403);
}

#[tokio::test]
async fn form_from_another_site_requests_no_reset_and_checks_no_password() {
    let (bench, _) = demo_bench().await;
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "cross-site")];
    let asks =
        bench.clients.iter().map(|one| ("/ask", format!("dialect={}&email=user%40example.com", one.dialect)));
    let sign_in = ("/sign-in", "email=user%40example.com&password=the+old+password".to_owned());
    for (path, form) in asks.chain([sign_in]) {
        let page = Page::of(bench.send(Method::POST, path, &headers, &form).await);
        assert_eq!(page.status, 403, "{path}");
        page.says("another site");
    }
    assert!(bench.mails().await.is_empty());
}

#[tokio::test]
async fn demo_reset_requests_count_towards_the_rate_limit_and_show_the_429() {
    for name in reset_dialects::names() {
        let serving =
            ServeOptions { client_limits: Some(ClientLimits::default()), ..ServeOptions::default() };
        let (bench, _) = demo_bench_with(settings(BASE), serving).await;
        let mut browser = bench.browser();
        for nth in 1..=6 {
            let page = browser.post("/ask", &[("dialect", name), ("email", PERSON)]).await;
            assert_eq!(page.status, 200);
            assert_eq!(page.html.contains("429 Too Many Requests"), nth == 6, "{nth}: {}", page.main());
            assert_eq!(page.html.contains("The mail arrives"), nth < 6, "{nth}: {}", page.main());
        }
    }
}

#[tokio::test]
async fn sign_in_checks_one_password_at_a_time_and_returns_503_when_busy() {
    let (bench, _) = demo_bench().await;
    let mut browser = bench.browser();
    bench.set_verifying_slowly(true);
    let fields = [("email", PERSON), ("password", OLD)];
    let (mut first, mut second) = (bench.browser(), bench.browser());
    let (one, other) = tokio::join!(first.post("/sign-in", &fields), second.post("/sign-in", &fields));
    let (mut statuses, busy) = ([one.status, other.status], if one.status == 503 { one } else { other });
    statuses.sort_unstable();
    assert_eq!((statuses, busy.status), ([200, 503], 503));
    assert_eq!(busy.headers["retry-after"], "1");
    bench.set_verifying_slowly(false);
    assert_eq!(browser.post("/sign-in", &fields).await.status, 200);
}

#[tokio::test]
async fn link_sent_instead_of_a_code_shows_the_command_for_its_token() {
    let (bench, stage) = demo_bench().await;
    let exchanging: Vec<&Client> = bench.clients.iter().filter(|client| client.exchange.is_some()).collect();
    assert!(!exchanging.is_empty(), "no dialect exchanges codes for tokens");
    for client in exchanging {
        stage.0.lock().unwrap().push(ShownMail {
            id: client.dialect.to_owned(),
            to: PERSON.to_owned(),
            subject: "s".to_owned(),
            from: "no-reply@localhost".to_owned(),
            at: Timestamp::from_millis(1_768_574_400_000),
            text: "t".to_owned(),
            html: "<p>t</p>".to_owned(),
            dialect: client.dialect.to_owned(),
            carries: Carries::Link(format!("{BASE}/reset?token=abc")),
        });
        let mail = bench.browser().get(&format!("/mail?id={}", client.dialect)).await;
        mail.says(&escaped(&client.redeem_with("abc", "A-new-passw0rd-of-mine").body));
        assert_eq!(commands(&mail).len(), 1, "{}", mail.main());
    }
}

#[tokio::test]
async fn insforge_reset_uses_a_link_when_links_are_configured() {
    let settings = settings(BASE).with_insforge_links();
    let (bench, stage) = demo_bench_with(settings, ServeOptions::default()).await;
    let (exchange, mail) = request_reset(&bench, &stage, bench.client("insforge")).await;
    exchange.says("202 Accepted");
    mail.says("/api/auth/email/reset-password-link?token=");
    let mut browser = bench.browser();
    let Carries::Link(link) = stage.mails().remove(0).carries else { panic!("no link") };
    browser.open(&link).await;
    assert_eq!(browser.set(NEW).await.status, 200);
}

#[tokio::test]
async fn mailbox_and_its_links_exist_only_in_a_demo() {
    let (demo, _) = demo_bench().await;
    demo.browser().get("/forgot").await.says("href=\"/mailbox\"");
    let bench = bench().await;
    assert!(!bench.browser().get("/forgot").await.html.contains("mailbox\""));
    for path in ["/mailbox", "/mail?id=1", "/mail/html?id=1", "/sign-in"] {
        assert_eq!(bench.browser().get(path).await.status, 404, "{path}");
    }
    assert_eq!(bench.browser().get("/").await.headers["location"], "http://127.0.0.1:8080/forgot");
    for path in ["/ask", "/sign-in"] {
        assert_eq!(bench.browser().post(path, &[]).await.status, 404, "{path}");
    }
}
