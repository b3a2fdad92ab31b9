//! The OpenAPI documents of the dialects: complete, consistent with the routes, and named as their publishers name things.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue panics")]

use std::collections::BTreeSet;

use reset_core::keys::HmacKey;
use reset_http::{
    openapi::{slice, to_json, to_yaml, whole},
    route::{Dialect, EndpointKind},
};
use reset_pages::{complete, hosted::PagesSettings};
use serde_json::Value;
use utoipa::openapi::OpenApi;

const PUBLIC_URL: &str = "https://accounts.example.org";

/// Returns every dialect of the registry with these further settings, and the hosted pages.
fn all_with(further: &[(&'static str, &str)]) -> Vec<Dialect> {
    let root = HmacKey::shared(&[1; 32]);
    let mut settings: Vec<(&str, &str)> = reset_dialects::all_on();
    settings.extend(further);
    let dialects = reset_dialects::with(&settings, &root, PUBLIC_URL).unwrap();
    complete(dialects, Some(PagesSettings::defaults(&root, PUBLIC_URL)), None)
}

fn all() -> Vec<Dialect> {
    all_with(&[])
}

/// All operations of a document, as `post /path`.
fn operations(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().unwrap();
    let of = |(path, item): (&String, &Value)| {
        let methods: Vec<String> = item.as_object().unwrap().keys().cloned().collect();
        let path = path.clone();
        methods.into_iter().map(move |method| format!("{method} {path}"))
    };
    paths.iter().flat_map(of).collect()
}

/// All routes, as `post /path`.
fn routes(dialects: &[Dialect]) -> BTreeSet<String> {
    let rows = dialects.iter().flat_map(|dialect| &dialect.rows);
    let of = |(path, endpoints): &(String, Vec<reset_http::Endpoint>)| {
        let methods = endpoints.iter().map(|endpoint| endpoint.method.as_str().to_lowercase());
        methods.map(|method| format!("{method} {path}")).collect::<Vec<_>>()
    };
    rows.flat_map(of).collect()
}

/// The operations of the documents of all dialects, as `post /path`, by the served paths.
fn documented(dialects: &[Dialect]) -> BTreeSet<String> {
    let of = |dialect: &Dialect| {
        let operations = operations(&serde_json::to_value(slice(dialect)).unwrap());
        operations
            .into_iter()
            .map(|operation| {
                let (method, key) = operation.split_once(' ').unwrap();
                format!("{method} {}", dialect.base.served_path(key))
            })
            .collect::<Vec<_>>()
    };
    dialects.iter().flat_map(of).collect()
}

#[test]
fn routes_and_documented_operations_are_the_same() {
    let dialects = all();
    assert_eq!(routes(&dialects), documented(&dialects));
}

/// Browsers find pages, style sheets and scripts by links, and no program calls them.
#[test]
fn merged_document_has_every_operation_of_the_dialects_and_no_page() {
    let dialects = all();
    let listed = operations(&serde_json::to_value(whole(&dialects)).unwrap());
    let (of_clients, rest): (Vec<Dialect>, Vec<Dialect>) =
        dialects.into_iter().partition(|dialect| dialect.client.is_some());
    assert!(routes(&of_clients).is_subset(&listed));
    let others: Vec<&String> = listed.iter().filter(|operation| routes(&rest).contains(*operation)).collect();
    assert_eq!(others, ["get /healthz", "get /openapi.json", "get /openapi.yaml", "get /readyz"]);
}

/// What the router and the limits answer is documented with the bytes that a client gets.
#[test]
fn every_operation_documents_the_responses_of_the_router_and_the_limits() {
    for dialect in all().iter().filter(|dialect| dialect.client.is_some()) {
        let document = serde_json::to_value(slice(dialect)).unwrap();
        for (path, endpoints) in &dialect.rows {
            for endpoint in endpoints {
                let method = endpoint.method.as_str().to_lowercase();
                let responses = &document["paths"][dialect.base.key_of(path)][&method]["responses"];
                let name = format!("{} {method} {path}", dialect.name);
                let reads_a_body = endpoint.kind != EndpointKind::Read;
                for (status, expected) in
                    [("405", true), ("413", reads_a_body), ("415", reads_a_body), ("503", reads_a_body)]
                {
                    assert_eq!(responses.get(status).is_some(), expected, "{name} {status}");
                }
                assert!(responses["405"]["headers"].get("Allow").is_some(), "{name}");
                let is_trigger = endpoint.kind == EndpointKind::Trigger;
                for (status, response) in responses.as_object().unwrap() {
                    let reference = response["headers"].get("X-Reset-Reference").is_some();
                    assert_eq!(reference, is_trigger && status != "405", "{name} {status}");
                    let headers = response["headers"].as_object();
                    let waits = headers.is_some_and(|headers| headers.contains_key("Retry-After"));
                    assert_eq!(waits, matches!(status.as_str(), "429" | "503"), "{name} {status}");
                }
            }
        }
    }
}

#[test]
fn documented_operations_follow_the_base_paths() {
    let keys = reset_dialects::MODULES.iter().flat_map(|module| module.keys);
    let bases: Vec<_> = keys.filter(|key| key.name.ends_with(".base_path")).map(|key| key.name).collect();
    let moved: Vec<(&'static str, String)> =
        bases.iter().map(|name| (*name, format!("/moved/{}", name.split('.').next().unwrap()))).collect();
    let moved: Vec<(&'static str, &str)> = moved.iter().map(|(name, path)| (*name, path.as_str())).collect();
    let dialects = all_with(&moved);
    assert_eq!(routes(&dialects), documented(&dialects));
    for dialect in dialects.iter().filter(|dialect| dialect.client.is_some()) {
        let moved = |path: &str| path.starts_with(&format!("/moved/{}/", dialect.name));
        assert!(
            dialect.rows.iter().all(|(path, _)| moved(path)),
            "{}: base_path does not move it",
            dialect.name
        );
        let client = dialect.client.as_ref().unwrap();
        let exchange = client.exchange.as_ref().map(|exchange| &exchange.step);
        let steps = client.request.iter().chain(&client.redeem).chain(exchange);
        for step in steps {
            assert!(moved(&step.path), "{}: base_path does not move {}", dialect.name, step.path);
        }
    }
}

#[test]
fn steps_of_every_client_are_operations_of_its_document() {
    for dialect in all() {
        let Some(client) = &dialect.client else { continue };
        let document = serde_json::to_value(&dialect.document).unwrap();
        let exchange = client.exchange.as_ref().map(|exchange| &exchange.step);
        for step in client.request.iter().chain(&client.redeem).chain(exchange) {
            let operation = &document["paths"][dialect.base.key_of(&step.path)]["post"];
            assert_eq!(operation["operationId"], step.operation, "{} {}", dialect.name, step.path);
        }
    }
}

#[test]
fn merged_document_has_unique_operation_ids_and_no_dangling_references() {
    let whole = serde_json::to_value(whole(&all())).unwrap();
    let paths = whole["paths"].as_object().unwrap();
    let operations = paths.values().flat_map(|item| item.as_object().unwrap().values());
    let ids: Vec<&str> = operations.map(|operation| operation["operationId"].as_str().unwrap()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
    let text = whole.to_string();
    for reference in text.split("\"$ref\":\"").skip(1) {
        let target = reference.split('"').next().unwrap().trim_start_matches('#');
        assert!(whole.pointer(target).is_some(), "{target}");
    }
}

/// Checks path keys, operation ids, servers and statuses against the published documents of the dialects that have one.
#[test]
fn documents_use_the_names_of_their_publishers() {
    let slices: Vec<(&str, Value)> =
        all().iter().map(|dialect| (dialect.name, serde_json::to_value(slice(dialect)).unwrap())).collect();
    let of = |name: &str| {
        let found = slices.iter().find(|(known, _)| *known == name);
        &found.unwrap_or_else(|| panic!("the registry has no dialect {name}: remove its row")).1
    };
    let px0 = &of("px0")["paths"];
    assert_eq!(px0["/v1/auth/password-reset/trigger"]["post"]["operationId"], "triggerPasswordReset");
    assert_eq!(px0["/v1/auth/password-reset/reset"]["post"]["operationId"], "resetPassword");
    assert_eq!(of("px0")["servers"][0]["url"], "http://localhost:3000");
    assert_eq!(of("worthai")["servers"][0]["url"], "https://api.joinworth.com/auth/api/v1");
    for (name, path, statuses) in [
        ("px0", "/v1/auth/password-reset/trigger", &["200", "400", "404", "500"][..]),
        ("px0", "/v1/auth/password-reset/reset", &["200", "400", "500"]),
        ("worthai", "/reset-password", &["200", "400", "401", "403", "500"]),
        ("strapi", "/auth/reset-password", &["200", "403", "404", "default"]),
        ("insforge", "/api/auth/email/reset-password", &["200", "400", "401"]),
    ] {
        let responses = of(name)["paths"][path]["post"]["responses"].as_object().unwrap();
        assert!(statuses.iter().all(|status| responses.contains_key(*status)), "{name} {path}");
    }
}

#[test]
fn document_survives_a_json_round_trip() {
    let whole = whole(&all());
    let back: OpenApi = serde_json::from_str(&to_json(&whole)).unwrap();
    assert!(back == whole);
    assert!(to_yaml(&whole).starts_with("openapi: 3.1.0\n"));
}
