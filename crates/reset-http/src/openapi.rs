//! The OpenAPI documents: one per dialect, named as its publisher names things, and one that merges all dialects.
//!
//! A dialect's document is generated from the annotations on its endpoints, and the merged document from those, so
//! neither can drift from the code. The merged document uses the served paths, and prefixes operation ids and schema
//! names with the dialect's name to keep them unique.

mod common;

use serde_json::{Map, Value, json};
use utoipa::openapi::{
    OpenApi,
    schema::{Object, ObjectBuilder, Type},
};

use crate::route::Dialect;

/// Prefix of a reference to a schema.
const SCHEMAS: &str = "#/components/schemas/";

/// Returns one dialect's document. No operation requires credentials.
pub fn slice(dialect: &Dialect) -> OpenApi {
    let mut slice = complete(dialect);
    slice["security"] = json!([]);
    slice["info"]["contact"] = contact();
    if slice.get("servers").is_none() {
        slice["servers"] = servers();
    }
    serde_json::from_value(slice).expect("completing an OpenAPI document yields an OpenAPI document")
}

/// Returns a dialect's document with the responses that the router and the limits give.
fn complete(dialect: &Dialect) -> Value {
    let mut document =
        serde_json::to_value(&dialect.document).expect("an OpenAPI document serializes to JSON");
    common::add(&mut document, dialect);
    document
}

/// Who answers for a document. A deployment's own contact is on its pages.
fn contact() -> Value {
    json!({ "name": "polyreset" })
}

/// Relative to the document's URL, so that it is also correct under a path prefix of a host or a proxy.
fn servers() -> Value {
    json!([{ "url": ".", "description": "This server" }])
}

/// Whether programs call the operation. Pages and their files are for browsers, which find them by links: they have another
/// media type, and their forms belong to them.
fn is_for_programs(dialect: &Dialect, method: &str, operation: &Value) -> bool {
    if dialect.client.is_some() {
        return true;
    }
    let success = operation.pointer("/responses/200/content").and_then(Value::as_object);
    let is_data = |media: &String| media.ends_with("json") || media.ends_with("yaml");
    method == "get" && success.is_some_and(|content| content.keys().any(is_data))
}

/// Returns the merged document of all dialects: every operation that programs call.
pub fn whole<'a>(dialects: impl IntoIterator<Item = &'a Dialect>) -> OpenApi {
    let (mut paths, mut schemas, mut tags, mut titles) = (Map::new(), Map::new(), Vec::new(), Vec::new());
    for dialect in dialects {
        titles.extend(dialect.client.as_ref().map(|client| client.title));
        let mut document = complete(dialect);
        qualify(&mut document, dialect.name);
        let listed = paths.len();
        for (path, mut item) in take(&mut document, "/paths") {
            if let Some(operations) = item.as_object_mut() {
                operations.retain(|method, operation| is_for_programs(dialect, method, operation));
            }
            if item.as_object().is_none_or(Map::is_empty) {
                continue;
            }
            for operation in item.as_object_mut().into_iter().flat_map(Map::values_mut) {
                if let Some(id) = operation.get("operationId").and_then(Value::as_str) {
                    operation["operationId"] = json!(format!("{}_{id}", dialect.name));
                }
                operation["tags"] = json!([dialect.name]);
                if operation.get("description").is_none() {
                    let success = operation.pointer("/responses/200/description").cloned();
                    operation["description"] = success.unwrap_or_else(|| operation["summary"].clone());
                }
            }
            paths.insert(dialect.base.served_path(&path), item);
        }
        if paths.len() > listed {
            for (name, schema) in take(&mut document, "/components/schemas") {
                schemas.insert(format!("{}.{name}", dialect.name), schema);
            }
        }
        if paths.len() > listed {
            tags.push(json!({ "name": dialect.name, "description": document["info"]["description"] }));
        }
    }
    let whole = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "polyreset",
            "description": describe(&titles),
            "contact": contact(),
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
            "version": env!("CARGO_PKG_VERSION"),
        },
        "servers": servers(),
        "security": [],
        "paths": paths,
        "components": { "schemas": schemas },
        "tags": tags,
    });
    serde_json::from_value(whole).expect("merging OpenAPI documents yields an OpenAPI document")
}

/// Describes a service that speaks the dialects with these titles.
fn describe(titles: &[&str]) -> String {
    let apis = match titles {
        [] => return "A password-reset service.".to_owned(),
        [only] => format!("API of {only}"),
        [others @ .., last] => format!("APIs of {} and {last}", others.join(", ")),
    };
    format!("A password-reset service that speaks the reset {apis}.")
}

/// Returns a document as indented JSON with a final newline.
pub fn to_json(document: &OpenApi) -> String {
    document.to_pretty_json().expect("an OpenAPI document serializes to JSON") + "\n"
}

/// Returns a document as YAML.
pub fn to_yaml(document: &OpenApi) -> String {
    document.to_yaml().expect("an OpenAPI document serializes to YAML")
}

/// Returns the schema of a text that is one of `words`, so that generated clients can switch on it.
pub fn one_of(description: &str, words: &[&str]) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(description))
        .enum_values(Some(words.iter().copied()))
        .build()
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
    use super::*;

    #[test]
    fn description_names_the_dialects() {
        for (titles, description) in [
            (
                &["px0", "worthai", "Strapi"][..],
                "A password-reset service that speaks the reset APIs of px0, worthai and Strapi.",
            ),
            (&["px0"], "A password-reset service that speaks the reset API of px0."),
            (&[], "A password-reset service."),
        ] {
            assert_eq!(describe(titles), description);
        }
    }
}
