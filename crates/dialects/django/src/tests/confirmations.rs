//! Confirmations: the fields, the order of the checks, and the errors of both libraries.

use std::time::Duration;

use reset_core::keys::{HmacKey, Keyring};
use reset_testkit::memory::Outage;
use serde_json::{Value, json};

use super::{Bench, CHANGED, CONFIRM, GOOD, Link, USERS_CONFIRM, bad, djoser, rest_auth, settings};
use crate::DjangoSettings;

const UID: &str = r#"{"uid":["Invalid value"]}"#;
const TOKEN: &str = r#"{"token":["Invalid value"]}"#;
const USERS_UID: &str = r#"{"uid":["Invalid user id or user doesn't exist."]}"#;
const USERS_TOKEN: &str = r#"{"token":["Invalid token for given user."]}"#;
const MISMATCH: &str = r#"{"new_password2":["The two password fields didn’t match."]}"#;
const SHORT: &str = r#"["This password is too short. It must contain at least 8 characters."]"#;

fn link(uid: &str, token: &str) -> Link {
    Link { uid: uid.to_owned(), token: token.to_owned() }
}

/// `body` with some fields replaced, or removed where the value is `null`.
fn with(body: &str, changes: &[(&str, Value)]) -> String {
    let mut body: Value = serde_json::from_str(body).unwrap();
    for (name, value) in changes {
        match value {
            Value::Null => drop(body.as_object_mut().unwrap().remove(*name)),
            value => body[*name] = value.clone(),
        }
    }
    body.to_string()
}

