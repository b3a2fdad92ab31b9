//! The OpenAPI documents: one per dialect, named as its publisher names things, and one that merges all dialects.
//!
//! A dialect's document is generated from the annotations on its endpoints, and the merged document from those, so
//! neither can drift from the code. The merged document uses the served paths, and prefixes operation ids and schema
//! names with the dialect's name to keep them unique.

use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;

use crate::route::Dialect;

/// Prefix of a reference to a schema.
const SCHEMAS: &str = "#/components/schemas/";

/// Returns one dialect's document. No operation requires credentials.
pub fn slice(dialect: &Dialect) -> OpenApi {
    let mut slice = dialect.document.clone();
    slice.security = Some(Vec::new());
    slice
}

/// Returns the merged document of all dialects.
pub fn whole<'a>(dialects: impl IntoIterator<Item = &'a Dialect>) -> OpenApi {
    let (mut paths, mut schemas, mut tags) = (Map::new(), Map::new(), Vec::new());
    for dialect in dialects {
        let mut document =
            serde_json::to_value(&dialect.document).expect("an OpenAPI document serializes to JSON");
        qualify(&mut document, dialect.name);
        for (path, mut item) in take(&mut document, "/paths") {
            for operation in item.as_object_mut().into_iter().flat_map(Map::values_mut) {
                if let Some(id) = operation.get("operationId").and_then(Value::as_str) {
                    operation["operationId"] = json!(format!("{}_{id}", dialect.name));
                }
                operation["tags"] = json!([dialect.name]);
            }
            paths.insert(dialect.base.served_path(&path), item);
        }
        for (name, schema) in take(&mut document, "/components/schemas") {
            schemas.insert(format!("{}.{name}", dialect.name), schema);
        }
        tags.push(json!({ "name": dialect.name, "description": document["info"]["description"] }));
    }
    let whole = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "polyreset",
            "description": "A password-reset service that speaks the reset APIs of px0, worthai, Strapi and InsForge.",
            "license": { "name": "MIT OR Apache-2.0" },
            "version": env!("CARGO_PKG_VERSION"),
        },
        // Relative to the document's URL, so that it is also correct under a path prefix of a host or a proxy.
        "servers": [{ "url": ".", "description": "This server" }],
        "security": [],
        "paths": paths,
        "components": { "schemas": schemas },
        "tags": tags,
    });
    serde_json::from_value(whole).expect("merging OpenAPI documents yields an OpenAPI document")
}

/// Returns a document as indented JSON with a final newline.
pub fn to_json(document: &OpenApi) -> String {
    document.to_pretty_json().expect("an OpenAPI document serializes to JSON") + "\n"
}

/// Returns a document as YAML.
pub fn to_yaml(document: &OpenApi) -> String {
    document.to_yaml().expect("an OpenAPI document serializes to YAML")
}

/// Removes and returns the object at `pointer`; empty if there is none.
fn take(document: &mut Value, pointer: &str) -> Map<String, Value> {
    match document.pointer_mut(pointer).map(Value::take) {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// Prefixes the schema name in every reference with the dialect's name.
fn qualify(value: &mut Value, dialect: &str) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(target)) = map.get_mut("$ref")
                && let Some(name) = target.strip_prefix(SCHEMAS)
            {
                *target = format!("{SCHEMAS}{dialect}.{name}");
            }
            map.values_mut().for_each(|value| qualify(value, dialect));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| qualify(value, dialect)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use reset_core::keys::Key;

    use super::*;
    use crate::{DialectSettings, dialects};

    fn all() -> Vec<Dialect> {
        dialects(DialectSettings::defaults(&Key::shared(&[1; 32]), "https://accounts.example.org"))
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
            endpoints
                .iter()
                .map(move |endpoint| format!("{} {path}", endpoint.method.as_str().to_lowercase()))
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
        let slices: Vec<(&str, Value)> = all()
            .iter()
            .map(|dialect| (dialect.name, serde_json::to_value(slice(dialect)).unwrap()))
            .collect();
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
}
