//! Budgets: requests, mails and guesses over a limit are dropped silently, and no account is locked.

use std::time::Duration;

use reset_core::{
    budget::{Budgeting, Window},
    error::{ExchangeError, RedeemError, RequestError},
    ports::Budgets as _,
    request::Disclosure,
    secret::{LongCode, TicketSecret},
    ticket::{TicketKind, TicketState},
};
use reset_testkit::memory::{Outage, SentKind, SentMail};

use crate::bench::{LIFE, MINUTE, UseCaseBench, bench, bench_within, code};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn request_limits() -> Budgeting {
    let requests = vec![Window::new(1, MINUTE), Window::new(3, HOUR), Window::new(6, DAY)];
    Budgeting { requests, ..Budgeting::default() }
}

fn open_guess_limits() -> Budgeting {
    let open_guesses = vec![Window::new(5, 10 * MINUTE), Window::new(20, DAY)];
    Budgeting { open_guesses, ..Budgeting::default() }
}

fn guess_limits() -> Budgeting {
    Budgeting {
        guesses: vec![Window::new(10, DAY), Window::new(25, 30 * DAY)],
        all_guesses: vec![Window::new(100, DAY)],
        ..Budgeting::default()
    }
}

/// Returns a code that differs from the one in `mail`. The mail may hold a link instead.
fn wrong(mail: &SentMail, number: u32) -> TicketSecret {
    let right: u32 = mail.secret.parse().unwrap_or_default();
    code(&format!("{:06}", (right + 1 + number) % 1_000_000))
}

async fn assert_invalid(bench: &UseCaseBench, secret: &TicketSecret) {
    assert!(matches!(bench.redeem("code", secret).await, Err(RedeemError::Invalid)));
}

#[tokio::test]
async fn second_request_within_a_minute_sends_no_mail_and_keeps_the_first_code() {
    let bench = bench_within(request_limits());
    bench.account("ann@example.org").await;
    let first = bench.reset_mail("code", "ann@example.org").await;
    for second in [5, 20, 59] {
        bench.memory.clock.set(reset_testkit::memory::FrozenClock::START.plus(Duration::from_secs(second)));
        bench.request("code", "ANN@example.org").await;
        bench.request("link", "ann@example.org").await;
    }
    bench.run_worker().await;
    assert_eq!((bench.memory.mailer.sent().len(), bench.outcomes().len()), (0, 1), "no mail and no job");
    bench.redeem("code", &code(&first.secret)).await.unwrap();
}

#[tokio::test]
async fn only_the_last_of_three_codes_61_seconds_apart_is_valid() {
    let bench = bench_within(request_limits());
    bench.account("ann@example.org").await;
    let mut mails = Vec::new();
    for _ in 0..3 {
        mails.push(bench.reset_mail("code", "ann@example.org").await);
        bench.memory.clock.advance(Duration::from_secs(61));
    }
    assert_invalid(&bench, &code(&mails[0].secret)).await;
    assert_invalid(&bench, &code(&mails[1].secret)).await;
    bench.redeem("code", &code(&mails[2].secret)).await.unwrap();
}

#[tokio::test]
async fn an_address_is_mailed_three_times_an_hour_and_six_times_a_day_over_all_dialects() {
    let bench = bench_within(request_limits());
    bench.account("ann@example.org").await;
    let mut hourly = Vec::new();
    for _ in 0..24 {
        for dialect in ["code", "pair", "link"].into_iter().cycle().take(45) {
            bench.request(dialect, "ann@example.org").await;
            bench.run_worker().await;
            bench.memory.clock.advance(Duration::from_secs(80));
        }
        hourly.push(bench.memory.mailer.take().len());
    }
    assert_eq!((hourly[0], hourly[1], hourly.iter().sum::<usize>()), (3, 3, 6));
}

#[tokio::test]
async fn an_unknown_address_is_limited_and_queued_like_a_known_one() {
    let bench = bench_within(request_limits());
    bench.account("ann@example.org").await;
    for email in ["ann@example.org", "ghost@example.org"] {
        for _ in 0..5 {
            bench.request("link", email).await;
        }
    }
    assert_eq!(bench.outcomes().len(), 2);
}

