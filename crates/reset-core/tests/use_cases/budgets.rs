//! Budgets: what is asked, mailed and guessed too often comes to nothing, silently, and nobody is locked out.

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

use crate::bench::{LIFE, MINUTE, UseCaseBench, bench, code, world_within};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn asks() -> Budgeting {
    let requests = vec![Window::new(1, MINUTE), Window::new(3, HOUR), Window::new(6, DAY)];
    Budgeting { requests, ..Budgeting::default() }
}

fn open_guesses() -> Budgeting {
    let open_guesses = vec![Window::new(5, 10 * MINUTE), Window::new(20, DAY)];
    Budgeting { open_guesses, ..Budgeting::default() }
}

fn guesses() -> Budgeting {
    Budgeting {
        guesses: vec![Window::new(10, DAY), Window::new(25, 30 * DAY)],
        all_guesses: vec![Window::new(100, DAY)],
        ..Budgeting::default()
    }
}

/// A code that is not `mail`'s, which may be a link.
fn wrong(mail: &SentMail, number: u32) -> TicketSecret {
    let right: u32 = mail.secret.parse().unwrap_or_default();
    code(&format!("{:06}", (right + 1 + number) % 1_000_000))
}

async fn dead(bench: &UseCaseBench, secret: &TicketSecret) {
    assert!(matches!(bench.redeem("code", secret).await, Err(RedeemError::Invalid)));
}

#[tokio::test]
async fn within_a_minute_an_address_is_mailed_once_and_the_older_code_stays_valid() {
    let bench = world_within(asks());
    bench.account("ann@example.org").await;
    let first = bench.mailed("code", "ann@example.org").await;
    for second in [5, 20, 59] {
        bench.memory.clock.set(reset_testkit::memory::FrozenClock::START.plus(Duration::from_secs(second)));
        bench.ask("code", "ANN@example.org").await;
        bench.ask("link", "ann@example.org").await;
    }
    bench.worker().await;
    assert_eq!((bench.memory.mailer.sent().len(), bench.outcomes().len()), (0, 1), "no mail, and no job");
    bench.redeem("code", &code(&first.secret)).await.unwrap();
}

#[tokio::test]
async fn of_triggers_61_seconds_apart_the_last_one_counts() {
    let bench = world_within(asks());
    bench.account("ann@example.org").await;
    let mut mails = Vec::new();
    for _ in 0..3 {
        mails.push(bench.mailed("code", "ann@example.org").await);
        bench.memory.clock.advance(Duration::from_secs(61));
    }
    dead(&bench, &code(&mails[0].secret)).await;
    dead(&bench, &code(&mails[1].secret)).await;
    bench.redeem("code", &code(&mails[2].secret)).await.unwrap();
}

#[tokio::test]
async fn an_address_is_mailed_three_times_an_hour_and_six_times_a_day_over_all_dialects() {
    let bench = world_within(asks());
    bench.account("ann@example.org").await;
    let mut hourly = Vec::new();
    for _ in 0..24 {
        for dialect in ["code", "pair", "link"].into_iter().cycle().take(45) {
            bench.ask(dialect, "ann@example.org").await;
            bench.worker().await;
            bench.memory.clock.advance(Duration::from_secs(80));
        }
        hourly.push(bench.memory.mailer.take().len());
    }
    assert_eq!((hourly[0], hourly[1], hourly.iter().sum::<usize>()), (3, 3, 6));
}

#[tokio::test]
async fn an_unknown_address_is_counted_and_written_down_like_a_known_one() {
    let bench = world_within(asks());
    bench.account("ann@example.org").await;
    for email in ["ann@example.org", "ghost@example.org"] {
        for _ in 0..5 {
            bench.ask("link", email).await;
        }
    }
    assert_eq!(bench.outcomes().len(), 2);
}

