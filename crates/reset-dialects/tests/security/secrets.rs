//! Which texts are accepted as secrets, and what responses reveal about a secret (R10, R12, R17, R18).

use std::collections::BTreeSet;

use http::{Method, header};
use reset_core::{
    budget::{Budgeting, Window},
    encoding::hex,
};
use reset_http::client::{MailedSecret, Step};
use reset_testkit::memory::Memory;
use serde_json::{Map, Value};

use crate::{
    attacked::AttackedDialect,
    bench::{
        ANN, AttackBench, BOB, DAY, HOUR, NEW_PASSWORD, OLD_PASSWORD, Profile, TARGET, attacked, bench_over,
        dialects, status_and_body, with_accounts,
    },
};

/// Every name under which a body or a query could name an account and its new password.
const NAMES: [(&str, &[&str]); 2] = [
    (ANN, &["email", "identifier", "username", "user", "id", "uid", "account", "userId", "user_id", "to"]),
    (
        NEW_PASSWORD,
        &[
            "password",
            "newPassword",
            "new_password",
            "new_password1",
            "new_password2",
            "passwordConfirmation",
            "password_confirmation",
            "confirmPassword",
            "re_new_password",
        ],
    ),
];

/// Nobody, not even an administrator, can choose the password of another person (R75).
#[tokio::test]
async fn no_route_sets_a_password_without_the_secret_that_was_mailed() {
    let named = NAMES.iter().flat_map(|(value, names)| names.iter().map(move |name| (*name, *value)));
    let flags = ["admin", "force", "isAdmin", "skip_verification"].map(|name| (name, "true"));
    let fields: Vec<(&str, &str)> = named.chain(flags).collect();
    let json: Map<String, Value> =
        fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let json = Value::from(json).to_string();
    let form = fields.iter().map(|(name, value)| format!("{name}={}", value.replace('@', "%40")));
    let form = form.collect::<Vec<_>>().join("&");
    let mut routes = 0;
    for profile in Profile::ALL {
        let bench = with_accounts(profile).await;
        // A live secret, which the requests do not know.
        for dialect in &bench.dialects {
            bench.mailed(dialect, ANN).await;
        }
        let hashes = (bench.hash(ANN).await, bench.hash(BOB).await);
        for route in bench.api.routes().to_vec() {
            for method in
                ["GET", "POST", "PUT", "PATCH", "DELETE"].map(|name| name.parse::<Method>().unwrap())
            {
                for (kind, body) in
                    [("application/json", &json), ("application/x-www-form-urlencoded", &form)]
                {
                    let headers = [
                        ("content-type", kind),
                        ("authorization", "Bearer admin"),
                        ("x-forwarded-user", "admin"),
                    ];
                    for target in [route.path.clone(), format!("{}?{form}", route.path)] {
                        bench.send(&method, &target, &headers, body.clone()).await;
                    }
                }
            }
            assert!((bench.hash(ANN).await, bench.hash(BOB).await) == hashes, "{}", route.path);
            routes += 1;
        }
    }
    assert!(routes > 30, "{routes}");
}

