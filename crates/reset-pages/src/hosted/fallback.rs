//! What a browser gets for a path that no dialect has: the icon, the page that it meant, or a page that says what is
//! wrong. Clients of the API get problem details.
//!
//! These are no rows: where polyreset is mounted in a host application, or has a back end behind it, such paths are the
//! host's and the back end's.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::Pages;
use reset_http::{common_error::CommonError, problem, route::ErrorRenderer, wire::reply};

/// Paths of the pages. Other spellings of them are redirected: another case, or a slash at the end.
const SPELLINGS: [&str; 3] = ["/forgot", "/reset", "/not-me"];

/// Returns the renderer of errors outside the dialects.
pub(super) fn renderer(pages: &Arc<Pages>) -> ErrorRenderer {
    let pages = pages.clone();
    ErrorRenderer::Localized(Arc::new(move |error, headers| respond(&pages, error, headers)))
}

fn respond(pages: &Pages, error: &CommonError, headers: &HeaderMap) -> Response<Bytes> {
    if let CommonError::NotFound { path, query } = error {
        let folded = path.trim_end_matches('/').to_ascii_lowercase();
        // The target of `CONNECT` has no path at all.
        if folded.is_empty() && path.starts_with('/') {
            return redirect_to(StatusCode::SEE_OTHER, &pages.url_of("/forgot", None));
        }
        if let Some(page) = SPELLINGS.iter().find(|page| **page == folded) {
            // 308 keeps the method and the form of a misspelt address.
            return redirect_to(StatusCode::PERMANENT_REDIRECT, &pages.url_of(page, query.as_deref()));
        }
        if path == "/favicon.ico" {
            let svg = HeaderValue::from_static("image/svg+xml");
            return reply(StatusCode::OK, svg, pages.icon.clone());
        }
    }
    let mut response =
        if accepts_html(headers) { pages.render_outside(error, headers) } else { problem::render(error) };
    response.headers_mut().append(header::VARY, HeaderValue::from_static("Accept"));
    response
}

/// Redirects to a URL of this server.
pub(super) fn redirect_to(status: StatusCode, to: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    // A query that is no header value is none of a page either: its secrets are plain ASCII.
    let location = HeaderValue::from_str(to).ok();
    *response.status_mut() = if location.is_some() { status } else { StatusCode::BAD_REQUEST };
    response.headers_mut().extend(location.map(|location| (header::LOCATION, location)));
    response
}

/// Whether the client asks for HTML by name, as browsers do for a page. `*/*` is not enough: that is what API clients send.
fn accepts_html(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let html = parts.next().is_some_and(|media| media.eq_ignore_ascii_case("text/html"));
        html && !parts.any(|part| part.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0_f32)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_client_that_names_html_accepts_it() {
        for (accept, html) in [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true),
            ("application/json, Text/HTML; q=0.1", true),
            ("*/*", false),
            ("text/*", false),
            ("application/json", false),
            ("text/html;q=0", false),
            ("text/html;q=0.0, application/json", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            assert_eq!(accepts_html(&headers), html, "{accept}");
        }
        assert!(!accepts_html(&HeaderMap::new()));
    }
}
