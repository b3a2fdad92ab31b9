//! Tests of the use cases on in-memory adapters, with a frozen clock and deterministic entropy. No test sleeps.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue panics")]

mod bench;
mod budgets;
mod decoys;
mod disputes;
mod enumeration;
mod events;
mod mails;
mod own_names;
mod readiness;
mod rotation;
mod webhooks;

use std::{sync::Arc, time::Duration};

use bench::{LIFE, MINUTE, address, bench, code, happened, password};
use reset_core::{
    error::{ExchangeError, RedeemError, RequestError},
    job::Outcome,
    ports::Accounts,
    request::Disclosure,
    secret::{LongCode, SixDigits},
    ticket::TicketState,
};
use reset_testkit::memory::{MailRefusal, Outage, SentKind};

#[tokio::test]
async fn a_mailed_code_sets_the_password_once_and_sends_a_notice() {
    let bench = bench();
    bench.account("Ann@Example.org").await;
    let mail = bench.reset_mail("code", "aNN@example.ORG").await;
    assert_eq!((mail.to.as_str(), mail.kind, mail.lifetime), ("Ann@Example.org", SentKind::Code, LIFE));
    bench.redeem("code", &code(&mail.secret)).await.unwrap();
    let stored = bench.hash_of("ann@example.org").await;
    let hasher = bench.resets.adapters().hasher.clone();
    assert!(hasher.verify(password("a new password"), &stored).await.unwrap());
    assert!(matches!(bench.redeem("code", &code(&mail.secret)).await, Err(RedeemError::Invalid)));
    bench.run_worker().await;
    let notices = bench.memory.mailer.take();
    assert_eq!(
        (notices.len(), notices[0].kind, notices[0].to.as_str()),
        (1, SentKind::Changed, "Ann@Example.org")
    );
}

#[tokio::test]
async fn a_reset_in_a_foreign_users_table_keeps_the_form_of_the_hash() {
    let bench = bench();
    bench.account("ann@example.org").await;
    let ann = bench.memory.store.account_by_email(&address("ann@example.org")).await.unwrap().unwrap();
    assert_eq!(ann.hash_form, None, "accounts of the own table have no foreign hash form");
    let (salt, hash) = ("c29tZXNhbHQ", "LCcOuKcXI5sIEUjKeEGdQfvKhBIZf0Ru0WhbCXjGcLE");
    for (row, like) in [
        (format!("$argon2id$v=19$m=64,t=3,p=2${salt}${hash}"), "$argon2id$v=19$m=64,t=3,p=2$"),
        (format!("$argon2id$v=19$m=4194304,t=9,p=1${salt}${hash}"), "$argon2id$v=19$m=64,t=1,p=1$"),
        ("whatever".to_owned(), "$argon2id$v=19$m=64,t=1,p=1$"),
    ] {
        bench.memory.store.adopt(&ann.id, &row);
        let mail = bench.reset_mail("code", "ann@example.org").await;
        bench.redeem("code", &code(&mail.secret)).await.unwrap();
        let stored = bench.hash_of("ann@example.org").await;
        assert!(stored.starts_with(like), "{stored}");
        bench.run_worker().await;
        bench.memory.mailer.take();
    }
}

#[tokio::test]
async fn unknown_and_blocked_addresses_are_accepted_and_get_no_mail() {
    let bench = bench();
    bench.account("blocked@example.org").await;
    let now = bench.resets.adapters().clock.now();
    bench.memory.store.set_blocked(&address("blocked@example.org"), true, &happened(now)).await.unwrap();
    bench.request("link", "ghost@example.org").await;
    bench.request("link", "blocked@example.org").await;
    bench.run_worker().await;
    assert_eq!(bench.memory.mailer.sent(), []);
    assert_eq!(bench.outcomes(), [Some(Outcome::NoAccount), Some(Outcome::NoAccount)]);
}

/// The decoy mail costs the same time as a real one (R14) but has no effect (R19).
#[tokio::test]
async fn a_decoy_mail_for_an_unknown_address_is_not_sent_and_its_secret_is_invalid() {
    let bench = bench();
    bench.account("ann@example.org").await;
    let anns = bench.reset_mail("code", "ann@example.org").await;
    for dialect in ["code", "pair", "link"] {
        bench.request(dialect, "ghost@example.org").await;
    }
    bench.run_worker().await;
    let decoys = bench.memory.mailer.decoys_prepared();
    assert_eq!(decoys.len(), 3);
    assert!(decoys.iter().all(|mail| mail.to.ends_with(".invalid")), "{decoys:?}");
    assert_eq!(bench.memory.mailer.sent(), []);
    assert!(bench.redeem("code", &code(&decoys[0].secret)).await.is_err());
    assert!(bench.exchange("ghost@example.org", &code(&decoys[1].secret)).await.is_err());
    bench.redeem("code", &code(&anns.secret)).await.unwrap();
}

