//! Converts warp's requests to those of `http`. Its responses are of `http` already.

use std::{convert::Infallible, net::SocketAddr, pin::pin};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http::{HeaderMap, Method, Request, Uri, header::CONTENT_LENGTH};
use reset_http::{BodyError, Peer, with_body_timeout};
use warp::{Filter, path::FullPath};

/// Extracts the head of a request.
pub(crate) fn head() -> impl Filter<Extract = (Request<()>,), Error = Infallible> + Clone {
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    let headers = warp::header::headers_cloned();
    warp::method().and(warp::path::full()).and(query).and(headers).and(peer()).map(
        |method: Method, path: FullPath, query: String, headers: HeaderMap, peer: Option<Peer>| {
            let mut request = Request::new(());
            *request.method_mut() = method;
            *request.headers_mut() = headers;
            if let Some(peer) = peer {
                request.extensions_mut().insert(peer);
            }
            let target = if query.is_empty() {
                path.as_str().to_owned()
            } else {
                format!("{}?{query}", path.as_str())
            };
            if let Ok(uri) = target.parse::<Uri>() {
                *request.uri_mut() = uri;
            }
            request
        },
    )
}

/// Returns the request with its body, or with the reason why the body could not be read. A body over `limit` bytes is
/// an error. warp's `content_length_limit` is not used, because it responds with 411 to a chunked body.
pub(crate) async fn with_body(
    head: Request<()>,
    body: impl Stream<Item = Result<impl Buf, warp::Error>>,
    limit: usize,
) -> Request<Result<Bytes, BodyError>> {
    let declared = head.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let body = with_body_timeout(collect(body, declared, limit)).await;
    head.map(|()| body)
}

/// Extracts the client's address: from an extension in the standalone server, from `warp::addr` in a host application.
fn peer() -> impl Filter<Extract = (Option<Peer>,), Error = Infallible> + Copy {
    let peer = |remote: Option<SocketAddr>, known: Option<Peer>| {
        known.or(remote.map(|address| Peer(address.ip().to_canonical())))
    };
    warp::addr::remote().and(warp::ext::optional()).map(peer)
}

async fn collect(
    body: impl Stream<Item = Result<impl Buf, warp::Error>>,
    declared: Option<usize>,
    limit: usize,
) -> Result<Bytes, BodyError> {
    // A body that is declared too large is rejected without reading it.
    if declared.is_some_and(|length| length > limit) {
        return Err(BodyError::TooLarge);
    }
    let (mut body, mut bytes) = (pin!(body), BytesMut::new());
    while let Some(chunk) = body.next().await {
        let mut chunk = chunk.map_err(|_| BodyError::Unreadable)?;
        if bytes.len() + chunk.remaining() > limit {
            return Err(BodyError::TooLarge);
        }
        bytes.extend_from_slice(&chunk.copy_to_bytes(chunk.remaining()));
    }
    Ok(bytes.freeze())
}
