//! Shadow mode: a request is passed to the back end like any other, and both bodies are kept. When the response has been
//! sent, a task of its own lets polyreset process the request without an effect, and compares the responses.
//!
//! The client waits for the back end only. The number of comparisons at one time and the size of the bodies are bounded
//! ([`reset_http::shadow`]); what exceeds a bound is passed on as usual and not compared.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::{
    Request, Response, StatusCode,
    body::{Body, Frame, SizeHint},
    http::request::Parts,
};
use reset_http::{
    Peer,
    shadow::{RESPONSE_MAX, Shadow, ShadowSlot, Skipped},
};
use tokio::{runtime::Handle, time::Instant};

use super::{PassedBody, Upstream, Work};
use crate::{RequestBody, phase::Phase};

impl Upstream {
    /// Answers a request with the back end, and has it compared.
    pub(super) fn shadowed(
        self: Arc<Self>,
        request: Request<RequestBody>,
        phase: Arc<Phase>,
    ) -> Work<Response<PassedBody>> {
        Box::pin(async move {
            let begun = Instant::now();
            let shadow = self.api.shadow().cloned();
            let slot = shadow.and_then(|shadow| {
                let slot = shadow.begin(request.method(), request.uri().path())?;
                Some((shadow, slot))
            });
            let comparison = slot.map(|(shadow, slot)| {
                let (head, ()) = copy_of_head(&request).into_parts();
                let sent = BodyCopy::up_to(shadow.body_limit());
                Comparison { shadow, slot, head, sent, runtime: Handle::current() }
            });
            let copy = comparison.as_ref().map(|comparison| comparison.sent.clone());
            let response = match (self.clone().pass(request, phase, copy).await, comparison) {
                (Ok(response), Some(comparison)) => comparison.follow(response),
                (Ok(response), None) => response,
                (Err(failure), comparison) => {
                    if let Some(Comparison { shadow, slot, .. }) = comparison {
                        shadow.skip(slot, Skipped::Incomplete);
                    }
                    self.failed(failure)
                }
            };
            self.api.observe_passed(response.status(), begun.elapsed());
            response
        })
    }
}

/// Returns what polyreset needs of the head of a request.
fn copy_of_head<B>(request: &Request<B>) -> Request<()> {
    let mut head = Request::new(());
    *head.method_mut() = request.method().clone();
    *head.uri_mut() = request.uri().clone();
    *head.headers_mut() = request.headers().clone();
    if let Some(peer) = request.extensions().get::<Peer>() {
        head.extensions_mut().insert(*peer);
    }
    head
}

/// A request that is being passed on, and that will be compared.
struct Comparison {
    shadow: Arc<Shadow>,
    slot: ShadowSlot,
    head: Parts,
    sent: Arc<BodyCopy>,
    runtime: Handle,
}

impl Comparison {
    /// Returns the response with a body that starts the comparison when it was sent.
    fn follow(self, response: Response<PassedBody>) -> Response<PassedBody> {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            self.shadow.skip(self.slot, Skipped::Incomplete);
            return response;
        }
        let mut head = Response::new(());
        *head.status_mut() = response.status();
        *head.headers_mut() = response.headers().clone();
        let received = BodyCopy::up_to(RESPONSE_MAX);
        response.map(|body| {
            let body = CopiedBody::new(body, received.clone());
            FollowedBody { body, end: Some((self, head, received)) }.boxed_unsync()
        })
    }

    fn start(self, head: Response<()>, received: &BodyCopy) {
        let Self { shadow, slot, head: request, sent, runtime } = self;
        let (sent, received) = (sent.take(), received.take());
        let (sent, received) = match (sent, received) {
            (Copied::TooLarge, _) => return shadow.skip(slot, Skipped::RequestTooLarge),
            (_, Copied::TooLarge) => return shadow.skip(slot, Skipped::ResponseTooLarge),
            (Copied::Whole(sent), Copied::Whole(received)) => (sent, received),
            _ => return shadow.skip(slot, Skipped::Incomplete),
        };
        let (request, response) = (Request::from_parts(request, sent), head.map(|()| received));
        runtime.spawn(async move { shadow.compare(slot, request, response).await });
    }
}

