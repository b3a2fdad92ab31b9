//! Responses of which polyreset knows a part: the JSON of the back end with polyreset's values for some keys.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Collected, Either, Limited};
use hyper::http::request::Parts;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Body,
    header::{
        ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_MATCH,
        IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE,
    },
};
use reset_http::upstream::merged;
use tokio::time::{Instant, timeout};
use tower::Service;

use super::{PassedBody, ServedBody, Upstream, Work, body::Progress, client::Failure, full, head, respond};
use crate::{RequestBody, phase::Phase};

/// Maximum size of a response that can be merged, in bytes.
const SIZE_MAX: usize = 1024 * 1024;

impl Upstream {
    /// Answers with the response of the back end and the values of `keys` from the response of `service`. If the back end
    /// answers with an error or with something else than a JSON object, that is passed on unchanged.
    pub(super) async fn merge<S, B>(
        self: Arc<Self>,
        keys: &'static [&'static str],
        request: Request<RequestBody>,
        service: S,
        phase: Arc<Phase>,
    ) -> Result<Response<ServedBody<B>>, S::Error>
    where
        S: Service<Request<RequestBody>, Response = Response<B>>,
        B: Body<Data = Bytes>,
    {
        let begun = Instant::now();
        let (mut parts, body) = request.into_parts();
        // A response to HEAD has the length of the merged body.
        parts.method = Method::GET;
        let response = match self.whole_response(parts.clone(), phase).await {
            Ok(theirs) if theirs.status() == StatusCode::OK => {
                // The row is counted as any other.
                let own = respond(service, Request::from_parts(parts, body)).await?;
                if own.status() != StatusCode::OK {
                    return Ok(own.map(Either::Left));
                }
                let own = own.into_body().collect().await.map_or_else(|_| Bytes::new(), Collected::to_bytes);
                return Ok(replaced(theirs, &own, keys).map(Either::Right));
            }
            Ok(theirs) => theirs.map(full),
            Err(failure) => self.failed(failure),
        };
        self.api.observe_passed(response.status(), begun.elapsed());
        Ok(response.map(Either::Right))
    }

    /// Returns the complete, unconditional and uncompressed response of the back end.
    fn whole_response(
        self: &Arc<Self>,
        parts: Parts,
        phase: Arc<Phase>,
    ) -> Work<Result<Response<Bytes>, Failure>> {
        let upstream = self.clone();
        Box::pin(async move {
            let mut outgoing = upstream.outgoing(&parts, full(Bytes::new()))?;
            let headers = outgoing.headers_mut();
            for name in [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE, IF_RANGE, RANGE] {
                headers.remove(name);
            }
            headers.remove(CONTENT_LENGTH);
            headers.remove(CONTENT_TYPE);
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            let response = upstream.exchange(outgoing, &Progress::new()).await?;
            let (mut parts, body) = upstream.passed(response, phase).into_parts();
            let body = timeout(upstream.options.timeout, Limited::new(body, SIZE_MAX).collect());
            let body = body.await.map_err(|_| Failure::TIMEOUT)?.map_err(|_| Failure::BROKEN)?.to_bytes();
            set_length(&mut parts.headers, &body);
            Ok(Response::from_parts(parts, body))
        })
    }
}

/// Returns the response with the values of `keys` from the JSON object `own`.
fn replaced(theirs: Response<Bytes>, own: &[u8], keys: &[&str]) -> Response<PassedBody> {
    let Some(body) = merged(theirs.body(), own, keys) else { return theirs.map(full) };
    let (mut parts, _) = theirs.into_parts();
    // These describe the bytes of the back end.
    for name in [ETAG, LAST_MODIFIED] {
        parts.headers.remove(name);
    }
    for name in head::DIGESTS {
        parts.headers.remove(name);
    }
    set_length(&mut parts.headers, &body);
    Response::from_parts(parts, full(body))
}

fn set_length(headers: &mut HeaderMap, body: &Bytes) {
    headers.insert(CONTENT_LENGTH, body.len().into());
}
