//! The sections of the dialects: what holds for every module of the registry.

use reset_core::{issue_policy::Delivery, keys::HmacKey};
use reset_dialects::MODULES;
use reset_http::route::Dialect;
use reset_settings::{SettingKey, variable};

use super::{ROOT, Settings, all_dialects, dialect, environment, issued, sentence};

const URL: &str = "https://a.example";
/// A page outside this service.
const ELSEWHERE: &str = "https://app.example.org/reset";

/// Reads settings that serve only the dialect `name`.
fn only(name: &str, more: &[(&str, &str)]) -> anyhow::Result<Settings> {
    let others = MODULES.iter().filter(|module| module.name != name);
    let off: Vec<String> = others.map(|module| variable(module.enabled.name)).collect();
    let off: Vec<(&str, &str)> = off.iter().map(|variable| (variable.as_str(), "false")).collect();
    all_dialects(&[&off, more].concat())
}

#[test]
fn dialect_is_served_only_while_it_is_enabled() {
    for module in MODULES {
        let served = only(module.name, &[]).unwrap().stand_in().unwrap();
        let names: Vec<&str> = reset_dialects::names().collect();
        let served: Vec<&str> =
            served.iter().map(|dialect| dialect.name).filter(|name| names.contains(name)).collect();
        assert_eq!(served, [module.name]);
        let enabled = variable(module.enabled.name);
        let text = sentence(environment(&[(&enabled, "perhaps")]));
        assert!(text.starts_with(&format!("{} ({enabled}) is \"perhaps\"", module.enabled.name)), "{text}");
    }
}

#[test]
fn module_has_a_section_of_its_own_name() {
    for module in MODULES {
        let (name, enabled) = (module.name, module.enabled.name);
        assert_eq!(enabled, format!("{name}.enabled"));
        assert!(module.keys.iter().any(|key| key.name == enabled), "{name} does not list its key {enabled}");
        assert_eq!(dialect(&all_dialects(&[]).unwrap(), name).name, name);
        let of_others = |key: &&SettingKey| {
            let prefix = key.section() != name && key.section() != "limits";
            prefix || key.section() == "limits" && !key.name.contains(&format!("{name}_"))
        };
        let foreign: Vec<&str> = module.keys.iter().copied().filter(of_others).map(|key| key.name).collect();
        assert!(foreign.is_empty(), "{name} has keys outside [{name}] and limits.{name}_…: {foreign:?}");
    }
}

/// A mistake in a section shows even while its dialect is off.
#[test]
fn invalid_base_path_and_unknown_wire_format_are_rejected_for_every_dialect() {
    for module in MODULES {
        let key = |name: &str| module.keys.iter().find(|key| key.name == format!("{}.{name}", module.name));
        if let Some(base) = key("base_path") {
            for path in ["auth", "/auth/", "//auth", "/a b", "/a?b", "/{a}", "/a/../b", "/."] {
                let text = sentence(environment(&[
                    (&variable(module.enabled.name), "false"),
                    (&variable(base.name), path),
                ]));
                let begin = format!("{} ({}) is {path:?}; expected a path", base.name, variable(base.name));
                assert!(text.starts_with(&begin), "{text}");
            }
        }
        let Some(wire) = key("wire") else { continue };
        let text = sentence(environment(&[(&variable(wire.name), "server")]));
        let begin = format!("{} ({}) is \"server\"; expected published", wire.name, variable(wire.name));
        assert!(text.starts_with(&begin), "{text}");
    }
}

/// R74: no ticket outlives a day. The session that Strapi's response begins is no ticket.
#[test]
fn no_code_and_no_link_lives_for_more_than_a_day() {
    let mut lifetimes = 0;
    for key in MODULES.iter().flat_map(|module| module.keys).filter(|key| key.name.ends_with("_ttl")) {
        if key.name == "strapi.jwt_ttl" {
            continue;
        }
        let name = variable(key.name);
        assert!(all_dialects(&[(&name, "24h")]).is_ok(), "{name}");
        let text = sentence(all_dialects(&[(&name, "86401s")]));
        assert!(text.starts_with(&format!("{} ({name}) is ", key.name)), "{text}");
        lifetimes += 1;
    }
    assert!(lifetimes >= 6, "{lifetimes}");
}