#[tokio::test]
async fn all_invalid_fields_are_reported_in_the_order_of_each_library() {
    let bench = Bench::new(settings()).await;
    let all = |names: &[&str], message: &str| {
        let of = |name: &&str| format!(r#""{name}":["{message}"]"#);
        format!("{{{}}}", names.iter().map(of).collect::<Vec<_>>().join(","))
    };
    for (path, names) in [
        (CONFIRM, &["new_password1", "new_password2", "uid", "token"][..]),
        (USERS_CONFIRM, &["uid", "token", "new_password"]),
    ] {
        for (value, message) in [
            ("null", "This field may not be null."),
            (r#""""#, "This field may not be blank."),
            (r#"" \t\n""#, "This field may not be blank."),
            ("true", "Not a valid string."),
            ("[]", "Not a valid string."),
            (r#"{"a":1}"#, "Not a valid string."),
            // The libraries take a number as its text.
            ("5", "Not a valid string."),
            (r#""a\u0000b""#, "Null characters are not allowed."),
        ] {
            let mut reversed: Vec<String> = names.iter().map(|name| format!("{name:?}:{value}")).collect();
            reversed.reverse();
            let body = format!("{{{}}}", reversed.join(","));
            assert_eq!(bench.post(path, body).await, bad(&all(names, message)), "{path} {value}");
        }
        assert_eq!(bench.post(path, "{}").await, bad(&all(names, "This field is required.")));
    }
}

#[tokio::test]
async fn rest_auth_takes_passwords_of_at_most_128_characters() {
    let bench = Bench::new(settings()).await;
    let found = bench.link("ann@example.org").await;
    let long = r#"{"new_password1":["Ensure this field has no more than 128 characters."],"new_password2":["Ensure this field has no more than 128 characters."]}"#;
    assert_eq!(bench.confirm(&found, &"x".repeat(129)).await, bad(long));
    assert_eq!(bench.confirm(&link(&found.uid, "abc"), &"x".repeat(129)).await, bad(long));
    let bytes = r#"{"new_password":["This password is too long. It must be at most 1024 bytes."]}"#;
    assert_eq!(bench.users_confirm(&found, &"x".repeat(1025)).await, bad(bytes));
    assert_eq!(bench.confirm(&found, &"x9".repeat(64)).await, (200, CHANGED.to_owned()));
}

#[tokio::test]
async fn uid_that_encodes_no_text_is_invalid() {
    let bench = Bench::new(settings()).await;
    let token = bench.link("ann@example.org").await.token;
    for uid in ["!!!", "M", "_w", "ä", "mq", "1", "MQ!", "=", "MR"] {
        assert_eq!(bench.confirm(&link(uid, &token), GOOD).await, bad(UID), "{uid}");
        assert_eq!(bench.users_confirm(&link(uid, &token), GOOD).await, bad(USERS_UID), "{uid}");
    }
    // The libraries call these invalid, too, which tells that there is no such account.
    for uid in [bench.uid("bob@example.org").await.as_str(), "OTk5OTk5", "MA", "LTE", "YWJj"] {
        assert_eq!(bench.confirm(&link(uid, &token), GOOD).await, bad(TOKEN), "{uid}");
        assert_eq!(bench.users_confirm(&link(uid, &token), GOOD).await, bad(USERS_TOKEN), "{uid}");
    }
    assert!(!bench.logs_in("bob@example.org", GOOD).await);
    let padded = format!("{}==", bench.uid("ann@example.org").await);
    assert_eq!(bench.confirm(&link(&padded, &token), GOOD).await, (200, CHANGED.to_owned()));
}

#[tokio::test]
async fn white_space_is_trimmed_from_all_fields_but_djosers_uid_and_token() {
    let bench = Bench::new(settings()).await;
    let Link { uid, token } = bench.link("ann@example.org").await;
    let uid_around = link(&format!(" {uid} "), &token);
    let token_around = link(&uid, &format!(" {token}\n"));
    assert_eq!(bench.users_confirm(&uid_around, GOOD).await, bad(USERS_UID));
    assert_eq!(bench.users_confirm(&token_around, GOOD).await, bad(USERS_TOKEN));
    let both = link(&uid_around.uid, &token_around.token);
    assert_eq!(bench.confirm(&both, "  B-new-passw0rd\t").await, (200, CHANGED.to_owned()));
    assert!(bench.logs_in("ann@example.org", "B-new-passw0rd").await);
    let again = bench.link("ann@example.org").await;
    assert_eq!(bench.users_confirm(&again, " C new  passw0rd\n").await.0, 204);
    assert!(bench.logs_in("ann@example.org", "C new  passw0rd").await);
}

#[tokio::test]
async fn wrong_expired_superseded_and_blocked_tokens_get_the_same_response() {
    let bench = Bench::new(settings()).await;
    let rejected = async |link: &Link| {
        assert_eq!(bench.confirm(link, GOOD).await, bad(TOKEN), "{}", link.token);
        assert_eq!(bench.users_confirm(link, GOOD).await, bad(USERS_TOKEN), "{}", link.token);
    };
    let uid = bench.uid("ann@example.org").await;
    for token in ["abc", "-", "a-b-c", "ditx7c-0123456789abcdef0123456789abcdef", "ä-ö", &"0".repeat(64)] {
        rejected(&link(&uid, token)).await;
    }
    let (first, second) = (bench.link("ann@example.org").await, bench.link("ann@example.org").await);
    rejected(&first).await;
    bench.memory.clock.advance(Duration::from_secs(3600));
    rejected(&second).await;
    let third = bench.link("ann@example.org").await;
    bench.block("ann@example.org").await;
    rejected(&third).await;
}

#[tokio::test]
async fn weak_password_is_rejected_before_the_token_is_checked_or_used_up() {
    let bench = Bench::new(settings()).await;
    let good = bench.link("ann@example.org").await;
    for found in [&good, &link(&good.uid, "abc")] {
        for (password, messages) in [
            ("a1Z-x", SHORT),
            ("äöüÄÖÜß", SHORT),
            ("password1", r#"["This password is too common."]"#),
            ("PASSWORD1", r#"["This password is too common."]"#),
        ] {
            let weak = format!(r#"{{"new_password2":{messages}}}"#);
            assert_eq!(bench.confirm(found, password).await, bad(&weak), "{password}");
            let weak = format!(r#"{{"new_password":{messages}}}"#);
            assert_eq!(bench.users_confirm(found, password).await, bad(&weak), "{password}");
        }
        let differing = with(&rest_auth(found, GOOD), &[("new_password2", "a1Z-x".into())]);
        assert_eq!(bench.post(CONFIRM, differing).await, bad(MISMATCH));
    }
    // Only dj-rest-auth checks the uid first.
    let wrong = link("!!!", "abc");
    assert_eq!(bench.confirm(&wrong, "a1Z-x").await, bad(UID));
    assert_eq!(bench.users_confirm(&wrong, "a1Z-x").await, bad(&format!(r#"{{"new_password":{SHORT}}}"#)));
    assert_eq!(bench.confirm(&good, "🦀🦀🦀🦀🦀🦀🦀🦀").await.0, 200);
}

#[tokio::test]
async fn password_made_of_the_address_is_rejected_and_the_token_stays_valid() {
    let bench = Bench::new(settings()).await;
    let found = bench.link("ann@example.org").await;
    let similar = r#"["The password is too similar to the email address."]"#;
    let expected = bad(&format!(r#"{{"new_password2":{similar}}}"#));
    assert_eq!(bench.confirm(&found, "ann@example.org").await, expected);
    let expected = bad(&format!(r#"{{"new_password":{similar}}}"#));
    assert_eq!(bench.users_confirm(&found, "ann@example.org").await, expected);
    assert_eq!(bench.users_confirm(&found, GOOD).await.0, 204);
}

#[tokio::test]
async fn djoser_compares_the_second_password_only_if_the_deployment_says_so() {
    let bench = Bench::new(settings()).await;
    let found = bench.link("ann@example.org").await;
    let other = with(&djoser(&found, GOOD), &[("re_new_password", "Another-passw0rd".into())]);
    assert_eq!(bench.post(USERS_CONFIRM, other).await.0, 204);

    let bench = Bench::new(DjangoSettings { retype: true, ..settings() }).await;
    let found = bench.link("ann@example.org").await;
    let body = |uid: &str, password: &str, again: Value| {
        with(&djoser(&link(uid, &found.token), password), &[("re_new_password", again)])
    };
    let post = async |body| bench.post(USERS_CONFIRM, body).await;
    let missing = bad(r#"{"re_new_password":["This field is required."]}"#);
    assert_eq!(post(body(&found.uid, GOOD, Value::Null)).await, missing);
    assert_eq!(
        post(body("!!!", GOOD, "Another-passw0rd".into())).await,
        bad(r#"{"non_field_errors":["The two password fields didn't match."]}"#)
    );
    let short = bad(&format!(r#"{{"new_password":{SHORT}}}"#));
    assert_eq!(post(body("!!!", "a1Z-x", "Another-passw0rd".into())).await, short);
    assert_eq!(post(body("!!!", GOOD, GOOD.into())).await, bad(USERS_UID));
    assert_eq!(post(body(&found.uid, GOOD, format!(" {GOOD}").into())).await.0, 204);
}

#[tokio::test]
async fn store_failure_is_a_500_and_does_not_use_up_the_token() {
    let bench = Bench::new(settings()).await;
    let found = bench.link("ann@example.org").await;
    let failure = (500, r#"{"detail":"A server error occurred."}"#.to_owned());
    bench.memory.store.set_outage(Outage::Only("redeem"));
    assert_eq!(bench.confirm(&found, GOOD).await, failure);
    bench.memory.store.set_outage(Outage::Everything);
    assert_eq!(bench.post(super::ASK, json!({"email": "ann@example.org"}).to_string()).await, failure);
    bench.memory.store.set_outage(Outage::None);
    assert_eq!(bench.confirm(&found, GOOD).await, (200, CHANGED.to_owned()));
}

#[tokio::test]
async fn forged_token_causes_no_lookup_even_with_several_tag_keys() {
    let [new, old] = [1, 2].map(|byte| HmacKey::shared(&[byte; 32]));
    let with_tags = |tags: Keyring| DjangoSettings { tags, ..settings() };
    let previous = Bench::new(with_tags(old.clone().into())).await.link("ann@example.org").await;
    let bench = Bench::new(with_tags(Keyring::new(new, [old]))).await;
    assert_eq!(bench.confirm(&link(&previous.uid, &"0".repeat(64)), GOOD).await, bad(TOKEN));
    assert_eq!(bench.memory.store.look_ups(), 0);
    // A tag with a previous key is valid, so the ticket is looked up; this store has none.
    assert_eq!(bench.confirm(&previous, GOOD).await, bad(TOKEN));
    assert_eq!(bench.memory.store.look_ups(), 1);
}