#[tokio::test]
async fn an_unknown_address_over_its_limit_still_gets_the_contracted_404() {
    let bench = bench_within(request_limits());
    bench.account("ann@example.org").await;
    for _ in 0..5 {
        bench.try_request("code", "ann@example.org", Disclosure::AsContracted).await.unwrap();
        let ghost = bench.try_request("code", "ghost@example.org", Disclosure::AsContracted).await;
        assert!(matches!(ghost, Err(RequestError::Unknown)));
    }
    assert_eq!(bench.outcomes().len(), 1);
}

#[tokio::test]
async fn hourly_mail_limit_delays_reset_mails_but_not_notices() {
    let bench = bench_within(Budgeting { mails: vec![Window::new(2, HOUR)], ..Budgeting::default() });
    let names = ["ann", "bob", "cid"].map(|name| format!("{name}@example.org"));
    for name in &names {
        bench.account(name).await;
        // Requests for unknown addresses take nothing from the mail budget.
        for ghost in 0..5 {
            bench.request("link", &format!("ghost{ghost}.{name}")).await;
        }
        bench.request("link", name).await;
    }
    bench.run_worker().await;
    let mails = bench.memory.mailer.take();
    assert_eq!(mails.iter().map(|mail| &mail.to).collect::<Vec<_>>(), [&names[0], &names[1]]);
    bench.redeem("link", &bench.token(&mails[0])).await.unwrap();
    bench.run_worker().await;
    assert_eq!(bench.memory.mailer.take().len(), 1, "the notice");
    for _ in 0..60 {
        bench.memory.clock.advance(MINUTE);
        bench.run_worker().await;
    }
    let late = bench.memory.mailer.take();
    assert_eq!(late.iter().map(|mail| &mail.to).collect::<Vec<_>>(), [&names[2]]);
    bench.redeem("link", &bench.token(&late[0])).await.unwrap();
}

#[tokio::test]
async fn five_wrong_guesses_freeze_short_codes_and_long_codes_still_work() {
    let bench = bench_within(open_guess_limits());
    bench.account("ann@example.org").await;
    bench.account("bob@example.org").await;
    let mail = bench.reset_mail("code", "ann@example.org").await;
    for number in 0..5 {
        assert_invalid(&bench, &wrong(&mail, number)).await;
    }
    // Now even the right code is rejected and changes nothing.
    assert_invalid(&bench, &code(&mail.secret)).await;
    assert_eq!(bench.hash_of("ann@example.org").await, "old");

    let long = bench.reset_mail("code", "bob@example.org").await;
    bench.redeem("code", &LongCode::parse(&long.secret).unwrap()).await.unwrap();
    for _ in 0..50 {
        let forged = TicketSecret::new(TicketKind::LongCode, "0000-0000-0000-0".to_owned());
        assert_invalid(&bench, &forged).await;
    }
    let again = bench.next_reset_mail("ann@example.org").await;
    bench.redeem("code", &LongCode::parse(&again.secret).unwrap()).await.unwrap();
}

#[tokio::test]
async fn frozen_short_codes_work_again_after_the_window() {
    let bench = bench_within(open_guess_limits());
    bench.account("ann@example.org").await;
    let mail = bench.reset_mail("code", "ann@example.org").await;
    for number in 0..5 {
        assert_invalid(&bench, &wrong(&mail, number)).await;
    }
    bench.memory.clock.advance(10 * MINUTE);
    bench.redeem("code", &code(&mail.secret)).await.unwrap();
    bench.run_worker().await;
    bench.memory.mailer.take();
    assert_eq!(bench.reset_mail("code", "ann@example.org").await.secret.len(), 6);
}

#[tokio::test]
async fn right_used_and_expired_codes_cost_no_guess() {
    let bench = bench_within(open_guess_limits());
    for name in ["ann", "bob"] {
        bench.account(&format!("{name}@example.org")).await;
    }
    for _ in 0..8 {
        let mail = bench.reset_mail("code", "ann@example.org").await;
        bench.redeem("code", &code(&mail.secret)).await.unwrap();
        assert_invalid(&bench, &code(&mail.secret)).await;
        bench.run_worker().await;
        bench.memory.mailer.take();
    }
    let expired = bench.reset_mail("code", "bob@example.org").await;
    bench.memory.clock.advance(LIFE + MINUTE);
    for _ in 0..8 {
        assert_invalid(&bench, &code(&expired.secret)).await;
    }
    let mail = bench.reset_mail("code", "bob@example.org").await;
    assert_eq!(mail.secret.len(), 6);
    bench.redeem("code", &code(&mail.secret)).await.unwrap();
}

