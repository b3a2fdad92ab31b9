//! Internal errors, and the expensive work that an attacker can cause (R60, R73).

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Response};
use reset_core::{
    Resets,
    error::HashError,
    hasher::HashForm,
    keys::Keys,
    password::NewPassword,
    ports::{Adapters, Hasher},
};
use reset_dialects::{
    Api, Endpoint, ServeOptions, dialects,
    route::{Call, EndpointKind},
};
use reset_testkit::memory::Outage;

use crate::bench::{
    ANN, AttackBench, DIALECTS, EXCHANGE, LINK, NEW_PASSWORD, OLD_PASSWORD, Profile, TARGET, settings,
    status_and_body, text, with_accounts,
};

/// Each dialect's 500 response.
const FAILURES: [(&str, &str); 4] = [
    ("px0", r#"{"error":"internal error"}"#),
    (
        "worthai",
        r#"{"status":"error","message":"Internal Server Error","errorCode":"UNKNOWN_ERROR","data":{"errorName":"InternalServerError"}}"#,
    ),
    (
        "strapi",
        r#"{"code":500,"message":"Internal Server Error","data":null,"error":{"status":500,"name":"InternalServerError","message":"Internal Server Error","details":{}}}"#,
    ),
    ("insforge", r#"{"error":"INTERNAL_ERROR","message":"Internal server error","statusCode":500}"#),
];

#[tokio::test]
async fn panicking_handler_returns_the_dialects_500_without_details() {
    let bench = with_accounts(Profile::Links).await;
    let mut all = dialects(settings(Profile::Links, &[TARGET]));
    for dialect in &mut all {
        let endpoint =
            Endpoint::new(Method::POST, EndpointKind::Trigger, &Arc::new(()), |_: Arc<()>, _: Call| panics());
        dialect.rows.push((format!("/panics/{}", dialect.name), vec![endpoint]));
    }
    let bench = AttackBench { api: Api::new(bench.resets.clone(), all, ServeOptions::default()), ..bench };
    for (name, body) in FAILURES {
        for _ in 0..3 {
            let answer = bench.post(&format!("/panics/{name}"), "{}").await;
            assert_eq!((answer.status().as_u16(), text(&answer)), (500, body), "{name}");
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
    let failures = BTreeMap::from(FAILURES);
    for dialect in &DIALECTS {
        let bench = with_accounts(Profile::Links).await;
        let secret = bench.secret(dialect, ANN).await;
        bench.memory.store.set_outage(Outage::Everything);
        let failure = format!("500 {}", failures[dialect.name]);
        for email in [ANN, "ghost@example.org"] {
            assert_eq!(
                status_and_body(&bench.post(dialect.trigger, dialect.request_body(email)).await),
                failure,
                "{}",
                dialect.name
            );
        }
        assert_eq!(
            status_and_body(&bench.reset(dialect, &secret, NEW_PASSWORD).await),
            failure,
            "{}",
            dialect.name
        );
        if dialect.name == "insforge" {
            assert_eq!(status_and_body(&bench.get(&format!("{LINK}?token={secret}")).await), failure);
            let guess = format!(r#"{{"email":"{ANN}","code":"000000"}}"#);
            assert_eq!(status_and_body(&bench.post(EXCHANGE, guess).await), failure);
        }
        bench.memory.store.set_outage(Outage::None);
        assert!(bench.mails().await.is_empty() && bench.logs_in(ANN, OLD_PASSWORD).await);
        assert_eq!(bench.reset(dialect, &secret, NEW_PASSWORD).await.status(), 200, "{}", dialect.name);
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
        let all = dialects(settings(profile, &[TARGET]));
        let policies = all.iter().filter_map(|dialect| dialect.policies.clone()).collect();
        let resets =
            Resets::new(Adapters { hasher, ..adapters }, Keys::new(&crate::bench::root()), policies, false);
        let bench =
            AttackBench { api: Api::new(resets.clone(), all, ServeOptions::default()), resets, ..bench };
        for dialect in &DIALECTS {
            let old = bench.secret(dialect, ANN).await;
            let secret = bench.secret(dialect, ANN).await;
            let wrong: String = secret.chars().rev().collect();
            let long = "a".repeat(1_025);
            for secret in [&old, &wrong, "", "000000", &"0".repeat(64), &"0".repeat(128), "a.b.c"] {
                for password in [NEW_PASSWORD, "", "short", &long] {
                    bench.reset(dialect, secret, password).await;
                }
            }
            for password in ["", "short", &long, &"a".repeat(60_000)] {
                assert_eq!(bench.reset(dialect, &secret, password).await.status(), 400, "{}", dialect.name);
            }
            assert_eq!(count.load(Ordering::Relaxed), 0, "{profile:?} {}", dialect.name);
            assert_eq!(bench.reset(dialect, &secret, NEW_PASSWORD).await.status(), 200, "{}", dialect.name);
            assert_eq!(count.swap(0, Ordering::Relaxed), 1, "{profile:?} {}", dialect.name);
        }
    }
}
