//! Rejects ambiguous requests before routing: a proxy in front and hyper here could frame them differently, which
//! enables request smuggling (RFC 9112, 3.2, 6.1, 6.3; RFC 1945, 8.3). Also rejects heads over the size limit.

use hyper::{
    Request, Response, StatusCode, Uri, Version,
    header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderValue, TRANSFER_ENCODING},
};
use reset_http::api::HEAD_MAX;

/// Returns the status to reject the request with, or `None` if it is acceptable.
pub(crate) fn rejection<B>(request: &Request<B>) -> Option<StatusCode> {
    let headers = request.headers();
    let hosts = headers.get_all(HOST).iter().count();
    let missing_host = hosts == 0 && request.version() == Version::HTTP_11;
    let codings = headers.get_all(TRANSFER_ENCODING);
    let chunked = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    let unsupported_coding = codings.iter().count() > 1 || !codings.iter().all(chunked);
    let unframed = request.version() == Version::HTTP_10
        && request.method() == "POST"
        && !headers.contains_key(CONTENT_LENGTH);
    // RFC 9110 allows these characters in a method, but the version of `http` that actix's routing uses does not.
    let unsupported_method = request.method().as_str().contains(['#', '$', '%', '&', '\'']);
    if unsupported_method || hosts > 1 || missing_host || unsupported_coding || unframed {
        return Some(StatusCode::BAD_REQUEST);
    }
    (size(request) > HEAD_MAX).then_some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
}

/// Returns the length of the head in bytes, without optional white space.
fn size<B>(request: &Request<B>) -> usize {
    let line = request.method().as_str().len() + request.uri().to_string().len() + " HTTP/1.1\r\n\r\n ".len();
    let headers = request.headers().iter();
    line + headers.map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum::<usize>()
}

/// Builds the response to a rejected request. It closes the connection, and later bytes on it are not read.
pub(crate) fn reject<B: Default>(status: StatusCode) -> Response<B> {
    let mut response = Response::new(B::default());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Closes the connection after a response that was sent without reading the request's body. hyper would keep the
/// connection open if the rest of the body has already arrived and close it otherwise, so the result would depend on
/// timing.
pub(crate) fn close_after_unread_body<B>(response: &mut Response<B>) {
    if matches!(response.status(), StatusCode::METHOD_NOT_ALLOWED | StatusCode::PAYLOAD_TOO_LARGE) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

/// Adds the path `/` to a target without one (`CONNECT host:port`), because warp panics without a path.
pub(crate) fn ensure_path<B>(request: &mut Request<B>) {
    if request.uri().path_and_query().is_none() {
        *request.uri_mut() = Uri::from_static("/");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(build: impl FnOnce(&mut Request<()>)) -> Option<u16> {
        let mut request = Request::new(());
        request.headers_mut().insert(HOST, HeaderValue::from_static("test"));
        build(&mut request);
        rejection(&request).map(|status| status.as_u16())
    }

    #[test]
    fn a_valid_request_passes() {
        assert_eq!(status(|_| {}), None);
        assert_eq!(
            status(|request| {
                request.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("Chunked"));
            }),
            None
        );
    }

    #[test]
    fn an_ambiguously_framed_request_is_rejected() {
        let append = |name, value| {
            status(|request| {
                request.headers_mut().append(name, HeaderValue::from_static(value));
            })
        };
        assert_eq!(append(HOST, "other"), Some(400));
        assert_eq!(append(TRANSFER_ENCODING, "gzip, chunked"), Some(400));
        assert_eq!(status(|request| request.headers_mut().clear()), Some(400));
        assert_eq!(
            status(|request| {
                *request.version_mut() = Version::HTTP_10;
                *request.method_mut() = hyper::Method::POST;
            }),
            Some(400)
        );
    }

    #[test]
    fn a_head_over_the_size_limit_is_rejected() {
        let of = |length: usize| {
            status(|request| {
                let rest = length - size(request) - "x: \r\n".len();
                let value = HeaderValue::from_str(&"y".repeat(rest)).unwrap();
                request.headers_mut().insert("x", value);
            })
        };
        assert_eq!((of(HEAD_MAX), of(HEAD_MAX + 1)), (None, Some(431)));
    }

    #[test]
    fn rejected_request_and_unread_body_close_the_connection() {
        let response: Response<Vec<u8>> = reject(StatusCode::BAD_REQUEST);
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(
            (&response.headers()[CONTENT_LENGTH], &response.headers()[CONNECTION]),
            (&"0".parse().unwrap(), &"close".parse().unwrap())
        );
        for (status, closes) in
            [(200, false), (400, false), (404, false), (405, true), (413, true), (429, false)]
        {
            let mut response = Response::new(());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            close_after_unread_body(&mut response);
            assert_eq!(response.headers().contains_key(CONNECTION), closes, "{status}");
        }
    }

    #[test]
    fn target_without_a_path_gets_one() {
        let path = |target: &'static str| {
            let mut request = Request::new(());
            *request.uri_mut() = Uri::from_static(target);
            ensure_path(&mut request);
            request.uri().path_and_query().map(ToString::to_string)
        };
        assert_eq!(path("example.org:443").as_deref(), Some("/"));
        assert_eq!(path("/reset?token=1").as_deref(), Some("/reset?token=1"));
        assert_eq!(path("*").as_deref(), Some("*"));
    }
}
