//! The rows of the second listener, for operators and their monitoring: `/metrics`, and nothing that people reach.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode};
use utoipa::OpenApi;

use reset_http::{
    problem,
    route::{Call, Dialect, Endpoint, EndpointKind, ErrorRenderer},
    wire::reply,
};

/// Name of the dialect.
pub(crate) const NAME: &str = "admin";

/// The text format of `OpenMetrics`, which Prometheus reads.
const OPENMETRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// Whoever knows the figures.
#[async_trait]
pub(crate) trait MetricsSource: Send + Sync {
    /// All of them, in the text format of `OpenMetrics` 1.0.
    async fn text(&self) -> String;
}

#[derive(OpenApi)]
#[openapi(
    info(title = "polyreset's second listener", version = "1.0.0", description = "For operators."),
    paths(metrics),
    tags((name = "admin", description = "For operators"))
)]
struct Document;

/// The rows.
pub(crate) fn dialect(figures: &Arc<dyn MetricsSource>) -> Dialect {
    Dialect {
        name: NAME,
        owns: vec![String::new()],
        lenient: false,
        errors: ErrorRenderer::Fixed(problem::render),
        rows: vec![(
            "/metrics".to_owned(),
            vec![Endpoint::new(Method::GET, EndpointKind::Read, figures, metrics)],
        )],
        policies: None,
        document: Document::openapi(),
        document_base: String::new(),
        client: None,
        traits: None,
        redemptions: Vec::new(),
    }
}

#[utoipa::path(get, path = "/metrics", operation_id = "metrics", tag = "admin", summary = "Metrics",
    responses((status = 200, description = "Metrics in the text format of `OpenMetrics`", body = String,
        content_type = "application/openmetrics-text")))]
async fn metrics(figures: Arc<dyn MetricsSource>, _: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    Ok(reply(StatusCode::OK, OPENMETRICS, figures.text().await))
}
