//! A request that hyper has read becomes one of actix's, and actix's answer one of hyper's.

use std::{convert::Infallible, rc::Rc};

use actix_http::Request;
use actix_web::{
    Error, HttpMessage,
    body::{self, MessageBody},
    dev::{Payload, Service, ServiceResponse},
    error::PayloadError,
    http::{Method, Uri, Version},
};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use http::{Response, StatusCode, request::Parts};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;

use crate::wire::actix_headers;

/// Hands a request to actix's application.
pub(crate) async fn call<S, B>(
    application: Rc<S>,
    request: http::Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible>
where
    S: Service<Request, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    let Some(request) = received(request) else { return Ok(bare(StatusCode::BAD_REQUEST)) };
    Ok(match application.call(request).await {
        Ok(response) => sent(response).await,
        Err(error) => {
            let status = error.as_response_error().status_code().as_u16();
            bare(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        }
    })
}

/// The request as actix routes it; its head as it was read goes along. Nothing when the version of `http` that
/// actix uses has no word for it.
fn received(request: http::Request<Incoming>) -> Option<Request> {
    let (parts, body) = request.into_parts();
    let body = body.into_data_stream().map_err(|_| PayloadError::Incomplete(None)).boxed_local();
    let mut request = Request::with_payload(Payload::Stream { payload: body });
    let head = request.head_mut();
    head.method = Method::from_bytes(parts.method.as_str().as_bytes()).ok()?;
    head.uri = Uri::try_from(parts.uri.to_string()).ok()?;
    head.version = if parts.version == http::Version::HTTP_10 { Version::HTTP_10 } else { Version::HTTP_11 };
    head.headers = actix_headers(&parts.headers);
    request.extensions_mut().insert::<Parts>(parts);
    Some(request)
}

async fn sent<B: MessageBody>(response: ServiceResponse<B>) -> Response<Full<Bytes>> {
    let (head, body) = response.into_parts().1.into_parts();
    let Ok(body) = body::to_bytes(body).await else { return bare(StatusCode::INTERNAL_SERVER_ERROR) };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::from_u16(head.status().as_u16()).expect("already a status");
    *response.headers_mut() = crate::wire::headers(head.headers());
    response
}

/// An answer without a body.
fn bare(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
