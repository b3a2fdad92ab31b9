//! A dialect that joins the registry needs no line outside its own module: its settings, its bound and its weaknesses
//! appear wherever those of the others do.

use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use http::{Response, StatusCode};
use reset_http::{
    module::{Deployment, DialectModule},
    route::{Dialect, ErrorRenderer, Lifetime, Security},
};
use reset_settings::{Integer, Key};
use utoipa::openapi::OpenApi;

use super::{Inputs, Settings, keys, sentence};

static ENABLED: Key<bool> = Key::new("acme.enabled", "false", "Whether Acme is served");
static CODE_TTL: Key<Duration> = Key::new("acme.code_ttl", "20m", "Lifetime of a code").hardened("10m");
static WRONG_PER_DAY: Key<Integer> =
    Key::new("limits.acme_wrong_per_day", "7", "Maximum wrong codes per day");

/// A registry with one dialect, which no other code knows.
static MODULES: &[DialectModule] = &[DialectModule {
    name: "acme",
    keys: &[ENABLED.setting(), CODE_TTL.setting(), WRONG_PER_DAY.setting()],
    enabled: &ENABLED,
    read,
}];

fn read(deployment: &Deployment<'_>) -> Result<Dialect> {
    let wrong: u32 = deployment.values.integer(&WRONG_PER_DAY, 1..=100)?;
    let lifetime = deployment.values.duration(&CODE_TTL, Duration::from_secs(3600))?;
    let security = Security {
        bound: Some(format!("acme: {wrong} wrong guesses per day")),
        weaknesses: vec!["R13: acme discloses to anyone whether an address has an account".into()],
        lifetimes: vec![Lifetime::of_code(CODE_TTL.setting(), lifetime)],
    };
    let not_found = |_: &_| {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NOT_FOUND;
        response
    };
    Ok(Dialect { security, ..Dialect::bare("acme", ErrorRenderer::Fixed(not_found), OpenApi::default()) })
}

fn settings(pairs: &[(&str, &str)]) -> Result<Settings> {
    let environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Settings::read_for(MODULES, Inputs { environment, ..Inputs::default() })
}

#[test]
fn config_show_lists_a_new_dialect_with_its_bound_and_its_weaknesses() {
    let shown = settings(&[("POLYRESET_ACME__ENABLED", "true")]).unwrap().show().unwrap();
    for line in [
        "\n[acme]\nenabled = true  # POLYRESET_ACME__ENABLED\n# code_ttl = \"20m\"  # default\n",
        "\n# acme_wrong_per_day = 7  # default\n",
        "# takeover bound: acme: 7 wrong guesses per day\n",
        "# open weakness: R13: acme discloses to anyone whether an address has an account\n",
        "# open weakness: R4: codes or links are valid for long: acme.code_ttl is 20m instead of at most 10m\n",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    let limits = shown.split_once("\n[limits]\n").unwrap().1.split("\n[").next().unwrap();
    assert!(limits.contains("acme_wrong_per_day"), "{limits}");
    assert!(!shown.contains("px0."), "{shown}");
}

#[test]
fn new_dialect_that_is_off_has_neither_bound_nor_weakness_but_its_settings_are_checked() {
    let shown = settings(&[]).unwrap().show().unwrap();
    assert!(shown.contains("[acme]\n# enabled = false  # default\n"), "{shown}");
    assert!(!shown.contains("takeover bound") && !shown.contains("R13") && !shown.contains("R4:"), "{shown}");
    let text = sentence(settings(&[("POLYRESET_ACME__CODE_TTL", "2h")]));
    assert!(text.starts_with("acme.code_ttl (POLYRESET_ACME__CODE_TTL) is \"2h\""), "{text}");
    let text = sentence(settings(&[("POLYRESET_ACME__CODE_TLL", "2h")]));
    assert_eq!(text, "POLYRESET_ACME__CODE_TLL is not a setting; did you mean POLYRESET_ACME__CODE_TTL?");
    let hardened =
        settings(&[("POLYRESET_PROFILE", "hardened"), ("POLYRESET_ACME__ENABLED", "true")]).unwrap();
    assert!(!hardened.show().unwrap().contains("R4:"));
}

#[test]
fn new_dialect_extends_the_table_of_settings_by_its_keys() {
    let names: Vec<&str> = keys::table_of(MODULES).iter().map(|key| key.name).collect();
    let without: Vec<&str> = keys::table_of(&[]).iter().map(|key| key.name).collect();
    assert_eq!(names.len(), without.len() + 3);
    assert!(without.iter().all(|name| names.contains(name) && !name.contains("acme")));
    let section = names.iter().position(|name| *name == "acme.enabled").unwrap();
    assert_eq!((names[section - 1], names[section + 1]), ("log", "acme.code_ttl"));
}
