//! The configurations are parsed as far as their languages allow; `crates/conformance/binary/routes.rs` runs nginx and
//! `HAProxy`.

use clap::ValueEnum;
use serde::Deserialize;
use yaml_serde::{Deserializer, Value};

use super::{Format, Routing};
use crate::settings::{Inputs, Settings};

/// The paths of Strapi with default settings.
const STRAPI: [&str; 4] = [
    "/auth/forgot-password",
    "/auth/reset-password",
    "/api/auth/forgot-password",
    "/api/auth/reset-password",
];

/// Returns the routing of one dialect, with these further settings.
fn routing(dialect: &str, settings: &[(&str, &str)]) -> Routing {
    let switches = reset_dialects::all_on()
        .into_iter()
        .map(|(name, _)| (name.to_owned(), (name == format!("{dialect}.enabled")).to_string()));
    let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let flags = switches.chain(settings).map(|(name, value)| ("--set", name, value)).collect();
    Routing::of(&Settings::read(Inputs { flags, ..Inputs::default() }).unwrap()).unwrap()
}

fn paths(routing: &Routing) -> Vec<&str> {
    routing.paths.iter().map(|routed| routed.path.as_str()).collect()
}

/// Parses every document of a YAML text.
fn yaml(text: &str) -> Vec<Value> {
    Deserializer::from_str(text).map(|document| Value::deserialize(document).unwrap()).collect()
}

/// Returns every path under which `value` has a text.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Sequence(items) => items.iter().flat_map(texts).collect(),
        Value::Mapping(map) => map.iter().flat_map(|(_, value)| texts(value)).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn paths_are_those_of_the_enabled_dialects_and_of_the_hosted_pages() {
    let routing = routing("strapi", &[]);
    let pages = ["/forgot", "/reset", "/reset/strength", "/not-me", "/.well-known/change-password"];
    assert_eq!(paths(&routing), [&STRAPI[..], &pages].concat());
    assert_eq!(routing.paths[0].methods(" "), "POST OPTIONS");
    assert_eq!(routing.paths[4].methods(" "), "GET HEAD POST");
    let page = "https://app.example.com/reset";
    let moved = self::routing(
        "worthai",
        &[("worthai.base_path", "/v2"), ("worthai.page_url", page), ("pages.enabled", "false")],
    );
    assert_eq!(paths(&moved), ["/v2/forgot-password", "/v2/reset-password"]);
}

#[test]
fn pages_are_below_the_prefix_of_the_public_url_and_operations_at_both_places() {
    let routing = routing("strapi", &[("public_url", "https://example.com/accounts/")]);
    let below = |path: &&str| format!("/accounts{path}");
    let stripped: Vec<&str> =
        routing.paths.iter().filter(|routed| routed.stripped).map(|routed| routed.path.as_str()).collect();
    let pages = ["/forgot", "/reset", "/reset/strength", "/not-me"];
    assert_eq!(stripped, STRAPI.iter().chain(&pages).map(below).collect::<Vec<_>>());
    let bare = [&STRAPI[..], &["/.well-known/change-password"]].concat();
    assert_eq!(paths(&routing)[stripped.len()..], bare);
}

#[test]
fn a_path_that_the_prefix_produces_twice_is_sent_once() {
    let routing = routing("strapi", &[("public_url", "https://example.com/api")]);
    let named = paths(&routing).into_iter().filter(|path| *path == "/api/auth/forgot-password").count();
    assert_eq!(named, 1);
    let locations = nginx_locations(&routing);
    let sent = "location ~* ^/api/auth/forgot-password/?$ { rewrite (?i)^/api(/.*)$ $1 break; proxy_pass http://polyreset; }";
    assert!(locations.contains(&sent.to_owned()), "{locations:#?}");
}

fn nginx_locations(routing: &Routing) -> Vec<String> {
    let text = routing.written(Format::Nginx).unwrap();
    text.lines().map(str::trim).filter(|line| line.starts_with("location")).map(ToOwned::to_owned).collect()
}

#[test]
fn a_path_whose_response_polyreset_knows_only_in_part_stays_with_the_back_end() {
    let routing = routing("insforge", &[]);
    assert!(paths(&routing).contains(&"/api/auth/email/send-reset-password"));
    assert_eq!(routing.left, ["/api/auth/public-config"]);
    for format in Format::value_variants() {
        let text = routing.written(*format).unwrap();
        assert!(text.contains("/api/auth/public-config stays with your back end"), "{format:?}: {text}");
        assert_eq!(text.matches("public-config").count(), 1, "{format:?}: {text}");
    }
}

#[test]
fn every_format_names_every_path_and_the_back_end() {
    let routing = routing("px0", &[("listen", "0.0.0.0:8081"), ("public_url", "https://id.example.com")]);
    for format in Format::value_variants().iter().filter(|format| **format != Format::Table) {
        let text = routing.written(*format).unwrap();
        for path in paths(&routing) {
            let escaped = path.replace('.', r"\.");
            assert!(text.contains(path) || text.contains(&escaped), "{format:?} lacks {path}: {text}");
        }
        let (server, back_end) = match format {
            Format::Ingress => ("number: 8081", "name: back-end"),
            Format::Envoy => ("address: '127.0.0.1', port_value: 8081", "port_value: 3000"),
            _ => ("127.0.0.1:8081", "127.0.0.1:3000"),
        };
        assert!(text.contains(server) && text.contains(back_end), "{format:?}: {text}");
        assert!(text.starts_with("# Sends the paths of polyreset"), "{format:?}: {text}");
    }
}

