//! The two profiles: what they decide for every dialect, and for each one that has a default of its own.

use std::time::Duration;

use reset_core::{issue_policy::Delivery, password::Policy, ticket::TicketKind};
use reset_dialects::MODULES;
use reset_http::{redemption::RedemptionKind, route::Dialect, traits::Traits};

use super::{Settings, all_dialects, dialect, environment, sentence};

/// The policy for passwords that profile `compatible` has where the contract has none.
const COMPATIBLE: Policy = Policy { min: 8, four_classes: false, refuse_common: true, max_bytes: 1024 };

fn hardened(more: &[(&str, &str)]) -> Settings {
    let redirect = ("POLYRESET_INSFORGE__ALLOWED_REDIRECT_URLS", "https://app.example.com/reset");
    all_dialects(&[&[("POLYRESET_PROFILE", "hardened"), redirect], more].concat()).unwrap()
}

fn traits(dialect: &Dialect) -> &Traits {
    let missing =
        || panic!("{0} has no traits: set Dialect.traits in crates/dialects/{0}/src/lib.rs", dialect.name);
    dialect.traits.as_ref().unwrap_or_else(missing)
}

/// Asserts that every place of a dialect that has a policy for passwords has the same one.
fn assert_policy(dialect: &Dialect, policy: Policy) {
    assert_eq!(traits(dialect).policy, policy, "{}", dialect.name);
    assert!(dialect.redemptions.iter().all(|redemption| redemption.policy == policy), "{}", dialect.name);
}

/// Asserts that codes or links are mailed with a lifetime of `minutes`.
fn assert_minutes(settings: &Settings, name: &str, minutes: u64) {
    assert_eq!(super::lifetime(settings, name), Duration::from_secs(60 * minutes), "{name}");
}

/// Returns the statuses for a secret that was never issued.
fn forged(settings: &Settings, name: &str) -> Vec<u16> {
    traits(&dialect(settings, name)).forged.iter().map(|response| response.status().as_u16()).collect()
}

/// Returns the maximum attempts per InsForge code, and the lifetime of the token that such a code is exchanged for.
fn exchange(settings: &Settings) -> Option<(u32, Duration)> {
    dialect(settings, "insforge").redemptions.iter().find_map(|redemption| match redemption.kind {
        RedemptionKind::Exchange { max_attempts, lifetime, .. } => Some((max_attempts, lifetime)),
        RedemptionKind::Link { .. } | RedemptionKind::Code(_) => None,
    })
}

#[test]
fn compatible_profile_follows_the_contracts() {
    let settings = all_dialects(&[]).unwrap();
    let px0 = dialect(&settings, "px0");
    assert_policy(&px0, Policy { four_classes: true, ..COMPATIBLE });
    assert_eq!(px0.client.as_ref().unwrap().discloses, Some(404));
    assert!(traits(&px0).unknown.is_some(), "an unknown address gets a response of its own");
    let policies = px0.policies.unwrap();
    assert_eq!(policies.primary.format.kind(), TicketKind::Code);
    let fallback = policies.fallback.unwrap();
    assert_eq!((fallback.max_live, fallback.policy.format.kind()), (Some(10), TicketKind::LongCode));
    assert_minutes(&settings, "px0", 15);

    let worthai = dialect(&settings, "worthai");
    assert_policy(&worthai, COMPATIBLE);
    assert_eq!(forged(&settings, "worthai"), [500]);
    assert_eq!(worthai.base.served, "/auth/api/v1");
    let Delivery::Link { page, .. } = worthai.policies.unwrap().primary.delivery else { panic!("no link") };
    assert_eq!(page, "http://127.0.0.1:8080/reset");
    assert_minutes(&settings, "worthai", 30);

    let strapi = dialect(&settings, "strapi");
    assert_policy(&strapi, COMPATIBLE);
    assert_eq!(traits(&strapi).carries, "a session token (lifetime 30 d) and the account");
    assert!(!strapi.redemptions.is_empty(), "the public role may reset passwords");
    assert_minutes(&settings, "strapi", 60);

    let insforge = dialect(&settings, "insforge");
    assert_policy(&insforge, COMPATIBLE);
    assert_eq!(insforge.policies.unwrap().primary.format.kind(), TicketKind::Code);
    assert_minutes(&settings, "insforge", 15);
    assert_eq!(exchange(&settings), Some((3, Duration::from_secs(3600))));
}

