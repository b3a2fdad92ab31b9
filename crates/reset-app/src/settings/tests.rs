//! Settings as an operator sees them: three sources in, valid types or one error sentence out.

mod database;
mod mail;
mod pages;
mod secrets;
mod variables;

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, time::Duration};

use reset_core::{keys::Key, password::Policy};
use reset_dialects::{insforge, px0::Codes, worthai::Forged};

use super::{Inputs, Settings, keys::KEYS, schema::SettingsSchema};

const ROOT: &str = "c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7";

/// Reads settings from environment variables only.
fn environment(pairs: &[(&str, &str)]) -> anyhow::Result<Settings> {
    let environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Settings::read(Inputs { environment, ..Inputs::default() })
}

/// Reads settings from a file only.
fn file(text: &str) -> anyhow::Result<Settings> {
    let (_dir, path) = written("reset.toml", text);
    Settings::read(Inputs { config: Some(path), ..Inputs::default() })
}

/// Writes a file with mode 0600; the returned directory keeps it alive.
fn written(name: &str, text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    (dir, path)
}

/// Returns the error sentence of invalid settings.
fn sentence(settings: anyhow::Result<Settings>) -> String {
    let error = settings.err().expect("invalid settings");
    let text = format!("{error:#}");
    assert!(!text.contains('\n'), "one sentence: {text}");
    text
}

fn px0_lifetime(settings: &Settings) -> Duration {
    settings.stand_in().unwrap().px0.unwrap().code_ttl
}

#[test]
fn flag_beats_environment_beats_file_beats_default() {
    let (_dir, path) = written("reset.toml", "[px0]\ncode_ttl = \"3m\"\n");
    let read = |flags: &[&str], variables: &[&str], config: Option<&PathBuf>| {
        let flags = flags.iter().map(|value| ("--set", "px0.code_ttl".to_owned(), (*value).to_owned()));
        let variables =
            variables.iter().map(|value| ("POLYRESET_PX0__CODE_TTL".to_owned(), (*value).to_owned()));
        let (flags, environment, config) = (flags.collect(), variables.collect(), config.cloned());
        let inputs = Inputs { flags, environment, config, ..Inputs::default() };
        px0_lifetime(&Settings::read(inputs).unwrap()).as_secs() / 60
    };
    assert_eq!(read(&["1m"], &["2m"], Some(&path)), 1);
    assert_eq!(read(&[], &["2m"], Some(&path)), 2);
    assert_eq!(read(&[], &[], Some(&path)), 3);
    assert_eq!(read(&[], &[], None), 15);
}

#[test]
fn config_flag_overrides_the_config_variable() {
    let (_one, one) = written("one.toml", "log = \"warn\"");
    let (_two, two) = written("two.toml", "log = \"debug\"");
    let read = |config| {
        let environment = vec![("POLYRESET_CONFIG".to_owned(), one.display().to_string())];
        Settings::read(Inputs { environment, config, ..Inputs::default() }).unwrap().log
    };
    assert_eq!(read(None), "warn");
    assert_eq!(read(Some(two)), "debug");
    assert!(sentence(environment(&[("POLYRESET_CONFIG", "/no/such/file")])).contains("/no/such/file"));
}

#[test]
fn toml_error_names_the_line_without_quoting_it() {
    let text = sentence(file("listen = \"127.0.0.1:0\"\nsecret = canary\n"));
    assert!(text.contains("line 2 is not TOML") && !text.contains("canary"), "{text}");
}

#[test]
fn unavailable_wire_format_is_rejected() {
    let text = sentence(environment(&[("POLYRESET_STRAPI__WIRE", "server")]));
    assert!(text.contains("is not available in this version"), "{text}");
}