#[tokio::test]
async fn unknown_and_blocked_addresses_are_disclosed_only_as_contracted() {
    let bench = bench();
    bench.account("ann@example.org").await;
    bench.account("blocked@example.org").await;
    let now = bench.resets.adapters().clock.now();
    bench.memory.store.set_blocked(&address("blocked@example.org"), true, &happened(now)).await.unwrap();
    for (email, known) in [
        ("ann@example.org", true),
        ("blocked@example.org", false),
        ("ghost@example.org", false),
        ("x", false),
    ] {
        let response = bench.try_request("code", email, Disclosure::AsContracted).await;
        assert_eq!(response.is_ok(), known, "{email}");
        assert!(bench.try_request("code", email, Disclosure::Never).await.is_ok());
    }
}

#[tokio::test]
async fn a_reset_request_looks_up_no_account() {
    let bench = bench();
    bench.memory.store.set_outage(Outage::Only("account_by_email"));
    assert!(bench.try_request("link", "ann@example.org", Disclosure::Never).await.is_ok());
    assert!(matches!(
        bench.try_request("link", "ann@example.org", Disclosure::AsContracted).await,
        Err(RequestError::Store(_))
    ));
}

#[tokio::test]
async fn a_newer_request_voids_the_older_code_of_its_dialect_only() {
    let bench = bench();
    bench.account("ann@example.org").await;
    let first = bench.reset_mail("code", "ann@example.org").await;
    let link = bench.reset_mail("link", "ann@example.org").await;
    let second = bench.reset_mail("code", "ann@example.org").await;
    assert!(matches!(bench.redeem("code", &code(&first.secret)).await, Err(RedeemError::Invalid)));
    let inspected = bench.resets.inspect("link", &bench.token(&link), None).await.unwrap().unwrap();
    assert_eq!(inspected.state, TicketState::Live);
    bench.redeem("code", &code(&second.secret)).await.unwrap();
    let inspected = bench.resets.inspect("link", &bench.token(&link), None).await.unwrap().unwrap();
    assert_eq!(inspected.state, TicketState::Void, "a completed reset ends the tickets of all dialects");
}

#[tokio::test]
async fn a_code_expires_exactly_at_the_end_of_its_lifetime() {
    for (wait, lives) in [(LIFE.saturating_sub(Duration::from_millis(1)), true), (LIFE, false)] {
        let bench = bench();
        bench.account("ann@example.org").await;
        let mail = bench.reset_mail("code", "ann@example.org").await;
        bench.memory.clock.advance(wait);
        assert_eq!(bench.redeem("code", &code(&mail.secret)).await.is_ok(), lives, "{wait:?}");
    }
}

#[tokio::test]
async fn a_retry_repeats_the_same_secret_and_its_clock_starts_with_the_mail() {
    let bench = bench();
    bench.account("ann@example.org").await;
    bench.request("link", "ann@example.org").await;
    // The process is killed between sending and recording. The job is claimed again when its lease expires.
    let job = bench.resets.claim(1).await.unwrap().remove(0);
    bench.memory.store.set_outage(Outage::Only("finish"));
    assert!(bench.resets.deliver(&job).await.is_err());
    bench.memory.store.set_outage(Outage::None);
    bench.memory.clock.advance(3 * MINUTE);
    bench.run_worker().await;
    let mails = bench.memory.mailer.take();
    assert_eq!(
        (mails.len(), &mails[0].secret, &mails[0].message_id),
        (2, &mails[1].secret, &mails[1].message_id)
    );
    // The lifetime promised by the second mail counts from the second mail.
    bench.memory.clock.advance(LIFE.saturating_sub(Duration::from_millis(1)));
    bench.redeem("link", &bench.token(&mails[1])).await.unwrap();
}

#[tokio::test]
async fn mail_that_is_postponed_for_hours_arrives_with_a_live_secret() {
    let bench = bench();
    bench.account("ann@example.org").await;
    bench.memory.mailer.refuse_next(20, MailRefusal::Temporary);
    bench.request("code", "ann@example.org").await;
    let mut waited = Duration::ZERO;
    while bench.memory.mailer.sent().is_empty() {
        bench.run_worker().await;
        bench.memory.clock.advance(MINUTE);
        waited += MINUTE;
        assert!(waited < Duration::from_secs(6 * 3600), "never mailed");
    }
    assert!(waited > Duration::from_secs(3600), "{waited:?}");
    let mail = bench.memory.mailer.take().remove(0);
    bench.redeem("code", &code(&mail.secret)).await.unwrap();
}