#[test]
fn hardened_profile_closes_the_weaknesses_of_the_contracts() {
    let settings = hardened(&[]);
    for module in MODULES {
        let dialect = dialect(&settings, module.name);
        assert_policy(&dialect, Policy { min: 15, ..COMPATIBLE });
        assert!(traits(&dialect).unknown.is_none(), "{} discloses unknown addresses", module.name);
        assert_eq!(dialect.client.and_then(|client| client.discloses), None, "{}", module.name);
    }
    let px0 = dialect(&settings, "px0").policies.unwrap();
    assert_eq!(px0.primary.format.kind(), TicketKind::LongCode);
    assert!(px0.fallback.is_none());
    assert_minutes(&settings, "px0", 10);
    assert_eq!(forged(&settings, "worthai"), [400]);
    assert_minutes(&settings, "worthai", 30);
    let strapi = dialect(&settings, "strapi");
    assert_eq!(traits(&strapi).carries, "the account, but no session token");
    assert!(!strapi.redemptions.is_empty(), "the public role may reset passwords");
    assert_minutes(&settings, "strapi", 30);
    assert_eq!(dialect(&settings, "insforge").policies.unwrap().primary.format.kind(), TicketKind::Token);
    assert_minutes(&settings, "insforge", 30);
    let codes = hardened(&[("POLYRESET_INSFORGE__METHOD", "code")]);
    assert_minutes(&codes, "insforge", 10);
    assert_eq!(exchange(&codes), Some((3, Duration::from_secs(1800))));

    let open = settings.weaknesses().unwrap();
    assert_eq!(open.len(), 2, "R50 and R34: {open:?}");
}

#[test]
fn insforge_links_need_an_allowed_redirect_url() {
    let text = sentence(environment(&[("POLYRESET_INSFORGE__METHOD", "link")]));
    assert!(
        text.contains("allowed_redirect_urls is empty") && text.contains("(POLYRESET_INSFORGE__METHOD)"),
        "{text}"
    );
    let alone = [("POLYRESET_PROFILE", "hardened"), ("POLYRESET_PAGES__ENABLED", "false")];
    let own_pages = [
        ("POLYRESET_WORTHAI__PAGE_URL", "https://a.example/"),
        ("POLYRESET_STRAPI__PAGE_URL", "https://a.example/"),
    ];
    let text = sentence(environment(&[&alone[..], &own_pages].concat()));
    assert!(text.contains("(profile hardened)") && text.contains("insforge.enabled to false"), "{text}");
    let off = [("POLYRESET_PROFILE", "hardened"), ("POLYRESET_INSFORGE__ENABLED", "false")];
    let served = environment(&off).unwrap().stand_in().unwrap();
    assert!(served.iter().all(|dialect| dialect.name != "insforge"));
}

/// Profile `hardened` alone is a complete deployment: its InsForge links lead to the hosted page.
#[test]
fn hardened_profile_starts_by_itself_with_links_to_the_hosted_page() {
    let redirects = |more: &[(&str, &str)]| {
        let settings = environment(&[&[("POLYRESET_PROFILE", "hardened")], more].concat()).unwrap();
        dialect(&settings, "insforge").redirects.expect("links are mailed")
    };
    let page = "http://127.0.0.1:8080/reset";
    let allows = redirects(&[]);
    assert_eq!(allows(page).as_deref(), Some(page));
    assert_eq!(allows("http://127.0.0.1:8080/other"), None);
    let allows = redirects(&[("POLYRESET_INSFORGE__ALLOWED_REDIRECT_URLS", "https://app.example.com/reset")]);
    assert!(allows(page).is_none() && allows("https://app.example.com/reset").is_some());
}

#[test]
fn bcrypt_limits_passwords_to_72_bytes_and_disabled_limits_uncap_live_codes() {
    let settings =
        all_dialects(&[("POLYRESET_PASSWORD__HASH", "bcrypt"), ("POLYRESET_LIMITS__ENABLED", "false")])
            .unwrap();
    assert_eq!(settings.passwords.policy.max_bytes, 72);
    for module in MODULES {
        let dialect = dialect(&settings, module.name);
        assert_eq!(traits(&dialect).policy.max_bytes, 72, "{}", module.name);
        assert!(dialect.redemptions.iter().all(|redemption| redemption.policy.max_bytes == 72));
    }
    let px0 = dialect(&settings, "px0").policies.unwrap();
    assert_eq!(px0.primary.format.kind(), TicketKind::Code);
    assert!(px0.fallback.is_none(), "the number of live codes has no limit");
}
