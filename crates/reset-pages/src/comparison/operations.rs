//! The operations of a dialect, from its rows and its OpenAPI document.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Span, code, comma_separated, text};
use reset_http::route::Dialect;

/// An operation of a document. Aliases under several paths count as one operation.
pub(super) struct Operation {
    pub(super) id: String,
    method: String,
    paths: Vec<String>,
    pub(super) takes: Vec<Span>,
    pub(super) statuses: Vec<String>,
    pub(super) carries: Vec<Span>,
}

impl Operation {
    /// Returns the method and the paths.
    pub(super) fn call(&self) -> Vec<Span> {
        let mut call = vec![code(format!("{} {}", self.method, self.paths[0]))];
        for path in &self.paths[1..] {
            call.extend([text(" or "), code(path.clone())]);
        }
        call
    }

    /// Whether the two operations differ only in their paths, and one path, slashes at its end aside, is a suffix of
    /// the other.
    fn is_alias_of(&self, other: &Self) -> bool {
        let bare = |path: &String| path.trim_end_matches('/').to_owned();
        let suffix = self
            .paths
            .iter()
            .any(|path| other.paths.iter().any(|longer| bare(longer).ends_with(&bare(path))));
        suffix && self.method == other.method && self.takes == other.takes && self.statuses == other.statuses
    }
}

/// Returns the operations of a dialect in the order of its rows.
pub(super) fn read_operations(dialect: &Dialect) -> Vec<Operation> {
    let document = serde_json::to_value(&dialect.document).expect("an OpenAPI document serializes to JSON");
    let mut operations: Vec<Operation> = Vec::new();
    for (path, endpoints) in &dialect.rows {
        let key = dialect.base.key_of(path);
        for endpoint in endpoints {
            let method = endpoint.method.as_str();
            let described = &document["paths"][&key][method.to_ascii_lowercase()];
            let operation = describe(&document, described, method, path);
            let alias = operations.iter_mut().find(|known| known.is_alias_of(&operation));
            match alias {
                Some(alias) => alias.paths.push(path.clone()),
                None => operations.push(operation),
            }
        }
    }
    operations
}

fn describe(document: &Value, operation: &Value, method: &str, path: &str) -> Operation {
    let statuses: Vec<String> =
        operation["responses"].as_object().into_iter().flatten().map(|(status, _)| status.clone()).collect();
    let success = statuses.first().map_or(&Value::Null, |status| &operation["responses"][status]);
    let query = operation["parameters"].as_array().into_iter().flatten();
    let query =
        query.filter_map(|parameter| parameter["name"].as_str()).map(|name| code(format!("?{name}=")));
    let body = fields(document, &operation["requestBody"]["content"]["application/json"]["schema"]);
    let success_fields = fields(document, &success["content"]["application/json"]["schema"]);
    Operation {
        id: operation["operationId"].as_str().unwrap_or_default().to_owned(),
        method: method.to_owned(),
        paths: vec![path.to_owned()],
        takes: comma_separated(query.chain(body)),
        carries: comma_separated(success_fields),
        statuses,
    }
}

/// Returns the field names of an object schema, with optional fields in brackets.
fn fields(document: &Value, schema: &Value) -> Vec<Span> {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap_or(schema),
        None => schema,
    };
    let required: BTreeSet<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let name = |(name, _): (&String, &Value)| {
        code(if required.contains(name.as_str()) { name.clone() } else { format!("[{name}]") })
    };
    schema["properties"].as_object().into_iter().flatten().map(name).collect()
}
