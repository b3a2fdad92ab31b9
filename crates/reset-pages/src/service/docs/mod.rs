//! `GET /docs`: the interactive API reference. Swagger UI renders the OpenAPI document of this server; the page, the
//! script and the style sheet are all served from here.
//!
//! Every link is relative to the folder of `/docs`, so that the page works under the path prefix of a host
//! application or a proxy.

pub(super) mod asset;

use std::sync::Arc;

use askama::Template;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};

use crate::html;
use reset_http::route::Call;

const STYLE: &str = include_str!("docs.css");
const SCRIPT: &str = include_str!("docs.js");

/// Template of the page around Swagger UI.
#[derive(Template)]
#[template(path = "docs.html")]
struct Page {
    style: &'static str,
    script: &'static str,
    /// Version of Swagger UI.
    version: &'static str,
}

/// The rendered page and its Content-Security-Policy.
pub(super) struct Docs {
    html: Bytes,
    policy: HeaderValue,
}

impl Docs {
    pub(super) fn new() -> Self {
        let page = Page { style: STYLE, script: SCRIPT, version: env!("SWAGGER_UI_VERSION") };
        let html = page.render().expect("rendering a template into memory cannot fail");
        Self { html: html.into(), policy: policy() }
    }
}

/// Builds the Content-Security-Policy: resources and requests only from and to this server, inline only the page's own
/// style sheet and script. Swagger UI's style sheet embeds its images as `data:` URLs.
fn policy() -> HeaderValue {
    let policy = format!(
        "default-src 'none'; style-src {} 'self'; script-src {} 'self'; img-src data:; \
         connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
        html::source(STYLE),
        html::source(SCRIPT)
    );
    HeaderValue::from_str(&policy).expect("base64 is plain ASCII")
}

#[utoipa::path(get, path = "/docs", operation_id = "docs", tag = "polyreset",
    summary = "Interactive API reference",
    responses((status = 200, description = "This document as a page that can send every request to this server",
        body = String, content_type = "text/html")))]
pub(super) async fn show(docs: Arc<Docs>, _: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    Ok(html::page(StatusCode::OK, docs.html.clone(), &docs.policy))
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_STANDARD};
    use sha2::{Digest, Sha256};

    use super::*;

    fn html() -> String {
        String::from_utf8(Docs::new().html.to_vec()).unwrap()
    }

    fn digest(text: &str) -> String {
        format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text)))
    }

    #[test]
    fn page_loads_no_external_resource_and_every_link_is_relative() {
        let html = html();
        for absent in
            ["http:", "https:", "\"//", "'//", "\"/", "'/", "@import", "url(", "<base", "<iframe", "<form"]
        {
            assert!(!html.contains(absent), "{absent}");
        }
        let links =
            html.split(" href=\"").chain(html.split(" src=\"")).filter_map(|rest| rest.split_once('"'));
        let links: Vec<&str> = links.map(|(link, _)| link).filter(|link| !link.contains('<')).collect();
        for link in
            ["docs/swagger-ui.css", "docs/swagger-ui-bundle.js", "dialects", "openapi.yaml", "openapi.json"]
        {
            assert!(links.contains(&link), "{link} is not among {links:?}");
        }
    }

    #[test]
    fn policy_allows_only_the_inline_and_local_style_sheet_and_script() {
        let (html, policy) = (html(), Docs::new().policy);
        let between = |start: &str, end: &str| html.split(start).nth(1).unwrap().split(end).next().unwrap();
        let (style, script) = (between("<style>", "</style>"), between("<script>", "</script>"));
        assert_eq!(
            policy.to_str().unwrap(),
            format!(
                "default-src 'none'; style-src {} 'self'; script-src {} 'self'; img-src data:; \
                 connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
                digest(style),
                digest(script)
            )
        );
        for absent in [" style=", " onclick=", " onload=", "javascript:"] {
            assert!(!html.contains(absent), "{absent}");
        }
    }

    #[test]
    fn url_parameters_cannot_load_another_document_or_a_validator() {
        for setting in [
            "url: 'openapi.json'",
            "queryConfigEnabled: false",
            "validatorUrl: null",
            "persistAuthorization: false",
        ] {
            assert!(SCRIPT.contains(setting), "{setting}");
        }
        assert!(!SCRIPT.contains("location"));
    }

    #[test]
    fn page_without_javascript_links_to_the_document() {
        let html = html();
        let without = html.split("<noscript>").nth(1).unwrap().split("</noscript>").next().unwrap();
        assert!(
            without.contains("href=\"openapi.yaml\"") && without.contains("href=\"openapi.json\""),
            "{without}"
        );
        assert!(html.contains("<html lang=\"en\">") && html.contains("<meta name=\"viewport\""));
    }
}
