//! The demo as a newcomer meets it: asking by each dialect, the mailbox, signing in; and what it keeps from strangers.

use std::sync::{Arc, Mutex};

use http::Method;
use reset_dialects::{
    ClientLimits, DialectSettings, ServeOptions,
    demo::{self, Carries, Person, ShownMail, Stage},
    insforge,
};
use reset_testkit::memory::{SentKind, SentMail};

use crate::bench::{NEW, OLD, PERSON, PagesBench, Seen, bench, bench_with, settings};

const BASE: &str = "http://127.0.0.1:8080";

/// One person, and the mails that a test puts there.
#[derive(Default)]
struct Board(Mutex<Vec<ShownMail>>);

impl Stage for Board {
    fn people(&self) -> Vec<Person> {
        let password = "Demo-<1>".to_owned();
        vec![Person { email: PERSON.to_owned(), name: "Alice".to_owned(), password }]
    }

    fn mails(&self) -> Vec<ShownMail> {
        self.0.lock().unwrap().iter().rev().cloned().collect()
    }
}

impl Board {
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
            subject: "Something <new>".to_owned(),
            text: format!("Hello <Alice>,\n\n{secret}\n\nBye"),
            dialect: dialect.to_owned(),
            carries,
        });
    }
}

async fn stage_with(settings: DialectSettings, serving: ServeOptions) -> (PagesBench, Arc<Board>) {
    let board = Arc::new(Board::default());
    let demo = demo::DemoSettings { public_url: BASE.to_owned(), stage: board.clone() };
    (bench_with(DialectSettings { demo: Some(demo), ..settings }, serving).await, board)
}

async fn stage() -> (PagesBench, Arc<Board>) {
    stage_with(settings(BASE), ServeOptions::default()).await
}

/// Asks by a dialect on the start page, and opens the mail that came of it.
async fn asked(bench: &PagesBench, board: &Board, dialect: &str) -> (Seen, Seen) {
    let mut browser = bench.browser();
    let asked = browser.post("/ask", &[("dialect", dialect), ("email", PERSON)]).await;
    assert_eq!(asked.status, 200, "{}", asked.main());
    let mails = bench.mails().await;
    assert_eq!(mails.len(), 1, "{dialect}");
    board.put(dialect, &mails[0]);
    let list = browser.get("/mailbox").await;
    let target = list.html.split("href=\"mail?").nth(1).unwrap().split('"').next().unwrap();
    (asked, browser.get(&format!("/mail?{target}")).await)
}

#[tokio::test]
async fn by_each_dialect_a_newcomer_sees_request_and_answer_and_the_mail_leads_to_a_new_password() {
    for (dialect, path, answer, next) in [
        ("px0", "/v1/auth/password-reset/trigger", "password reset email sent", "href=\"reset\""),
        ("worthai", "/auth/api/v1/forgot-password", "A link to reset your password", "/reset?reset_token="),
        ("strapi", "/api/auth/forgot-password", "{&#34;ok&#34;:true}", "/reset?code="),
        ("insforge", "/api/auth/email/send-reset-password", "If your email is registered", "href=\"reset\""),
    ] {
        let (bench, board) = stage().await;
        let (asked, mail) = asked(&bench, &board, dialect).await;
        asked.says(&format!("<pre>POST {path}\nContent-Type: application/json\n"));
        asked.says(&format!("{{&#34;email&#34;:&#34;{PERSON}&#34;}}"));
        asked.says(answer);
        asked.says("X-Reset-Reference: ");
        mail.says(next);
        let secret = board.mails().remove(0).carries;
        let mut browser = bench.browser();
        let done = match &secret {
            Carries::Code(code) => {
                let fields = [("by", "code"), ("email", PERSON), ("code", code.as_str()), ("password", NEW)];
                browser.post("/reset", &fields).await
            }
            Carries::Link(link) => {
                mail.says(&format!("<a href=\"{link}\">"));
                browser.open(link).await;
                browser.set(NEW).await
            }
            Carries::Notice(_) => panic!("a notice"),
        };
        assert_eq!(done.status, 200, "{dialect}: {}", done.main());
        for (password, status) in [(OLD, 403), (NEW, 200)] {
            let tried = browser.post("/sign-in", &[("email", PERSON), ("password", password)]).await;
            assert_eq!(tried.status, status, "{dialect} {password}: {}", tried.main());
        }
    }
}

