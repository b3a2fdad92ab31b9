//! Internal errors, and the expensive work that an attacker can cause (R60, R73).

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use reset_core::{
    Resets,
    error::HashError,
    hasher::HashForm,
    keys::Keys,
    password::NewPassword,
    ports::{Adapters, Hasher},
};
use reset_http::{
    Endpoint, ServeOptions,
    common_error::CommonError,
    route::{Call, EndpointKind},
};
use reset_testkit::memory::Outage;

use crate::{
    attacked::AttackedDialect,
    bench::{
        ANN, AttackBench, NEW_PASSWORD, OLD_PASSWORD, Profile, TARGET, api, attacked, dialects,
        status_and_body, with_accounts,
    },
};

/// Returns the dialect's 500, with its status. The tests of each dialect state its bytes.
fn failure(dialect: &AttackedDialect) -> String {
    let failure = status_and_body(&dialect.dialect.errors.render(&CommonError::Failure, &HeaderMap::new()));
    assert!(failure.starts_with("500 "), "{failure}");
    failure
}

#[tokio::test]
async fn panicking_handler_returns_the_dialects_500_without_details() {
    let bench = with_accounts(Profile::Links).await;
    let mut all = dialects(Profile::Links, &[TARGET]);
    for dialect in &mut all {
        let endpoint =
            Endpoint::new(Method::POST, EndpointKind::Trigger, &Arc::new(()), |_: Arc<()>, _: Call| panics());
        dialect.rows.push((format!("/panics/{}", dialect.name), vec![endpoint]));
    }
    let bench = AttackBench { api: api(&bench.resets, all, ServeOptions::default()), ..bench };
    for dialect in &bench.dialects {
        for _ in 0..3 {
            let answer = bench.post(&format!("/panics/{}", dialect.name()), "{}").await;
            assert_eq!(status_and_body(&answer), failure(dialect), "{}", dialect.name());
            assert!(!status_and_body(&answer).contains("canary"), "{}", dialect.name());
            assert!(!format!("{:?}", answer.headers()).contains("canary"));
        }
    }
}

async fn panics() -> Result<Response<Bytes>, Response<Bytes>> {
    tokio::task::yield_now().await;
    panic!("a canary in the message of a panic")
}

#[tokio::test]
async fn store_outage_returns_the_dialects_500_and_uses_up_no_secret() {
    for profile in Profile::ALL {
        for dialect in &attacked(profile) {
            let bench = with_accounts(profile).await;
            let mail = bench.mail(dialect, ANN).await;
            let mailed = dialect.secret_in(&mail);
            bench.memory.store.set_outage(Outage::Everything);
            for email in [ANN, "ghost@example.org"] {
                let answer = status_and_body(&bench.request(dialect, email).await);
                assert_eq!(answer, failure(dialect), "{profile:?} {}", dialect.name());
            }
            let answer = status_and_body(&bench.redeem_mailed(dialect, ANN, &mailed, NEW_PASSWORD).await);
            assert_eq!(answer, failure(dialect), "{profile:?} {}", dialect.name());
            if let Some(link) = dialect.own_link(&mail) {
                assert_eq!(status_and_body(&bench.get(&link).await), failure(dialect), "{link}");
            }
            bench.memory.store.set_outage(Outage::None);
            let secret = match dialect.client.exchange {
                None => mailed,
                Some(_) => bench.exchanged(dialect, ANN, &mailed).await,
            };
            bench.memory.store.set_outage(Outage::Everything);
            let answer = status_and_body(&bench.reset(dialect, &secret, NEW_PASSWORD).await);
            assert_eq!(answer, failure(dialect), "{profile:?} {}", dialect.name());
            bench.memory.store.set_outage(Outage::None);
            assert!(bench.mails().await.is_empty() && bench.logs_in(ANN, OLD_PASSWORD).await);
            let answer = bench.reset(dialect, &secret, NEW_PASSWORD).await;
            assert!(answer.status().is_success(), "{profile:?} {}", dialect.name());
        }
    }
}

/// Another program keeps its users table locked, so nothing was done and the client may retry (R73).
#[tokio::test]
async fn locked_users_table_returns_the_dialects_503_and_uses_up_no_secret() {
    let wait = Duration::from_secs(5);
    for profile in Profile::ALL {
        for dialect in &attacked(profile) {
            let busy =
                dialect.dialect.errors.render(&CommonError::Busy { retry_after: wait }, &HeaderMap::new());
            let busy = status_and_body(&busy);
            assert!(busy.starts_with("503 "), "{busy}");
            let bench = with_accounts(profile).await;
            let mail = bench.mail(dialect, ANN).await;
            let mailed = dialect.secret_in(&mail);
            bench.memory.store.set_outage(Outage::Busy);
            for email in [ANN, "ghost@example.org"] {
                let answer = bench.request(dialect, email).await;
                assert_eq!(answer.headers()["retry-after"], "5", "{profile:?} {}", dialect.name());
                assert_eq!(status_and_body(&answer), busy, "{profile:?} {}", dialect.name());
            }
            let answer = bench.redeem_mailed(dialect, ANN, &mailed, NEW_PASSWORD).await;
            assert_eq!(status_and_body(&answer), busy, "{profile:?} {}", dialect.name());
            if let Some(link) = dialect.own_link(&mail) {
                assert_eq!(status_and_body(&bench.get(&link).await), busy, "{link}");
            }
            bench.memory.store.set_outage(Outage::None);
            let secret = match dialect.client.exchange {
                None => mailed,
                Some(_) => bench.exchanged(dialect, ANN, &mailed).await,
            };
            let answer = bench.reset(dialect, &secret, NEW_PASSWORD).await;
            assert!(answer.status().is_success(), "{profile:?} {}", dialect.name());
        }
    }
}

