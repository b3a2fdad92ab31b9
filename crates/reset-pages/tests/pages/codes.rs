//! Codes that people type.

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use reset_dialects::{ServeOptions, px0};

use crate::bench::{Browser, NEW, OLD, PERSON, PagesBench, Seen, bench, bench_with, form, settings};

const PX0: &str = "/v1/auth/password-reset/trigger";
const INSFORGE: &str = "/api/auth/email/send-reset-password";
const ASK: &str = r#"{"email":"user@example.com"}"#;

async fn typed(browser: &mut Browser<'_>, email: &str, code: &str) -> Seen {
    let fields = [("by", "code"), ("email", email), ("code", code), ("password", NEW)];
    browser.post("/reset", &fields).await
}

async fn resets(bench: &PagesBench, code: &str) {
    let done = typed(&mut bench.browser(), PERSON, code).await;
    assert_eq!(done.status, 200, "{code}: {}", done.main());
    done.says("<h1>Your new password is set</h1>");
    assert!(bench.logs_in(NEW).await);
    let again = typed(&mut bench.browser(), PERSON, code).await;
    assert_eq!(again.status, 400);
    again.says("This code does not work.");
}

#[tokio::test]
async fn six_digits_are_read_however_people_type_them() {
    for path in [PX0, INSFORGE] {
        for number in 0..4 {
            let bench = bench().await;
            // One with a zero and a one in it, for those who type letters.
            let code = loop {
                let code = bench.mailed(path, ASK).await;
                if code.contains('0') && code.contains('1') {
                    break code;
                }
            };
            let (head, tail) = code.split_at(3);
            let typed = [
                code.clone(),
                format!(" {head} {tail}\t"),
                format!("{head}-{tail}"),
                code.replace('0', "O").replace('1', "l"),
            ];
            resets(&bench, &typed[number]).await;
        }
    }
}

#[tokio::test]
async fn long_codes_are_read_however_people_type_them() {
    for number in 0..4 {
        let mut settings = settings("http://127.0.0.1:8080");
        settings.px0.as_mut().unwrap().codes = px0::Codes::Long;
        let bench = bench_with(settings, ServeOptions::default()).await;
        let code = loop {
            let code = bench.mailed(PX0, ASK).await;
            if code.contains('0') {
                break code;
            }
        };
        let typed = [
            code.clone(),
            code.to_ascii_lowercase(),
            code.replace('-', " "),
            code.replace('0', "o").replace('-', "\u{2011}"),
        ];
        resets(&bench, &typed[number]).await;
    }
}

#[tokio::test]
async fn a_code_is_good_for_its_own_address_alone() {
    let bench = bench().await;
    let code = bench.mailed(PX0, ASK).await;
    for email in ["ghost@example.com", "other@example.com"] {
        let seen = typed(&mut bench.browser(), email, &code).await;
        assert_eq!(seen.status, 400);
        seen.says("This code does not work.");
    }
    assert!(bench.logs_in(OLD).await);
    resets(&bench, &code).await;
}

#[tokio::test]
async fn wrong_and_nobodys_codes_are_answered_alike() {
    let bench = bench().await;
    for path in [PX0, INSFORGE] {
        bench.mailed(path, ASK).await;
    }
    let mut pages = Vec::new();
    for email in [PERSON, "ghost@example.com"] {
        for code in ["000000", "0000000000000"] {
            let seen = typed(&mut bench.browser(), email, code).await;
            assert_eq!(seen.status, 400);
            pages.push(seen.html.replace(email, "ADDRESS").replace(code, "CODE"));
        }
    }
    assert!(pages.windows(2).all(|pair| pair[0] == pair[1]), "{pages:?}");
}

