//! Settings as an operator sees them: three sources in, valid types or one error sentence out.

mod config_show;
mod database;
mod dialects;
mod documented;
mod log;
mod mail;
mod new_dialect;
mod pages;
mod production;
mod profiles;
mod secrets;
mod served;
mod template;
mod variables;

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, time::Duration};

use reset_core::issue_policy::IssuePolicy;
use reset_http::route::Dialect;
use reset_settings::variable;

use super::{Inputs, Settings, keys, schema::SettingsSchema};

const ROOT: &str = "c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7";

/// Reads settings from environment variables only.
fn environment(pairs: &[(&str, &str)]) -> anyhow::Result<Settings> {
    let environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Settings::read(Inputs { environment, ..Inputs::default() })
}

/// Reads settings from environment variables only, with every dialect of the registry on. `pairs` can turn one off.
fn all_dialects(pairs: &[(&str, &str)]) -> anyhow::Result<Settings> {
    let on: Vec<(String, &str)> =
        reset_dialects::all_on().into_iter().map(|(name, value)| (variable(name), value)).collect();
    let on = on.iter().map(|(variable, value)| (variable.as_str(), *value));
    let on = on.filter(|(variable, _)| pairs.iter().all(|(given, _)| given != variable));
    environment(&on.chain(pairs.iter().copied()).collect::<Vec<_>>())
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

/// Returns a dialect of the registry that the settings serve.
fn dialect(settings: &Settings, name: &str) -> Dialect {
    let served = settings.stand_in().unwrap().into_iter().find(|dialect| dialect.name == name);
    served.unwrap_or_else(|| panic!("{name} is not served: turn it on, or add it to reset_dialects::MODULES"))
}

/// Returns the policies under which a dialect mails secrets.
fn issued(dialect: &Dialect) -> Vec<IssuePolicy> {
    let name = dialect.name;
    let policies = dialect.policies.clone().unwrap_or_else(|| {
        panic!("{name} mails nothing: set Dialect.policies in crates/dialects/{name}/src/lib.rs")
    });
    [Some(policies.primary), policies.fallback.map(|fallback| fallback.policy)]
        .into_iter()
        .flatten()
        .collect()
}

/// Returns the lifetime of the codes or links that a dialect normally mails.
fn lifetime(settings: &Settings, name: &str) -> Duration {
    issued(&dialect(settings, name))[0].lifetime
}

fn px0_lifetime(settings: &Settings) -> Duration {
    lifetime(settings, "px0")
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
    let everyone = ("POLYRESET_TRUSTED_PROXIES", "10.0.0.1, ::/0");
    assert!(reported(&[everyone]) && reported(&[https, everyone]));
}

#[test]
fn unix_socket_without_a_trusted_proxy_is_a_weakness_because_it_limits_no_client() {
    let lines = |more: &[(&str, &str)]| {
        let socket =
            [("POLYRESET_LISTEN", "unix:/run/r.sock"), ("POLYRESET_PUBLIC_URL", "https://id.example.org")];
        let lines = environment(&[&socket, more].concat()).unwrap().weaknesses().unwrap();
        lines.into_iter().filter(|line| line.starts_with("R48")).collect::<Vec<_>>()
    };
    let open = lines(&[]);
    assert!(open.len() == 1 && open[0].contains("no client is limited"), "{open:?}");
    assert_eq!(lines(&[("POLYRESET_TRUSTED_PROXIES", "127.0.0.1")]), [""; 0]);
    assert_eq!(lines(&[("POLYRESET_LIMITS__ENABLED", "false")]), [""; 0], "that is a line of its own");
}

#[test]
fn admin_listener_that_other_machines_reach_without_a_token_is_a_weakness() {
    let token = "a-token_of.16~letters+/=";
    let open = |listen: &str, token: Option<&str>| {
        let token = token.map(|token| ("POLYRESET_ADMIN_TOKEN", token));
        let variables: Vec<_> = [("POLYRESET_ADMIN_LISTEN", listen)].into_iter().chain(token).collect();
        let lines = environment(&variables).unwrap().weaknesses().unwrap();
        lines.iter().any(|line| line.contains("admin_token"))
    };
    for listen in ["0.0.0.0:9090", "[::]:9090", "192.0.2.1:9090"] {
        assert!(open(listen, None) && !open(listen, Some(token)), "{listen}");
    }
    for listen in ["127.0.0.1:9090", "127.8.8.8:9090", "[::1]:9090", "[::ffff:127.0.0.1]:9090", "unix:/run/a"]
    {
        assert!(!open(listen, None), "{listen}");
    }
    for weak in
        ["", "0123456789abcde", "aaaaaaaaaaaaaaaaaaaaaaaa", "0123456789 abcdef", "0123456789abcdef\u{e4}"]
    {
        let text = sentence(environment(&[("POLYRESET_ADMIN_TOKEN", weak)]));
        assert!(text.starts_with("admin_token (POLYRESET_ADMIN_TOKEN) is invalid; expected"), "{text}");
    }
}

#[test]
fn one_setting_turns_off_every_limit() {
    let limits = environment(&[("POLYRESET_LIMITS__ENABLED", "false")]).unwrap().limits;
    assert!(!limits.enabled && limits.client_limits.is_none() && limits.client_connections.is_none());
    assert_eq!(limits.budgeting, reset_core::budget::Budgeting::default());
    let limits = environment(&[]).unwrap().limits;
    assert_eq!(limits.client_limits, Some(reset_http::ClientLimits::default()), "one set of defaults");
    assert_eq!(limits.client_connections, Some(512));
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
    for key in keys::table().iter() {
        let name = key.name.rsplit_once('.').map_or(key.name, |(_, name)| name);
        assert!(json.contains(&format!("\"{name}\": {{")), "{}", key.name);
    }
    assert!(json.contains("\"jwt_secret_file\": {") && json.contains("\"additionalProperties\": false"));
}
