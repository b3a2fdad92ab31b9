//! The OpenAPI documents of all dialects: one operation per route, unique names, and the names of the publishers.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue panics")]

use std::collections::BTreeSet;

use reset_core::keys::Key;
use reset_dialects::{all_on, with};
use reset_http::{
    openapi::{slice, to_json, to_yaml, whole},
    route::Dialect,
};
use serde_json::Value;
use utoipa::openapi::OpenApi;

fn all() -> Vec<Dialect> {
    with(&all_on(), &Key::shared(&[1; 32]), "https://accounts.example.org").unwrap()
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

#[test]
fn routes_and_documented_operations_are_the_same() {
    let dialects = all();
    let routes = dialects.iter().flat_map(|dialect| &dialect.rows).flat_map(|(path, endpoints)| {
        endpoints.iter().map(move |endpoint| format!("{} {path}", endpoint.method.as_str().to_lowercase()))
    });
    let whole = serde_json::to_value(whole(&dialects)).unwrap();
    assert_eq!(routes.collect::<BTreeSet<String>>(), operations(&whole));
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

/// Checks path keys, operation ids, servers and statuses against the five published documents.
#[test]
fn documents_use_the_names_of_their_publishers() {
    let slices: Vec<(&str, Value)> =
        all().iter().map(|dialect| (dialect.name, serde_json::to_value(slice(dialect)).unwrap())).collect();
    let of = |name: &str| &slices.iter().find(|(known, _)| *known == name).unwrap().1;
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