/// The body of a response that is compared when it ends, or when the client has gone away.
struct FollowedBody {
    body: CopiedBody<PassedBody>,
    end: Option<(Comparison, Response<()>, Arc<BodyCopy>)>,
}

impl Drop for FollowedBody {
    fn drop(&mut self) {
        if let Some((comparison, head, received)) = self.end.take() {
            comparison.start(head, &received);
        }
    }
}

impl Body for FollowedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What was copied of a body.
enum Copied {
    Partial(BytesMut),
    Whole(Bytes),
    TooLarge,
}

/// A copy of a body that is being passed on, up to a limit.
pub(super) struct BodyCopy {
    limit: usize,
    copied: Mutex<Copied>,
}

impl BodyCopy {
    fn up_to(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, copied: Mutex::new(Copied::Partial(BytesMut::new())) })
    }

    fn lock(&self) -> MutexGuard<'_, Copied> {
        self.copied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, data: &Bytes) {
        let mut copied = self.lock();
        let Copied::Partial(bytes) = &mut *copied else { return };
        if bytes.len() + data.len() > self.limit {
            *copied = Copied::TooLarge;
        } else {
            bytes.extend_from_slice(data);
        }
    }

    fn end(&self) {
        let mut copied = self.lock();
        if let Copied::Partial(bytes) = &mut *copied {
            *copied = Copied::Whole(std::mem::take(bytes).freeze());
        }
    }

    fn take(&self) -> Copied {
        std::mem::replace(&mut *self.lock(), Copied::TooLarge)
    }
}

/// A body that is copied while it is passed on.
pub(super) struct CopiedBody<B> {
    body: B,
    copy: Arc<BodyCopy>,
}

impl<B: Body> CopiedBody<B> {
    pub(super) fn new(body: B, copy: Arc<BodyCopy>) -> Self {
        if body.is_end_stream() {
            copy.end();
        }
        Self { body, copy }
    }
}

impl<B: Body<Data = Bytes, Error = io::Error> + Unpin> Body for CopiedBody<B> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    self.copy.append(data);
                }
                // A body of known length is not polled beyond its last byte.
                if self.body.is_end_stream() {
                    self.copy.end();
                }
            }
            Some(Err(_)) => {}
            None => self.copy.end(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use http_body_util::Collected;

    use super::*;

    /// A body that arrives in these parts.
    struct InParts(VecDeque<io::Result<&'static str>>);

    impl Body for InParts {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
            let part = self.0.pop_front();
            Poll::Ready(part.map(|part| part.map(|part| Frame::data(Bytes::from_static(part.as_bytes())))))
        }
    }

    async fn copied<const N: usize>(parts: [io::Result<&'static str>; N]) -> (Option<Bytes>, Copied) {
        let copy = BodyCopy::up_to(4);
        let passed = CopiedBody::new(InParts(parts.into()), copy.clone()).collect().await;
        (passed.ok().map(Collected::to_bytes), copy.take())
    }

    #[tokio::test]
    async fn body_is_copied_as_a_whole_or_not_at_all() {
        let (passed, copy) = copied([Ok("ab"), Ok("cd")]).await;
        assert!(passed.unwrap() == "abcd" && matches!(copy, Copied::Whole(bytes) if bytes == "abcd"));
        let (passed, copy) = copied([Ok("ab"), Ok("cde"), Ok("f")]).await;
        assert!(passed.unwrap() == "abcdef" && matches!(copy, Copied::TooLarge));
        let (passed, copy) = copied([Ok("ab"), Err(io::ErrorKind::TimedOut.into())]).await;
        assert!(passed.is_none() && matches!(copy, Copied::Partial(_)));
    }
}