#[test]
fn dialects_with_the_same_path_are_rejected_by_name() {
    for (base, other, path) in [
        ("/auth", "strapi", "/auth/forgot-password"),
        ("/api/auth", "strapi", "/api/auth/forgot-password"),
        ("/api/auth/email", "insforge", "/api/auth/email/reset-password"),
        // InsForge and Strapi answer for their paths in any case.
        ("/Auth", "strapi", "/Auth/forgot-password"),
        ("/API/Auth/email", "insforge", "/API/Auth/email/reset-password"),
    ] {
        let given = ("POLYRESET_WORTHAI__BASE_PATH", base);
        let text = format!(
            "worthai and {other} both have the path {path}: change worthai.base_path or {other}.base_path"
        );
        assert_eq!(sentence(environment(&[given])).to_lowercase(), text.to_lowercase());
        let off = variable(&format!("{other}.enabled"));
        assert!(environment(&[given, (&off, "false")]).is_ok(), "{other} is not served");
    }
}

fn leads_to_the_hosted_page(delivery: &Delivery) -> bool {
    match delivery {
        Delivery::Code => false,
        Delivery::Link { page, .. } => *page == format!("{URL}/reset"),
        Delivery::LinkViaRedirect { otherwise, .. } => *otherwise == format!("{URL}/reset"),
        Delivery::LinkTemplate { url } => url.starts_with(&format!("{URL}/reset?")),
    }
}

fn mails_to_the_hosted_page(dialect: &Dialect) -> bool {
    issued(dialect).iter().any(|policy| leads_to_the_hosted_page(&policy.delivery))
}

/// No link is mailed to a hosted page that is not served: the dialect needs a page of the operator, or mails no such link.
#[test]
fn without_hosted_pages_every_dialect_that_mails_links_to_them_needs_a_page_url() {
    let mut needing = 0;
    for module in MODULES {
        let name = module.name;
        let off = [("POLYRESET_PAGES__ENABLED", "false"), ("POLYRESET_PUBLIC_URL", URL)];
        let with = only(name, &[("POLYRESET_PUBLIC_URL", URL)]).unwrap();
        let Some(page) = dialect(&with, name).needs_page else {
            let without = only(name, &off).unwrap();
            assert!(
                !mails_to_the_hosted_page(&dialect(&without, name)),
                "{name} mails links to /reset, which is off: set Dialect.needs_page in \
                 crates/dialects/{name}/src/settings.rs"
            );
            continue;
        };
        needing += 1;
        assert!(mails_to_the_hosted_page(&dialect(&with, name)), "{name} needs no {}", page.name);
        let enabled = module.enabled.name;
        assert_eq!(
            sentence(only(name, &off)),
            format!(
                "pages.enabled is false, so the links mailed by {name} would lead nowhere: set {} to your own page, or \
                 {enabled} to false",
                page.name
            )
        );
        let variable = variable(page.name);
        let elsewhere = only(name, &[off.as_slice(), &[(variable.as_str(), ELSEWHERE)]].concat()).unwrap();
        let elsewhere = dialect(&elsewhere, name);
        assert!(!mails_to_the_hosted_page(&elsewhere) && elsewhere.needs_page.is_none());
        let urls =
            ["http://example.org/reset", "https://ann@example.org", "/reset", "https://example.org/#top"];
        // Only a template may have a fragment, for routers that read it.
        let (mailed, rejected) = match elsewhere.policies.unwrap().primary.delivery {
            Delivery::Link { page, .. } => (page, &urls[..]),
            Delivery::LinkTemplate { url } => (url.split('?').next().unwrap().to_owned(), &urls[..3]),
            Delivery::Code | Delivery::LinkViaRedirect { .. } => panic!("{name} mails no link of its own"),
        };
        assert_eq!(mailed, ELSEWHERE);
        for url in rejected.iter().copied() {
            let text = sentence(only(name, &[(variable.as_str(), url)]));
            assert!(text.starts_with(&format!("{} ({variable}) is", page.name)), "{text}");
            assert!(text.contains("expected an https URL"), "{text}");
        }
    }
    assert!(needing > 0, "no dialect mails links to the hosted page by default");
}

