//! `GET /docs`: the OpenAPI document of this very server, to read and to try. Swagger UI renders it; page, script and
//! style sheet all come from here.
//!
//! Every link is relative, to the folder that `/docs` lies in, so that the page works under a host's or a proxy's prefix.

pub(super) mod asset;

use std::sync::Arc;

use askama::Template;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};

use crate::html;
use reset_http::route::Call;

const STYLE: &str = include_str!("docs.css");
const SCRIPT: &str = include_str!("docs.js");

/// What is around Swagger UI.
#[derive(Template)]
#[template(path = "docs.html")]
struct Page {
    style: &'static str,
    script: &'static str,
    /// Of Swagger UI.
    version: &'static str,
}

/// The page and the policy that its browser is to follow.
pub(super) struct Docs {
    html: Bytes,
    policy: HeaderValue,
}

impl Docs {
    pub(super) fn new() -> Self {
        let page = Page { style: STYLE, script: SCRIPT, version: env!("SWAGGER_UI_VERSION") };
        let html = page.render().expect("a template over texts that is written into memory");
        Self { html: html.into(), policy: policy() }
    }
}

/// Nothing comes from elsewhere and nothing goes there; of what is on the page itself, only our own may run. Swagger UI's
/// style sheet has its pictures in it, as `data:`.
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
    summary = "This document, to read and to try",
    responses((status = 200, description = "This document as a page, every operation to be tried on this server",
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
    fn nothing_is_loaded_from_elsewhere_and_every_link_is_relative() {
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
    fn the_policy_allows_what_is_on_this_page_and_in_these_files_and_nothing_else() {
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
    fn no_address_can_make_the_page_show_another_document_or_ask_anybody_about_it() {
        for set in [
            "url: 'openapi.json'",
            "queryConfigEnabled: false",
            "validatorUrl: null",
            "persistAuthorization: false",
        ] {
            assert!(SCRIPT.contains(set), "{set}");
        }
        assert!(!SCRIPT.contains("location"));
    }

    #[test]
    fn without_javascript_the_page_says_where_the_document_is() {
        let html = html();
        let without = html.split("<noscript>").nth(1).unwrap().split("</noscript>").next().unwrap();
        assert!(
            without.contains("href=\"openapi.yaml\"") && without.contains("href=\"openapi.json\""),
            "{without}"
        );
        assert!(html.contains("<html lang=\"en\">") && html.contains("<meta name=\"viewport\""));
    }
}
