//! worthai's signed tokens under attack: pinned algorithm, validated claims, single use (R65 to R68).

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use http::Response;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::bench::{
    ANN, AttackBench, BOB, NEW_PASSWORD, OLD_PASSWORD, Profile, SECOND, address, root, status_and_body,
    with_accounts,
};
use reset_core::ports::Accounts as _;

const INVALID_SIGNATURE: &str = r#"500 {"status":"error","message":"invalid signature","errorCode":"UNKNOWN_ERROR","data":{"errorName":"JsonWebTokenError"}}"#;
const EXPIRED: &str = r#"400 {"status":"fail","message":"This reset password link has expired","errorCode":"INVALID","data":{"errorName":"SignInApiError"}}"#;
const UNAUTHORIZED: &str = r#"401 {"message":"Unauthorized","errorCode":"ERR_UNAUTHORIZED"}"#;

const VALID_HEADER: &str = r#"{"alg":"HS256","typ":"pwreset+jwt"}"#;

fn encoded(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

fn decoded(part: &str) -> String {
    String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn tag(key: &[u8], message: &str) -> String {
    encoded(Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(message).finalize().into_bytes())
}

/// Returns a token with this header and these claims, signed with the server's own key as if it had leaked.
fn signed(header: &str, claims: &str) -> String {
    let key = root().derive("worthai.jwt");
    let message = format!("{}.{}", encoded(header), encoded(claims));
    format!("{message}.{}", tag(key.as_bytes(), &message))
}

fn parts(token: &str) -> [&str; 3] {
    token.split('.').collect::<Vec<_>>().try_into().unwrap()
}

async fn reset(bench: &AttackBench, token: &str) -> Response<bytes::Bytes> {
    bench.reset(bench.dialect("worthai"), token, NEW_PASSWORD).await
}

/// Returns forged variants of a live token, each with a description.
fn forgeries(live: &str) -> Vec<(String, String)> {
    let [header, claims, signature] = parts(live);
    let message = format!("{header}.{claims}");
    let mut all = vec![
        ("no signature".to_owned(), format!("{message}.")),
        ("two parts".to_owned(), message.clone()),
        ("four parts".to_owned(), format!("{live}.{signature}")),
        ("zeros".to_owned(), format!("{message}.{}", encoded([0; 32]))),
        ("zeros of ECDSA".to_owned(), format!("{message}.{}", encoded([0; 64]))),
        ("half a signature".to_owned(), format!("{message}.{}", &signature[..22])),
        ("padding".to_owned(), format!("{live}=")),
        ("a trailing newline".to_owned(), format!("{live}\n")),
        ("a leading space".to_owned(), format!(" {live}")),
        ("NUL".to_owned(), format!("{live}\0")),
        ("two kibibytes".to_owned(), format!("{}{live}", "A".repeat(2048))),
        ("an empty key".to_owned(), format!("{message}.{}", tag(b"", &message))),
        ("the usual example key".to_owned(), format!("{message}.{}", tag(b"secret", &message))),
        ("other claims".to_owned(), {
            let other = decoded(claims).replacen("\"sub\":\"1\"", "\"sub\":\"2\"", 1);
            assert_ne!(other, decoded(claims));
            format!("{header}.{}.{signature}", encoded(other))
        }),
    ];
    for algorithm in
        ["none", "nOnE", "NONE", "None", "", "HS384", "RS256", "ES256", "PS256", "EdDSA", "hs256"]
    {
        let message =
            format!("{}.{claims}", encoded(format!(r#"{{"alg":"{algorithm}","typ":"pwreset+jwt"}}"#)));
        all.push((format!("{algorithm} unsigned"), format!("{message}.")));
        all.push((format!("{algorithm} with the HS256 signature"), format!("{message}.{signature}")));
    }
    let claims = decoded(claims);
    for header in [
        r#"{"alg":"none","typ":"pwreset+jwt"}"#,
        r#"{"alg":"RS256","typ":"pwreset+jwt"}"#,
        r#"{"alg":["HS256"],"typ":"pwreset+jwt"}"#,
        r#"{"alg":null,"typ":"pwreset+jwt"}"#,
        r#"{"typ":"pwreset+jwt"}"#,
        r#"{"alg":"HS256","typ":"pwreset+jwt","kid":"../../../../dev/null"}"#,
        r#"{"alg":"HS256","typ":"pwreset+jwt","kid":"' OR 1=1"}"#,
        r#"{"alg":"HS256","typ":"pwreset+jwt","jku":"https://evil.example/keys"}"#,
        r#"{"alg":"HS256","typ":"pwreset+jwt","x5u":"https://evil.example/chain"}"#,
        r#"{"alg":"HS256","typ":"pwreset+jwt","x5c":["AA=="]}"#,
        r#"{"alg":"HS256","typ":"pwreset+jwt","jwk":{"kty":"oct","k":"AA"}}"#,
        r#"{"alg":"HS256","typ":"pwreset+jwt","crit":["exp"]}"#,
        r#"{"alg":"HS256","typ":"pwreset+jwt","cty":"JWT"}"#,
        r#"{"alg":"HS256","alg":"none","typ":"pwreset+jwt"}"#,
        r#"{"alg":"none","alg":"HS256","typ":"pwreset+jwt"}"#,
        r#"{"alg":"HS256","typ":"JWT","typ":"pwreset+jwt"}"#,
        r#"[{"alg":"HS256","typ":"pwreset+jwt"}]"#,
        "not json",
    ] {
        // These are signed with the server's own key.
        all.push((header.to_owned(), signed(header, &claims)));
    }
    all
}

#[tokio::test]
async fn forged_tokens_set_no_password_and_all_get_the_same_response() {
    for (profile, expected) in [(Profile::Compatible, INVALID_SIGNATURE), (Profile::Hardened, EXPIRED)] {
        let bench = with_accounts(profile).await;
        let live = bench.secret(bench.dialect("worthai"), ANN).await;
        for (description, forged) in forgeries(&live) {
            assert_eq!(status_and_body(&reset(&bench, &forged).await), expected, "{description}");
        }
        assert_eq!(bench.memory.store.look_ups(), 0, "forged tokens cause no lookup");
        assert!(bench.logs_in(ANN, OLD_PASSWORD).await && bench.logs_in(BOB, OLD_PASSWORD).await);
        assert_eq!(reset(&bench, &live).await.status(), 200, "the live token is not used up");
    }
}

/// Returns a signed token with one claim of a live token changed, or removed.
fn with_claim(claims: &Value, name: &str, value: Option<Value>) -> String {
    let mut claims = claims.clone();
    match value {
        None => drop(claims.as_object_mut().unwrap().remove(name).unwrap()),
        Some(value) => claims[name] = value,
    }
    signed(VALID_HEADER, &claims.to_string())
}

#[tokio::test]
async fn signed_token_with_any_wrong_claim_is_rejected() {
    let bench = with_accounts(Profile::Compatible).await;
    let live = bench.secret(bench.dialect("worthai"), ANN).await;
    let claims: Value = serde_json::from_str(&decoded(parts(&live)[1])).unwrap();
    let names: Vec<&String> = claims.as_object().unwrap().keys().collect();
    assert_eq!(names.len(), 7);
    for name in names {
        let now = bench.resets.adapters().clock.now().as_secs();
        let mut values = vec![
            None,
            Some(json!(true)),
            Some(json!({})),
            Some(json!([claims[name]])),
            Some(json!(1.5)),
            Some(json!("")),
            Some(json!("x")),
            Some(json!(u64::MAX)),
            Some(json!(1e300)),
        ];
        if ["iat", "nbf", "exp"].contains(&name.as_str()) {
            values.push(Some(json!(claims[name].to_string())));
            values.push(Some(json!(f64::from(u32::MAX) + 0.5)));
        }
        values.push(Some(json!(now + 10 * 365 * 24 * 60 * 60)));
        if name == "exp" {
            // Expired, although the ticket is not.
            values.extend([Some(json!(now)), Some(json!(now - 1))]);
        }
        if name != "nbf" {
            // An `nbf` in the distant past is valid.
            values.push(Some(json!(-1)));
        }
        for value in values {
            let answer = status_and_body(&reset(&bench, &with_claim(&claims, name, value.clone())).await);
            assert!([EXPIRED, UNAUTHORIZED].contains(&answer.as_str()), "{name} {value:?}: {answer}");
        }
    }
    for header in
        [r#"{"alg":"HS256"}"#, r#"{"alg":"HS256","typ":"JWT"}"#, r#"{"alg":"HS256","typ":"at+jwt"}"#]
    {
        assert_eq!(
            status_and_body(&reset(&bench, &signed(header, &claims.to_string())).await),
            UNAUTHORIZED,
            "{header}"
        );
    }
    assert!(bench.logs_in(ANN, OLD_PASSWORD).await);
    assert_eq!(reset(&bench, &live).await.status(), 200);
}

#[tokio::test]
async fn valid_signature_alone_is_not_enough() {
    let bench = with_accounts(Profile::Compatible).await;
    let live = bench.secret(bench.dialect("worthai"), ANN).await;
    let claims: Value = serde_json::from_str(&decoded(parts(&live)[1])).unwrap();
    let unknown = with_claim(&claims, "jti", Some(json!("0".repeat(32))));
    assert_eq!(status_and_body(&reset(&bench, &unknown).await), EXPIRED, "an unknown jti");
    let bobs = bench.memory.store.account_by_email(&address(BOB)).await.unwrap().unwrap().id;
    let of_bob = with_claim(&claims, "sub", Some(json!(bobs.as_str())));
    assert_eq!(status_and_body(&reset(&bench, &of_bob).await), EXPIRED, "a jti of another account");
    // A reset through another dialect revokes the token, although its signature and times are valid.
    for other in bench.dialects.iter().filter(|other| other.name() != "worthai") {
        let live = bench.secret(bench.dialect("worthai"), ANN).await;
        let secret = bench.secret(other, ANN).await;
        let answer = bench.reset(other, &secret, "Another password 1").await;
        assert!(answer.status().is_success(), "{} {}", other.name(), status_and_body(&answer));
        assert_eq!(status_and_body(&reset(&bench, &live).await), EXPIRED, "after {}", other.name());
    }
    // Using the token does so, too.
    bench.work().await;
    bench.memory.mailer.take();
    let live = bench.secret(bench.dialect("worthai"), ANN).await;
    assert_eq!(reset(&bench, &live).await.status(), 200);
    assert_eq!(status_and_body(&reset(&bench, &live).await), EXPIRED);
    assert!(bench.logs_in(ANN, NEW_PASSWORD).await && bench.logs_in(BOB, OLD_PASSWORD).await);
}

#[tokio::test]
async fn token_holds_opaque_ids_and_expires_with_its_ticket() {
    let bench = with_accounts(Profile::Compatible).await;
    let token = bench.secret(bench.dialect("worthai"), ANN).await;
    let [header, claims, _] = parts(&token);
    assert!(token.len() < 2048);
    assert_eq!(decoded(header), VALID_HEADER);
    let payload = decoded(claims);
    assert!(!payload.contains('@') && !payload.contains("ann"), "{payload}");
    let claims: Value = serde_json::from_str(&payload).unwrap();
    let mut names: Vec<&str> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["aud", "exp", "iat", "iss", "jti", "nbf", "sub"]);
    assert_eq!(claims["jti"].as_str().unwrap().len(), 32, "128 bits");
    assert!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap() <= 30 * 60);
    bench.memory.clock.advance(Duration::from_secs(30 * 60 - 1));
    let response = status_and_body(&reset(&bench, &format!("{token}x")).await);
    assert_eq!(response, INVALID_SIGNATURE);
    bench.memory.clock.advance(SECOND);
    assert_eq!(status_and_body(&reset(&bench, &token).await), EXPIRED);
    assert!(bench.logs_in(ANN, OLD_PASSWORD).await);
}
