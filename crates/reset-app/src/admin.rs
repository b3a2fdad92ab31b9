//! The routes of the separate admin listener, for operators and monitoring: `/metrics`.

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

/// Content type of the `OpenMetrics` text format, which Prometheus reads.
const OPENMETRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// A source of metrics.
#[async_trait]
pub(crate) trait MetricsSource: Send + Sync {
    /// Returns all metrics in the text format of `OpenMetrics` 1.0.
    async fn text(&self) -> String;
}

#[derive(OpenApi)]
#[openapi(
    info(title = "polyreset admin", version = "1.0.0",
        description = "Operations of the admin listener, for operators and monitoring."),
    paths(metrics),
    tags((name = "admin", description = "Monitoring"))
)]
struct Document;

/// Returns the routes of the admin listener, which serve `source`.
pub(crate) fn dialect(source: &Arc<dyn MetricsSource>) -> Dialect {
    Dialect {
        owns: vec![String::new()],
        rows: vec![(
            "/metrics".to_owned(),
            vec![Endpoint::new(Method::GET, EndpointKind::Read, source, metrics)],
        )],
        ..Dialect::bare(NAME, ErrorRenderer::Fixed(problem::render), Document::openapi())
    }
}

#[utoipa::path(get, path = "/metrics", operation_id = "metrics", tag = "admin", summary = "Get metrics",
    description = "Returns all metrics of this process, for Prometheus and compatible collectors.",
    responses((status = 200, description = "All metrics, in the `OpenMetrics` text format", body = String,
        content_type = "application/openmetrics-text")))]
async fn metrics(source: Arc<dyn MetricsSource>, _: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    Ok(reply(StatusCode::OK, OPENMETRICS, source.text().await))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct NoMetrics;

    #[async_trait]
    impl MetricsSource for NoMetrics {
        async fn text(&self) -> String {
            String::new()
        }
    }

    /// An administrator starts resets by commands, and no operation of the listener chooses a password (R75).
    #[test]
    fn admin_listener_only_reads() {
        let source: Arc<dyn MetricsSource> = Arc::new(NoMetrics);
        for (path, endpoints) in dialect(&source).rows {
            assert!(endpoints.iter().all(|endpoint| endpoint.kind == EndpointKind::Read), "{path}");
            assert!(endpoints.iter().all(|endpoint| endpoint.method == Method::GET), "{path}");
        }
    }
}
