//! `config show`: every setting with its source, without secrets, and what it reports about each dialect.

use std::{fs, os::unix::fs::PermissionsExt};

use reset_core::budget::Window;
use reset_dialects::MODULES;
use reset_settings::{DefaultValue, Secrecy, SettingKey, ValueKind, variable};

use super::{Inputs, ROOT, Settings, all_dialects, environment, issued, keys, written};

#[test]
fn config_show_prints_sources_and_redacts_secrets() {
    let settings = environment(&[
        ("POLYRESET_SECRET", "Y2FuYXJ5LTAxMjM0NTY3ODktY2FuYXJ5LWNhbmFyaWVz"),
        ("POLYRESET_WORTHAI__JWT_SECRET", "canary-of-the-worthai-tests-canary"),
        ("POLYRESET_STRAPI__JWT_SECRET", "another-canary-canary"),
        ("POLYRESET_MAIL_URL", "smtp://canary:canary%40canary@mail.example.org?tls=required"),
        ("POLYRESET_LISTEN", "127.0.0.1:0"),
    ])
    .unwrap();
    let shown = settings.show().unwrap();
    assert!(!shown.contains("canary") && !shown.contains("Y2FuYXJ5"), "{shown}");
    for line in [
        "listen = \"127.0.0.1:0\"  # POLYRESET_LISTEN\n",
        "# secret = \"[redacted]\"  # POLYRESET_SECRET\n",
        "# mail_url = \"smtp://[redacted]@mail.example.org?tls=required\"  # POLYRESET_MAIL_URL\n",
        "[px0]\n# enabled = true  # default\n",
        "# allowed_redirect_urls = []  # default\n",
        "# open weakness: R13: ",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    assert_eq!(shown.lines().filter(|line| line.contains("  # ")).count(), keys::table().len());
}

/// Defaults that follow from another setting, in the table of docs/settings.md and with a value of that setting.
#[test]
fn config_show_prints_the_number_of_a_default_that_depends_on_another_setting() {
    let network: Vec<_> =
        keys::table().iter().filter(|key| key.name.starts_with("limits.network_")).collect();
    assert!(network.len() >= 6);
    let depends = |key: &&&SettingKey| matches!(key.default, DefaultValue::Found(_));
    for key in network.iter().filter(depends).chain([&keys::MAIL_PER_DOMAIN.setting()]) {
        let DefaultValue::Found(how) = key.default else { unreachable!("filtered above") };
        let name = key.name.rsplit_once('.').unwrap().1;
        let documented = how.rsplit_once(": `").unwrap().1.trim_end_matches('`');
        let shown = environment(&[]).unwrap().show().unwrap();
        assert!(shown.contains(&format!("\n# {name} = {documented}  # default\n")), "{name}: {shown}");
    }
    let shown = environment(&[
        ("POLYRESET_LIMITS__CLIENT_REQUESTS_PER_15M", "300"),
        ("POLYRESET_LIMITS__CLIENT_REQUESTS_PER_DAY", "5000"),
        ("POLYRESET_LIMITS__NETWORK_WRONG_PER_HOUR", "7"),
        ("POLYRESET_MAIL__CONNECTIONS", "30"),
    ]);
    let settings = shown.unwrap();
    let shown = settings.show().unwrap();
    for line in [
        "# network_requests_per_15m = 3000  # default",
        "# network_requests_per_day = 10000  # default",
        "network_wrong_per_hour = 7  # POLYRESET_LIMITS__NETWORK_WRONG_PER_HOUR",
        "# per_domain = 20  # default",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}: {shown}");
    }
    let limits = settings.limits.client_limits.unwrap();
    let counts = |windows: &[Window]| windows.iter().map(|window| window.count).collect::<Vec<_>>();
    assert_eq!(counts(&limits.requests.network), [3000, 10_000]);
    assert_eq!(counts(&limits.tokens.network), [7]);
}

#[test]
fn config_show_redacts_every_secret_of_every_dialect() {
    for module in MODULES {
        for key in module.keys.iter().filter(|key| key.secrecy != Secrecy::Open) {
            let secret = format!("https://canary:{}canary@canary.example", "x".repeat(64));
            let given = (variable(key.name), secret.as_str());
            let settings = all_dialects(&[("POLYRESET_SECRET", ROOT), (&given.0, given.1)]).unwrap();
            let shown = settings.show().unwrap();
            assert!(!shown.contains("xcanary") && !shown.contains(ROOT), "{}: {shown}", key.name);
            assert!(shown.contains(&format!("  # {}\n", given.0)), "{}: {shown}", key.name);
        }
    }
}

