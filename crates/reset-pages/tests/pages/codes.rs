//! Resets with a code on `/reset`.

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use reset_core::budget::{Budgeting, Window};
use reset_http::ServeOptions;

use crate::bench::{
    BASE, Browser, NEW, OLD, PERSON, Page, PagesBench, Settings, bench, bench_with, form, settings,
};

/// Codes to request until one has digits that users may type as letters.
const CODES_MAX: usize = 500;

/// Forms in which users type a code.
type TypedForms = [fn(&str) -> String; 4];

/// Forms of a code of digits.
const DIGITS: TypedForms = [
    str::to_owned,
    |code| format!(" {} {}\t", &code[..3], &code[3..]),
    |code| format!("{}-{}", &code[..3], &code[3..]),
    |code| code.replace('0', "O").replace('1', "l"),
];

/// Forms of a code of letters and digits.
const LETTERS: TypedForms = [
    str::to_owned,
    str::to_ascii_lowercase,
    |code| code.replace('-', " "),
    |code| code.replace('0', "o").replace('-', "\u{2011}"),
];

/// Requests codes of this dialect until one has every character of `wanted`.
async fn code_with(bench: &PagesBench, dialect: &str, wanted: &[char]) -> String {
    for _ in 0..CODES_MAX {
        let code = bench.mailed(bench.client(dialect)).await;
        if wanted.iter().all(|wanted| code.contains(*wanted)) {
            return code;
        }
    }
    panic!("{dialect}: none of {CODES_MAX} codes has all of {wanted:?}");
}

/// Submits the form for a code.
async fn submit(browser: &mut Browser<'_>, email: &str, code: &str) -> Page {
    submit_with(browser, email, code, NEW).await
}

/// Submits the form for a code with this password.
async fn submit_with(browser: &mut Browser<'_>, email: &str, code: &str, password: &str) -> Page {
    let fields = [("by", "code"), ("email", email), ("code", code), ("password", password)];
    browser.post("/reset", &fields).await
}

/// Asserts that `code` sets the password once.
async fn assert_resets(bench: &PagesBench, code: &str) {
    let done = submit(&mut bench.browser(), PERSON, code).await;
    assert_eq!(done.status, 200, "{code}: {}", done.main());
    done.says("<h1>Your new password is set</h1>");
    assert!(bench.logs_in(NEW).await);
    // With the same password it would be the second form of a double click.
    let again = submit_with(&mut bench.browser(), PERSON, code, "Another Password 2?").await;
    assert_eq!(again.status, 400);
    again.says("This code isn&#39;t valid.");
}

#[tokio::test]
async fn codes_of_every_dialect_are_accepted_in_every_typed_form() {
    let mut six_digits = 0;
    for client in bench().await.mailing_codes() {
        let example = bench().await.mailed(client).await;
        let digits = example.len() == 6 && example.bytes().all(|byte| byte.is_ascii_digit());
        six_digits += usize::from(digits);
        for typed in if digits { DIGITS } else { LETTERS } {
            let bench = bench().await;
            let wanted: &[char] = if digits { &['0', '1'] } else { &['0'] };
            let code = code_with(&bench, client.dialect, wanted).await;
            assert_resets(&bench, &typed(&code)).await;
        }
    }
    assert!(six_digits > 0, "no dialect mails six digits by default");
}

#[tokio::test]
async fn long_codes_are_accepted_in_every_typed_form() {
    for typed in LETTERS {
        // In this profile px0 mails long codes.
        let settings = settings(BASE).with_insforge_links().set("profile", "hardened");
        let bench = bench_with(settings, ServeOptions::default()).await;
        let code = code_with(&bench, "px0", &['0']).await;
        assert!(code.contains('-') && code.len() > 6, "{code}");
        assert_resets(&bench, &typed(&code)).await;
    }
}

#[tokio::test]
async fn code_is_valid_only_for_its_own_address() {
    for client in bench().await.mailing_codes() {
        let bench = bench().await;
        let code = bench.mailed(client).await;
        for email in ["ghost@example.com", "other@example.com"] {
            let page = submit(&mut bench.browser(), email, &code).await;
            assert_eq!(page.status, 400, "{}", client.dialect);
            page.says("This code isn&#39;t valid.");
        }
        assert!(bench.logs_in(OLD).await);
        assert_resets(&bench, &code).await;
    }
}

#[tokio::test]
async fn wrong_codes_get_the_same_page_for_known_and_unknown_addresses() {
    let bench = bench().await;
    for client in bench.mailing_codes() {
        bench.mailed(client).await;
    }
    let mut pages = Vec::new();
    for email in [PERSON, "ghost@example.com"] {
        for code in ["000000", "0000000000000"] {
            let page = submit(&mut bench.browser(), email, code).await;
            assert_eq!(page.status, 400);
            pages.push(page.html.replace(email, "ADDRESS").replace(code, "CODE"));
        }
    }
    assert!(pages.windows(2).all(|pair| pair[0] == pair[1]), "{pages:?}");
}

/// Returns the takes from px0's and InsForge's budgets of wrong codes by one wrong code for `email` after codes of these
/// dialects were requested for it.
async fn charged(email: &str, requested: &[&str]) -> [usize; 2] {
    let windows = vec![Window::new(9, Duration::from_secs(86_400))];
    let budgeting = Budgeting { open_guesses: windows.clone(), all_guesses: windows, ..Budgeting::default() };
    let bench = bench_with(Settings { budgeting, ..settings(BASE) }, ServeOptions::default()).await;
    for dialect in requested {
        if email == PERSON {
            bench.mailed(bench.client(dialect)).await;
        }
    }
    assert_eq!(submit(&mut bench.browser(), email, "000000").await.status, 400);
    let taken = |names: &[&str]| names.iter().map(|name| bench.memory.store.taken(name)).sum();
    [taken(&["guesses.px0"]), taken(&["guesses.insforge.all", "guesses.insforge.nobody"])]
}

