//! `GET /healthz`: the process lives. `GET /readyz`: it can do its work.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Serialize;
use tracing::error;
use utoipa::ToSchema;

use reset_http::{
    route::Call,
    wire::{JSON, json},
};

/// How the service is.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    /// `ok`, or what is wrong.
    #[schema(example = "ok")]
    status: &'static str,
}

/// How the service's surroundings are.
#[derive(Serialize, ToSchema)]
pub(super) struct Readiness {
    /// `ready`, `draining` once the process was told to end, or `unavailable`.
    #[schema(example = "ready")]
    status: &'static str,
    /// `ok`, or `unavailable` when the database does not answer or its schema is behind.
    #[schema(example = "ok")]
    database: &'static str,
    /// `ok`, or `degraded` while mail cannot be sent: what is accepted then is mailed later.
    #[schema(example = "ok")]
    mail: &'static str,
    /// Where clients are counted for all replicas together: `ok`, or `degraded` while each process counts for itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "ok")]
    limits: Option<&'static str>,
}

#[utoipa::path(get, path = "/healthz", operation_id = "healthz", tag = "polyreset",
    summary = "Whether the process lives",
    responses((status = 200, description = "The process lives", body = Health)))]
pub(super) async fn live(_: Arc<()>, _: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    Ok(json(StatusCode::OK, JSON, &Health { status: "ok" }))
}

#[utoipa::path(get, path = "/readyz", operation_id = "readyz", tag = "polyreset",
    summary = "Whether requests can be served",
    responses(
        (status = 200, description = "Requests can be served; mail and limits may be degraded", body = Readiness),
        (status = 503, description = "The process is about to end, or the database does not answer or is behind",
            body = Readiness)))]
pub(super) async fn ready(_: Arc<()>, call: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    let mail = if call.resets.mail_works() { "ok" } else { "degraded" };
    let shared = call.api.rate_limiter().and_then(|limiter| limiter.shares());
    let limits = shared.map(|work| if work { "ok" } else { "degraded" });
    let (code, status, database) = match call.resets.ready().await {
        Ok(()) if call.resets.is_draining() => (StatusCode::SERVICE_UNAVAILABLE, "draining", "ok"),
        Ok(()) => (StatusCode::OK, "ready", "ok"),
        Err(error) => {
            error!(error = &error as &dyn std::error::Error, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "unavailable")
        }
    };
    Ok(json(code, JSON, &Readiness { status, database, mail, limits }))
}
