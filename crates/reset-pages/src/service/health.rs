//! `GET /healthz`: whether the process is alive. `GET /readyz`: whether it can serve requests.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use reset_http::{
    route::Call,
    wire::{JSON, json},
};

/// Liveness of the process.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    /// Always `ok`.
    #[schema(example = "ok")]
    status: &'static str,
}

/// Readiness of the service and of its dependencies.
#[derive(Serialize, ToSchema)]
pub(super) struct Readiness {
    /// `ready`, `draining` during shutdown, or `unavailable`.
    #[schema(example = "ready")]
    status: &'static str,
    /// `ok`, or `unavailable` if the database does not respond, cannot be written to or has pending migrations, or if
    /// jobs cannot be claimed.
    #[schema(example = "ok")]
    database: &'static str,
    /// `ok`, or `degraded` if the last check of the mail server failed; it is checked every 30 s. Requests accepted
    /// meanwhile are mailed later.
    #[schema(example = "ok")]
    mail: &'static str,
    /// State of the rate limits shared by all replicas: `ok`, or `degraded` while each process counts on its own.
    /// Absent if the limits are not shared.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "ok")]
    limits: Option<&'static str>,
}

#[utoipa::path(get, path = "/healthz", operation_id = "healthz", tag = "polyreset",
    summary = "Whether the process is alive",
    responses((status = 200, description = "The process is alive", body = Health)))]
pub(super) async fn live(_: Arc<()>, _: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    Ok(json(StatusCode::OK, JSON, &Health { status: "ok" }))
}

#[utoipa::path(get, path = "/readyz", operation_id = "readyz", tag = "polyreset",
    summary = "Whether requests can be served",
    responses(
        (status = 200, description = "Requests can be served; mail and limits may be degraded", body = Readiness),
        (status = 503, description = "The process is shutting down; the database does not respond, cannot be written to or has pending \
            migrations; or jobs cannot be claimed",
            body = Readiness)))]
pub(super) async fn ready(_: Arc<()>, call: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    let mail = if call.resets.mail_works() { "ok" } else { "degraded" };
    let shared_available = call.api.rate_limiter().and_then(|limiter| limiter.shares());
    let limits = shared_available.map(|available| if available { "ok" } else { "degraded" });
    let (code, status, database) = match call.resets.ready().await {
        Ok(()) if call.resets.is_draining() => (StatusCode::SERVICE_UNAVAILABLE, "draining", "ok"),
        Ok(()) => (StatusCode::OK, "ready", "ok"),
        // Logged when the state changes, not for each request.
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "unavailable"),
    };
    Ok(json(code, JSON, &Readiness { status, database, mail, limits }))
}
