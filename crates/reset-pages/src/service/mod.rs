//! Service endpoints beside the dialects: health, readiness, the OpenAPI document as files and as an interactive
//! page, and the comparison of the dialects.

mod docs;
mod document;
mod health;
mod page;

use std::sync::{Arc, OnceLock};

use http::Method;
use utoipa::OpenApi;

use crate::demo;
use reset_http::{
    openapi,
    route::{Dialect, Endpoint, EndpointKind, ErrorRenderer},
};

/// Name of these rows in the list of dialects.
pub const NAME: &str = "polyreset";

/// Paths of the checks of this process. A load balancer asks them also in shadow mode.
pub const HEALTH_PATHS: &[&str] = &["/healthz", "/readyz"];

/// Example address in the OpenAPI documents.
const EXAMPLE: &str = "user@example.com";

/// OpenAPI document of the service endpoints.
#[derive(OpenApi)]
#[openapi(
    info(title = "polyreset", version = "1.0.0",
        description = "Health, readiness, this document and the comparison of the dialects."),
    paths(
        health::live, health::ready, document::json, document::yaml, page::show,
        docs::show, docs::asset::script, docs::asset::style
    ),
    tags((name = "polyreset", description = "Service endpoints"))
)]
struct Document;

/// The document as served by `/openapi.json` and `/openapi.yaml`. It lists the rows that serve it, so it is set after them.
#[derive(Default)]
struct Documents {
    json: OnceLock<String>,
    yaml: OnceLock<String>,
}

impl Documents {
    /// Returns the text of one form.
    fn text(form: &OnceLock<String>) -> String {
        form.get().cloned().unwrap_or_default()
    }
}

/// Builds the service endpoints, with the OpenAPI document of `others` and the service itself, and the comparison of
/// `others`. They also respond to every path that no dialect owns, with `errors`.
pub fn dialect(others: &[Dialect], errors: ErrorRenderer) -> Dialect {
    let mut service = Dialect { errors, ..health_rows() };
    let documents = Arc::<Documents>::default();
    let page = Arc::new(page::Page::of(others));
    let docs = Arc::new(docs::Docs::new());
    let (script, style) = (Arc::new(docs::asset::Asset::script()), Arc::new(docs::asset::Asset::style()));
    service.rows.extend([
        (
            "/openapi.json".into(),
            vec![Endpoint::new(Method::GET, EndpointKind::Read, &documents, document::json)],
        ),
        (
            "/openapi.yaml".into(),
            vec![Endpoint::new(Method::GET, EndpointKind::Read, &documents, document::yaml)],
        ),
        ("/dialects".into(), vec![Endpoint::new(Method::GET, EndpointKind::Read, &page, page::show)]),
        ("/docs".into(), vec![Endpoint::new(Method::GET, EndpointKind::Read, &docs, docs::show)]),
        (
            "/docs/swagger-ui-bundle.js".into(),
            vec![Endpoint::new(Method::GET, EndpointKind::Read, &script, docs::asset::script)],
        ),
        (
            "/docs/swagger-ui.css".into(),
            vec![Endpoint::new(Method::GET, EndpointKind::Read, &style, docs::asset::style)],
        ),
    ]);
    let whole = openapi::whole(others.iter().chain([&service]));
    // In a demo, use an existing account as the example, so that "Try it out" works unchanged.
    let demo = others.iter().any(|other| other.name == demo::NAME);
    let with_example = |text: String| if demo { text.replace(EXAMPLE, demo::PERSON) } else { text };
    documents.json.get_or_init(|| with_example(openapi::to_json(&whole)));
    documents.yaml.get_or_init(|| with_example(openapi::to_yaml(&whole)));
    service
}

/// Builds the dialect of the service endpoints with the health endpoints only.
fn health_rows() -> Dialect {
    let none = Arc::new(());
    Dialect {
        owns: vec![String::new()],
        rows: vec![
            ("/healthz".into(), vec![Endpoint::new(Method::GET, EndpointKind::Read, &none, health::live)]),
            ("/readyz".into(), vec![Endpoint::new(Method::GET, EndpointKind::Read, &none, health::ready)]),
        ],
        ..Dialect::bare(NAME, ErrorRenderer::Fixed(reset_http::problem::render), Document::openapi())
    }
}