#[tokio::test]
async fn the_commands_of_a_mail_have_its_secret_in_them_and_work_as_they_are() {
    for dialect in ["px0", "worthai", "strapi"] {
        let (bench, board) = stage().await;
        let (_, mail) = asked(&bench, &board, dialect).await;
        let command = mail.html.split("<pre>curl -sS ").nth(1).unwrap().split("</pre>").next().unwrap();
        let command = command.replace("&#34;", "\"").replace("&#39;", "'");
        let path = command.strip_prefix(BASE).unwrap().split(' ').next().unwrap();
        let body = command.split("-d '").nth(1).unwrap().split('\'').next().unwrap();
        let json = [("content-type", "application/json")];
        let answer = Seen::of(bench.send(Method::POST, path, &json, body).await);
        assert_eq!(answer.status, 200, "{dialect}: {command}: {}", answer.html);
        assert!(bench.logs_in("A-new-passw0rd-of-mine").await);
    }
    let (bench, board) = stage().await;
    let (_, mail) = asked(&bench, &board, "insforge").await;
    let Carries::Code(code) = board.mails().remove(0).carries else { panic!("no code") };
    mail.says(&format!("{{&#34;email&#34;:&#34;{PERSON}&#34;,&#34;code&#34;:&#34;{code}&#34;}}"));
    mail.says("&#34;otp&#34;:&#34;TOKEN&#34;");
}

#[tokio::test]
async fn the_start_page_names_people_dialects_and_ways_on() {
    let (bench, _) = stage().await;
    let start = bench.browser().get("/").await;
    assert_eq!(start.status, 200);
    for text in [
        "Demo-&#60;1&#62;",
        "px0",
        "worthai",
        "Strapi",
        "InsForge",
        "href=\"forgot\"",
        "href=\"docs\"",
        "href=\"dialects\"",
    ] {
        start.says(text);
    }
    assert_eq!(start.main().matches("<pre>curl -sS http://127.0.0.1:8080/").count(), 9);
    // What is not served is not offered.
    let all = settings(BASE);
    let (bench, _) =
        stage_with(DialectSettings { px0: None, pages: None, ..all }, ServeOptions::default()).await;
    let start = bench.browser().get("/").await;
    assert!(!start.main().contains("px0") && !start.main().contains("href=\"forgot\""));
}

#[tokio::test]
async fn every_page_of_the_demo_loads_nothing_and_has_one_policy() {
    let (bench, board) = stage().await;
    let (asked, mail) = asked(&bench, &board, "px0").await;
    let mut browser = bench.browser();
    let all = [
        asked,
        mail,
        browser.get("/").await,
        browser.get("/mailbox").await,
        browser.get("/mail?id=x").await,
        browser.post("/sign-in", &[("email", PERSON), ("password", "x")]).await,
    ];
    for seen in all {
        let policy = seen.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(
            policy.ends_with("'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"),
            "{policy}"
        );
        assert!(seen.headers.get("set-cookie").is_none());
        for absent in
            ["<link", "<script", "<img", "<iframe", " src=", "@import", "url(", " style=", "href=\"/"]
        {
            assert!(!seen.html.contains(absent), "{absent}");
        }
    }
}

#[tokio::test]
async fn what_a_mail_says_is_text_alone() {
    let (bench, board) = stage().await;
    let (_, mail) = asked(&bench, &board, "px0").await;
    mail.says("<h1>Something &#60;new&#62;</h1>");
    mail.says("Hello &#60;Alice&#62;,");
    let strange = ShownMail {
        id: "1".into(),
        carries: Carries::Link("javascript:alert(1)".into()),
        text: "javascript:alert(1)".into(),
        ..board.mails().remove(0)
    };
    board.0.lock().unwrap().push(strange);
    let shown = bench.browser().get("/mail?id=1").await;
    assert!(!shown.html.contains("href=\"javascript:"), "{}", shown.main());
}

