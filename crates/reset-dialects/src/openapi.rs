//! The OpenAPI documents: one slice a dialect, as its publisher has it, and the one document that shows every
//! dialect side by side.
//!
//! A slice is collected from the annotations on the dialect's endpoints; the whole is merged from the slices,
//! so neither can drift from the code. In the whole, path keys are the served ones, and names that two
//! dialects share are kept apart by the dialect's name.

use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;

use crate::route::Dialect;

/// Prefix of a reference to a schema.
const SCHEMAS: &str = "#/components/schemas/";

/// One dialect's own document. No operation asks for credentials.
pub fn slice(dialect: &Dialect) -> OpenApi {
    let mut slice = dialect.document.clone();
    slice.security = Some(Vec::new());
    slice
}

/// The one document with every dialect side by side.
pub fn whole<'a>(dialects: impl IntoIterator<Item = &'a Dialect>) -> OpenApi {
    let (mut paths, mut schemas, mut tags) = (Map::new(), Map::new(), Vec::new());
    for dialect in dialects {
        let mut document = serde_json::to_value(&dialect.document).expect("documents are plain data");
        qualify(&mut document, dialect.name);
        for (path, mut item) in take(&mut document, "/paths") {
            for operation in item.as_object_mut().into_iter().flat_map(Map::values_mut) {
                if let Some(id) = operation.get("operationId").and_then(Value::as_str) {
                    operation["operationId"] = json!(format!("{}_{id}", dialect.name));
                }
                operation["tags"] = json!([dialect.name]);
            }
            paths.insert(format!("{}{path}", dialect.document_base), item);
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
            "description": "One password-reset service in four API dialects, side by side.",
            "license": { "name": "MIT OR Apache-2.0" },
            "version": env!("CARGO_PKG_VERSION"),
        },
        "servers": [{ "url": "/", "description": "This server" }],
        "security": [],
        "paths": paths,
        "components": { "schemas": schemas },
        "tags": tags,
    });
    serde_json::from_value(whole).expect("what was merged from documents is a document")
}

/// A document as indented JSON with a final newline.
pub fn to_json(document: &OpenApi) -> String {
    document.to_pretty_json().expect("documents are plain data") + "\n"
}

/// A document as YAML.
pub fn to_yaml(document: &OpenApi) -> String {
    document.to_yaml().expect("documents are plain data")
}

fn take(document: &mut Value, pointer: &str) -> Map<String, Value> {
    match document.pointer_mut(pointer).map(Value::take) {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// Puts the dialect's name before the name of every schema that is referred to.
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