#[tokio::test]
async fn an_address_over_its_limit_is_still_unknown_where_the_contract_discloses_it() {
    let bench = world_within(asks());
    bench.account("ann@example.org").await;
    for _ in 0..5 {
        bench.ask_with("code", "ann@example.org", Disclosure::AsContracted).await.unwrap();
        let ghost = bench.ask_with("code", "ghost@example.org", Disclosure::AsContracted).await;
        assert!(matches!(ghost, Err(RequestError::Unknown)));
    }
    assert_eq!(bench.outcomes().len(), 1);
}

#[tokio::test]
async fn beyond_the_mails_of_an_hour_jobs_wait_and_notices_do_not() {
    let bench = world_within(Budgeting { mails: vec![Window::new(2, HOUR)], ..Budgeting::default() });
    let names = ["ann", "bob", "cid"].map(|name| format!("{name}@example.org"));
    for name in &names {
        bench.account(name).await;
        // Addresses without an account take nothing from those that have one.
        for ghost in 0..5 {
            bench.ask("link", &format!("ghost{ghost}.{name}")).await;
        }
        bench.ask("link", name).await;
    }
    bench.worker().await;
    let mails = bench.memory.mailer.take();
    assert_eq!(mails.iter().map(|mail| &mail.to).collect::<Vec<_>>(), [&names[0], &names[1]]);
    bench.redeem("link", &bench.token(&mails[0])).await.unwrap();
    bench.worker().await;
    assert_eq!(bench.memory.mailer.take().len(), 1, "the notice");
    for _ in 0..60 {
        bench.memory.clock.advance(MINUTE);
        bench.worker().await;
    }
    let late = bench.memory.mailer.take();
    assert_eq!(late.iter().map(|mail| &mail.to).collect::<Vec<_>>(), [&names[2]]);
    bench.redeem("link", &bench.token(&late[0])).await.unwrap();
}

#[tokio::test]
async fn the_sixth_wrong_guess_freezes_short_codes_and_long_ones_work() {
    let bench = world_within(open_guesses());
    bench.account("ann@example.org").await;
    bench.account("bob@example.org").await;
    let mail = bench.mailed("code", "ann@example.org").await;
    for number in 0..5 {
        dead(&bench, &wrong(&mail, number)).await;
    }
    // Whoever guesses right now learns nothing, and changes nothing.
    dead(&bench, &code(&mail.secret)).await;
    assert_eq!(bench.hash_of("ann@example.org").await, "old");

    let long = bench.mailed("code", "bob@example.org").await;
    bench.redeem("code", &LongCode::parse(&long.secret).unwrap()).await.unwrap();
    for _ in 0..50 {
        let forged = TicketSecret::new(TicketKind::LongCode, "0000-0000-0000-0".to_owned());
        dead(&bench, &forged).await;
    }
    let again = bench.mailed_after("ann@example.org").await;
    bench.redeem("code", &LongCode::parse(&again.secret).unwrap()).await.unwrap();
}

#[tokio::test]
async fn short_codes_thaw_when_the_window_has_slid_and_are_mailed_again() {
    let bench = world_within(open_guesses());
    bench.account("ann@example.org").await;
    let mail = bench.mailed("code", "ann@example.org").await;
    for number in 0..5 {
        dead(&bench, &wrong(&mail, number)).await;
    }
    bench.memory.clock.advance(10 * MINUTE);
    bench.redeem("code", &code(&mail.secret)).await.unwrap();
    bench.worker().await;
    bench.memory.mailer.take();
    assert_eq!(bench.mailed("code", "ann@example.org").await.secret.len(), 6);
}

#[tokio::test]
async fn right_used_and_expired_codes_cost_nothing() {
    let bench = world_within(open_guesses());
    for name in ["ann", "bob"] {
        bench.account(&format!("{name}@example.org")).await;
    }
    for _ in 0..8 {
        let mail = bench.mailed("code", "ann@example.org").await;
        bench.redeem("code", &code(&mail.secret)).await.unwrap();
        dead(&bench, &code(&mail.secret)).await;
        bench.worker().await;
        bench.memory.mailer.take();
    }
    let expired = bench.mailed("code", "bob@example.org").await;
    bench.memory.clock.advance(LIFE + MINUTE);
    for _ in 0..8 {
        dead(&bench, &code(&expired.secret)).await;
    }
    let mail = bench.mailed("code", "bob@example.org").await;
    assert_eq!(mail.secret.len(), 6);
    bench.redeem("code", &code(&mail.secret)).await.unwrap();
}

