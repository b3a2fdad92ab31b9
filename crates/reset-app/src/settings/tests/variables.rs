//! Names that are not settings: the misspelt, the injected and the old.

use reset_core::keys::HmacKey;

use super::{Inputs, Settings, environment, file, pages::pages_at, sentence};

/// The variables that Kubernetes sets for the Services `polyreset` and `polyreset-admin`.
const KUBERNETES: [&str; 9] = [
    "POLYRESET_SERVICE_HOST",
    "POLYRESET_SERVICE_PORT",
    "POLYRESET_SERVICE_PORT_HTTP",
    "POLYRESET_PORT",
    "POLYRESET_PORT_8080_TCP",
    "POLYRESET_PORT_8080_TCP_PROTO",
    "POLYRESET_PORT_8080_TCP_PORT",
    "POLYRESET_PORT_8080_TCP_ADDR",
    "POLYRESET_ADMIN_SERVICE_HOST",
];

/// The variables that Docker sets in addition for a container that is linked as `polyreset` or `polyreset-db`.
const DOCKER: [(&str, &str); 4] = [
    ("POLYRESET_NAME", "/web/polyreset"),
    ("POLYRESET_ENV_RUST_LOG", "info"),
    ("POLYRESET_DB_NAME", "/web/polyreset-db"),
    ("POLYRESET_DB_PORT_53_UDP_ADDR", "172.17.0.5"),
];

/// The lines that `serve` logs about variables that are not read.
fn logged(pairs: &[(&str, &str)]) -> Vec<String> {
    environment(pairs).unwrap().unread.lines()
}

#[test]
fn misspelt_variable_stops_the_start_with_a_suggestion() {
    for (variable, suggestion) in [
        ("POLYRESET_PULIC_URL", "POLYRESET_PUBLIC_URL"),
        ("POLYRESET_LISTENN", "POLYRESET_LISTEN"),
        ("POLYRESET_listen", "POLYRESET_LISTEN"),
        ("POLYRESET_CONFG", "POLYRESET_CONFIG"),
        ("POLYRESET_PX0_CODE_TTL", "POLYRESET_PX0__CODE_TTL"),
        ("POLYRESET_PX0__CODE_TLL", "POLYRESET_PX0__CODE_TTL"),
        ("POLYRESET_SECRET_FLIE", "POLYRESET_SECRET_FILE"),
        ("POLYRESET_PASWORDS__MIN_LENGHT", "POLYRESET_PASSWORD__MIN_LENGTH"),
        ("POLYRESET_MIN_LENGTH", "POLYRESET_PASSWORD__MIN_LENGTH"),
        ("POLYRESET_BRAND_NAME", "POLYRESET_BRAND__NAME"),
    ] {
        let expected = format!("{variable} is not a setting; did you mean {suggestion}?");
        assert_eq!(sentence(environment(&[(variable, "1")])), expected);
    }
}

#[test]
fn unknown_variable_without_a_close_name_gets_no_suggestion() {
    // `code_ttl` is a key of two sections, and `listen` is not read from a file of its own.
    for variable in ["POLYRESET_", "POLYRESET_THEME", "POLYRESET_LISTEN_FILE", "POLYRESET_CODE_TTL"] {
        assert_eq!(sentence(environment(&[(variable, "1")])), format!("{variable} is not a setting"));
    }
}

#[test]
fn misspelt_key_of_the_file_or_of_a_flag_gets_a_suggestion() {
    let text = sentence(file("listen = \"127.0.0.1:0\"\n\n[px0]\nenabled = true\ncode_tll = \"1m\"\n"));
    assert!(text.starts_with("px0.code_tll (") && text.contains("reset.toml line 5)"), "{text}");
    assert!(text.ends_with(" is not a setting; did you mean px0.code_ttl?"), "{text}");
    let text = sentence(file("[px1]\nenabled = true\n"));
    assert!(text.contains("px1.enabled (") && text.contains("line 2"), "{text}");
    assert!(text.ends_with("; did you mean px0.enabled?"), "{text}");
    let flag = |name: &str| {
        let flags = vec![("--set", name.to_owned(), "1".to_owned())];
        sentence(Settings::read(Inputs { flags, ..Inputs::default() }))
    };
    assert_eq!(flag("pulic_url"), "pulic_url (--set) is not a setting; did you mean public_url?");
    assert_eq!(flag("config"), "config (--set) is not a setting");
}

#[test]
fn injected_variables_are_ignored_and_logged_once() {
    let kubernetes = KUBERNETES.map(|name| (name, "tcp://10.0.0.11:8080"));
    let lines = logged(&kubernetes);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("ignored 9 environment variables") && lines[0].contains("Kubernetes"));
    let lines = logged(&DOCKER);
    assert!(lines.len() == 1 && lines[0].starts_with("ignored 4 "), "{lines:?}");
    assert_eq!(logged(&[]), [""; 0]);
}

#[test]
fn variable_of_a_setting_is_read_even_if_its_name_looks_injected() {
    let settings = environment(&[("POLYRESET_BRAND__NAME", "/acme")]).unwrap();
    let root = HmacKey::shared(&[1; 32]);
    assert_eq!(pages_at(&settings, "https://a.example", &root).unwrap().brand.name, "/acme");
    assert_eq!(settings.unread.lines(), [""; 0]);
}

#[test]
fn name_that_only_resembles_an_injected_one_stops_the_start() {
    for variable in [
        "POLYRESET_REPORT",
        "POLYRESET_PORT_HTTP",
        "POLYRESET_PORT_8080_TCP_HOST",
        "POLYRESET_SERVICE",
        "POLYRESET_SERVICE_HOST_X",
        "POLYRESET_service_host",
        "POLYRESET_ENV",
        "POLYRESET_BRAND_NAME",
    ] {
        assert!(sentence(environment(&[(variable, "1")])).contains("is not a setting"), "{variable}");
    }
}

#[test]
fn old_variable_is_not_read_and_logged_with_its_new_name() {
    let old = [
        ("RESET_PX0__CODE_TTL", "1m"),
        ("RESET_SECRET_FILE", "/no/such/file"),
        ("RESET_CONFIG", "/no/such/file"),
        ("RESET_THEME", "dark"),
        ("RESET_LOG", "debug"),
        ("POLYRESET_LOG", "warn"),
    ];
    let settings = environment(&old).unwrap();
    assert_eq!((super::px0_lifetime(&settings).as_secs(), settings.log.as_str()), (900, "warn"));
    assert_eq!(
        settings.unread.lines(),
        [
            "RESET_PX0__CODE_TTL is no longer read; use POLYRESET_PX0__CODE_TTL",
            "RESET_SECRET_FILE is no longer read; use POLYRESET_SECRET_FILE",
            "RESET_CONFIG is no longer read; use POLYRESET_CONFIG",
        ]
    );
}

#[test]
fn old_variable_is_named_when_the_start_fails_without_it() {
    let text =
        sentence(environment(&[("POLYRESET_LISTEN", "0.0.0.0:80"), ("RESET_PUBLIC_URL", "https://a")]));
    assert!(
        text.starts_with("RESET_PUBLIC_URL is no longer read; use POLYRESET_PUBLIC_URL: public_url is"),
        "{text}"
    );
}