/// While the mail waits, the secret is replaced. The ticket issued before cannot be reused, so a new one is issued.
#[tokio::test]
async fn a_mail_that_waited_over_a_change_of_the_secret_carries_a_working_link() {
    let bench = bench();
    bench.account("ann@example.org").await;
    bench.memory.mailer.refuse_next(1, MailRefusal::Temporary);
    bench.request("link", "ann@example.org").await;
    bench.run_worker().await;
    let rekeyed = bench.under_another_key();
    rekeyed.memory.clock.advance(MINUTE);
    rekeyed.run_worker().await;
    let mail = rekeyed.memory.mailer.take().remove(0);
    rekeyed.redeem("link", &rekeyed.token(&mail)).await.unwrap();
}

#[tokio::test]
async fn a_job_that_is_a_day_old_is_given_up_without_a_mail() {
    let bench = bench();
    bench.account("ann@example.org").await;
    bench.request("link", "ann@example.org").await;
    bench.memory.clock.advance(Duration::from_secs(24 * 3600));
    bench.run_worker().await;
    assert_eq!(bench.outcomes(), [Some(Outcome::GivenUp)]);
    assert_eq!(bench.memory.mailer.sent(), []);
}

#[tokio::test]
async fn a_permanent_mail_error_ends_the_job_at_once_and_a_temporary_one_after_a_day() {
    let bench = bench();
    bench.account("ann@example.org").await;
    bench.memory.mailer.refuse_next(1, MailRefusal::Permanent);
    bench.request("code", "ann@example.org").await;
    bench.run_worker().await;
    assert_eq!(bench.outcomes(), [Some(Outcome::Refused)]);
    bench.memory.mailer.refuse_next(1000, MailRefusal::Temporary);
    bench.request("code", "ann@example.org").await;
    for _ in 0..25 {
        bench.run_worker().await;
        bench.memory.clock.advance(60 * MINUTE);
    }
    bench.run_worker().await;
    assert_eq!(bench.outcomes()[1], Some(Outcome::GivenUp));
}

#[tokio::test]
async fn a_mail_to_a_busy_domain_is_postponed() {
    let bench = bench();
    bench.account("ann@example.org").await;
    bench.memory.mailer.refuse_next(1, MailRefusal::Busy);
    bench.request("code", "ann@example.org").await;
    bench.run_worker().await;
    assert_eq!((bench.outcomes(), bench.memory.mailer.sent()), (vec![None], vec![]));
    bench.memory.clock.advance(MINUTE);
    bench.run_worker().await;
    assert_eq!(bench.outcomes(), [Some(Outcome::Mailed)]);
}

#[tokio::test]
async fn a_completed_reset_cancels_a_waiting_mail() {
    let bench = bench();
    bench.account("ann@example.org").await;
    let mail = bench.reset_mail("link", "ann@example.org").await;
    bench.memory.mailer.refuse_next(1, MailRefusal::Temporary);
    bench.request("code", "ann@example.org").await;
    bench.run_worker().await;
    bench.redeem("link", &bench.token(&mail)).await.unwrap();
    bench.memory.clock.advance(MINUTE);
    bench.run_worker().await;
    let kinds: Vec<SentKind> = bench.memory.mailer.sent().iter().map(|mail| mail.kind).collect();
    assert_eq!(kinds, [SentKind::Changed]);
}

#[tokio::test]
async fn too_many_live_short_codes_make_the_next_one_long() {
    let bench = bench();
    for number in 0..4 {
        let email = format!("u{number}@example.org");
        bench.account(&email).await;
        let mail = bench.reset_mail("code", &email).await;
        let secret = SixDigits::parse(&mail.secret).or_else(|| LongCode::parse(&mail.secret)).unwrap();
        assert_eq!(mail.secret.len() == 6, number < 2, "{}", mail.secret);
        if number == 3 {
            bench.redeem("code", &secret).await.unwrap();
            bench.run_worker().await;
            bench.memory.mailer.take();
        }
    }
    bench.memory.clock.advance(LIFE);
    assert_eq!(bench.reset_mail("code", "u0@example.org").await.secret.len(), 6);
}

