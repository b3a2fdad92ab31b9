//! Names that are not settings: the misspelt, the injected and the old.

use super::{Inputs, environment, file, sentence, table, with_unread};

/// The variables that Kubernetes sets for the Services `polyreset` and `polyreset-admin`, and Docker for containers that
/// are linked as `polyreset` and `polyreset-db`.
const INJECTED: [(&str, &str); 16] = [
    ("POLYRESET_SERVICE_HOST", "10.0.0.11"),
    ("POLYRESET_SERVICE_PORT", "8080"),
    ("POLYRESET_SERVICE_PORT_HTTP", "8080"),
    ("POLYRESET_X_SERVICE_PORT_HTTP", "8080"),
    ("POLYRESET_PORT", "tcp://10.0.0.11:8080"),
    ("POLYRESET_PORT_8080_TCP", "tcp://10.0.0.11:8080"),
    ("POLYRESET_PORT_8080_TCP_PROTO", "tcp"),
    ("POLYRESET_PORT_8080_TCP_PORT", "8080"),
    ("POLYRESET_PORT_8080_TCP_ADDR", "10.0.0.11"),
    ("POLYRESET_PORT_8080_TCP_START", "tcp://10.0.0.11:8080"),
    ("POLYRESET_PORT_8080_TCP_PORT_END", "8081"),
    ("POLYRESET_ADMIN_SERVICE_HOST", "10.0.0.12"),
    ("POLYRESET_NAME", "/web/polyreset"),
    ("POLYRESET_DB_NAME", "/web/polyreset-db"),
    ("POLYRESET_ENV_RUST_LOG", "info"),
    ("POLYRESET_DB_PORT_53_UDP_ADDR", "172.17.0.5"),
];

#[test]
fn misspelt_variable_gets_a_suggestion() {
    for (variable, suggestion) in [
        ("POLYRESET_PULIC_URL", "POLYRESET_PUBLIC_URL"),
        ("POLYRESET_LISTENN", "POLYRESET_LISTEN"),
        ("POLYRESET_listen", "POLYRESET_LISTEN"),
        ("POLYRESET_CONFG", "POLYRESET_CONFIG"),
        ("POLYRESET_ACME_CODE_TTL", "POLYRESET_ACME__CODE_TTL"),
        ("POLYRESET_ACME__CODE_TLL", "POLYRESET_ACME__CODE_TTL"),
        ("POLYRESET_SECRET_FLIE", "POLYRESET_SECRET_FILE"),
        ("POLYRESET_OTHERS__METHDO", "POLYRESET_OTHER__METHOD"),
        ("POLYRESET_ATTEMPT", "POLYRESET_OTHER__ATTEMPTS"),
    ] {
        let expected = format!("{variable} is not a setting; did you mean {suggestion}?");
        assert_eq!(sentence(environment(&[(variable, "1")])), expected);
    }
}

#[test]
fn name_gets_no_suggestion_if_none_is_close_or_two_are() {
    // `code_ttl` is a key of two sections, and `listen` has no file form.
    for variable in ["POLYRESET_", "POLYRESET_THEME", "POLYRESET_LISTEN_FILE", "POLYRESET_CODE_TTL"] {
        assert_eq!(sentence(environment(&[(variable, "1")])), format!("{variable} is not a setting"));
    }
}

#[test]
fn misspelt_key_of_the_file_or_of_a_flag_gets_a_suggestion_in_its_own_notation() {
    let text = sentence(file("listen = \"x\"\n\n[acme]\nenabled = true\ncode_tll = \"1m\"\n"));
    assert!(text.starts_with("acme.code_tll (") && text.contains("reset.toml line 5)"), "{text}");
    assert!(text.ends_with(" is not a setting; did you mean acme.code_ttl?"), "{text}");
    let flag = |name: &str| {
        let flags = vec![("--set", name.to_owned(), "1".to_owned())];
        sentence(Inputs { flags, ..Inputs::default() }.read(&table()))
    };
    assert_eq!(flag("pulic_url"), "pulic_url (--set) is not a setting; did you mean public_url?");
    assert_eq!(flag("secret_fil"), "secret_fil (--set) is not a setting; did you mean secret_file?");
    assert_eq!(flag("config"), "config (--set) is not a setting", "only a variable names the file");
}

