//! Converts hyper's requests to actix's and actix's responses to hyper's.

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
use reset_listen::RequestBody;

use crate::wire::actix_headers;

/// Calls the actix application with a request.
pub(crate) async fn call<S, B>(
    application: Rc<S>,
    request: http::Request<RequestBody>,
) -> Result<Response<Full<Bytes>>, Infallible>
where
    S: Service<Request, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    let Some(request) = to_actix(request) else { return Ok(empty(StatusCode::BAD_REQUEST)) };
    Ok(match application.call(request).await {
        Ok(response) => from_actix(response).await,
        Err(error) => {
            let status = error.as_response_error().status_code().as_u16();
            empty(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        }
    })
}

/// Converts the request for actix and attaches its original head. Returns `None` if the version of `http` that actix
/// uses cannot represent the method or the target.
fn to_actix(request: http::Request<RequestBody>) -> Option<Request> {
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

async fn from_actix<B: MessageBody>(response: ServiceResponse<B>) -> Response<Full<Bytes>> {
    let (head, body) = response.into_parts().1.into_parts();
    // All connections that send the same file share its bytes: `to_bytes` copies them.
    let body = match body.try_into_bytes() {
        Ok(body) => Ok(body),
        Err(body) => body::to_bytes(body).await,
    };
    let Ok(body) = body else { return empty(StatusCode::INTERNAL_SERVER_ERROR) };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::from_u16(head.status().as_u16()).expect("a valid status");
    *response.headers_mut() = crate::wire::headers(head.headers());
    response
}

/// Builds a response without a body.
fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