#[tokio::test]
async fn what_is_missing_or_weak_is_said_beside_its_field_and_spends_nothing() {
    let bench = bench().await;
    let code = bench.mailed(INSFORGE, ASK).await;
    let mut browser = bench.browser();
    for (email, code, password, line, field) in [
        ("user", code.as_str(), NEW, "This is not an e-mail address.", "id=\"email\""),
        (PERSON, " ", NEW, "Enter the code from the mail.", "id=\"code\""),
        (PERSON, code.as_str(), "nodigits", "The password needs a capital", "id=\"password\""),
    ] {
        let fields = [("by", "code"), ("email", email), ("code", code), ("password", password)];
        let seen = browser.post("/reset", &fields).await;
        assert_eq!(seen.status, 400);
        seen.says(line);
        let input = seen.html.split("<input ").find(|input| input.starts_with(field)).unwrap();
        let input = input.split('>').next().unwrap();
        assert!(
            ["fault\"", "aria-invalid=\"true\"", "autofocus"].iter().all(|part| input.contains(part)),
            "{input}"
        );
        assert_eq!(seen.html.matches("autofocus").count(), 1);
    }
    resets(&bench, &code).await;
}

#[tokio::test]
async fn a_code_that_became_a_token_while_too_much_was_hashed_waits_in_the_cookie() {
    let bench = bench().await;
    let code = bench.mailed(INSFORGE, ASK).await;
    let mut browser = bench.browser();
    bench.set_busy(true);
    let busy = typed(&mut browser, PERSON, &code).await;
    assert_eq!(busy.status, 503);
    assert!(!busy.html.contains("name=\"code\""), "the code is spent: the form is a link's");
    busy.says(&format!("href=\"reset?by=link&#38;link={}&#38;lang=de\"", browser.link));
    browser.form("&lang=de").await.says("<h1>Neues Passwort festlegen</h1>");
    assert_eq!(browser.set(NEW).await.status, 503);
    bench.set_busy(false);
    assert_eq!(browser.set(NEW).await.status, 200);
    assert!(bench.logs_in(NEW).await);
}

#[tokio::test]
async fn a_link_that_was_opened_does_not_stand_before_the_form_for_a_code() {
    let bench = bench().await;
    let link = bench.mailed("/api/auth/forgot-password", ASK).await;
    let code = bench.mailed(PX0, ASK).await;
    let mut browser = bench.browser();
    browser.open(&link).await.says("<h1>Set a new password</h1>");
    let form = browser.get("/reset").await;
    form.says("name=\"code\"");
    form.says("href=\"reset?by=code&#38;lang=de\"");
    assert_eq!(typed(&mut browser, PERSON, &code).await.status, 200);
}

#[tokio::test]
async fn a_code_ends() {
    let bench = bench().await;
    let code = bench.mailed(INSFORGE, ASK).await;
    bench.memory.clock.advance(Duration::from_secs(16 * 60));
    assert_eq!(typed(&mut bench.browser(), PERSON, &code).await.status, 400);
    assert!(bench.logs_in(OLD).await);
}

#[tokio::test]
async fn an_estimate_is_told_in_words_and_spends_nothing() {
    let bench = bench().await;
    let code = bench.mailed(INSFORGE, ASK).await;
    let mut browser = bench.browser();
    let strong = browser.post("/reset/strength", &[("password", "kR7#vq2!mZpw9"), ("lang", "de")]).await;
    assert_eq!(
        (strong.status, strong.html.as_str()),
        (200, r#"{"score":4,"text":"Sehr gut","common":false}"#)
    );
    let own = browser.post("/reset/strength", &[("password", PERSON), ("email", PERSON)]).await;
    assert_eq!(own.html, r#"{"score":0,"text":"Very easy to guess","common":false}"#);
    let foreign = [("sec-fetch-site", "cross-site")];
    assert_eq!(bench.send(Method::POST, "/reset/strength", &foreign, "password=x").await.status(), 403);
    resets(&bench, &code).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn estimates_take_turns_and_whoever_would_wait_long_gets_none() {
    let bench = bench().await;
    // Some 20 ms for each, one by one.
    let hostile = form(&[("password", "4@8({[<369!1|70$+5%2")]);
    let ask = || bench.send(Method::POST, "/reset/strength", &[], &hostile);
    let answers = join_all((0..2_000).map(|_| ask())).await;
    let of = |status: u16| answers.iter().filter(|answer| answer.status() == status).collect::<Vec<_>>();
    let (told, busy) = (of(200), of(503));
    assert!(!told.is_empty() && !busy.is_empty() && told.len() + busy.len() == 2_000);
    assert!(busy[0].headers().contains_key("retry-after"));
    assert_eq!(ask().await.status(), 200, "the turns ended");
}