#[tokio::test]
async fn five_of_a_thousand_parallel_guesses_are_evaluated() {
    let bench = std::sync::Arc::new(bench_within(open_guess_limits()));
    bench.account("ann@example.org").await;
    let mail = bench.reset_mail("code", "ann@example.org").await;
    let all: Vec<_> = (0..1_000)
        .map(|number| {
            let (bench, secret) = (bench.clone(), wrong(&mail, number));
            tokio::spawn(async move { bench.redeem("code", &secret).await.is_err() })
        })
        .collect();
    for one in all {
        assert!(one.await.unwrap());
    }
    assert_eq!(bench.memory.store.look_ups(), 5);
    assert_invalid(&bench, &code(&mail.secret)).await;
    assert_eq!(bench.memory.store.look_ups(), 5);
}

#[tokio::test]
async fn ten_wrong_guesses_a_day_are_evaluated_across_new_codes() {
    let bench = bench_within(guess_limits());
    bench.account("ann@example.org").await;
    let mut evaluated = 0;
    for _ in 0..6 {
        let mail = bench.reset_mail("pair", "ann@example.org").await;
        for number in 0..3 {
            let before = bench.memory.store.taken("guesses.pair.all");
            assert!(matches!(
                bench.exchange("ann@example.org", &wrong(&mail, number)).await,
                Err(ExchangeError::Invalid)
            ));
            evaluated += bench.memory.store.taken("guesses.pair.all") - before;
        }
        bench.memory.clock.advance(HOUR);
    }
    assert_eq!(evaluated, 10);
    // A day later codes are issued again, and a right code costs no guess.
    bench.memory.clock.advance(DAY);
    for _ in 0..12 {
        let mail = bench.reset_mail("pair", "ann@example.org").await;
        bench.exchange("ann@example.org", &code(&mail.secret)).await.unwrap();
    }
}

/// Makes ten wrong guesses at Ann's codes, which exhausts the budget of her address. Returns the last mail with a code.
async fn exhaust_guesses(bench: &UseCaseBench) -> SentMail {
    bench.account("ann@example.org").await;
    for _ in 0..3 {
        let mail = bench.reset_mail("pair", "ann@example.org").await;
        for number in 0..3 {
            assert!(bench.exchange("ann@example.org", &wrong(&mail, number)).await.is_err());
        }
    }
    let mail = bench.reset_mail("pair", "ann@example.org").await;
    assert_eq!(mail.kind, SentKind::Code, "one guess is left");
    assert!(bench.exchange("ann@example.org", &wrong(&mail, 0)).await.is_err());
    mail
}

#[tokio::test]
async fn after_ten_wrong_guesses_the_next_mail_has_a_working_link() {
    let bench = bench_within(guess_limits());
    let last = exhaust_guesses(&bench).await;
    assert!(bench.exchange("ann@example.org", &code(&last.secret)).await.is_err(), "frozen");
    let mail = bench.reset_mail("pair", "ann@example.org").await;
    assert_eq!(mail.kind, SentKind::Link);
    assert!(mail.secret.starts_with("https://app.example/reset?token="), "{}", mail.secret);
    // An attacker keeps guessing without changing the password.
    for number in 0..20 {
        assert!(bench.exchange("ann@example.org", &code(&format!("{number:06}"))).await.is_err());
    }
    assert_eq!(bench.hash_of("ann@example.org").await, "old");
    let token = bench.token(&mail);
    assert_eq!(bench.resets.inspect("pair", &token, None).await.unwrap().unwrap().state, TicketState::Live);
    bench.redeem("pair", &token).await.unwrap();
    // Codes of other accounts are not affected.
    bench.account("bob@example.org").await;
    bench.run_worker().await;
    bench.memory.mailer.take();
    assert_eq!(bench.reset_mail("pair", "bob@example.org").await.kind, SentKind::Code);
}

