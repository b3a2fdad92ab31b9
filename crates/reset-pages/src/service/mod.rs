//! polyreset's own paths beside the dialects: health, readiness, the OpenAPI document, as a file and as a page to try
//! it on, and the comparison.

mod docs;
mod document;
mod health;
mod page;

use std::sync::Arc;

use http::Method;
use utoipa::OpenApi;

use crate::demo;
use reset_http::{
    openapi,
    route::{Dialect, Endpoint, EndpointKind, ErrorRenderer},
};

/// The address of the examples in the documents.
const EXAMPLE: &str = "user@example.com";

/// Our own OpenAPI document.
#[derive(OpenApi)]
#[openapi(
    info(title = "polyreset", version = "1.0.0",
        description = "Health, readiness, this document and the dialects side by side."),
    paths(
        health::live, health::ready, document::json, document::yaml, page::show,
        docs::show, docs::asset::script, docs::asset::style
    ),
    tags((name = "polyreset", description = "The service itself"))
)]
struct Document;

/// The document that `/openapi.json` and `/openapi.yaml` serve.
struct Texts {
    json: String,
    yaml: String,
}

/// Our own rows, with the document of `others` and ourselves, and the comparison of `others`. They answer for
/// every path that no dialect owns.
pub fn dialect(others: &[Dialect]) -> Dialect {
    let mut own = rows();
    let whole = openapi::whole(others.iter().chain([&own]));
    // During a demo what is tried as it stands is somebody's who is there.
    let demo = others.iter().any(|other| other.name == demo::NAME);
    let examples = |text: String| if demo { text.replace(EXAMPLE, demo::PERSON) } else { text };
    let texts = Texts { json: examples(openapi::to_json(&whole)), yaml: examples(openapi::to_yaml(&whole)) };
    let texts = Arc::new(texts);
    let page = Arc::new(page::Page::of(others));
    let docs = Arc::new(docs::Docs::new());
    let (script, style) = (Arc::new(docs::asset::Asset::script()), Arc::new(docs::asset::Asset::style()));
    own.rows.extend([
        (
            "/openapi.json".into(),
            vec![Endpoint::new(Method::GET, EndpointKind::Read, &texts, document::json)],
        ),
        (
            "/openapi.yaml".into(),
            vec![Endpoint::new(Method::GET, EndpointKind::Read, &texts, document::yaml)],
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
    own
}

fn rows() -> Dialect {
    let none = Arc::new(());
    Dialect {
        name: "polyreset",
        owns: vec![String::new()],
        lenient: false,
        errors: ErrorRenderer::Fixed(reset_http::problem::render),
        rows: vec![
            ("/healthz".into(), vec![Endpoint::new(Method::GET, EndpointKind::Read, &none, health::live)]),
            ("/readyz".into(), vec![Endpoint::new(Method::GET, EndpointKind::Read, &none, health::ready)]),
        ],
        policies: None,
        document: Document::openapi(),
        document_base: String::new(),
        client: None,
        traits: None,
        redemptions: Vec::new(),
    }
}