/// Otherwise an attacker learns from px0's codes of his own whether an address has a live InsForge code.
#[tokio::test]
async fn a_wrong_code_charges_the_same_limits_whatever_code_the_address_has() {
    for requested in [&[][..], &["px0"], &["insforge"], &["px0", "insforge"]] {
        assert_eq!(charged(PERSON, requested).await, [1, 1], "{requested:?}");
    }
    assert_eq!(charged("ghost@example.com", &[]).await, [1, 1]);
}

#[tokio::test]
async fn invalid_input_is_reported_at_its_field_and_keeps_the_code_valid() {
    let bench = bench().await;
    let code = bench.mailed(bench.client("insforge")).await;
    let mut browser = bench.browser();
    for (email, code, password, line, field) in [
        ("user", code.as_str(), NEW, "Enter a valid email address", "id=\"email\""),
        (PERSON, " ", NEW, "Enter the code from the email.", "id=\"code\""),
        (PERSON, code.as_str(), "nodigits", "Use at least one uppercase", "id=\"password\""),
    ] {
        let fields = [("by", "code"), ("email", email), ("code", code), ("password", password)];
        let page = browser.post("/reset", &fields).await;
        assert_eq!(page.status, 400);
        page.says(line);
        let input = page.html.split("<input ").find(|input| input.starts_with(field)).unwrap();
        let input = input.split('>').next().unwrap();
        assert!(
            ["-error\"", "aria-invalid=\"true\"", "autofocus"].iter().all(|part| input.contains(part)),
            "{input}"
        );
        assert_eq!(page.html.matches("autofocus").count(), 1);
    }
    assert_resets(&bench, &code).await;
}

#[tokio::test]
async fn token_of_an_exchanged_code_stays_in_the_cookie_while_hashing_is_busy() {
    let bench = bench().await;
    let code = bench.mailed(bench.client("insforge")).await;
    let mut browser = bench.browser();
    bench.set_busy(true);
    let busy = submit(&mut browser, PERSON, &code).await;
    assert_eq!(busy.status, 503);
    assert!(!busy.html.contains("name=\"code\""), "the code is used up, so the form is the one for a link");
    busy.says(&format!("href=\"reset?by=link&#38;link={}&#38;lang=de\"", browser.link));
    browser.form("&lang=de").await.says("<h1>Neues Passwort festlegen</h1>");
    assert_eq!(browser.set(NEW).await.status, 503);
    bench.set_busy(false);
    assert_eq!(browser.set(NEW).await.status, 200);
    assert!(bench.logs_in(NEW).await);
}

#[tokio::test]
async fn opened_link_does_not_hide_the_form_for_a_code() {
    let bench = bench().await;
    let link = bench.mailed(bench.mailing_links()[0]).await;
    let code = bench.mailed(bench.mailing_codes()[0]).await;
    let mut browser = bench.browser();
    browser.open(&link).await.says("<h1>Set a new password</h1>");
    let form = browser.get("/reset").await;
    form.says("name=\"code\"");
    form.says("href=\"reset?by=code&#38;lang=de\"");
    assert_eq!(submit(&mut browser, PERSON, &code).await.status, 200);
}

#[tokio::test]
async fn expired_code_sets_no_password() {
    for client in bench().await.mailing_codes() {
        let bench = bench().await;
        let code = bench.mailed(client).await;
        bench.memory.clock.advance(Duration::from_secs(16 * 60));
        assert_eq!(submit(&mut bench.browser(), PERSON, &code).await.status, 400, "{}", client.dialect);
        assert!(bench.logs_in(OLD).await);
    }
}

#[tokio::test]
async fn strength_estimate_is_localized_and_keeps_the_code_valid() {
    let bench = bench().await;
    let code = bench.mailed(bench.client("insforge")).await;
    let mut browser = bench.browser();
    let strong = browser.post("/reset/strength", &[("password", "kR7#vq2!mZpw9"), ("lang", "de")]).await;
    assert_eq!((strong.status, strong.html.as_str()), (200, r#"{"score":4,"text":"Stark","common":false}"#));
    let own = browser.post("/reset/strength", &[("password", PERSON), ("email", PERSON)]).await;
    assert_eq!(own.html, r#"{"score":0,"text":"Very weak","common":false}"#);
    let foreign = [("sec-fetch-site", "cross-site")];
    assert_eq!(bench.send(Method::POST, "/reset/strength", &foreign, "password=x").await.status(), 403);
    assert_resets(&bench, &code).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strength_estimates_run_one_at_a_time_and_excess_requests_get_503() {
    let bench = bench().await;
    // Each estimate takes about 20 ms, and they run one after another.
    let hostile = form(&[("password", "4@8({[<369!1|70$+5%2")]);
    let estimate = || bench.send(Method::POST, "/reset/strength", &[], &hostile);
    let responses = join_all((0..2_000).map(|_| estimate())).await;
    let with_status =
        |status: u16| responses.iter().filter(|response| response.status() == status).collect::<Vec<_>>();
    let (estimated, busy) = (with_status(200), with_status(503));
    assert!(!estimated.is_empty() && !busy.is_empty() && estimated.len() + busy.len() == 2_000);
    assert!(busy[0].headers().contains_key("retry-after"));
    assert_eq!(estimate().await.status(), 200, "a later request gets its turn");
}