/// A default that is determined at start is shown as its value, or in words, and never as the text of the documentation.
#[test]
fn config_show_never_prints_a_placeholder() {
    let settings = all_dialects(&[("POLYRESET_PUBLIC_URL", "https://id.example.org")]).unwrap();
    let shown = settings.show().unwrap();
    assert!(!shown.contains("<public_url>"), "{shown}");
    for module in MODULES {
        let (_, section) = shown.split_once(&format!("\n[{}]\n", module.name)).unwrap_or_else(|| {
            panic!("config show has no section [{0}]: list its keys in DialectModule.keys", module.name)
        });
        let section = section.split("\n[").next().unwrap();
        for key in module.keys.iter().filter(|key| key.section() == module.name) {
            let name = key.name.rsplit_once('.').unwrap().1;
            let prefix = format!("{name} = ");
            let line = section.lines().find_map(|line| line.trim_start_matches("# ").strip_prefix(&prefix));
            let line = line.unwrap_or_else(|| panic!("config show lacks {}: {shown}", key.name));
            let value = line.rsplit_once("  # ").unwrap().0;
            let fits = match (key.default, key.kind) {
                (DefaultValue::Page(path), _) => value == format!("\"https://id.example.org{path}\""),
                (DefaultValue::Found(how), _) => value.ends_with(&format!("({})", how.replace('`', ""))),
                (DefaultValue::Fixed(_), ValueKind::Boolean | ValueKind::Integer) => {
                    value.bytes().all(|byte| byte.is_ascii_alphanumeric())
                }
                (DefaultValue::Fixed(_), ValueKind::List) => value.starts_with('[') && value.ends_with(']'),
                (DefaultValue::Fixed(text), _) => value == format!("{text:?}"),
            };
            assert!(fits, "{} is shown as {value}", key.name);
        }
    }
}

#[test]
fn bound_and_weaknesses_of_every_served_dialect_are_shown() {
    for module in MODULES {
        let name = module.name;
        let settings = all_dialects(&[]).unwrap();
        let dialect = super::dialect(&settings, name);
        let security = dialect.security;
        let bound = security.bound.unwrap_or_else(|| {
            panic!("{name} has no bound: set Security.bound in crates/dialects/{name}/src/settings.rs")
        });
        assert!(bound.starts_with(&format!("{name}: ")), "{bound}");
        let shown = settings.show().unwrap();
        assert!(shown.contains(&format!("# takeover bound: {bound}\n")), "{bound}\n{shown}");
        for weakness in &security.weaknesses {
            let (number, _) = weakness.split_once(": ").unwrap_or_else(|| panic!("{weakness}"));
            let numbers = number.strip_prefix('R').and_then(|number| number.parse::<u32>().ok());
            assert!(numbers.is_some(), "{weakness} begins with the number of a requirement");
            assert!(shown.contains(&format!("# open weakness: {weakness}\n")), "{weakness}\n{shown}");
        }
        let without = all_dialects(&[(&variable(module.enabled.name), "false")]).unwrap().show().unwrap();
        assert!(!without.contains(&format!("# takeover bound: {name}: ")), "{without}");
        let weaknesses = security.weaknesses.iter().find(|weakness| without.contains(weakness.as_str()));
        assert_eq!(weaknesses, None, "{name} is not served");
    }
}

/// The weakness R4 compares the lifetimes that a dialect reports, so they must include those that it mails.
#[test]
fn every_lifetime_is_reported_with_its_setting() {
    for profile in ["compatible", "hardened"] {
        let settings = all_dialects(&[
            ("POLYRESET_PROFILE", profile),
            ("POLYRESET_INSFORGE__ALLOWED_REDIRECT_URLS", "https://app.example.com/reset"),
        ])
        .unwrap();
        let weaknesses = settings.weaknesses().unwrap();
        let reported = weaknesses.iter().find(|line| line.starts_with("R4:"));
        assert_eq!(reported.is_some(), profile == "compatible", "{reported:?}");
        for module in MODULES {
            let dialect = super::dialect(&settings, module.name);
            let lifetimes = &dialect.security.lifetimes;
            for policy in issued(&dialect) {
                assert!(
                    lifetimes.iter().any(|known| known.lifetime == policy.lifetime),
                    "{} mails secrets for {:?}: add that to Security.lifetimes in crates/dialects/{0}/src/settings.rs",
                    module.name,
                    policy.lifetime
                );
            }
            for known in lifetimes {
                assert!(settings.values.keys().find(known.setting).is_some(), "{}", known.setting);
                let too_long = known.lifetime > known.hardened;
                assert_eq!(
                    reported.is_some_and(|line| line.contains(known.setting)),
                    too_long,
                    "{reported:?}"
                );
            }
        }
    }
}

#[test]
fn back_end_on_another_machine_without_tls_is_a_weakness() {
    let is_open = |url| {
        let settings = all_dialects(&[("POLYRESET_UPSTREAM_URL", url)]).unwrap();
        let weaknesses = settings.weaknesses().unwrap();
        weaknesses.iter().any(|line| line.starts_with("R26:") && line.contains("upstream_url"))
    };
    for url in
        ["http://strapi:1337", "http://10.0.0.7:1337", "http://[fd00::7]:1337", "http://127.0.0.1.example:80"]
    {
        assert!(is_open(url), "{url}");
    }
    for url in ["https://strapi:1337", "http://127.0.0.1:1337", "http://[::1]:1337", "http://localhost:1337"]
    {
        assert!(!is_open(url), "{url}");
    }
}

