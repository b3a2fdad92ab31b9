//! A secret works once, only one per account and dialect is live, and it is void once the account changes (R5, R6,
//! R7).

use std::{sync::Arc, time::Duration};

use reset_core::ticket::TicketState;
use reset_testkit::memory::SentKind;

use crate::bench::{
    ANN, AttackBench, BOB, DIALECTS, NEW_PASSWORD, OLD_PASSWORD, PX0, Profile, STRAPI, status_and_body,
    with_accounts,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn exactly_one_of_32_concurrent_resets_with_one_secret_succeeds() {
    for profile in Profile::ALL {
        for dialect in &DIALECTS {
            for _ in 0..2 {
                let bench = Arc::new(with_accounts(profile).await);
                let secret = bench.secret(dialect, ANN).await;
                let start = Arc::new(tokio::sync::Barrier::new(32));
                let all: Vec<_> = (0..32)
                    .map(|number| {
                        let (bench, secret, start) = (bench.clone(), secret.clone(), start.clone());
                        tokio::spawn(async move {
                            start.wait().await;
                            let password = format!("{NEW_PASSWORD}{number}");
                            let answer = bench.reset(dialect, &secret, &password).await;
                            (answer.status().as_u16(), password)
                        })
                    })
                    .collect();
                let mut won = Vec::new();
                for one in all {
                    match one.await.unwrap() {
                        (200, password) => won.push(password),
                        // The secret is already used, or the server is busy.
                        (400 | 401 | 503, _) => {}
                        (status, _) => panic!("{} {status}", dialect.name),
                    }
                }
                let [password] = won.as_slice() else { panic!("{} {} times", dialect.name, won.len()) };
                assert!(bench.logs_in(ANN, password).await && !bench.logs_in(ANN, OLD_PASSWORD).await);
                let notices = bench.mails().await;
                assert_eq!(notices.len(), 1, "the owner is notified once");
                for number in 0..3 {
                    let replay = bench.reset(dialect, &secret, &format!("{NEW_PASSWORD}{number}")).await;
                    assert_ne!(replay.status(), 200, "{}", dialect.name);
                }
                assert!(bench.logs_in(ANN, password).await && bench.logs_in(BOB, OLD_PASSWORD).await);
            }
        }
    }
}

/// Returns the number of live tickets.
fn live_tickets(bench: &AttackBench) -> usize {
    let now = bench.resets.adapters().clock.now();
    bench.memory.store.tickets().iter().filter(|ticket| ticket.state(now) == TicketState::Live).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn after_fifty_concurrent_requests_only_the_last_mailed_secret_is_live() {
    for dialect in &DIALECTS {
        let bench = Arc::new(with_accounts(Profile::Links).await);
        let all: Vec<_> = (0..50)
            .map(|_| {
                let bench = bench.clone();
                tokio::spawn(
                    async move { bench.post(dialect.trigger, dialect.request_body(ANN)).await.status() },
                )
            })
            .collect();
        for one in all {
            assert!(one.await.unwrap().is_success());
        }
        let mut secrets: Vec<String> = bench.mails().await.into_iter().map(|mail| mail.secret).collect();
        assert_eq!(live_tickets(&bench), 1, "{}", dialect.name);
        let last = secrets.pop().unwrap();
        let secret = |mailed: &str| mailed.rsplit('=').next().unwrap().to_owned();
        for old in secrets.iter().filter(|old| **old != last) {
            assert_ne!(
                bench.reset(dialect, &secret(old), NEW_PASSWORD).await.status(),
                200,
                "{}",
                dialect.name
            );
        }
        assert_eq!(
            bench.reset(dialect, &secret(&last), NEW_PASSWORD).await.status(),
            200,
            "{}",
            dialect.name
        );
        assert_eq!(live_tickets(&bench), 0);
    }
}

#[tokio::test]
async fn reset_revokes_all_other_secrets_of_the_account_only() {
    for (index, dialect) in DIALECTS.iter().enumerate() {
        let bench = with_accounts(Profile::Links).await;
        let mut secrets = Vec::new();
        for other in &DIALECTS {
            secrets.push(bench.secret(other, ANN).await);
        }
        let bobs = bench.secret(&DIALECTS[STRAPI], BOB).await;
        assert_eq!(
            bench.reset(dialect, &secrets[index], NEW_PASSWORD).await.status(),
            200,
            "{}",
            dialect.name
        );
        for (other, secret) in DIALECTS.iter().zip(&secrets) {
            let answer = bench.reset(other, secret, "another password 1A!").await;
            assert_ne!(answer.status(), 200, "{} after {}", other.name, dialect.name);
        }
        assert!(bench.logs_in(ANN, NEW_PASSWORD).await);
        assert_eq!(bench.reset(&DIALECTS[STRAPI], &bobs, NEW_PASSWORD).await.status(), 200);
    }
}

#[tokio::test]
async fn block_revokes_every_secret_and_unblock_restores_none() {
    for dialect in &DIALECTS {
        let bench = with_accounts(Profile::Links).await;
        let secret = bench.secret(dialect, ANN).await;
        bench.block(ANN, true).await;
        assert_ne!(bench.reset(dialect, &secret, NEW_PASSWORD).await.status(), 200, "{}", dialect.name);
        bench.post(dialect.trigger, dialect.request_body(ANN)).await;
        assert!(bench.mails().await.is_empty(), "{}: a blocked account gets no mail", dialect.name);
        bench.block(ANN, false).await;
        assert_ne!(bench.reset(dialect, &secret, NEW_PASSWORD).await.status(), 200, "{}", dialect.name);
        assert!(bench.logs_in(ANN, OLD_PASSWORD).await);
    }
}

#[tokio::test]
async fn secret_is_valid_until_its_last_second() {
    let lifetimes = [15 * 60, 30 * 60, 60 * 60, 60 * 60];
    for (dialect, lifetime) in DIALECTS.iter().zip(lifetimes) {
        let bench = with_accounts(Profile::Links).await;
        let secret = bench.secret(dialect, ANN).await;
        bench.memory.clock.advance(Duration::from_secs(lifetime));
        let answer = bench.reset(dialect, &secret, NEW_PASSWORD).await;
        assert_ne!(answer.status(), 200, "{}", dialect.name);
        let secret = bench.secret(dialect, ANN).await;
        bench.memory.clock.advance(Duration::from_secs(lifetime - 1));
        let answer = bench.reset(dialect, &secret, NEW_PASSWORD).await;
        assert_eq!(answer.status(), 200, "{} {}", dialect.name, status_and_body(&answer));
    }
}

#[tokio::test]
async fn failed_attempts_send_no_mail_and_success_sends_one_without_a_secret() {
    let dialect = &DIALECTS[PX0];
    let bench = with_accounts(Profile::Compatible).await;
    let secret = bench.secret(dialect, ANN).await;
    for _ in 0..5 {
        bench.reset(dialect, "000000", NEW_PASSWORD).await;
    }
    assert!(bench.mails().await.is_empty());
    assert_eq!(bench.reset(dialect, &secret, NEW_PASSWORD).await.status(), 200);
    let mails = bench.mails().await;
    assert_eq!(mails.len(), 1);
    assert_eq!((mails[0].kind, mails[0].to.as_str()), (SentKind::Changed, ANN));
    // The mail contains the link to report the reset, and nothing that sets a password.
    assert!(mails[0].secret.starts_with("https://accounts.example.com/not-me?token="), "{}", mails[0].secret);
    assert!(!mails[0].secret.contains(&secret));
}
