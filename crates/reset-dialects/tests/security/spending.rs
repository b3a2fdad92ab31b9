//! A secret works once, only one per account and dialect is live, and it is void once the account changes (R5, R6,
//! R7).

use std::{sync::Arc, time::Duration};

use reset_core::ticket::TicketState;
use reset_testkit::memory::SentKind;

use crate::bench::{
    ANN, AttackBench, BOB, HOUR, NEW_PASSWORD, OLD_PASSWORD, PUBLIC_URL, Profile, attacked, status_and_body,
    with_accounts,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn exactly_one_of_32_concurrent_resets_with_one_secret_succeeds() {
    for profile in Profile::ALL {
        for dialect in &attacked(profile) {
            let dead = dialect.dead_statuses();
            for _ in 0..2 {
                let bench = Arc::new(with_accounts(profile).await);
                let secret = bench.secret(dialect, ANN).await;
                let start = Arc::new(tokio::sync::Barrier::new(32));
                let all: Vec<_> = (0..32)
                    .map(|number| {
                        let password = format!("{NEW_PASSWORD}{number}");
                        let step = dialect.client.redeem_with(&secret, &password);
                        let (bench, start) = (bench.clone(), start.clone());
                        tokio::spawn(async move {
                            start.wait().await;
                            (bench.step(&step).await.status(), password)
                        })
                    })
                    .collect();
                let mut won = Vec::new();
                for one in all {
                    match one.await.unwrap() {
                        (status, password) if status.is_success() => won.push(password),
                        // The secret is already used, or the server is busy.
                        (status, _) if dead.contains(&status.as_u16()) || status == 503 => {}
                        (status, _) => panic!("{} {status}", dialect.name()),
                    }
                }
                let [password] = won.as_slice() else { panic!("{} {} times", dialect.name(), won.len()) };
                assert!(bench.logs_in(ANN, password).await && !bench.logs_in(ANN, OLD_PASSWORD).await);
                let notices = bench.mails().await;
                assert_eq!(notices.len(), 1, "the owner is notified once");
                for number in 0..3 {
                    let replay = bench.reset(dialect, &secret, &format!("{NEW_PASSWORD}{number}")).await;
                    assert!(!replay.status().is_success(), "{}", dialect.name());
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
    for dialect in &attacked(Profile::Links) {
        let bench = Arc::new(with_accounts(Profile::Links).await);
        let all: Vec<_> = (0..50)
            .map(|_| {
                let (bench, step) = (bench.clone(), dialect.request(ANN));
                tokio::spawn(async move { bench.step(&step).await.status() })
            })
            .collect();
        for one in all {
            assert!(one.await.unwrap().is_success());
        }
        let mails = bench.mails().await;
        assert_eq!(live_tickets(&bench), 1, "{}", dialect.name());
        let (last, older) = mails.split_last().unwrap();
        for old in older.iter().filter(|old| old.secret != last.secret) {
            let answer = bench.redeem_mailed(dialect, ANN, &dialect.secret_in(old), NEW_PASSWORD).await;
            assert!(!answer.status().is_success(), "{}", dialect.name());
        }
        let answer = bench.redeem_mailed(dialect, ANN, &dialect.secret_in(last), NEW_PASSWORD).await;
        assert!(answer.status().is_success(), "{} {}", dialect.name(), status_and_body(&answer));
        assert_eq!(live_tickets(&bench), 0);
    }
}

#[tokio::test]
async fn reset_revokes_all_other_secrets_of_the_account_only() {
    for used in attacked(Profile::Links) {
        let bench = with_accounts(Profile::Links).await;
        let mut secrets = Vec::new();
        for dialect in &bench.dialects {
            secrets.push((dialect, bench.secret(dialect, ANN).await));
        }
        let mut bobs = Vec::new();
        for dialect in &bench.dialects {
            bobs.push((dialect, bench.secret(dialect, BOB).await));
        }
        let (dialect, secret) = secrets.iter().find(|(dialect, _)| dialect.name() == used.name()).unwrap();
        let answer = bench.reset(dialect, secret, NEW_PASSWORD).await;
        assert!(answer.status().is_success(), "{}", used.name());
        for (other, secret) in &secrets {
            let answer = bench.reset(other, secret, "another password 1A!").await;
            assert!(!answer.status().is_success(), "{} after {}", other.name(), used.name());
        }
        assert!(bench.logs_in(ANN, NEW_PASSWORD).await);
        let (dialect, secret) = bobs.iter().find(|(dialect, _)| dialect.name() != used.name()).unwrap();
        let answer = bench.reset(dialect, secret, NEW_PASSWORD).await;
        assert!(answer.status().is_success(), "{} after {}", dialect.name(), used.name());
    }
}

#[tokio::test]
async fn block_revokes_every_secret_and_unblock_restores_none() {
    for profile in Profile::ALL {
        for dialect in &attacked(profile) {
            let bench = with_accounts(profile).await;
            let secret = bench.secret(dialect, ANN).await;
            let is_rejected = async || {
                let answer = bench.reset(dialect, &secret, NEW_PASSWORD).await;
                assert!(!answer.status().is_success(), "{profile:?} {}", dialect.name());
            };
            bench.block(ANN, true).await;
            is_rejected().await;
            bench.request(dialect, ANN).await;
            assert!(bench.mails().await.is_empty(), "{}: a blocked account gets no mail", dialect.name());
            bench.block(ANN, false).await;
            is_rejected().await;
            assert!(bench.logs_in(ANN, OLD_PASSWORD).await);
        }
    }
}

#[tokio::test]
async fn secret_is_valid_until_its_last_second() {
    for profile in Profile::ALL {
        for dialect in &attacked(profile) {
            let bench = with_accounts(profile).await;
            let mail = bench.mail(dialect, ANN).await;
            let stated = dialect.lifetimes();
            assert!(stated.iter().any(|stated| stated.lifetime == mail.lifetime), "{}", dialect.name());
            let longest =
                stated.iter().map(|stated| if profile == Profile::Hardened { stated.hardened } else { HOUR });
            assert!(mail.lifetime <= longest.max().unwrap(), "{profile:?} {}", dialect.name());
            bench.memory.clock.advance(mail.lifetime);
            let answer = bench.redeem_mailed(dialect, ANN, &dialect.secret_in(&mail), NEW_PASSWORD).await;
            assert!(!answer.status().is_success(), "{profile:?} {}", dialect.name());
            let mail = bench.mail(dialect, ANN).await;
            bench.memory.clock.advance(mail.lifetime - Duration::from_secs(1));
            let answer = bench.redeem_mailed(dialect, ANN, &dialect.secret_in(&mail), NEW_PASSWORD).await;
            assert!(answer.status().is_success(), "{} {}", dialect.name(), status_and_body(&answer));
        }
    }
}

#[tokio::test]
async fn exchanged_token_is_valid_until_its_last_second() {
    for profile in Profile::ALL {
        for dialect in attacked(profile).iter().filter(|dialect| dialect.client.exchange.is_some()) {
            // The token has a lifetime of its own, which is not the code's.
            let bench = with_accounts(profile).await;
            let code = bench.mail(dialect, ANN).await.lifetime;
            let stated = dialect.lifetimes().iter().map(|stated| stated.lifetime);
            let lifetime = stated.filter(|lifetime| *lifetime != code).max().unwrap();
            let token = bench.secret(dialect, ANN).await;
            bench.memory.clock.advance(lifetime);
            let answer = bench.reset(dialect, &token, NEW_PASSWORD).await;
            assert!(!answer.status().is_success(), "{}", dialect.name());
            let token = bench.secret(dialect, ANN).await;
            bench.memory.clock.advance(lifetime - Duration::from_secs(1));
            let answer = bench.reset(dialect, &token, NEW_PASSWORD).await;
            assert!(answer.status().is_success(), "{} {}", dialect.name(), status_and_body(&answer));
        }
    }
}

#[tokio::test]
async fn failed_attempts_send_no_mail_and_success_sends_one_without_a_secret() {
    for profile in Profile::ALL {
        for dialect in &attacked(profile) {
            let bench = with_accounts(profile).await;
            let secret = bench.secret(dialect, ANN).await;
            for _ in 0..5 {
                bench.reset(dialect, &dialect.client.forged, NEW_PASSWORD).await;
            }
            assert!(bench.mails().await.is_empty());
            let answer = bench.reset(dialect, &secret, NEW_PASSWORD).await;
            assert!(answer.status().is_success(), "{}", dialect.name());
            let mails = bench.mails().await;
            let [mail] = mails.as_slice() else { panic!("{}: one notice: {mails:?}", dialect.name()) };
            assert_eq!((mail.kind, mail.to.as_str()), (SentKind::Changed, ANN));
            // The mail contains the link to report the reset, and nothing that sets a password.
            let report = format!("{PUBLIC_URL}/not-me?token=");
            assert!(mail.secret.starts_with(&report), "{}", mail.secret);
            assert!(!mail.secret.contains(&secret));
        }
    }
}