#[test]
fn secret_in_a_world_readable_settings_file_is_a_weakness() {
    let (_dir, path) = written("reset.toml", &format!("secret = \"{ROOT}\""));
    let open = |mode| {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let settings = Settings::read(Inputs { config: Some(path.clone()), ..Inputs::default() }).unwrap();
        settings.weaknesses().unwrap().iter().any(|line| line.starts_with("R76"))
    };
    assert!(open(0o644));
    assert!(!open(0o600));
}

/// Settings of every kind: sections, lists, numbers, secrets in a file and in the environment.
fn deployment(path: &str) -> Vec<(&'static str, String)> {
    [
        ("POLYRESET_PUBLIC_URL", "https://id.example.org/"),
        ("POLYRESET_DATABASE_URL", "postgres://db.example.org/app?sslmode=verify-full"),
        ("POLYRESET_MAIL_URL", "smtp://mail.example.org:2525?tls=required"),
        ("POLYRESET_MAIL_FROM", "\"Acme \\\"Inc.\\\"\" <no-reply@example.org>"),
        ("POLYRESET_SECRET_FILE", path),
        ("POLYRESET_PROFILE", "hardened"),
        ("POLYRESET_DIALECTS", "strapi, insforge"),
        ("POLYRESET_CORS_ORIGINS", "https://a.example.org, https://b.example.org"),
        ("POLYRESET_USERS__PRESET", "strapi-v4"),
        ("POLYRESET_USERS__SESSIONS__TABLE", "sessions"),
        ("POLYRESET_USERS__SESSIONS__ACCOUNT", "user_id"),
        ("POLYRESET_LIMITS__MAILS_PER_HOUR", "0500"),
        ("POLYRESET_DOCS__ENABLED", "false"),
        ("POLYRESET_STRAPI__TOKEN_TTL", "90m"),
        ("POLYRESET_PASSWORD__CONTEXT_WORDS", "Acme"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into()
}

/// Returns the lines without their sources.
fn without_sources(shown: &str) -> Vec<&str> {
    shown.lines().map(|line| line.rsplit_once("  # ").map_or(line, |(setting, _)| setting)).collect()
}

fn read(variables: &[(&str, String)], config: Option<&std::path::Path>) -> Settings {
    let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Settings::read(Inputs { environment, config: config.map(Into::into), ..Inputs::default() }).unwrap()
}

#[test]
fn output_of_config_show_is_a_settings_file_that_gives_the_same_settings() {
    let (_dir, secret) = written("secret", ROOT);
    for variables in [Vec::new(), deployment(&secret.display().to_string())] {
        let settings = read(&variables, None);
        let shown = settings.show().unwrap();
        let (_dir, path) = written("shown.toml", &shown);
        let again = read(&[], Some(&path));
        assert_eq!(without_sources(&again.show().unwrap()), without_sources(&shown));
        assert_eq!(again.weaknesses().unwrap(), settings.weaknesses().unwrap());
        let table: toml::Table = shown.parse().unwrap();
        assert_eq!(table.get("secret_file").is_some(), !variables.is_empty(), "{shown}");
        let (_dir, path) = written("changed.toml", &settings.show_changed());
        assert_eq!(without_sources(&read(&[], Some(&path)).show().unwrap()), without_sources(&shown));
    }
}

#[test]
fn secret_that_config_show_leaves_out_can_still_be_set_by_the_environment() {
    let secrets = [
        ("POLYRESET_SECRET", ROOT.to_owned()),
        ("POLYRESET_DATABASE_URL", "mysql://reset:canary@db.example.org/app".to_owned()),
    ];
    let more = [("POLYRESET_LOG", "warn".to_owned())];
    let shown = read(&[&secrets[..], &more].concat(), None).show().unwrap();
    assert!(!shown.contains("canary") && !shown.contains(ROOT), "{shown}");
    let (_dir, path) = written("shown.toml", &shown);
    let again = read(&secrets, Some(&path));
    assert_eq!(again.log, "warn");
    assert_eq!(without_sources(&again.show().unwrap()), without_sources(&shown));
}

#[test]
fn password_in_the_parameters_of_a_url_is_redacted() {
    for url in ["postgres://h/app?user=u&password=canary", "postgres://h/app?user=u&p%61ssword=canary"] {
        let shown =
            read(&[("POLYRESET_DATABASE_URL", url.to_owned()), ("POLYRESET_SECRET", ROOT.to_owned())], None);
        let shown = shown.show().unwrap();
        assert!(shown.contains("# database_url = \"postgres://h/app?[redacted]\""), "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}

#[test]
fn changed_settings_are_those_that_differ_from_their_defaults() {
    let changed = environment(&[
        ("POLYRESET_PX0__CODE_TTL", "15m"),
        ("POLYRESET_STRAPI__TOKEN_TTL", "2h"),
        ("POLYRESET_LOG", "warn"),
    ]);
    assert_eq!(
        changed.unwrap().show_changed(),
        "log = \"warn\"  # POLYRESET_LOG\n\n[strapi]\ntoken_ttl = \"2h\"  # POLYRESET_STRAPI__TOKEN_TTL\n"
    );
    assert_eq!(environment(&[]).unwrap().show_changed(), "# every setting has its default\n");
}
