//! Values by type, and the sentence about a wrong one.

use std::time::Duration;

use super::{
    ATTEMPTS, BODY, CODE_TTL, DATABASE_URL, ENABLED, LISTEN, METHOD, ORIGINS, SECRET, environment, file,
    sentence,
};
use crate::Values;

#[test]
fn values_are_read_as_the_type_of_their_key() {
    let values = environment(&[
        ("POLYRESET_ACME__ENABLED", "false"),
        ("POLYRESET_ACME__CODE_TTL", "90s"),
        ("POLYRESET_OTHER__ATTEMPTS", "4"),
        ("POLYRESET_OTHER__BODY", "1 MiB"),
        ("POLYRESET_OTHER__METHOD", "link"),
        ("POLYRESET_ORIGINS", "a, b,,c,"),
    ]);
    let values = values.unwrap();
    assert!(!values.boolean(&ENABLED).unwrap());
    assert_eq!(values.duration(&CODE_TTL, Duration::from_secs(90)).unwrap(), Duration::from_secs(90));
    assert_eq!(values.integer(&ATTEMPTS, 1..=4_u8).unwrap(), 4);
    assert_eq!(values.size(&BODY).unwrap(), 1 << 20);
    assert_eq!(values.choice(&METHOD).unwrap(), "link");
    assert_eq!(values.list(&ORIGINS), ["a", "b", "c"]);
    assert!(environment(&[]).unwrap().list(&ORIGINS).is_empty());
}

#[test]
fn wrong_value_is_explained_by_key_source_and_what_is_expected() {
    type Read = fn(&Values) -> anyhow::Result<()>;
    let cases: [(&str, &str, &str, Read); 8] = [
        ("acme.enabled", "yes", "true or false", |values| values.boolean(&ENABLED).map(|_| ())),
        ("acme.code_ttl", "soon", "a duration such as 30s, 15m or 1h, at most 1h", duration),
        ("acme.code_ttl", "2h", "a duration such as 30s, 15m or 1h, at most 1h", duration),
        ("acme.code_ttl", "0s", "a duration such as 30s, 15m or 1h, at most 1h", duration),
        ("other.attempts", "0", "an integer from 1 to 100", integer),
        ("other.attempts", "101", "an integer from 1 to 100", integer),
        ("other.body", "64kb", "a number of bytes such as 65536 or 64 KiB", |values| {
            values.size(&BODY).map(|_| ())
        }),
        ("other.method", "both", "code or link", |values| values.choice(&METHOD).map(|_| ())),
    ];
    for (name, value, expected, read) in cases {
        let variable = crate::variable(name);
        let text = sentence(read(&environment(&[(&variable, value)]).unwrap()));
        assert_eq!(text, format!("{name} ({variable}) is {value:?}; expected {expected}"));
        let (section, key) = name.split_once('.').unwrap();
        let text = sentence(read(&file(&format!("\n[{section}]\n{key} = {value:?}")).unwrap()));
        assert!(text.starts_with(&format!("{name} (")) && text.contains("reset.toml line 3) is "), "{text}");
        assert!(text.ends_with(&format!("expected {expected}")), "{text}");
    }
}

fn duration(values: &Values) -> anyhow::Result<()> {
    values.duration(&CODE_TTL, Duration::from_secs(3600)).map(|_| ())
}

fn integer(values: &Values) -> anyhow::Result<()> {
    values.integer(&ATTEMPTS, 1..=100).map(|_| ())
}

#[test]
fn value_of_a_secret_is_never_quoted() {
    let values = environment(&[
        ("POLYRESET_SECRET", "canary"),
        ("POLYRESET_DATABASE_URL", "canary"),
        ("POLYRESET_LISTEN", "open"),
    ]);
    let values = values.unwrap();
    let bad = |key| values.bad(key, "something else").to_string();
    assert_eq!(bad(&SECRET), "secret (POLYRESET_SECRET) is invalid; expected something else");
    assert_eq!(
        bad(&DATABASE_URL),
        "database_url (POLYRESET_DATABASE_URL) is invalid; expected something else"
    );
    assert_eq!(bad(&LISTEN), "listen (POLYRESET_LISTEN) is \"open\"; expected something else");
    let values = file("secret = [\"canary\"]\nlisten = [\"a\", \"b\"]").unwrap();
    assert!(!sentence(values.text(&SECRET)).contains("canary"));
    let text = sentence(values.text(&LISTEN));
    assert!(text.ends_with("line 2) is [\"a\", \"b\"]; expected one value, not a list"), "{text}");
}
