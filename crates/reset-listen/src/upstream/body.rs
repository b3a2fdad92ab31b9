//! Bodies in both directions, bounded in time: there is no limit on their size, but each must make progress.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use reset_http::BODY_TIMEOUT;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::{RequestBody, phase::Phase};

/// When something was last sent or received, and whether it is the client's turn to send.
pub(super) struct Progress {
    last: Mutex<Instant>,
    awaits_client: AtomicBool,
    slow_client: AtomicBool,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            last: Mutex::new(Instant::now()),
            awaits_client: AtomicBool::new(false),
            slow_client: AtomicBool::new(false),
        }
    }

    /// Records progress.
    pub(super) fn advance(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Returns when there was no progress for `limit`. Time in which the client has to send does not count, and has a limit of
    /// its own.
    pub(super) async fn none_for(&self, limit: Duration) {
        loop {
            let (now, last) = (Instant::now(), *self.last.lock().unwrap_or_else(PoisonError::into_inner));
            let begun = if self.awaits_client.load(Ordering::Relaxed) { now } else { last };
            if now >= begun + limit {
                return;
            }
            sleep_until(begun + limit).await;
        }
    }

    /// Whether the client did not send its body in time.
    pub(super) fn client_is_slow(&self) -> bool {
        self.slow_client.load(Ordering::Relaxed)
    }
}

/// A timeout that runs only while something is awaited.
struct Silence {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Silence {
    fn new(limit: Duration) -> Self {
        Self { limit, timer: None }
    }

    /// Is ready when the silence has lasted for too long.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let limit = self.limit;
        self.timer.get_or_insert_with(|| Box::pin(sleep(limit))).as_mut().poll(context)
    }

    fn end(&mut self) {
        self.timer = None;
    }
}

/// The body of a client's request. The client must send some of it within [`BODY_TIMEOUT`].
pub(super) struct ClientBody {
    body: RequestBody,
    progress: Arc<Progress>,
    silence: Silence,
}

impl ClientBody {
    pub(super) fn new(body: RequestBody, progress: Arc<Progress>) -> Self {
        Self { body, progress, silence: Silence::new(BODY_TIMEOUT) }
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.silence.end();
            self.progress.advance();
            self.progress.awaits_client.store(false, Ordering::Relaxed);
            return Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)));
        }
        self.progress.awaits_client.store(true, Ordering::Relaxed);
        ready!(self.silence.poll(context));
        self.progress.slow_client.store(true, Ordering::Relaxed);
        Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of a response of the back end, which must send some of it within the timeout. While the client reads as fast as
/// it is sent, the connection counts as working.
pub(super) struct UpstreamBody {
    incoming: Incoming,
    silence: Silence,
    phase: Arc<Phase>,
}

impl UpstreamBody {
    pub(super) fn new(incoming: Incoming, timeout: Duration, phase: Arc<Phase>) -> Self {
        phase.stream();
        Self { incoming, silence: Silence::new(timeout), phase }
    }
}

impl Drop for UpstreamBody {
    fn drop(&mut self) {
        self.phase.end_stream();
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(context) {
            self.silence.end();
            return Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)));
        }
        ready!(self.silence.poll(context));
        Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_is_measured_from_the_last_progress() {
        let (progress, begun) = (Arc::new(Progress::new()), Instant::now());
        let limit = Duration::from_secs(10);
        let moving = progress.clone();
        tokio::spawn(async move {
            for _ in 0..5 {
                sleep(Duration::from_secs(7)).await;
                moving.advance();
            }
        });
        progress.none_for(limit).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(5 * 7 + 10));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_of_the_client_is_not_that_of_the_back_end() {
        let (progress, begun) = (Arc::new(Progress::new()), Instant::now());
        progress.awaits_client.store(true, Ordering::Relaxed);
        let sending = progress.clone();
        tokio::spawn(async move {
            sleep(Duration::from_secs(9)).await;
            sending.advance();
            sending.awaits_client.store(false, Ordering::Relaxed);
        });
        progress.none_for(Duration::from_secs(2)).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(9 + 2));
    }
}
