//! The responses that an operation does not write itself: a method, a body or a load that the router and the limits reject.
//!
//! They are rendered by the dialect's own error renderer, so a document shows the bytes that a client gets.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response, header};
use serde_json::{Map, Value, json};

use super::SCHEMAS;
use crate::{
    common_error::CommonError,
    media_type::MediaTypes,
    route::{Dialect, Endpoint, EndpointKind},
};

/// The name of [`REFERENCE`](crate::api::REFERENCE), as documents write headers.
const REFERENCE_HEADER: &str = "X-Reset-Reference";

/// Adds the common responses to every operation of the dialect's document.
pub(super) fn add(document: &mut Value, dialect: &Dialect) {
    let schemas =
        document.pointer("/components/schemas").and_then(Value::as_object).cloned().unwrap_or_default();
    for (path, endpoints) in &dialect.rows {
        for endpoint in endpoints {
            let (key, method) = (dialect.base.key_of(path), endpoint.method.as_str().to_ascii_lowercase());
            let operation = document.get_mut("paths").and_then(|paths| paths.get_mut(&key)?.get_mut(&method));
            if let Some(responses) =
                operation.and_then(|operation| operation.get_mut("responses")?.as_object_mut())
            {
                complete(responses, dialect, path, endpoint, &schemas);
            }
        }
    }
}

/// Adds the responses of one operation, and to those of a reset request the header with its reference.
fn complete(
    responses: &mut Map<String, Value>,
    dialect: &Dialect,
    path: &str,
    endpoint: &Endpoint,
    schemas: &Map<String, Value>,
) {
    for (error, description) in errors(endpoint) {
        let status = error.status().as_str().to_owned();
        if !responses.contains_key(&status) {
            let response = dialect.errors_of(path).render(&error, &HeaderMap::new());
            let schema = schema_of(responses, &response, schemas);
            responses.insert(status, documented(description, &error, &response, schema));
        }
    }
    if endpoint.kind == EndpointKind::Trigger {
        let reference = json!({
            "description": "Reference of the request, for support and for the command `trace`",
            "schema": { "type": "string" },
        });
        for (status, response) in responses.iter_mut() {
            // The router answers another method, and then there is no request to refer to.
            if status != "405" {
                response["headers"][REFERENCE_HEADER] = reference.clone();
            }
        }
    }
    responses.sort_keys();
}

/// Returns the errors that a request to the endpoint can get before or instead of its own response.
fn errors(endpoint: &Endpoint) -> Vec<(CommonError, &'static str)> {
    let mut errors = vec![(
        CommonError::MethodNotAllowed { method: "PATCH".to_owned() },
        "The path has no operation with this method",
    )];
    if endpoint.kind != EndpointKind::Read {
        errors.push((CommonError::BodyTooLarge, "The body is larger than the deployment allows"));
        let busy = CommonError::Busy { retry_after: Duration::from_secs(1) };
        errors.push((busy, "The server is overloaded; nothing was changed"));
    }
    // A hosted page checks the type of its forms itself.
    if endpoint.media != MediaTypes::Unchecked || endpoint.kind == EndpointKind::Form {
        let content_type = "text/plain".to_owned();
        errors.push((CommonError::UnsupportedMediaType { content_type }, "The body has another media type"));
    }
    errors
}

fn documented(
    description: &str,
    error: &CommonError,
    response: &Response<Bytes>,
    schema: Option<Value>,
) -> Value {
    let mut documented = json!({ "description": description });
    if matches!(error, CommonError::Busy { .. }) {
        documented["headers"]["Retry-After"] = json!({
            "description": "Seconds to wait before retrying",
            "schema": { "type": "integer", "format": "int64", "minimum": 0 },
        });
    }
    if matches!(error, CommonError::MethodNotAllowed { .. }) {
        documented["headers"]["Allow"] =
            json!({ "description": "The methods of the path", "schema": { "type": "string" } });
    }
    let body = serde_json::from_slice::<Value>(response.body()).ok();
    if let Some(media) = media_type(response) {
        let mut content = json!({ "schema": schema.unwrap_or_else(|| inline(body.as_ref())) });
        if let Some(body) = body {
            content["example"] = body;
        }
        documented["content"][media] = content;
    }
    documented
}

/// Returns the media type without its parameters; `None` for an empty response.
fn media_type(response: &Response<Bytes>) -> Option<String> {
    let value = response.headers().get(header::CONTENT_TYPE).filter(|_| !response.body().is_empty())?;
    let value = value.to_str().ok()?;
    Some(value.split(';').next().unwrap_or(value).trim().to_owned())
}

/// Returns the schema that another error response of the operation has and that describes this one: its object has exactly
/// these keys.
fn schema_of(
    responses: &Map<String, Value>,
    response: &Response<Bytes>,
    schemas: &Map<String, Value>,
) -> Option<Value> {
    let body: Value = serde_json::from_slice(response.body()).ok()?;
    let keys = body.as_object()?;
    let errors = responses.iter().filter(|(status, _)| !status.starts_with(['2', '3']));
    let contents = errors.filter_map(|(_, response)| response.get("content")?.as_object());
    let mut known = contents.flat_map(Map::values).filter_map(|content| content.get("schema"));
    known
        .find(|schema| {
            let name =
                schema.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix(SCHEMAS));
            let schema = name.and_then(|name| schemas.get(name)).unwrap_or(schema);
            let properties = schema.get("properties").and_then(Value::as_object);
            let required = schema.get("required").and_then(Value::as_array);
            properties.is_some_and(|properties| keys.keys().all(|key| properties.contains_key(key)))
                && required.is_none_or(|required| {
                    required.iter().all(|key| key.as_str().is_some_and(|key| keys.contains_key(key)))
                })
        })
        .cloned()
}

/// Returns a schema for a body that no schema of the operation describes.
fn inline(body: Option<&Value>) -> Value {
    let Some(Value::Object(keys)) = body else { return json!({ "type": "string" }) };
    let kind = |value: &Value| match value {
        Value::Bool(_) => json!({ "type": "boolean" }),
        Value::Number(_) => json!({ "type": "integer" }),
        Value::Array(_) => json!({ "type": "array", "items": {} }),
        Value::Object(_) => json!({ "type": "object" }),
        Value::String(_) | Value::Null => json!({ "type": "string" }),
    };
    let properties: Map<String, Value> = keys.iter().map(|(key, value)| (key.clone(), kind(value))).collect();
    json!({ "type": "object", "required": keys.keys().collect::<Vec<_>>(), "properties": properties })
}