#[test]
fn admin_listen_has_the_form_of_listen_and_must_differ_from_it() {
    let read = |listen: &str, admin: &str| {
        environment(&[("POLYRESET_LISTEN", listen), ("POLYRESET_ADMIN_LISTEN", admin)])
    };
    let both = read("127.0.0.1:8080", "[::]:9090").unwrap();
    assert_eq!(both.http.admin_listen.unwrap().to_string(), "[::]:9090");
    assert!(read("127.0.0.1:0", "127.0.0.1:0").is_ok(), "the system chooses two ports");
    let same = sentence(read("127.0.0.1:8080", "127.0.0.1:8080"));
    assert!(same.starts_with("admin_listen is the same as listen"), "{same}");
    assert!(sentence(read("127.0.0.1:8080", "9090")).contains("POLYRESET_ADMIN_LISTEN"));
}

#[test]
fn error_names_key_source_and_expected_value() {
    let text = sentence(environment(&[("POLYRESET_PX0__CODE_TTL", "soon")]));
    let expected = "a duration such as 30s, 15m or 1h, at most 1d";
    assert_eq!(text, format!("px0.code_ttl (POLYRESET_PX0__CODE_TTL) is \"soon\"; expected {expected}"));
    let text = sentence(file("[limits]\nenabled = \"maybe\""));
    assert!(
        text.starts_with("limits.enabled (") && text.contains("line 2) is \"maybe\"; expected true or false")
    );
}

#[test]
fn list_is_an_array_in_the_file_and_comma_separated_elsewhere() {
    let list = ["https://a.example.org".to_owned(), "https://b.example.org".to_owned()];
    let settings = environment(&[("POLYRESET_CORS_ORIGINS", "https://a.example.org, https://b.example.org")]);
    assert_eq!(settings.unwrap().http.cors_origins, list);
    let settings = file("cors_origins = [\"https://a.example.org\", \"https://b.example.org\"]");
    assert_eq!(settings.unwrap().http.cors_origins, list);
}

