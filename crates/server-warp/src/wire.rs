//! Where warp's requests meet the neutral ones. Its answers are neutral already.

use std::{convert::Infallible, net::SocketAddr, pin::pin};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http::{HeaderMap, Method, Request, Uri, header::CONTENT_LENGTH};
use reset_http::{BodyError, Peer, with_body_timeout};
use warp::{Filter, path::FullPath};

/// The head of a request.
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

/// The request with its body, read up to `limit` bytes, or with why there is none. warp's own
/// `content_length_limit` answers 411 to a body in chunks, so the limit is counted here.
pub(crate) async fn with_body(
    head: Request<()>,
    body: impl Stream<Item = Result<impl Buf, warp::Error>>,
    limit: usize,
) -> Request<Result<Bytes, BodyError>> {
    let announced = head.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let body = with_body_timeout(collect(body, announced, limit)).await;
    head.map(|()| body)
}

/// Our own server tells by an extension, a host application's in warp's words.
fn peer() -> impl Filter<Extract = (Option<Peer>,), Error = Infallible> + Copy {
    let told = |remote: Option<SocketAddr>, known: Option<Peer>| {
        known.or(remote.map(|address| Peer(address.ip().to_canonical())))
    };
    warp::addr::remote().and(warp::ext::optional()).map(told)
}

async fn collect(
    body: impl Stream<Item = Result<impl Buf, warp::Error>>,
    announced: Option<usize>,
    limit: usize,
) -> Result<Bytes, BodyError> {
    // What is announced too large is not waited for.
    if announced.is_some_and(|length| length > limit) {
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