/// A hasher that counts its calls.
struct CountingHasher {
    inner: Arc<dyn Hasher>,
    count: Arc<AtomicUsize>,
}

#[async_trait]
impl Hasher for CountingHasher {
    async fn hash(&self, password: NewPassword, like: Option<&HashForm>) -> Result<String, HashError> {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.inner.hash(password, like).await
    }

    async fn verify(&self, password: NewPassword, stored: &str) -> Result<bool, HashError> {
        self.inner.verify(password, stored).await
    }
}

#[tokio::test]
async fn nothing_is_hashed_without_a_live_secret_and_an_acceptable_password() {
    for profile in Profile::ALL {
        let bench = with_accounts(profile).await;
        let count = Arc::new(AtomicUsize::default());
        let adapters = bench.memory.adapters();
        let hasher = Arc::new(CountingHasher { inner: adapters.hasher.clone(), count: count.clone() });
        let all = dialects(profile, &[TARGET]);
        let policies = all.iter().filter_map(|dialect| dialect.policies.clone()).collect();
        let resets =
            Resets::new(Adapters { hasher, ..adapters }, Keys::new(&crate::bench::root()), policies, false);
        let bench = AttackBench { api: api(&resets, all, ServeOptions::default()), resets, ..bench };
        for dialect in &bench.dialects {
            let old = bench.secret(dialect, ANN).await;
            let secret = bench.secret(dialect, ANN).await;
            let wrong: String = secret.chars().rev().collect();
            let long = "a".repeat(1_025);
            let forged = bench.dialects.iter().map(|other| other.client.forged.as_str());
            let wrong = [&old, &wrong, "", "000000", &"0".repeat(64), &"0".repeat(128), "a.b.c"];
            for secret in wrong.into_iter().chain(forged) {
                for password in [NEW_PASSWORD, "", "short", &long] {
                    bench.reset(dialect, secret, password).await;
                }
            }
            for password in ["", "short", &long, &"a".repeat(60_000)] {
                assert_eq!(bench.reset(dialect, &secret, password).await.status(), 400, "{}", dialect.name());
            }
            assert_eq!(count.load(Ordering::Relaxed), 0, "{profile:?} {}", dialect.name());
            let answer = bench.reset(dialect, &secret, NEW_PASSWORD).await;
            assert!(answer.status().is_success(), "{}", dialect.name());
            assert_eq!(count.swap(0, Ordering::Relaxed), 1, "{profile:?} {}", dialect.name());
        }
    }
}

/// A hasher whose queue is full.
struct FullHasher;

#[async_trait]
impl Hasher for FullHasher {
    async fn hash(&self, _: NewPassword, _: Option<&HashForm>) -> Result<String, HashError> {
        Err(HashError::Busy { retry_after: Duration::from_secs(2) })
    }

    async fn verify(&self, _: NewPassword, _: &str) -> Result<bool, HashError> {
        Err(HashError::Busy { retry_after: Duration::from_secs(2) })
    }
}

#[tokio::test]
async fn full_hashing_queue_returns_the_dialects_503_and_leaves_the_secret_unspent() {
    for profile in Profile::ALL {
        for dialect in &attacked(profile) {
            let bench = with_accounts(profile).await;
            let secret = bench.secret(dialect, ANN).await;
            let all = dialects(profile, &[TARGET]);
            let policies = all.iter().filter_map(|dialect| dialect.policies.clone()).collect();
            let adapters = Adapters { hasher: Arc::new(FullHasher), ..bench.memory.adapters() };
            let full = Resets::new(adapters, Keys::new(&crate::bench::root()), policies, false);
            let full = api(&full, all, ServeOptions::default());
            let step = dialect.client.redeem_with(&secret, NEW_PASSWORD);
            let request = http::Request::builder()
                .method(Method::POST)
                .uri(&step.path)
                .header("content-type", "application/json")
                .body(Bytes::from(step.body.clone()))
                .unwrap();
            let answer = full.perform(request).await;
            assert_eq!(answer.status(), 503, "{profile:?} {}: {}", dialect.name(), status_and_body(&answer));
            assert_eq!(answer.headers()["retry-after"], "2", "{profile:?} {}", dialect.name());
            assert!(bench.logs_in(ANN, OLD_PASSWORD).await);
            let answer = bench.reset(dialect, &secret, NEW_PASSWORD).await;
            assert!(answer.status().is_success(), "{profile:?} {}", dialect.name());
        }
    }
}