#[test]
fn secret_file_may_end_with_a_newline() {
    let (_dir, path) = written("root", &format!("{ROOT}\n"));
    let path = path.display().to_string();
    let settings = environment(&[("POLYRESET_SECRET_FILE", &path)]).unwrap();
    assert_eq!(settings.database.secret.likely_roots().current().as_bytes()[0], 0xc8);
    let settings = file(&format!("secret_file = \"{path}\"")).unwrap();
    assert_eq!(settings.database.secret.likely_roots().current().as_bytes()[0], 0xc8);

    let text = sentence(environment(&[("POLYRESET_SECRET_FILE", &path), ("POLYRESET_SECRET", ROOT)]));
    assert!(text.contains("not both"), "{text}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let text = sentence(environment(&[("POLYRESET_SECRET_FILE", &path)]));
    assert!(
        text.contains("secret_file, set by POLYRESET_SECRET_FILE") && text.contains("chmod 600"),
        "{text}"
    );
}

#[test]
fn short_or_unencoded_secret_is_rejected_and_never_quoted() {
    for canary in ["c0ffee", "a canary that is long enough to be a secret"] {
        let text = sentence(environment(&[("POLYRESET_SECRET", canary)]));
        assert!(text.contains("secret (POLYRESET_SECRET)") && text.contains("at least 32 bytes"), "{text}");
        assert!(!text.contains(canary), "{text}");
    }
}

#[test]
fn jwt_secret_has_a_minimum_length_and_differs_from_every_other_secret() {
    let text = sentence(environment(&[("POLYRESET_WORTHAI__JWT_SECRET", "a canary of 31 bytes, too short")]));
    assert!(text.contains("worthai.jwt_secret (POLYRESET_WORTHAI__JWT_SECRET)"), "{text}");
    assert!(text.contains("at least 32 bytes; it has 31") && !text.contains("canary"), "{text}");
    assert!(environment(&[("POLYRESET_STRAPI__JWT_SECRET", "24 characters of secrets")]).is_ok());
    assert!(
        sentence(environment(&[("POLYRESET_STRAPI__JWT_SECRET", "15 bytes, no 16")])).contains("at least 16")
    );
    let text = sentence(environment(&[("POLYRESET_SECRET", ROOT), ("POLYRESET_WORTHAI__JWT_SECRET", ROOT)]));
    assert!(text.contains("the same as secret"), "{text}");
    let same = "one key for two purposes is one too few";
    let text = sentence(environment(&[
        ("POLYRESET_STRAPI__JWT_SECRET", same),
        ("POLYRESET_WORTHAI__JWT_SECRET", same),
    ]));
    assert!(text.contains("the same as strapi.jwt_secret"), "{text}");
}

#[test]
fn compatible_profile_follows_the_contracts() {
    let settings = environment(&[]).unwrap();
    let dialects = settings.stand_in().unwrap();
    let (px0, worthai) = (dialects.px0.unwrap(), dialects.worthai.unwrap());
    let (strapi, insforge) = (dialects.strapi.unwrap(), dialects.insforge.unwrap());
    let policy = Policy { min: 8, four_classes: false, refuse_common: true, max_bytes: 1024 };
    assert!(px0.disclose_unknown && strapi.issue_jwt && strapi.public);
    assert_eq!(px0.codes, Codes::SixDigits { max_live: Some(10) });
    assert_eq!(px0.policy, Policy { four_classes: true, ..policy });
    assert_eq!([worthai.policy, strapi.policy, insforge.policy], [policy; 3]);
    assert_eq!((worthai.forged, insforge.method), (Forged::AsContracted, insforge::Method::Code));
    assert_eq!((worthai.base_path.as_str(), insforge.max_attempts), ("/auth/api/v1", 3));
    assert_eq!(worthai.page_url, "http://127.0.0.1:8080/reset");
    let minutes = [px0.code_ttl, worthai.token_ttl, strapi.token_ttl, insforge.code_ttl, insforge.token_ttl];
    assert_eq!(minutes.map(|lifetime| lifetime.as_secs() / 60), [15, 30, 60, 15, 60]);
}

#[test]
fn hardened_profile_closes_the_weaknesses_of_the_contracts() {
    let settings = environment(&[
        ("POLYRESET_PROFILE", "hardened"),
        ("POLYRESET_INSFORGE__ALLOWED_REDIRECT_URLS", "https://app.example.com/reset"),
    ])
    .unwrap();
    let dialects = settings.stand_in().unwrap();
    let (px0, worthai) = (dialects.px0.unwrap(), dialects.worthai.unwrap());
    let (strapi, insforge) = (dialects.strapi.unwrap(), dialects.insforge.unwrap());
    let policy = Policy { min: 15, four_classes: false, refuse_common: true, max_bytes: 1024 };
    assert!(!px0.disclose_unknown && !strapi.issue_jwt && strapi.public);
    assert_eq!(px0.codes, Codes::Long);
    assert_eq!([px0.policy, worthai.policy, strapi.policy, insforge.policy], [policy; 4]);
    assert_eq!((worthai.forged, insforge.method), (Forged::AsExpired, insforge::Method::Link));
    let minutes = [px0.code_ttl, worthai.token_ttl, strapi.token_ttl, insforge.code_ttl, insforge.token_ttl];
    assert_eq!(minutes.map(|lifetime| lifetime.as_secs() / 60), [10, 30, 30, 10, 30]);
    let open = settings.weaknesses().unwrap();
    assert_eq!(open.len(), 2, "R50 and R34: {open:?}");
}

#[test]
fn given_setting_beats_the_profile() {
    let settings = environment(&[
        ("POLYRESET_PROFILE", "hardened"),
        ("POLYRESET_INSFORGE__METHOD", "code"),
        ("POLYRESET_PX0__CODE_TTL", "1s"),
        ("POLYRESET_PASSWORD__MIN_LENGTH", "12"),
    ])
    .unwrap();
    assert_eq!(px0_lifetime(&settings), Duration::from_secs(1));
    assert_eq!(settings.passwords.policy.min, 12);
}

#[test]
fn insforge_links_need_an_allowed_redirect_url() {
    let text = sentence(environment(&[("POLYRESET_INSFORGE__METHOD", "link")]));
    assert!(
        text.contains("allowed_redirect_urls is empty") && text.contains("(POLYRESET_INSFORGE__METHOD)"),
        "{text}"
    );
    let text = sentence(environment(&[("POLYRESET_PROFILE", "hardened")]));
    assert!(text.contains("(profile hardened)") && text.contains("insforge.enabled to false"), "{text}");
    let off = [("POLYRESET_PROFILE", "hardened"), ("POLYRESET_INSFORGE__ENABLED", "false")];
    assert!(environment(&off).unwrap().stand_in().unwrap().insforge.is_none());
}

#[test]
fn trusted_proxies_are_networks_and_unix_socket_peers() {
    let proxies = |settings: &[(&str, &str)]| environment(settings).unwrap().limits.proxies;
    assert_eq!(proxies(&[]), reset_http::TrustedProxies::default());
    let listed = proxies(&[
        ("POLYRESET_TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
        ("POLYRESET_LISTEN", "unix:/run/reset.sock"),
        ("POLYRESET_PUBLIC_URL", "https://id.example.org"),
    ]);
    assert_eq!((listed.networks.len(), listed.local), (2, true));
    let text = sentence(environment(&[("POLYRESET_TRUSTED_PROXIES", "proxy.example.org")]));
    assert!(
        text.starts_with("trusted_proxies (POLYRESET_TRUSTED_PROXIES)") && text.contains("10.0.0.0/8"),
        "{text}"
    );
    let reported = |settings: &[(&str, &str)]| {
        environment(settings).unwrap().weaknesses().unwrap().iter().any(|line| line.starts_with("R48"))
    };
    let (https, listed) =
        (("POLYRESET_PUBLIC_URL", "https://id.example.org"), ("POLYRESET_TRUSTED_PROXIES", "10.0.0.1"));
    assert!(reported(&[https]) && !reported(&[https, listed]) && !reported(&[]));
}

#[test]
fn one_setting_turns_off_every_limit() {
    let limits = environment(&[("POLYRESET_LIMITS__ENABLED", "false")]).unwrap().limits;
    assert!(!limits.enabled && limits.client_limits.is_none());
    assert_eq!(limits.budgeting, reset_core::budget::Budgeting::default());
    let limits = environment(&[]).unwrap().limits;
    assert_eq!(limits.client_limits, Some(reset_http::ClientLimits::default()), "one set of defaults");
}

#[test]
fn bcrypt_limits_passwords_to_72_bytes_and_disabled_limits_uncap_live_codes() {
    let settings =
        environment(&[("POLYRESET_PASSWORD__HASH", "bcrypt"), ("POLYRESET_LIMITS__ENABLED", "false")])
            .unwrap();
    assert_eq!(settings.passwords.policy.max_bytes, 72);
    assert_eq!(settings.passwords.px0.max_bytes, 72);
    assert_eq!(settings.stand_in().unwrap().px0.unwrap().codes, Codes::SixDigits { max_live: None });
}

#[test]
fn hashing_threads_fit_the_memory_limit() {
    let threads = |mib| environment(&[("POLYRESET_PASSWORD__MEMORY_MIB", mib)]).unwrap().passwords.threads;
    assert_eq!((threads("1"), threads("46"), threads("91")), (1, 1, 1));
    assert!(threads("4096") >= threads("92"));
}

#[test]
fn public_url_defaults_to_a_loopback_listener_and_is_required_otherwise() {
    let url = |pairs: &[(&str, &str)]| environment(pairs).map(|settings| settings.likely_url());
    assert_eq!(url(&[]).unwrap(), "http://127.0.0.1:8080");
    assert_eq!(url(&[("POLYRESET_LISTEN", "[::1]:80")]).unwrap(), "http://[::1]:80");
    for listen in ["0.0.0.0:8080", "unix:/run/reset.sock"] {
        let text = sentence(environment(&[("POLYRESET_LISTEN", listen)]));
        assert!(text.contains("public_url is required") && text.contains(listen), "{text}");
        let set = [("POLYRESET_LISTEN", listen), ("POLYRESET_PUBLIC_URL", "https://id.example.org/")];
        assert_eq!(url(&set).unwrap(), "https://id.example.org");
    }
    assert!(
        sentence(environment(&[("POLYRESET_PUBLIC_URL", "http://id.example.org")])).contains("https URL")
    );
}

#[test]
fn schema_has_every_key_and_no_other() {
    let json = reset_http::to_json_pretty(&SettingsSchema::new());
    for key in KEYS {
        let name = key.name.rsplit_once('.').map_or(key.name, |(_, name)| name);
        assert!(json.contains(&format!("\"{name}\": {{")), "{}", key.name);
    }
    assert!(json.contains("\"jwt_secret_file\": {") && json.contains("\"additionalProperties\": false"));
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

#[test]
fn config_show_prints_sources_and_redacts_secrets() {
    let settings = environment(&[
        ("POLYRESET_SECRET", "Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5"),
        ("POLYRESET_WORTHAI__JWT_SECRET", "canary-canary-canary-canary-canary"),
        ("POLYRESET_STRAPI__JWT_SECRET", "another-canary-canary"),
        ("POLYRESET_MAIL_URL", "smtp://canary:canary%40canary@mail.example.org?tls=required"),
        ("POLYRESET_LISTEN", "127.0.0.1:0"),
    ])
    .unwrap();
    let shown = settings.show().unwrap();
    assert!(!shown.contains("canary") && !shown.contains("Y2FuYXJ5"), "{shown}");
    for line in [
        "listen = \"127.0.0.1:0\"  # POLYRESET_LISTEN\n",
        "secret = [redacted]  # POLYRESET_SECRET\n",
        "mail_url = \"smtp://[redacted]@mail.example.org?tls=required\"  # POLYRESET_MAIL_URL\n",
        "[px0]\nenabled = true  # default\n",
        "allowed_redirect_urls = []  # default\n",
        "# open weakness: R13: ",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    assert_eq!(shown.lines().filter(|line| line.contains("  # ")).count(), KEYS.len());
}

/// The defaults exist twice, here for operators and in `reset_dialects` for embedders: they must agree.
#[test]
fn dialect_defaults_equal_those_of_the_embedding_api() {
    let settings = environment(&[]).unwrap();
    let ours = settings.dialects("https://a.example", &Key::shared(&[1; 32]).into()).unwrap();
    let theirs = reset_dialects::DialectSettings::defaults(&Key::shared(&[1; 32]), "https://a.example");
    let (px0, other) = (ours.px0.unwrap(), theirs.px0.unwrap());
    assert_eq!(format!("{px0:?}"), format!("{other:?}"));
    let (worthai, other) = (ours.worthai.unwrap(), theirs.worthai.unwrap());
    assert_eq!(
        (&worthai.base_path, &worthai.page_url, worthai.token_ttl, worthai.forged, worthai.policy),
        (&other.base_path, &other.page_url, other.token_ttl, other.forged, other.policy)
    );
    assert_eq!(worthai.jwt_keys.current().as_bytes(), other.jwt_keys.current().as_bytes());
    let (strapi, other) = (ours.strapi.unwrap(), theirs.strapi.unwrap());
    assert_eq!(
        (&strapi.page_url, strapi.token_ttl, strapi.jwt_ttl, strapi.issue_jwt, strapi.public, strapi.policy),
        (&other.page_url, other.token_ttl, other.jwt_ttl, other.issue_jwt, other.public, other.policy)
    );
    assert_eq!(strapi.tags.current().as_bytes(), other.tags.current().as_bytes());
    assert_eq!(strapi.jwt_key.as_bytes(), other.jwt_key.as_bytes());
    let (insforge, other) = (ours.insforge.unwrap(), theirs.insforge.unwrap());
    assert_eq!(
        (insforge.method, insforge.code_ttl, insforge.token_ttl, insforge.max_attempts, insforge.policy),
        (other.method, other.code_ttl, other.token_ttl, other.max_attempts, other.policy)
    );
    assert_eq!(insforge.tags.current().as_bytes(), other.tags.current().as_bytes());
}
