//! What is refused before any row sees it: requests that two readers of HTTP, such as a proxy in front and hyper
//! here, could read in two ways (RFC 9112, 3.2, 6.1, 6.3; RFC 1945, 8.3), and heads over the limit.

use hyper::{
    Request, Response, StatusCode, Uri, Version,
    header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderValue, TRANSFER_ENCODING},
};
use reset_http::api::HEAD_MAX;

/// The status that the request is refused with, if it is.
pub(crate) fn refusal<B>(request: &Request<B>) -> Option<StatusCode> {
    let headers = request.headers();
    let hosts = headers.get_all(HOST).iter().count();
    let unnamed = hosts == 0 && request.version() == Version::HTTP_11;
    let codings = headers.get_all(TRANSFER_ENCODING);
    let chunked = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    let coded = codings.iter().count() > 1 || !codings.iter().all(chunked);
    let endless = request.version() == Version::HTTP_10
        && request.method() == "POST"
        && !headers.contains_key(CONTENT_LENGTH);
    // Tokens to RFC 9110, but not to the version of `http` that actix's routing uses.
    let strange = request.method().as_str().contains(['#', '$', '%', '&', '\'']);
    if strange || hosts > 1 || unnamed || coded || endless {
        return Some(StatusCode::BAD_REQUEST);
    }
    (size(request) > HEAD_MAX).then_some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
}

/// Length of the head in bytes, written without spare white space.
fn size<B>(request: &Request<B>) -> usize {
    let line = request.method().as_str().len() + request.uri().to_string().len() + " HTTP/1.1\r\n\r\n ".len();
    let headers = request.headers().iter();
    line + headers.map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum::<usize>()
}

/// The answer to a refused request. Whatever follows on its connection is not read.
pub(crate) fn refuse<B: Default>(status: StatusCode) -> Response<B> {
    let mut response = Response::new(B::default());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Ends the connection behind an answer that was given without reading the request's body. hyper would go on where the
/// rest has arrived by then, and close where it has not: chance would decide.
pub(crate) fn part<B>(response: &mut Response<B>) {
    if matches!(response.status(), StatusCode::METHOD_NOT_ALLOWED | StatusCode::PAYLOAD_TOO_LARGE) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

/// A target without a path (`CONNECT host:port`) gets one: warp panics without it.
pub(crate) fn complete<B>(request: &mut Request<B>) {
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
        refusal(&request).map(|status| status.as_u16())
    }

    #[test]
    fn a_sound_request_passes() {
        assert_eq!(status(|_| {}), None);
        assert_eq!(
            status(|request| {
                request.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("Chunked"));
            }),
            None
        );
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
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
    fn a_head_may_be_as_long_as_the_limit_and_no_longer() {
        let of = |length: usize| {
            status(|request| {
                let rest = length - size(request) - "x: \r\n".len();
                let value = HeaderValue::from_str(&"y".repeat(rest)).unwrap();
                request.headers_mut().insert("x", value);
            })
        };
        assert_eq!((of(HEAD_MAX), of(HEAD_MAX + 1)), (None, Some(431)));
    }
}