#[test]
fn injected_variables_are_ignored_with_one_line() {
    let (values, unread) = with_unread(&INJECTED);
    assert!(values.is_ok());
    let lines = unread.lines();
    let end = "that Kubernetes or Docker injects for a service named polyreset";
    assert_eq!(lines, [format!("ignored {} environment variables {end}", INJECTED.len())]);
    for injected in INJECTED {
        let (values, unread) = with_unread(&[injected]);
        assert!(values.is_ok(), "{injected:?}");
        assert_eq!(unread.lines(), [format!("ignored 1 environment variable {end}")]);
    }
    assert_eq!(with_unread(&[]).1.lines(), [""; 0]);
}

#[test]
fn variable_that_only_resembles_an_injected_one_is_rejected() {
    for variable in [
        "POLYRESET_REPORT",
        "POLYRESET_PORT_HTTP",
        "POLYRESET_PORT__TCP",
        "POLYRESET_MAIL__PORT",
        "POLYRESET_PX0__ENV_X",
        "POLYRESET_PORT_8080_TCP_HOST",
        "POLYRESET_PORT_8080_HTTP",
        "POLYRESET_SERVICE",
        "POLYRESET_SERVICE_HOST_X",
        "POLYRESET_SERVICE_PORT_http",
        "POLYRESET_service_host",
        "POLYRESET_x_SERVICE_HOST",
        "POLYRESET_ENV",
        "POLYRESET_BRAND_NAME",
    ] {
        let (values, unread) = with_unread(&[(variable, "1")]);
        assert!(sentence(values).starts_with(&format!("{variable} is not a setting")), "{variable}");
        assert_eq!(unread.lines(), [""; 0]);
    }
}

#[test]
fn variable_of_a_setting_is_read_even_if_its_name_looks_injected() {
    let (values, unread) = with_unread(&[("POLYRESET_PAGES__NAME", "/acme")]);
    assert_eq!(values.unwrap().text(&super::NAME).unwrap(), "/acme");
    assert_eq!(unread.lines(), [""; 0]);
}

#[test]
fn old_variable_is_reported_unless_its_setting_has_a_value_under_the_new_name() {
    let old = [
        ("RESET_ACME__CODE_TTL", ""),
        ("RESET_SECRET_FILE", ""),
        ("RESET_CONFIG", ""),
        ("RESET_THEME", ""),
        ("RESET_LISTEN", ""),
        ("POLYRESET_LISTEN", "x"),
        ("RESET_DATABASE_URL", ""),
        ("POLYRESET_DATABASE_URL", "x"),
        ("RESET_ACME__JWT_SECRET_FILE", ""),
        ("POLYRESET_ACME__JWT_SECRET", "x"),
    ];
    let (values, unread) = with_unread(&old);
    assert_eq!(values.unwrap().text(&super::LISTEN).unwrap(), "x");
    let lines = [
        "RESET_ACME__CODE_TTL is no longer read; use POLYRESET_ACME__CODE_TTL",
        "RESET_SECRET_FILE is no longer read; use POLYRESET_SECRET_FILE",
        "RESET_CONFIG is no longer read; use POLYRESET_CONFIG",
    ];
    assert_eq!(unread.lines(), lines);
    let error = format!("{:#}", unread.explain(anyhow::anyhow!("public_url is required")));
    assert_eq!(error, format!("{}: public_url is required", lines.join(", ")));
    let error = with_unread(&INJECTED).1.explain(anyhow::anyhow!("public_url is required"));
    assert_eq!(format!("{error:#}"), "public_url is required");
}
