//! `GET /openapi.json` and `GET /openapi.yaml`: the OpenAPI document of the served dialects.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};

use super::Documents;
use reset_http::{
    route::Call,
    wire::{JSON, reply},
};

#[utoipa::path(get, path = "/openapi.json", operation_id = "openapiJson", tag = "polyreset",
    summary = "This document as JSON",
    responses((status = 200, description = "This document as JSON", content_type = "application/json")))]
pub(super) async fn json(documents: Arc<Documents>, _: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    Ok(reply(StatusCode::OK, JSON, Documents::text(&documents.json)))
}

#[utoipa::path(get, path = "/openapi.yaml", operation_id = "openapiYaml", tag = "polyreset",
    summary = "This document as YAML",
    responses((status = 200, description = "This document as YAML", content_type = "application/yaml")))]
pub(super) async fn yaml(documents: Arc<Documents>, _: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    // RFC 9512.
    Ok(reply(StatusCode::OK, HeaderValue::from_static("application/yaml"), Documents::text(&documents.yaml)))
}
