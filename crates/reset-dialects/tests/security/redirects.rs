//! Redirect targets of links are checked when a reset is requested and again when the link is opened (R33).

use std::time::Duration;

use dialect_insforge::{AllowList, InsForgeSettings, Method as Mailed};
use http::{Method, header};
use reset_core::{
    budget::Budgeting,
    password::{PASSWORD_MAX, Policy},
    request::{Disclosure, ResetRequest},
};
use reset_http::route::Dialect;
use reset_testkit::memory::Memory;

use crate::{
    attacked::AttackedDialect,
    bench::{
        ANN, AttackBench, PUBLIC_URL, Profile, TARGET, address, bench_over, dialects, root, text,
        with_accounts,
    },
};

/// Targets that lead elsewhere, or that are easily mistaken for an allowed one.
const HOSTILE: [&str; 62] = [
    "https://app.example.com.evil.com/reset",
    "https://app.example.com@evil.com/reset",
    "https://evil.com@app.example.com/reset",
    "https://u:p@app.example.com/reset",
    "https://@app.example.com/reset",
    "https:evil.com",
    "https:evil.com/reset",
    "https:app.example.com/reset",
    "https:/app.example.com/reset",
    "https:///app.example.com/reset",
    "https:\\\\evil.com\\@app.example.com/reset",
    "https:\\\\evil.com\\@app",
    "https://evil.com\\.app.example.com/reset",
    "https://app.example.com\\@evil.com/reset",
    "//evil.com/reset",
    "//app.example.com/reset",
    "\\\\evil.com/reset",
    "/reset",
    "reset",
    "app.example.com/reset",
    "https://app.example.com%2eevil.com/reset",
    "https://app%2eexample.com/reset",
    "https://app.example.com\t.evil.com/reset",
    "https://app.exam\tple.com/reset",
    "https://app.example.com/re\tset",
    "https://app.example.com/reset\r\n",
    "https://app.example.com/reset?a=b\r\nLocation: https://evil.com",
    "https://app.example.com/reset?a=b\nSet-Cookie: a=b",
    " https://app.example.com/reset",
    "https://app.example.com/reset ",
    "https://app.example.com/reset\0",
    "https://app.exampℓe.com/reset",
    "https://app。example。com/reset",
    "https://аpp.example.com/reset",
    "https://app.example.com./reset",
    "https://.app.example.com/reset",
    "https://app..example.com/reset",
    "https://app.example.com:444/reset",
    "https://app.example.com:/reset",
    "https://app.example.com:443@evil.com/reset",
    "http://app.example.com/reset",
    "http://app.example.com:443/reset",
    "ftp://app.example.com/reset",
    "ws://app.example.com/reset",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "javascript://app.example.com/reset%0aalert(1)",
    "data:text/html,x",
    "data://app.example.com/reset",
    "vbscript:x",
    "file:///etc/passwd",
    "blob:https://app.example.com/reset",
    "https://evil.com/https://app.example.com/reset",
    "https://evil.com/?https://app.example.com/reset",
    "https://evil.com#https://app.example.com/reset",
    "https://*.example.com/reset",
    "https://app.example.com/a%2f..%2freset",
    "https://[::ffff:203.0.113.9]/reset",
    "https://app.example.com/go?to=%2F%2Fevil.com&x=/reset",
    "https://app.example.com/go#//evil.com/reset",
    "https://app.example.com//evil.com/reset",
    "https://app.example.com/go%3fto=evil.com/reset",
];

/// Allow-lists that contain the allowed target: exactly, below a path, and with a wildcard host.
const LISTS: [&[&str]; 3] = [&[TARGET], &["https://app.example.com/**"], &["https://*.example.com/reset/**"]];

async fn bench_with(build: impl Fn() -> Vec<Dialect>) -> AttackBench {
    let bench = bench_over(Memory::new(3), build, Budgeting::default());
    bench.account(ANN).await;
    bench
}

/// Returns the dialects whose requests name the page that the link redirects to. A dialect that has redirects allows
/// the targets of its setting `allowed_redirect_urls`.
fn redirecting(bench: &AttackBench) -> Vec<&AttackedDialect> {
    let found: Vec<_> = bench.dialects.iter().filter(|dialect| dialect.client.redirect.is_some()).collect();
    assert!(!found.is_empty(), "no dialect redirects: remove these tests");
    found
}

