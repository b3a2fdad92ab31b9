//! Passes requests to the back end behind polyreset (setting `upstream_url`), the same for all three servers.
//!
//! A request is passed on before the web framework sees it, so a row of polyreset is served exactly as without a back end.
//! The framing is rebuilt in both directions: what hyper has read is written again, so no ambiguous length reaches the back
//! end. Bodies are streamed, of any size, as long as there is progress.

mod body;
mod client;
mod cors;
mod head;
mod merge;
mod shadow;
mod tunnel;

use std::{io, pin::Pin, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response, StatusCode, Version,
    body::{Body, Incoming},
    header::{HeaderValue, VARY},
    http::request::Parts,
};
use reset_http::{
    Api, Peer,
    upstream::{Answerer, UpstreamOptions},
};
use tokio::time::Instant;
use tower::{Service, ServiceExt};
use tracing::warn;

use self::{
    body::{ClientBody, Progress, UpstreamBody},
    client::{Failure, HttpClient},
    shadow::{BodyCopy, CopiedBody},
};
use crate::{RequestBody, framing, phase::Phase, throttle::Throttle};

/// The body of a response that no web framework produced.
pub(crate) type PassedBody = UnsyncBoxBody<Bytes, io::Error>;
/// The body of any response: of the web framework, or of the back end.
pub(crate) type ServedBody<B> = Either<B, PassedBody>;
/// The body of a request to the back end.
type OutgoingBody = UnsyncBoxBody<Bytes, io::Error>;

/// Work that does not depend on the web framework, and that any thread can do.
type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The back end.
pub(crate) struct Upstream {
    api: Api,
    options: UpstreamOptions,
    client: HttpClient,
    failures: Throttle,
}

impl Upstream {
    /// Returns the back end of `api`, if it has one. Does not connect.
    ///
    /// # Errors
    /// Fails if the certificate authorities that the system trusts cannot be read.
    pub(crate) fn of(api: &Api) -> io::Result<Option<Arc<Self>>> {
        let Some(options) = api.upstream().cloned() else { return Ok(None) };
        let client = client::new(&options)?;
        Ok(Some(Arc::new(Self { api: api.clone(), options, client, failures: Throttle::default() })))
    }

    /// Answers a request: with `service` if it is for a row of polyreset, otherwise with the back end.
    pub(crate) async fn serve<S, B>(
        self: Arc<Self>,
        request: Request<RequestBody>,
        service: S,
        phase: Arc<Phase>,
    ) -> Result<Response<ServedBody<B>>, S::Error>
    where
        S: Service<Request<RequestBody>, Response = Response<B>>,
        B: Body<Data = Bytes>,
    {
        match self.api.answerer(request.method(), request.uri().path(), request.headers()) {
            Answerer::Polyreset => {
                let preflight = self.preflight(&request);
                let mut response = respond(service, request).await?;
                if let Some(preflight) = preflight {
                    let cors = self.cors_headers(preflight).await;
                    let headers = response.headers_mut();
                    headers.append(VARY, HeaderValue::from_static("Origin"));
                    headers.extend(cors);
                }
                Ok(response.map(Either::Left))
            }
            Answerer::Merged(keys) => self.merge(keys, request, service, phase).await,
            Answerer::Shadowed => Ok(self.shadowed(request, phase).await.map(Either::Right)),
            Answerer::Upstream => {
                let begun = Instant::now();
                let response = match self.clone().pass(request, phase, None).await {
                    Ok(response) => response,
                    Err(failure) => self.failed(failure),
                };
                self.api.observe_passed(response.status(), begun.elapsed());
                Ok(response.map(Either::Right))
            }
        }
    }