#[tokio::test]
async fn a_fallback_link_keeps_the_redirect_target_and_codes_return_with_the_budget() {
    let bench = bench_within(guess_limits());
    exhaust_guesses(&bench).await;
    bench.request_with_redirect("pair", "ann@example.org", Some("https://app.example/done")).await;
    bench.run_worker().await;
    let mail = bench.memory.mailer.take().remove(0);
    assert!(mail.secret.starts_with("https://app.example/open?token="), "{}", mail.secret);
    let inspected = bench.resets.inspect("pair", &bench.token(&mail), None).await.unwrap().unwrap();
    assert_eq!(inspected.redirect_to.as_deref(), Some("https://app.example/done"));
    bench.memory.clock.advance(DAY);
    bench.request_with_redirect("pair", "ann@example.org", Some("https://app.example/done")).await;
    bench.run_worker().await;
    let mail = bench.memory.mailer.take().remove(0);
    assert_eq!(mail.kind, SentKind::Code);
    // A token from an exchange has no redirect target, even if the request named one.
    let token = bench.exchange("ann@example.org", &code(&mail.secret)).await.unwrap();
    assert_eq!(bench.resets.inspect("pair", &token, None).await.unwrap().unwrap().redirect_to, None);
}

#[tokio::test]
async fn an_exhausted_global_guess_budget_sends_links_to_all_accounts() {
    let budgeting = Budgeting { all_guesses: vec![Window::new(4, DAY)], ..Budgeting::default() };
    let bench = bench_within(budgeting);
    for email in ["ann@example.org", "bob@example.org"] {
        bench.account(email).await;
        let mail = bench.reset_mail("pair", email).await;
        assert_eq!(mail.kind, SentKind::Code);
        for number in 0..2 {
            assert!(bench.exchange(email, &wrong(&mail, number)).await.is_err());
        }
    }
    bench.account("cat@example.org").await;
    let mail = bench.reset_mail("pair", "cat@example.org").await;
    assert_eq!(mail.kind, SentKind::Link);
    bench.redeem("pair", &bench.token(&mail)).await.unwrap();
}

#[tokio::test]
async fn an_address_has_twenty_five_wrong_guesses_in_thirty_days() {
    let bench = bench_within(guess_limits());
    bench.account("ann@example.org").await;
    for _ in 0..29 {
        for _ in 0..6 {
            let mail = bench.reset_mail("pair", "ann@example.org").await;
            for number in 0..3 {
                assert!(bench.exchange("ann@example.org", &wrong(&mail, number)).await.is_err());
            }
        }
        bench.memory.clock.advance(DAY);
    }
    assert_eq!(bench.memory.store.taken("guesses.pair.all"), 25);
}

#[tokio::test]
async fn guesses_at_unknown_addresses_do_not_use_up_the_global_budget() {
    let bench = bench_within(guess_limits());
    bench.account("ann@example.org").await;
    for ghost in 0..300 {
        let email = format!("ghost{ghost}@example.org");
        assert!(bench.exchange(&email, &code("123456")).await.is_err());
    }
    let mail = bench.reset_mail("pair", "ann@example.org").await;
    bench.exchange("ann@example.org", &code(&mail.secret)).await.unwrap();
}

#[tokio::test]
async fn a_failing_budget_store_evaluates_no_guess() {
    let bench = bench_within(Budgeting { guesses: guess_limits().guesses, ..open_guess_limits() });
    bench.account("ann@example.org").await;
    let mail = bench.reset_mail("code", "ann@example.org").await;
    let pair = bench.reset_mail("pair", "ann@example.org").await;
    bench.memory.store.set_outage(Outage::Only("take"));
    assert!(matches!(bench.redeem("code", &code(&mail.secret)).await, Err(RedeemError::Store(_))));
    bench.memory.store.set_outage(Outage::Only("take_and_record"));
    let exchanged = bench.exchange("ann@example.org", &code(&pair.secret)).await;
    assert!(matches!(exchanged, Err(ExchangeError::Store(_))));
    assert_eq!(bench.memory.store.look_ups(), 0);
    bench.memory.store.set_outage(Outage::Only("push_within"));
    assert!(bench.try_request("code", "ann@example.org", Disclosure::Never).await.is_err());
}

#[tokio::test]
async fn without_budgets_nothing_is_counted() {
    let bench = bench();
    bench.account("ann@example.org").await;
    for _ in 0..30 {
        bench.reset_mail("code", "ann@example.org").await;
        assert_invalid(&bench, &code("000000")).await;
    }
    let guesses = reset_core::budget::Budget::shared("guesses.code", &[Window::new(1, DAY)]);
    let now = bench.resets.adapters().clock.now();
    assert!(bench.memory.store.has_room(&guesses, now).await.unwrap());
}