/// Mails a link to `target`, bypassing the allow-list, and returns its path and query.
async fn link_without_check(bench: &AttackBench, dialect: &AttackedDialect, target: &str) -> String {
    let request = ResetRequest {
        dialect: dialect.name(),
        email: Some(address(ANN)),
        redirect_to: Some(target.to_owned()),
        locale: None,
        network: None,
        reference: bench.resets.reference(),
        disclosure: Disclosure::Never,
    };
    bench.resets.request(request).await.unwrap();
    let mail = bench.mails().await.remove(0);
    mail.secret.strip_prefix(PUBLIC_URL).unwrap().to_owned()
}

#[tokio::test]
async fn hostile_target_is_rejected_at_the_request_and_never_repeated() {
    for allowed in LISTS {
        let bench = bench_with(|| dialects(Profile::Links, allowed)).await;
        for dialect in redirecting(&bench) {
            for target in HOSTILE {
                let answer = bench.step(&dialect.request_to(ANN, target)).await;
                assert_eq!(answer.status(), 400, "{target:?} against {allowed:?}");
                assert!(answer.headers().get(header::LOCATION).is_none(), "{target:?}");
                assert!(!text(&answer).contains("evil") && !text(&answer).contains("app."), "{target:?}");
            }
            assert!(bench.mails().await.is_empty());
            // Positive control: the same request with an allowed target is accepted.
            assert!(bench.step(&dialect.request_to(ANN, TARGET)).await.status().is_success());
            assert_eq!(bench.mails().await.len(), 1);
        }
    }
}

#[tokio::test]
async fn hostile_target_of_a_mailed_link_is_rejected_when_it_is_opened() {
    for allowed in LISTS {
        let bench = bench_with(|| dialects(Profile::Links, allowed)).await;
        for dialect in redirecting(&bench) {
            for target in HOSTILE {
                let link = link_without_check(&bench, dialect, target).await;
                for method in [Method::GET, Method::HEAD] {
                    let answer = bench.send(&method, &link, &[], "").await;
                    assert_eq!(answer.status(), 400, "{target:?} against {allowed:?}");
                    assert!(answer.headers().get(header::LOCATION).is_none(), "{target:?}");
                }
            }
            let link = link_without_check(&bench, dialect, TARGET).await;
            let answer = bench.get(&link).await;
            assert_eq!(answer.status(), 302);
            let location = answer.headers()[header::LOCATION].to_str().unwrap();
            assert!(location.starts_with("https://app.example.com/reset?token="), "{location}");
        }
    }
}

/// InsForge mailing links without an allowed target. The settings reject this; a host application can still build it.
fn insforge_without_targets() -> Dialect {
    dialect_insforge::dialect(InsForgeSettings {
        base_path: "/api/auth".into(),
        method: Mailed::Link,
        public_url: PUBLIC_URL.into(),
        allowed: AllowList::default(),
        code_ttl: Duration::from_secs(15 * 60),
        token_ttl: Duration::from_secs(60 * 60),
        max_attempts: 3,
        pages: true,
        tags: root().derive("insforge.tags").into(),
        policy: Policy { min: 8, four_classes: false, refuse_common: true, max_bytes: PASSWORD_MAX },
    })
}

#[tokio::test]
async fn empty_allow_list_allows_no_target_at_the_request_or_when_opened() {
    let bench = bench_with(|| vec![insforge_without_targets()]).await;
    let insforge = bench.dialect("insforge");
    for target in [TARGET, "http://localhost/", "https://accounts.example.com/reset", "myapp://reset"] {
        assert_eq!(bench.step(&insforge.request_to(ANN, target)).await.status(), 400, "{target}");
        let link = link_without_check(&bench, insforge, target).await;
        let answer = bench.get(&link).await;
        assert!(answer.status() == 400 && answer.headers().get(header::LOCATION).is_none(), "{target}");
    }
}

#[tokio::test]
async fn query_parameters_of_a_link_cannot_change_its_target() {
    let bench = with_accounts(Profile::Links).await;
    for dialect in redirecting(&bench) {
        let link = link_without_check(&bench, dialect, TARGET).await;
        let (path, query) = link.split_once('?').unwrap();
        let evil = "https%3A%2F%2Fevil.com";
        for name in ["redirectTo", "redirect_to", "next", "url", "insforge_error", "token%5B%5D"] {
            let answer = bench.get(&format!("{link}&{name}={evil}")).await;
            assert_eq!(answer.status(), 302, "{name}");
            assert!(!answer.headers()[header::LOCATION].to_str().unwrap().contains("evil"), "{name}");
        }
        for (name, _) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            let answer = bench.get(&format!("{path}?{name}={evil}&{query}")).await;
            assert!(answer.status() == 400 && answer.headers().get(header::LOCATION).is_none());
        }
    }
}