/// A token of one dialect must not be valid for another, nor for the root secret's other uses (R68).
#[test]
fn signing_keys_of_two_dialects_and_the_root_secret_are_distinct() {
    let modules = || MODULES.iter().flat_map(|module| module.keys.iter().map(move |key| (module.name, *key)));
    let signing: Vec<(&str, &SettingKey)> = modules().filter(|(_, key)| key.signs).collect();
    assert!(signing.iter().any(|(_, key)| key.name == "worthai.jwt_secret"));
    let same = "one key for two purposes is one too few, in any dialect of the registry, old or new";
    for (dialect, key) in &signing {
        let own = variable(key.name);
        assert!(all_dialects(&[(&own, same)]).is_ok(), "{}", key.name);
        let text = sentence(all_dialects(&[("POLYRESET_SECRET", ROOT), (&own, ROOT)]));
        assert_eq!(text, format!("{} ({own}) is the same as secret: use a different key for each", key.name));
        let text = sentence(all_dialects(&[(&own, "2 short")]));
        assert!(text.starts_with(&format!("{} ({own}) is invalid; expected at least ", key.name)), "{text}");
        assert!(text.ends_with(" bytes; it has 7"), "{text}");
        // Strapi itself generates 24 characters.
        let least = if key.name == "strapi.jwt_secret" { "at least 16 bytes" } else { "at least 32 bytes" };
        assert!(text.contains(least), "{text}");
        for (_, other) in signing.iter().filter(|(name, _)| name != dialect) {
            let text = sentence(all_dialects(&[(&own, same), (&variable(other.name), same)]));
            let named =
                |one: &str, two: &str| text.starts_with(one) && text.contains(&format!("same as {two}:"));
            assert!(named(key.name, other.name) || named(other.name, key.name), "{text}");
            assert!(!text.contains(same), "{text}");
        }
    }
}

#[test]
fn jwt_secret_has_the_minimum_length_of_its_dialect() {
    let text = sentence(environment(&[("POLYRESET_WORTHAI__JWT_SECRET", "a canary of 31 bytes, too short")]));
    assert!(text.contains("worthai.jwt_secret (POLYRESET_WORTHAI__JWT_SECRET)"), "{text}");
    assert!(text.contains("at least 32 bytes; it has 31") && !text.contains("canary"), "{text}");
    assert!(environment(&[("POLYRESET_STRAPI__JWT_SECRET", "24 characters of secrets")]).is_ok());
    for variable in ["POLYRESET_WORTHAI__JWT_SECRET", "POLYRESET_STRAPI__JWT_SECRET"] {
        let text = sentence(environment(&[(variable, &"changeme".repeat(8))]));
        assert!(text.contains("fewer than 8 different") && !text.contains("change"), "{text}");
    }
    assert!(
        sentence(environment(&[("POLYRESET_STRAPI__JWT_SECRET", "15 bytes, no 16")])).contains("at least 16")
    );
}

/// `reset_dialects::with` has a policy for passwords of its own: it must be the default of the settings. Its bounds differ,
/// because it has no budgets for wrong codes.
#[test]
fn dialect_defaults_equal_those_of_the_embedding_api() {
    let root = HmacKey::shared(&[1; 32]);
    let settings = all_dialects(&[]).unwrap();
    let ours = settings.dialects(URL, &root.clone().into(), None).unwrap();
    let theirs = reset_dialects::with(&reset_dialects::all_on(), &root, URL).unwrap();
    for module in MODULES {
        let name = module.name;
        let find = |dialects: &[Dialect]| {
            let found = dialects.iter().find(|dialect| dialect.name == name).unwrap();
            let paths: Vec<&String> = found.rows.iter().map(|(path, _)| path).collect();
            let policies = found.policies.clone().unwrap();
            let fallback = policies.fallback.as_ref();
            let fallback = fallback.map(|fallback| (fallback.max_live, described(&fallback.policy)));
            let redemptions: Vec<_> = found.redemptions.iter().map(|redemption| redemption.policy).collect();
            format!(
                "{paths:?} {:?} {:?} {fallback:?} {:?} {redemptions:?} {:?} {:?}",
                found.base,
                described(&policies.primary),
                found.client,
                found.security.weaknesses,
                found.security.lifetimes
            )
        };
        assert_eq!(find(&ours), find(&theirs), "{name}");
        let traits = |dialects: &[Dialect]| {
            let found = dialects.iter().find(|dialect| dialect.name == name).unwrap();
            let traits = found.traits.as_ref().unwrap();
            (traits.policy, traits.guesses.clone(), traits.carries.clone())
        };
        assert_eq!(traits(&ours), traits(&theirs), "{name}");
    }
    super::secrets::assert_same_keys(&ours, &theirs);
}

fn described(policy: &reset_core::issue_policy::IssuePolicy) -> String {
    let (kind, scope, lifetime) = (policy.format.kind(), policy.scope, policy.lifetime);
    let delivery = match &policy.delivery {
        Delivery::Code => "code".to_owned(),
        Delivery::Link { page, parameter } => format!("{page}?{parameter}"),
        Delivery::LinkViaRedirect { page, otherwise, parameter } => format!("{page} {otherwise} {parameter}"),
        Delivery::LinkTemplate { url } => url.clone(),
    };
    format!("{kind:?} {scope:?} {lifetime:?} {delivery}")
}
