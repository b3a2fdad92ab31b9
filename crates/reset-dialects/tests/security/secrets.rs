//! Which texts are accepted as secrets, by which operations, and what responses reveal about a secret (R2, R8, R10,
//! R12, R17, R18).

use std::collections::BTreeSet;

use http::{Method, header};
use reset_core::{
    budget::{Budgeting, Window},
    encoding::hex,
};
use reset_dialects::route::EndpointKind;
use reset_testkit::memory::Memory;

use crate::bench::{
    ANN, AttackBench, AttackedDialect, BOB, DAY, DIALECTS, EXCHANGE, HOUR, INSFORGE, LINK, NEW_PASSWORD,
    OLD_PASSWORD, PX0, Profile, STRAPI, TARGET, WORTHAI, bench_over, settings, status_and_body,
    with_accounts,
};

#[tokio::test]
async fn code_must_be_a_string_of_six_ascii_digits() {
    let [px0, ..] = &DIALECTS;
    let bench = with_accounts(Profile::Compatible).await;
    let mut code = bench.mailed(px0, ANN).await;
    while !code.starts_with('0') {
        code = bench.mailed(px0, ANN).await;
    }
    let wide: String = code.chars().map(|digit| char::from_u32(digit as u32 + 0xfee0).unwrap()).collect();
    let arabic: String = code.chars().map(|digit| char::from_u32(digit as u32 + 0x630).unwrap()).collect();
    let number = code.trim_start_matches('0');
    let before = bench.memory.store.look_ups();
    for value in [
        format!(r#""{number}""#),
        format!(r#""+{number}""#),
        format!(r#""-{number}""#),
        format!(r#"" {code}""#),
        format!(r#""{code} ""#),
        format!(r#""{code}\u0000""#),
        format!(r#""\u0000{code}""#),
        format!(r#""{}\u0000{}""#, &code[..3], &code[3..]),
        format!(r#""{code}\n""#),
        format!(r#""{}_{}""#, &code[..3], &code[3..]),
        format!(r#""{}-{}""#, &code[..3], &code[3..]),
        format!(r#""0{code}""#),
        format!(r#""{code}.0""#),
        format!(r#""{code}e0""#),
        format!(r#""{wide}""#),
        format!(r#""{arabic}""#),
        number.to_owned(),
        format!("{number}.0"),
        format!(r#"["{code}"]"#),
        format!(r#"{{"code":"{code}"}}"#),
        "null".to_owned(),
    ] {
        let answer = bench.post(px0.reset, px0.reset_body_raw(&value)).await;
        assert_eq!(answer.status(), 400, "{value}");
    }
    assert_eq!(bench.memory.store.look_ups(), before, "malformed codes cause no lookup");
    assert!(bench.logs_in(ANN, OLD_PASSWORD).await);
    assert_eq!(bench.reset(px0, &code, NEW_PASSWORD).await.status(), 200);
}

#[tokio::test]
async fn long_code_tolerates_case_hyphens_and_similar_letters_only() {
    let [px0, ..] = &DIALECTS;
    let bench = with_accounts(Profile::Hardened).await;
    let code = bench.mailed(px0, ANN).await;
    assert_eq!(code.len(), 16, "{code}");
    for other in [
        code.replace('-', " "),
        code.replace('-', "_"),
        format!("{code}\u{0}"),
        format!(" {code}"),
        code.replacen('-', "", 3) + "0",
        code[..14].to_owned(),
    ] {
        let body = px0.reset_body_raw(&serde_json::json!(other).to_string());
        assert_eq!(bench.post(px0.reset, body).await.status(), 400, "{other:?}");
    }
    let retyped = code.to_lowercase().replace('-', "").replace('0', "o").replace('1', "l");
    assert_eq!(bench.reset(px0, &retyped, NEW_PASSWORD).await.status(), 200, "{code} as {retyped}");
}

#[tokio::test]
async fn empty_null_or_structured_secret_matches_nothing() {
    for profile in Profile::ALL {
        let bench = with_accounts(profile).await;
        for dialect in &DIALECTS {
            let secret = bench.secret(dialect, ANN).await;
            let hashes = (bench.hash(ANN).await, bench.hash(BOB).await);
            for value in [
                r#""""#.to_owned(),
                "null".to_owned(),
                "{}".to_owned(),
                "[]".to_owned(),
                "0".to_owned(),
                "-1".to_owned(),
                "true".to_owned(),
                "false".to_owned(),
                r#"{"$gt":0}"#.to_owned(),
                r#"{"$ne":null}"#.to_owned(),
                r#""%""#.to_owned(),
                r#""*""#.to_owned(),
                r#""' OR '1'='1""#.to_owned(),
                r#""null""#.to_owned(),
                r#""undefined""#.to_owned(),
                r#""   ""#.to_owned(),
                r#""\u0000""#.to_owned(),
                format!(r#"["{secret}"]"#),
                format!(r#"{{"{}":"{secret}"}}"#, dialect.fields[0]),
                format!(r#"{{"$eq":"{secret}"}}"#),
            ] {
                let answer = bench.post(dialect.reset, dialect.reset_body_raw(&value)).await;
                assert!(
                    answer.status().as_u16() >= 400,
                    "{} {value}: {}",
                    dialect.name,
                    status_and_body(&answer)
                );
            }
            let without = dialect.reset_body_raw("1").replace(&format!(r#""{}":1,"#, dialect.fields[0]), "");
            assert_eq!(bench.post(dialect.reset, without).await.status(), 400, "{}", dialect.name);
            let array = format!("[{}]", (dialect.body)(&secret, NEW_PASSWORD));
            assert_eq!(bench.post(dialect.reset, array).await.status(), 400, "{}", dialect.name);
            let twice = (dialect.body)(&secret, NEW_PASSWORD);
            let twice = format!(r#"{{"{}":"x",{}"#, dialect.fields[0], &twice[1..]);
            assert_eq!(bench.post(dialect.reset, twice).await.status(), 400, "{}", dialect.name);
            assert_eq!((bench.hash(ANN).await, bench.hash(BOB).await), hashes, "{}", dialect.name);
            // None of these attempts used up the owner's secret.
            assert_eq!(bench.reset(dialect, &secret, NEW_PASSWORD).await.status(), 200, "{}", dialect.name);
            bench.mails().await;
        }
    }
}

/// A kind of secret: its name, the profile and dialect that issue it, and the routes that accept it.
type SecretKind = (&'static str, Profile, usize, &'static [&'static str]);

const KINDS: [SecretKind; 8] = [
    ("px0's six digits", Profile::Compatible, PX0, &["/v1/auth/password-reset/reset"]),
    ("px0's long code", Profile::Hardened, PX0, &["/v1/auth/password-reset/reset"]),
    ("worthai's token", Profile::Compatible, WORTHAI, &["/auth/api/v1/reset-password"]),
    ("Strapi's code", Profile::Compatible, STRAPI, &["/auth/reset-password", "/api/auth/reset-password"]),
    ("InsForge's code", Profile::Compatible, INSFORGE, &[EXCHANGE]),
    ("an exchanged token", Profile::Compatible, INSFORGE, &["/api/auth/email/reset-password"]),
    ("a link's token", Profile::Links, INSFORGE, &["/api/auth/email/reset-password", LINK]),
    ("Strapi's session token", Profile::Compatible, STRAPI, &[]),
];

async fn secret_of_kind(bench: &AttackBench, (name, _, dialect, _): SecretKind) -> String {
    let dialect = &DIALECTS[dialect];
    match name {
        "InsForge's code" => bench.mailed(dialect, ANN).await,
        "Strapi's session token" => {
            let code = bench.secret(dialect, ANN).await;
            let answer = bench.reset(dialect, &code, OLD_PASSWORD).await;
            let jwt = status_and_body(&answer).split('"').nth(3).unwrap().to_owned();
            assert_eq!(jwt.matches('.').count(), 2);
            jwt
        }
        _ => bench.secret(dialect, ANN).await,
    }
}

/// Submits `secret` to the route at `path` and returns whether it was accepted.
async fn is_accepted(bench: &AttackBench, path: &str, secret: &str) -> bool {
    if path == LINK {
        let answer = bench.get(&format!("{path}?token={secret}")).await;
        return answer.headers().get(header::LOCATION).is_some();
    }
    let body = if path == EXCHANGE {
        format!(r#"{{"email":"{ANN}","code":"{secret}"}}"#)
    } else {
        let of_path =
            |dialect: &&AttackedDialect| dialect.reset.ends_with(path) || path.ends_with(dialect.reset);
        (DIALECTS.iter().find(of_path).unwrap().body)(secret, NEW_PASSWORD)
    };
    bench.post(path, body).await.status() == 200
}

#[tokio::test]
async fn each_kind_of_secret_is_accepted_only_by_its_own_routes() {
    let bench = with_accounts(Profile::Compatible).await;
    let routes = bench.api.routes().iter().filter(|route| {
        let triggers = DIALECTS.iter().any(|dialect| dialect.trigger.ends_with(&route.path));
        let json = route.endpoint(&Method::POST).is_some_and(|endpoint| endpoint.kind != EndpointKind::Form);
        route.path == LINK || (json && !triggers)
    });
    let consuming: Vec<String> = routes.map(|route| route.path.clone()).collect();
    assert_eq!(consuming.len(), 7, "{consuming:?}");
    for kind in KINDS {
        for path in &consuming {
            let bench = with_accounts(kind.1).await;
            let secret = secret_of_kind(&bench, kind).await;
            let before = bench.hash(ANN).await;
            let accepted = is_accepted(&bench, path, &secret).await;
            assert_eq!(accepted, kind.3.contains(&path.as_str()), "{} at {path}", kind.0);
            assert!(accepted || bench.hash(ANN).await == before, "{} at {path}", kind.0);
        }
    }
}

#[tokio::test]
async fn exchanged_token_is_not_a_link_after_a_switch_to_links() {
    let codes = with_accounts(Profile::Compatible).await;
    let token = codes.secret(&DIALECTS[INSFORGE], ANN).await;
    let links =
        bench_over(codes.memory, Profile::Links, settings(Profile::Links, &[TARGET]), Budgeting::default());
    assert!(!is_accepted(&links, LINK, &token).await);
    assert!(is_accepted(&links, DIALECTS[INSFORGE].reset, &token).await, "the token itself remains valid");
}

#[tokio::test]
async fn response_to_a_reset_request_contains_no_secret() {
    for profile in Profile::ALL {
        let bench = with_accounts(profile).await;
        for dialect in &DIALECTS {
            let answer = bench.post(dialect.trigger, dialect.request_body(ANN)).await;
            let headers = format!("{:?}", answer.headers());
            let (response, names) = (status_and_body(&answer), answer.headers().keys());
            let names: BTreeSet<&str> = names.map(header::HeaderName::as_str).collect();
            let expected = [
                "cache-control",
                "content-length",
                "content-security-policy",
                "content-type",
                "referrer-policy",
                "x-content-type-options",
                "x-reset-reference",
            ];
            assert_eq!(names, BTreeSet::from(expected), "{}", dialect.name);
            let mail = bench.mails().await.remove(0);
            let secret = mail.secret.rsplit('=').next().unwrap();
            let ticket = bench.memory.store.tickets().pop().unwrap();
            let digest = hex(ticket.digest.as_bytes());
            for hidden in [secret, &digest, ticket.id.as_str(), &mail.message_id, ANN] {
                assert!(!response.contains(hidden) && !headers.contains(hidden), "{}", dialect.name);
            }
        }
    }
}

#[tokio::test]
async fn weak_password_gets_the_same_response_with_a_right_and_a_wrong_secret() {
    for profile in Profile::ALL {
        let bench = with_accounts(profile).await;
        for dialect in &DIALECTS {
            let secret = bench.secret(dialect, ANN).await;
            let wrong: String = secret.chars().rev().collect();
            for weak in ["", "short", &"a".repeat(2000), "password"] {
                let right = bench.reset(dialect, &secret, weak).await;
                let wrong = bench.reset(dialect, &wrong, weak).await;
                assert_eq!(right.status(), 400, "{} {weak}", dialect.name);
                assert_eq!(right.headers(), wrong.headers(), "{} {weak}", dialect.name);
                assert_eq!(status_and_body(&right), status_and_body(&wrong), "{} {weak}", dialect.name);
            }
            assert_eq!(bench.reset(dialect, &secret, NEW_PASSWORD).await.status(), 200, "{}", dialect.name);
            bench.mails().await;
        }
    }
}

/// Returns the responses to secrets of `dialect` that are invalid for nine reasons, with the reason.
async fn failures(profile: Profile, dialect: &AttackedDialect) -> Vec<(&'static str, String)> {
    let mut answers = Vec::new();
    let try_with = async |bench: &AttackBench, secret: &str| {
        status_and_body(&bench.reset(dialect, secret, NEW_PASSWORD).await)
    };

    let bench = with_accounts(profile).await;
    let live = bench.secret(dialect, ANN).await;
    let digit = |from: char| if from == '7' { '3' } else { '7' };
    let wrong = format!("{}{}", &live[..live.len() - 1], digit(live.chars().next_back().unwrap()));
    answers.push(("wrong", try_with(&bench, &wrong).await));
    answers.push(("malformed", try_with(&bench, "no secret at all").await));
    bench.block(ANN, true).await;
    answers.push(("blocked", try_with(&bench, &live).await));
    bench.block(ANN, false).await;
    answers.push(("blocked and unblocked", try_with(&bench, &live).await));

    let bench = with_accounts(profile).await;
    let live = bench.secret(dialect, ANN).await;
    bench.memory.clock.advance(2 * HOUR);
    answers.push(("expired", try_with(&bench, &live).await));

    let bench = with_accounts(profile).await;
    let live = bench.secret(dialect, ANN).await;
    bench.secret(dialect, ANN).await;
    answers.push(("superseded", try_with(&bench, &live).await));

    let bench = with_accounts(profile).await;
    let live = bench.secret(dialect, ANN).await;
    assert!(try_with(&bench, &live).await.starts_with("200"));
    answers.push(("used", try_with(&bench, &live).await));

    let bench = with_accounts(profile).await;
    let live = bench.secret(dialect, ANN).await;
    let other = &DIALECTS[(DIALECTS.iter().position(|one| one.name == dialect.name).unwrap() + 1) % 4];
    let others = bench.secret(other, ANN).await;
    answers.push(("another dialect's", try_with(&bench, &others).await));
    assert_eq!(bench.reset(other, &others, NEW_PASSWORD).await.status(), 200);
    answers.push(("revoked by a reset in another dialect", try_with(&bench, &live).await));
    answers
}

#[tokio::test]
async fn invalid_secrets_get_the_same_response_for_every_reason() {
    for profile in Profile::ALL {
        for dialect in &DIALECTS {
            let mut failures = failures(profile, dialect).await;
            assert_eq!(failures.len(), 9);
            if dialect.name == "worthai" {
                // worthai's contract has a 403 for blocked accounts, which only a holder of the account's token can
                // get, and in profile `compatible` a 500 for forged tokens.
                let (position, _) =
                    failures.iter().enumerate().find(|(_, (reason, _))| *reason == "blocked").unwrap();
                assert!(failures.remove(position).1.starts_with("403 "));
                let is_forged = |reason: &str| ["wrong", "malformed", "another dialect's"].contains(&reason);
                let (forged, signed): (Vec<_>, _) =
                    failures.into_iter().partition(|(reason, _)| is_forged(reason));
                let forged: BTreeSet<String> = forged.into_iter().map(|(_, answer)| answer).collect();
                assert_eq!(forged.len(), 1, "{forged:?}");
                assert_eq!(forged.first().unwrap().starts_with("500 "), profile != Profile::Hardened);
                failures = signed;
            }
            let distinct: BTreeSet<&String> = failures.iter().map(|(_, answer)| answer).collect();
            assert_eq!(distinct.len(), 1, "{profile:?} {}: {failures:#?}", dialect.name);
        }
    }
}

#[tokio::test]
async fn guess_over_the_budget_is_rejected_like_a_wrong_one() {
    let budgeting = Budgeting {
        open_guesses: vec![Window::new(2, DAY)],
        guesses: vec![Window::new(2, DAY)],
        ..Budgeting::default()
    };
    let bench =
        bench_over(Memory::new(4), Profile::Compatible, settings(Profile::Compatible, &[]), budgeting);
    bench.account(ANN).await;
    let (px0, insforge) = (&DIALECTS[PX0], &DIALECTS[INSFORGE]);
    let (code, otp) = (bench.mailed(px0, ANN).await, bench.mailed(insforge, ANN).await);
    let guess = |code: &str| format!(r#"{{"email":"{ANN}","code":"{code}"}}"#);
    let other = |code: &str| if code == "000000" { "000001" } else { "000000" };
    let (mut answers, mut exchanges) = (BTreeSet::new(), BTreeSet::new());
    // The budget allows two guesses; the code itself would allow three.
    for _ in 0..2 {
        answers.insert(status_and_body(&bench.reset(px0, other(&code), NEW_PASSWORD).await));
        exchanges.insert(status_and_body(&bench.post(EXCHANGE, guess(other(&otp))).await));
    }
    answers.insert(status_and_body(&bench.reset(px0, &code, NEW_PASSWORD).await));
    exchanges.insert(status_and_body(&bench.post(EXCHANGE, guess(&otp)).await));
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(exchanges.len(), 1, "{exchanges:?}");
    assert!(bench.logs_in(ANN, OLD_PASSWORD).await);
}