#[test]
fn yaml_formats_parse_and_send_each_path_to_polyreset() {
    for (dialect, public_url) in
        [("px0", "https://example.com"), ("strapi", "https://example.com/a.b"), ("django", "https://x.org/p")]
    {
        let routing = routing(dialect, &[("public_url", public_url)]);
        let count = routing.paths.len();
        let traefik = yaml(&routing.written(Format::Traefik).unwrap());
        let routers = traefik[0]["http"]["routers"].as_mapping().unwrap();
        assert_eq!(routers.len(), count + 1, "the paths and the back end");
        let stripping = routers.iter().filter(|(_, router)| router.get("middlewares").is_some()).count();
        assert_eq!(stripping, routing.paths.iter().filter(|routed| routed.stripped).count());
        let envoy = yaml(&routing.written(Format::Envoy).unwrap());
        let resources = &envoy[0]["static_resources"];
        let filter = &resources["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
        let hosts = &filter["route_config"]["virtual_hosts"][0];
        let sent = hosts["routes"].as_sequence().unwrap();
        assert_eq!(sent.len(), count + 1);
        assert!(sent[..count].iter().all(|route| texts(&route["route"]["cluster"]) == ["polyreset"]));
        assert_eq!(texts(&sent[count]["route"]["cluster"]), ["back_end"]);
        assert_eq!(resources["clusters"].as_sequence().unwrap().len(), 2);
        let ingresses = yaml(&routing.written(Format::Ingress).unwrap());
        assert_eq!(ingresses.len(), if routing.prefix.is_empty() { 1 } else { 2 });
        let listed =
            |ingress: &Value| ingress["spec"]["rules"][0]["http"]["paths"].as_sequence().unwrap().len();
        let spellings = routing.paths.iter().filter(|routed| routed.lenient && !routed.stripped).count();
        assert_eq!(ingresses.iter().map(listed).sum::<usize>(), count + spellings + 1);
    }
}

#[test]
fn lenient_paths_match_in_any_case_and_with_a_slash_at_the_end() {
    let routing = routing("px0", &[]);
    for (format, expected) in [
        (Format::Nginx, "location ~* ^/v1/auth/password-reset/trigger/?$ {"),
        (Format::Caddy, "path_regexp `(?i)^/v1/auth/password-reset/trigger/?$`"),
        (Format::Traefik, "PathRegexp(`(?i)^/v1/auth/password-reset/trigger/?$`)"),
        (Format::Haproxy, "path -i -m reg '^/v1/auth/password-reset/trigger/?$'"),
        (Format::Envoy, "regex: '(?i)/v1/auth/password-reset/trigger/?'"),
        (Format::Ingress, "path: '/v1/auth/password-reset/trigger/'"),
        (Format::Table, "/v1/auth/password-reset/trigger  (any case"),
    ] {
        let text = routing.written(format).unwrap();
        assert!(text.contains(expected), "{format:?}: {text}");
    }
}

#[test]
fn braces_of_caddy_and_nginx_are_balanced() {
    let routing = routing("strapi", &[("public_url", "https://example.com/accounts")]);
    for format in [Format::Caddy, Format::Nginx] {
        let mut depth = 0_i32;
        for character in routing.written(format).unwrap().chars() {
            depth += i32::from(character == '{') - i32::from(character == '}');
            assert!(depth >= 0, "{format:?}");
        }
        assert_eq!(depth, 0, "{format:?}");
    }
}

#[test]
fn a_unix_socket_is_written_for_proxies_that_can_connect_to_it() {
    let settings = [
        ("listen", "unix:/run/polyreset.sock"),
        ("trusted_proxies", "127.0.0.1"),
        ("public_url", "https://id.example.com"),
    ];
    let routing = routing("strapi", &settings);
    for (format, expected) in [
        (Format::Nginx, Some("server unix:/run/polyreset.sock;")),
        (Format::Haproxy, Some("server polyreset unix@/run/polyreset.sock")),
        (Format::Caddy, Some("reverse_proxy unix//run/polyreset.sock {")),
        (Format::Envoy, Some("pipe: { path: '/run/polyreset.sock' }")),
        (Format::Traefik, None),
        (Format::Ingress, None),
    ] {
        match (routing.written(format), expected) {
            (Ok(text), Some(expected)) => assert!(text.contains(expected), "{format:?}: {text}"),
            (Err(error), None) => assert!(error.to_string().contains("listen is a Unix socket"), "{error}"),
            (written, _) => panic!("{format:?}: {}", written.is_ok()),
        }
    }
}

#[test]
fn a_prefix_that_a_configuration_could_misread_is_rejected() {
    let url = ("public_url".to_owned(), "https://example.com/a;b".to_owned());
    let flags = vec![("--set", url.0, url.1)];
    let settings = Settings::read(Inputs { flags, ..Inputs::default() }).unwrap();
    let error = Routing::of(&settings).err().unwrap().to_string();
    assert!(error.contains("public_url has the path /a;b"), "{error}");
}