#[tokio::test]
async fn of_a_thousand_parallel_guesses_five_are_evaluated() {
    let bench = std::sync::Arc::new(world_within(open_guesses()));
    bench.account("ann@example.org").await;
    let mail = bench.mailed("code", "ann@example.org").await;
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
    dead(&bench, &code(&mail.secret)).await;
    assert_eq!(bench.memory.store.look_ups(), 5);
}

#[tokio::test]
async fn three_wrong_guesses_and_a_new_code_six_times_come_to_ten_guesses_a_day() {
    let bench = world_within(guesses());
    bench.account("ann@example.org").await;
    let mut evaluated = 0;
    for _ in 0..6 {
        let mail = bench.mailed("pair", "ann@example.org").await;
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
    // The next day there are codes again, and the right one costs nothing.
    bench.memory.clock.advance(DAY);
    for _ in 0..12 {
        let mail = bench.mailed("pair", "ann@example.org").await;
        bench.exchange("ann@example.org", &code(&mail.secret)).await.unwrap();
    }
}

/// Guesses at Ann's codes until the ten of her address are spent, and takes the last code that was mailed before.
async fn guessed_at(bench: &UseCaseBench) -> SentMail {
    bench.account("ann@example.org").await;
    for _ in 0..3 {
        let mail = bench.mailed("pair", "ann@example.org").await;
        for number in 0..3 {
            assert!(bench.exchange("ann@example.org", &wrong(&mail, number)).await.is_err());
        }
    }
    let mail = bench.mailed("pair", "ann@example.org").await;
    assert_eq!(mail.kind, SentKind::Code, "one is left");
    assert!(bench.exchange("ann@example.org", &wrong(&mail, 0)).await.is_err());
    mail
}

#[tokio::test]
async fn after_ten_wrong_guesses_the_next_mail_has_a_link_and_the_link_resets() {
    let bench = world_within(guesses());
    let last = guessed_at(&bench).await;
    assert!(bench.exchange("ann@example.org", &code(&last.secret)).await.is_err(), "frozen");
    let mail = bench.mailed("pair", "ann@example.org").await;
    assert_eq!(mail.kind, SentKind::Link);
    assert!(mail.secret.starts_with("https://app.example/reset?token="), "{}", mail.secret);
    // A stranger goes on guessing, and the old password is the password still.
    for number in 0..20 {
        assert!(bench.exchange("ann@example.org", &code(&format!("{number:06}"))).await.is_err());
    }
    assert_eq!(bench.hash_of("ann@example.org").await, "old");
    let token = bench.token(&mail);
    assert_eq!(bench.resets.inspect("pair", &token, None).await.unwrap().unwrap().state, TicketState::Live);
    bench.redeem("pair", &token).await.unwrap();
    // Nobody else's codes are touched.
    bench.account("bob@example.org").await;
    bench.worker().await;
    bench.memory.mailer.take();
    assert_eq!(bench.mailed("pair", "bob@example.org").await.kind, SentKind::Code);
}

#[tokio::test]
async fn a_link_in_a_codes_place_goes_by_the_target_of_its_ask_and_codes_come_back_with_the_budget() {
    let bench = world_within(guesses());
    guessed_at(&bench).await;
    bench.ask_for("pair", "ann@example.org", Some("https://app.example/done")).await;
    bench.worker().await;
    let mail = bench.memory.mailer.take().remove(0);
    assert!(mail.secret.starts_with("https://app.example/open?token="), "{}", mail.secret);
    let inspected = bench.resets.inspect("pair", &bench.token(&mail), None).await.unwrap().unwrap();
    assert_eq!(inspected.redirect_to.as_deref(), Some("https://app.example/done"));
    bench.memory.clock.advance(DAY);
    bench.ask_for("pair", "ann@example.org", Some("https://app.example/done")).await;
    bench.worker().await;
    let mail = bench.memory.mailer.take().remove(0);
    assert_eq!(mail.kind, SentKind::Code);
    // A token that a code became leads nowhere, whatever was asked for.
    let token = bench.exchange("ann@example.org", &code(&mail.secret)).await.unwrap();
    assert_eq!(bench.resets.inspect("pair", &token, None).await.unwrap().unwrap().redirect_to, None);
}

#[tokio::test]
async fn when_the_budget_of_all_is_spent_everybody_gets_links() {
    let budgeting = Budgeting { all_guesses: vec![Window::new(4, DAY)], ..Budgeting::default() };
    let bench = world_within(budgeting);
    for email in ["ann@example.org", "bob@example.org"] {
        bench.account(email).await;
        let mail = bench.mailed("pair", email).await;
        assert_eq!(mail.kind, SentKind::Code);
        for number in 0..2 {
            assert!(bench.exchange(email, &wrong(&mail, number)).await.is_err());
        }
    }
    bench.account("cat@example.org").await;
    let mail = bench.mailed("pair", "cat@example.org").await;
    assert_eq!(mail.kind, SentKind::Link);
    bench.redeem("pair", &bench.token(&mail)).await.unwrap();
}

#[tokio::test]
async fn over_thirty_days_an_address_has_twenty_five_wrong_guesses() {
    let bench = world_within(guesses());
    bench.account("ann@example.org").await;
    for _ in 0..29 {
        for _ in 0..6 {
            let mail = bench.mailed("pair", "ann@example.org").await;
            for number in 0..3 {
                assert!(bench.exchange("ann@example.org", &wrong(&mail, number)).await.is_err());
            }
        }
        bench.memory.clock.advance(DAY);
    }
    assert_eq!(bench.memory.store.taken("guesses.pair.all"), 25);
}

#[tokio::test]
async fn guesses_at_nobody_take_nothing_from_those_who_have_a_code() {
    let bench = world_within(guesses());
    bench.account("ann@example.org").await;
    for ghost in 0..300 {
        let email = format!("ghost{ghost}@example.org");
        assert!(bench.exchange(&email, &code("123456")).await.is_err());
    }
    let mail = bench.mailed("pair", "ann@example.org").await;
    bench.exchange("ann@example.org", &code(&mail.secret)).await.unwrap();
}

#[tokio::test]
async fn a_budget_that_cannot_be_asked_evaluates_nothing() {
    let bench = world_within(Budgeting { guesses: guesses().guesses, ..open_guesses() });
    bench.account("ann@example.org").await;
    let mail = bench.mailed("code", "ann@example.org").await;
    let pair = bench.mailed("pair", "ann@example.org").await;
    bench.memory.store.set_outage(Outage::Only("take"));
    assert!(matches!(bench.redeem("code", &code(&mail.secret)).await, Err(RedeemError::Store(_))));
    let exchanged = bench.exchange("ann@example.org", &code(&pair.secret)).await;
    assert!(matches!(exchanged, Err(ExchangeError::Store(_))));
    assert_eq!(bench.memory.store.look_ups(), 0);
    bench.memory.store.set_outage(Outage::Only("push_within"));
    assert!(bench.ask_with("code", "ann@example.org", Disclosure::Never).await.is_err());
}

#[tokio::test]
async fn without_budgets_nothing_is_counted() {
    let bench = bench();
    bench.account("ann@example.org").await;
    for _ in 0..30 {
        bench.mailed("code", "ann@example.org").await;
        dead(&bench, &code("000000")).await;
    }
    let guesses = reset_core::budget::Budget::shared("guesses.code", &[Window::new(1, DAY)]);
    let now = bench.resets.adapters().clock.now();
    assert!(bench.memory.store.has_room(&guesses, now).await.unwrap());
}