#[tokio::test]
async fn empty_null_or_structured_secret_matches_nothing() {
    for profile in Profile::ALL {
        let bench = with_accounts(profile).await;
        for dialect in &bench.dialects {
            let secret = bench.secret(dialect, ANN).await;
            let hashes = (bench.hash(ANN).await, bench.hash(BOB).await);
            let Step { path, body, .. } = dialect.client.redeem_with(&secret, NEW_PASSWORD);
            let mut steps = Vec::new();
            for json in [
                r#""""#,
                "null",
                "{}",
                "[]",
                "0",
                "-1",
                "true",
                "false",
                r#"{"$gt":0}"#,
                r#"{"$ne":null}"#,
                r#""%""#,
                r#""*""#,
                r#""' OR '1'='1""#,
                r#""null""#,
                r#""undefined""#,
                r#""   ""#,
                r#""\u0000""#,
            ] {
                steps.extend(dialect.redeem_raw(&secret, |_| json.to_owned()));
            }
            steps.extend(dialect.redeem_raw(&secret, |value| format!(r#"["{value}"]"#)));
            steps.extend(dialect.redeem_raw(&secret, |value| format!(r#"{{"$eq":"{value}"}}"#)));
            for field in dialect.secret_fields() {
                let nested = |value: &str| format!(r#"{{"{field}":"{value}"}}"#);
                steps.extend(dialect.redeem_raw(&secret, nested));
            }
            for step in steps {
                let answer = bench.step(&step).await;
                assert!(
                    answer.status().as_u16() >= 400,
                    "{} {}: {}",
                    dialect.name(),
                    step.body,
                    status_and_body(&answer)
                );
            }
            for field in dialect.secret_fields() {
                let mut without: Map<String, Value> = serde_json::from_str(&body).unwrap();
                without.remove(&field).unwrap();
                let without = Value::from(without).to_string();
                assert_eq!(bench.post(&path, without).await.status(), 400, "{}", dialect.name());
                let twice = format!(r#"{{"{field}":"x",{}"#, &body[1..]);
                assert_eq!(bench.post(&path, twice).await.status(), 400, "{}", dialect.name());
            }
            assert_eq!(bench.post(&path, format!("[{body}]")).await.status(), 400, "{}", dialect.name());
            assert_eq!((bench.hash(ANN).await, bench.hash(BOB).await), hashes, "{}", dialect.name());
            // None of these attempts used up the owner's secret.
            let answer = bench.reset(dialect, &secret, NEW_PASSWORD).await;
            assert!(answer.status().is_success(), "{}", dialect.name());
            bench.mails().await;
        }
    }
}

#[tokio::test]
async fn response_to_a_reset_request_contains_no_secret() {
    for profile in Profile::ALL {
        let bench = with_accounts(profile).await;
        for dialect in &bench.dialects {
            let answer = bench.request(dialect, ANN).await;
            let headers = format!("{:?}", answer.headers());
            let (response, names) = (status_and_body(&answer), answer.headers().keys());
            let names: BTreeSet<&str> = names.map(header::HeaderName::as_str).collect();
            let mut expected = BTreeSet::from([
                "cache-control",
                "content-length",
                "content-security-policy",
                "referrer-policy",
                "x-content-type-options",
                "x-reset-reference",
            ]);
            if !answer.body().is_empty() {
                expected.insert("content-type");
            }
            // Django names the methods of the path in every response.
            if dialect.name() == "django" {
                expected.insert("allow");
            }
            assert_eq!(names, expected, "{}", dialect.name());
            let mail = bench.mails().await.remove(0);
            let secret = dialect.secret_in(&mail);
            let ticket = bench.memory.store.tickets().pop().unwrap();
            let digest = hex(ticket.digest.as_bytes());
            for hidden in [secret.as_str(), &digest, ticket.id.as_str(), &mail.message_id, ANN] {
                assert!(!response.contains(hidden) && !headers.contains(hidden), "{}", dialect.name());
            }
        }
    }
}

#[tokio::test]
async fn weak_password_gets_the_same_response_with_a_right_and_a_wrong_secret() {
    for profile in Profile::ALL {
        let bench = with_accounts(profile).await;
        for dialect in &bench.dialects {
            let secret = bench.secret(dialect, ANN).await;
            let wrong: String = secret.chars().rev().collect();
            for weak in ["", "short", &"a".repeat(2000), "password"] {
                let right = bench.reset(dialect, &secret, weak).await;
                let wrong = bench.reset(dialect, &wrong, weak).await;
                assert_eq!(right.status(), 400, "{} {weak}", dialect.name());
                assert_eq!(right.headers(), wrong.headers(), "{} {weak}", dialect.name());
                assert_eq!(status_and_body(&right), status_and_body(&wrong), "{} {weak}", dialect.name());
            }
            let answer = bench.reset(dialect, &secret, NEW_PASSWORD).await;
            assert!(answer.status().is_success(), "{}", dialect.name());
            bench.mails().await;
        }
    }
}

/// Why a secret is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// It was never issued.
    Forged(&'static str),
    /// Its account is blocked.
    Blocked,
    /// It was issued, and is valid no longer.
    Dead(&'static str),
}

/// Returns the responses to secrets of `dialect` that are invalid for each reason.
async fn failures(profile: Profile, dialect: &AttackedDialect) -> Vec<(Reason, String)> {
    let mut answers = Vec::new();
    let try_with = async |bench: &AttackBench, secret: &str| {
        let answer = bench.reset(dialect, secret, NEW_PASSWORD).await;
        (answer.status().is_success(), status_and_body(&answer))
    };
    macro_rules! rejected {
        ($reason:expr, $bench:expr, $secret:expr) => {{
            let (accepted, answer) = try_with($bench, $secret).await;
            assert!(!accepted, "{:?} {}", $reason, dialect.name());
            answers.push(($reason, answer));
        }};
    }

    let bench = with_accounts(profile).await;
    let live = bench.secret(dialect, ANN).await;
    let digit = |from: char| if from == '7' { '3' } else { '7' };
    let wrong = format!("{}{}", &live[..live.len() - 1], digit(live.chars().next_back().unwrap()));
    rejected!(Reason::Forged("wrong"), &bench, &wrong);
    rejected!(Reason::Forged("never issued"), &bench, &dialect.client.forged);
    rejected!(Reason::Forged("malformed"), &bench, &dialect.with_last(&live, "no secret at all"));
    bench.block(ANN, true).await;
    rejected!(Reason::Blocked, &bench, &live);
    bench.block(ANN, false).await;
    rejected!(Reason::Dead("blocked and unblocked"), &bench, &live);

    let bench = with_accounts(profile).await;
    let live = bench.secret(dialect, ANN).await;
    bench.memory.clock.advance(2 * HOUR);
    rejected!(Reason::Dead("expired"), &bench, &live);

    let bench = with_accounts(profile).await;
    let live = bench.secret(dialect, ANN).await;
    bench.secret(dialect, ANN).await;
    rejected!(Reason::Dead("superseded"), &bench, &live);

    let bench = with_accounts(profile).await;
    let live = bench.secret(dialect, ANN).await;
    assert!(try_with(&bench, &live).await.0);
    rejected!(Reason::Dead("used"), &bench, &live);

    for other in attacked(profile).iter().filter(|other| other.name() != dialect.name()) {
        let bench = with_accounts(profile).await;
        let live = bench.secret(dialect, ANN).await;
        let others = bench.secret(other, ANN).await;
        rejected!(Reason::Forged("another dialect's"), &bench, &dialect.with_last(&live, &others));
        assert!(bench.reset(other, &others, NEW_PASSWORD).await.status().is_success());
        rejected!(Reason::Dead("revoked by a reset in another dialect"), &bench, &live);
    }
    answers
}

/// worthai's contract has a 403 for blocked accounts, which only a holder of the account's token can get, and in profile
/// `compatible` a 500 for forged tokens. Every other dialect answers every reason alike (R18).
const DISTINGUISHES: &[&str] = &["worthai"];

#[tokio::test]
async fn invalid_secrets_get_the_same_response_for_every_reason() {
    for profile in Profile::ALL {
        for dialect in &attacked(profile) {
            let mut failures = failures(profile, dialect).await;
            if DISTINGUISHES.contains(&dialect.name()) {
                let (blocked, others): (Vec<_>, _) =
                    failures.into_iter().partition(|(reason, _)| *reason == Reason::Blocked);
                assert!(blocked.iter().all(|(_, answer)| answer.starts_with("403 ")), "{blocked:?}");
                let (forged, dead): (Vec<_>, _) =
                    others.into_iter().partition(|(reason, _)| matches!(reason, Reason::Forged(_)));
                let distinct: BTreeSet<&String> = forged.iter().map(|(_, answer)| answer).collect();
                assert_eq!(distinct.len(), 1, "{forged:?}");
                assert_eq!(forged[0].1.starts_with("500 "), profile != Profile::Hardened);
                failures = dead;
            }
            let distinct: BTreeSet<&String> = failures.iter().map(|(_, answer)| answer).collect();
            assert_eq!(distinct.len(), 1, "{profile:?} {}: {failures:#?}", dialect.name());
        }
    }
}

#[tokio::test]
async fn guess_over_the_budget_is_rejected_like_a_wrong_one() {
    let is_code = |dialect: &&AttackedDialect| dialect.client.mailed == MailedSecret::Code;
    for dialect in attacked(Profile::Compatible).iter().filter(is_code) {
        let budgeting = Budgeting {
            open_guesses: vec![Window::new(2, DAY)],
            guesses: vec![Window::new(2, DAY)],
            ..Budgeting::default()
        };
        let build = || dialects(Profile::Compatible, &[TARGET]);
        let bench = bench_over(Memory::new(4), build, budgeting);
        bench.account(ANN).await;
        let code = bench.mailed(dialect, ANN).await;
        let wrong = if code == "000000" { "000001" } else { "000000" };
        let mut answers = BTreeSet::new();
        // The budget allows two guesses; the code itself would allow three.
        for guess in [wrong, wrong, &code] {
            let answer = bench.redeem_mailed(dialect, ANN, guess, NEW_PASSWORD).await;
            assert!(!answer.status().is_success(), "{}", dialect.name());
            answers.insert(status_and_body(&answer));
        }
        assert_eq!(answers.len(), 1, "{} {answers:?}", dialect.name());
        assert!(bench.logs_in(ANN, OLD_PASSWORD).await);
    }
}