#[tokio::test]
async fn a_code_becomes_a_token_that_sets_the_password() {
    let bench = bench();
    bench.account("ann@example.org").await;
    let mail = bench.reset_mail("pair", "ann@example.org").await;
    let token = bench.exchange("Ann@example.org", &code(&mail.secret)).await.unwrap();
    assert!(matches!(
        bench.exchange("ann@example.org", &code(&mail.secret)).await,
        Err(ExchangeError::Invalid)
    ));
    assert!(matches!(bench.redeem("pair", &code(&mail.secret)).await, Err(RedeemError::Invalid)));
    assert!(matches!(bench.redeem("link", &token).await, Err(RedeemError::Invalid)), "another dialect");
    bench.redeem("pair", &token).await.unwrap();
    assert!(matches!(bench.redeem("pair", &token).await, Err(RedeemError::Invalid)));
}

#[tokio::test(flavor = "multi_thread")]
async fn three_wrong_guesses_invalidate_a_code_even_in_parallel() {
    let bench = bench();
    bench.account("ann@example.org").await;
    bench.account("bob@example.org").await;
    let mail = bench.reset_mail("pair", "ann@example.org").await;
    let right = code(&mail.secret);
    let wrong = code(if mail.secret == "000000" { "000001" } else { "000000" });
    assert!(bench.exchange("bob@example.org", &right).await.is_err(), "a code of another account");
    let bench = Arc::new(bench);
    let guesses: Vec<_> = (0..50)
        .map(|_| {
            let (bench, wrong) = (bench.clone(), wrong.clone());
            tokio::spawn(async move { bench.exchange("ann@example.org", &wrong).await })
        })
        .collect();
    for guess in guesses {
        assert!(matches!(guess.await.unwrap(), Err(ExchangeError::Invalid)));
    }
    assert_eq!(bench.memory.store.tickets()[0].attempts, 3);
    assert!(matches!(bench.exchange("ann@example.org", &right).await, Err(ExchangeError::Invalid)));
}

#[tokio::test]
async fn inspecting_a_link_a_hundred_times_changes_nothing() {
    let bench = bench();
    bench.account("ann@example.org").await;
    let mail = bench.reset_mail("link", "ann@example.org").await;
    assert!(mail.secret.starts_with("https://app.example/reset?lang=en&token="), "{}", mail.secret);
    let token = bench.token(&mail);
    for _ in 0..100 {
        let inspected = bench.resets.inspect("link", &token, None).await.unwrap().unwrap();
        assert_eq!(inspected.redirect_to.as_deref(), Some("https://app.example/done"));
        assert_eq!(inspected.state, TicketState::Live);
    }
    bench.redeem("link", &token).await.unwrap();
}

#[tokio::test]
async fn blocking_voids_tickets_and_unblocking_does_not_revive_them() {
    let bench = bench();
    bench.account("ann@example.org").await;
    let mail = bench.reset_mail("code", "ann@example.org").await;
    let now = bench.resets.adapters().clock.now();
    for (blocked, is_blocked) in [(true, true), (false, false)] {
        bench.memory.store.set_blocked(&address("ann@example.org"), blocked, &happened(now)).await.unwrap();
        match bench.redeem("code", &code(&mail.secret)).await {
            Err(RedeemError::Blocked) => assert!(is_blocked),
            Err(RedeemError::Invalid) => assert!(!is_blocked),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(bench.hash_of("ann@example.org").await, "old");
}

#[tokio::test]
async fn a_store_failure_at_any_step_leaves_the_ticket_usable() {
    for operation in ["ticket_with", "account", "redeem"] {
        let bench = bench();
        bench.account("ann@example.org").await;
        let mail = bench.reset_mail("code", "ann@example.org").await;
        bench.memory.store.set_outage(Outage::Only(operation));
        assert!(
            matches!(bench.redeem("code", &code(&mail.secret)).await, Err(RedeemError::Store(_))),
            "{operation}"
        );
        assert_eq!(bench.hash_of("ann@example.org").await, "old");
        bench.memory.store.set_outage(Outage::None);
        bench.redeem("code", &code(&mail.secret)).await.unwrap();
    }
}

#[tokio::test]
async fn one_of_twelve_parallel_redemptions_succeeds() {
    let bench = bench();
    bench.account("ann@example.org").await;
    let mail = bench.reset_mail("code", "ann@example.org").await;
    let secret = code(&mail.secret);
    let spends: Vec<_> = (0..12)
        .map(|number| {
            let (resets, secret) = (bench.resets.clone(), secret.clone());
            tokio::spawn(async move {
                resets.redeem("code", &secret, password(&format!("password {number}")), None).await
            })
        })
        .collect();
    let mut won = 0;
    for spend in spends {
        match spend.await.unwrap() {
            Ok(_) => won += 1,
            Err(RedeemError::Invalid | RedeemError::Busy { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(won, 1);
}
