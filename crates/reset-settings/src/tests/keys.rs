//! Keys, their variables and the table.

use std::time::Duration;

use super::{CODE_TTL, JWT_SECRET, LISTEN, METHOD, SESSIONS, table};
use crate::{
    Choice, DefaultValue, Integer, Key, KeyTable, List, Secrecy, Size, Text, Typed, ValueKind,
    key::{self, Named, variable},
};

#[test]
fn key_has_the_kind_of_its_type_and_its_default() {
    fn kind<T: Typed>() -> ValueKind {
        Key::<T>::new("a", "", "").kind
    }
    assert_eq!(
        [
            kind::<bool>(),
            kind::<Duration>(),
            kind::<Text>(),
            kind::<Integer>(),
            kind::<Size>(),
            kind::<List>()
        ],
        [
            ValueKind::Boolean,
            ValueKind::Duration,
            ValueKind::Text,
            ValueKind::Integer,
            ValueKind::Size,
            ValueKind::List
        ]
    );
    let choice = Key::<Choice>::choice_found("a", &["x", "y"], "the preset's", "");
    assert_eq!(
        (choice.kind, choice.default),
        (ValueKind::Choice(&["x", "y"]), DefaultValue::Found("the preset's"))
    );
    assert_eq!((CODE_TTL.default, CODE_TTL.hardened), (DefaultValue::Fixed("15m"), Some("10m")));
    assert_eq!((METHOD.secrecy, METHOD.signs), (Secrecy::Open, false));
    assert_eq!((JWT_SECRET.secrecy, JWT_SECRET.signs), (Secrecy::Secret, true));
}

#[test]
fn section_is_everything_before_the_last_dot() {
    assert_eq!([LISTEN.section(), CODE_TTL.section(), SESSIONS.section()], ["", "acme", "users.sessions"]);
}

#[test]
fn every_key_has_a_unique_variable_that_names_it() {
    let mut variables: Vec<String> = table().iter().map(|key| variable(key.name)).collect();
    for (key, variable) in table().iter().zip(&variables) {
        assert_eq!(key::name(variable).as_deref(), Some(key.name));
    }
    variables.sort_unstable();
    variables.dedup();
    assert_eq!(variables.len(), table().len());
    assert_eq!(variable("acme.code_ttl"), "POLYRESET_ACME__CODE_TTL");
    assert_eq!(variable("users.sessions.table"), "POLYRESET_USERS__SESSIONS__TABLE");
    for other in ["ACME__CODE_TTL", "POLYRESET_acme__code_ttl", "POLYRESET_Listen", "RESET_LISTEN"] {
        assert_eq!(key::name(other), None, "{other}");
    }
}

#[test]
fn only_secrets_have_a_file_form() {
    let table = table();
    let of = |name: &str| match table.named(name) {
        Named::Key(key) => (Some(key.name), false),
        Named::FileOf(key) => (Some(key.name), true),
        Named::Unknown => (None, false),
    };
    assert_eq!(of("acme.jwt_secret"), (Some("acme.jwt_secret"), false));
    assert_eq!(of("acme.jwt_secret_file"), (Some("acme.jwt_secret"), true));
    assert_eq!(of("database_url_file"), (Some("database_url"), true), "its password is secret");
    for name in ["listen_file", "secret_file_file", "_file", "", "acme", "acme.", "LISTEN"] {
        assert_eq!(of(name), (None, false), "{name:?}");
    }
}

#[test]
fn table_keeps_the_order_of_its_keys() {
    let table = KeyTable::new([METHOD.setting(), LISTEN.setting()]);
    let names: Vec<&str> = table.iter().map(|key| key.name).collect();
    assert_eq!((names, table.len(), table.is_empty()), (vec!["other.method", "listen"], 2, false));
    assert!(table.find("listen").is_some() && table.find("acme.code_ttl").is_none());
    assert!(KeyTable::new([]).is_empty());
}

#[test]
#[should_panic(expected = "acme.code_ttl is a key twice")]
fn table_rejects_two_keys_with_one_name() {
    static AGAIN: Key<bool> = Key::new("acme.code_ttl", "true", "");
    KeyTable::new([CODE_TTL.setting(), LISTEN.setting(), AGAIN.setting()]);
}