    /// Passes a request on and returns the response of the back end. `copy` receives the body of the request.
    fn pass(
        self: Arc<Self>,
        mut request: Request<RequestBody>,
        phase: Arc<Phase>,
        copy: Option<Arc<BodyCopy>>,
    ) -> Work<Result<Response<PassedBody>, Failure>> {
        Box::pin(async move {
            let upgrade =
                head::upgrade(&request).map(|protocol| (protocol, hyper::upgrade::on(&mut request)));
            let (parts, body) = request.into_parts();
            let progress = Arc::new(Progress::new());
            let body = ClientBody::new(body, progress.clone());
            let body = match copy {
                Some(copy) => CopiedBody::new(body, copy).boxed_unsync(),
                None => body.boxed_unsync(),
            };
            let mut outgoing = self.outgoing(&parts, body)?;
            if let Some((protocol, _)) = &upgrade {
                head::ask_for_upgrade(outgoing.headers_mut(), protocol);
            }
            let mut response = self.exchange(outgoing, &progress).await?;
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                let Some((protocol, client)) = upgrade else { return Err(Failure::BROKEN) };
                let upstream = hyper::upgrade::on(&mut response);
                // The upgrade of the client's side is complete when the response was sent.
                tokio::spawn(tunnel::run(client, upstream, phase.clone()));
                head::strip_hop_by_hop(response.headers_mut());
                head::ask_for_upgrade(response.headers_mut(), &protocol);
                phase.stream();
                return Ok(response.map(|_| full(Bytes::new())));
            }
            Ok(self.passed(response, phase))
        })
    }

    /// Returns a response of the back end without its hop-by-hop headers, and with a body that times out.
    fn passed(&self, mut response: Response<Incoming>, phase: Arc<Phase>) -> Response<PassedBody> {
        head::strip_hop_by_hop(response.headers_mut());
        // A back end that speaks HTTP/1.0 does not make the connection to the client one of HTTP/1.0.
        *response.version_mut() = Version::HTTP_11;
        let timeout = self.options.timeout;
        response.map(|body| UpstreamBody::new(body, timeout, phase).boxed_unsync())
    }

    /// Builds the request to the back end for a request of a client.
    fn outgoing(&self, parts: &Parts, body: OutgoingBody) -> Result<Request<OutgoingBody>, Failure> {
        if head::loops(&parts.headers) {
            return Err(Failure::LOOP);
        }
        let mut request = Request::new(body);
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = head::target(&self.options.origin, &parts.uri).ok_or(Failure::BROKEN)?;
        let headers = request.headers_mut();
        headers.clone_from(&parts.headers);
        head::strip_hop_by_hop(headers);
        let peer = parts.extensions.get::<Peer>().copied();
        head::set_host(headers, parts, self.options.host);
        head::set_forwarding(headers, parts, peer, self.api.proxies().trusts(peer));
        Ok(request)
    }

    /// Sends a request and returns the response. It times out after a while without progress, on either side.
    async fn exchange(
        &self,
        request: Request<OutgoingBody>,
        progress: &Progress,
    ) -> Result<Response<Incoming>, Failure> {
        tokio::select! {
            response = self.client.request(request) => response.map_err(|error| {
                if progress.client_is_slow() { Failure::SLOW_CLIENT } else { Failure::of(&error) }
            }),
            () = progress.none_for(self.options.timeout) => Err(Failure::TIMEOUT),
        }
    }

    /// Logs a failure and returns the response to it.
    fn failed(&self, failure: Failure) -> Response<PassedBody> {
        let Failure { status, reason } = failure;
        if status != Failure::SLOW_CLIENT.status
            && let Some(failed) = self.failures.due()
        {
            warn!(
                http.status = status.as_u16(),
                reason, failed, "requests failed at the back end (upstream_url)"
            );
        }
        self.api.gateway_error(status).map(full)
    }
}

/// Answers a request with the web framework.
pub(crate) async fn respond<S, B>(service: S, request: Request<RequestBody>) -> Result<Response<B>, S::Error>
where
    S: Service<Request<RequestBody>, Response = Response<B>>,
{
    let has_body = !request.body().is_end_stream();
    let mut response = service.oneshot(request).await?;
    if has_body {
        framing::close_after_unread_body(&mut response);
    }
    Ok(response)
}

/// Returns a body of these bytes.
fn full(bytes: Bytes) -> PassedBody {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}