#[tokio::test]
async fn nobody_but_the_demos_people_is_asked_for_or_signed_in() {
    let (bench, _) = stage().await;
    let mut browser = bench.browser();
    for (dialect, email, status) in [
        ("px0", "somebody@example.org", 400),
        ("nothing", PERSON, 400),
        ("", "", 400),
        // To see that an answer tells nothing.
        ("strapi", "nobody@example.com", 200),
    ] {
        let seen = browser.post("/ask", &[("dialect", dialect), ("email", email)]).await;
        assert_eq!(seen.status, status, "{dialect} {email}");
    }
    assert!(bench.mails().await.is_empty());
    for (email, password) in [("somebody@example.org", OLD), (PERSON, ""), (PERSON, "a\0b"), ("", "")] {
        let seen = browser.post("/sign-in", &[("email", email), ("password", password)]).await;
        assert_eq!(seen.status, 403, "{email}");
    }
    let oversized = "a".repeat(5000);
    assert_eq!(browser.post("/sign-in", &[("email", PERSON), ("password", &oversized)]).await.status, 403);
}

#[tokio::test]
async fn another_sites_form_asks_for_nothing_and_tries_no_password() {
    let (bench, _) = stage().await;
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "cross-site")];
    for (path, form) in [
        ("/ask", "dialect=px0&email=user%40example.com"),
        ("/sign-in", "email=user%40example.com&password=the+old+password"),
    ] {
        let seen = Seen::of(bench.send(Method::POST, path, &headers, form).await);
        assert_eq!(seen.status, 403, "{path}");
        seen.says("another site");
    }
    assert!(bench.mails().await.is_empty());
}

#[tokio::test]
async fn asking_here_is_counted_as_what_it_is_and_the_refusal_is_shown() {
    let serving = ServeOptions { client_limits: Some(ClientLimits::default()), ..ServeOptions::default() };
    let (bench, _) = stage_with(settings(BASE), serving).await;
    let mut browser = bench.browser();
    for nth in 1..=6 {
        let seen = browser.post("/ask", &[("dialect", "strapi"), ("email", PERSON)]).await;
        assert_eq!(seen.status, 200);
        assert_eq!(seen.html.contains("429 Too Many Requests"), nth == 6, "{nth}: {}", seen.main());
        assert_eq!(seen.html.contains("The mail follows"), nth < 6, "{nth}: {}", seen.main());
    }
}

#[tokio::test]
async fn one_password_at_a_time_is_looked_at_and_who_is_busy_says_so() {
    let (bench, _) = stage().await;
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
async fn a_link_in_the_place_of_a_code_has_the_command_that_takes_its_token() {
    let (bench, board) = stage().await;
    board.0.lock().unwrap().push(ShownMail {
        id: "1".to_owned(),
        to: PERSON.to_owned(),
        subject: "s".to_owned(),
        text: "t".to_owned(),
        dialect: "insforge".to_owned(),
        carries: Carries::Link(format!("{BASE}/reset?token=abc")),
    });
    let mail = bench.browser().get("/mail?id=1").await;
    mail.says("&#34;otp&#34;:&#34;abc&#34;");
    assert_eq!(mail.main().matches("<pre>curl").count(), 1, "{}", mail.main());
}

#[tokio::test]
async fn where_links_are_mailed_insforge_is_asked_for_one() {
    let mut settings = settings(BASE);
    let insforge = settings.insforge.as_mut().unwrap();
    insforge.method = insforge::Method::Link;
    insforge.allowed = insforge::AllowList::parse(&[format!("{BASE}/reset")]).unwrap();
    let (bench, board) = stage_with(settings, ServeOptions::default()).await;
    let (asked, mail) = asked(&bench, &board, "insforge").await;
    asked.says("202 Accepted");
    mail.says("/api/auth/email/reset-password-link?token=");
    let mut browser = bench.browser();
    let Carries::Link(link) = board.mails().remove(0).carries else { panic!("no link") };
    browser.open(&link).await;
    assert_eq!(browser.set(NEW).await.status, 200);
}

#[tokio::test]
async fn pages_lead_to_the_mailbox_during_a_demo_alone_and_without_one_it_is_not_there() {
    let (staged, _) = stage().await;
    staged.browser().get("/forgot").await.says("href=\"/mailbox\"");
    let bench = bench().await;
    assert!(!bench.browser().get("/forgot").await.html.contains("mailbox\""));
    for path in ["/", "/mailbox", "/mail?id=1"] {
        assert_eq!(bench.browser().get(path).await.status, 404, "{path}");
    }
    for path in ["/ask", "/sign-in"] {
        assert_eq!(bench.browser().post(path, &[]).await.status, 404, "{path}");
    }
}
