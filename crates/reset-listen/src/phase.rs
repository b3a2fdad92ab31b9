//! What a connection is doing, so that one that only waits for its client can be closed when its place is needed.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use tokio::{sync::Notify, time::Instant};

/// The phase of one connection. All methods are called by the connection's own task, except [`Phase::waiting_since`] and
/// [`Phase::evict`].
pub(crate) struct Phase {
    state: Mutex<State>,
    evicted: Notify,
    /// Whether more of the response follows than was sent.
    streaming: AtomicBool,
}

/// A client could send or read a byte now and then, so a wait begins with the request or the response and not with the
/// last byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The client has to send a request or the rest of one, or to read the response.
    Waiting { since: Instant },
    /// A request is being processed. Its body has been awaited since `since`.
    Working { since: Instant },
    /// A response is being sent, and its client reads it. The client was too slow for the first time at `slow_since`.
    Responding { slow_since: Option<Instant> },
    /// The connection is to be closed.
    Evicted,
}

impl Phase {
    /// The phase of a new connection: it waits for the first request.
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State::Waiting { since: Instant::now() }),
            evicted: Notify::new(),
            streaming: AtomicBool::new(false),
        }
    }

    /// Begins to process a request. Returns `false` if the connection is to be closed: then nothing may be processed any
    /// more.
    pub(crate) fn begin(&self) -> bool {
        self.change(|state| match state {
            State::Evicted => State::Evicted,
            _ => State::Working { since: Instant::now() },
        })
    }

    /// A part of the request's body has arrived. Returns as [`Self::begin`] does.
    pub(crate) fn resume(&self) -> bool {
        self.change(|state| match state {
            State::Waiting { since } | State::Working { since } => State::Working { since },
            State::Responding { slow_since } => {
                State::Working { since: slow_since.unwrap_or_else(Instant::now) }
            }
            State::Evicted => State::Evicted,
        })
    }

    /// The rest of the request's body has not arrived yet.
    pub(crate) fn await_body(&self) {
        self.change(|state| match state {
            State::Working { since } => State::Waiting { since },
            other => other,
        });
    }

    /// The response is ready.
    pub(crate) fn respond(&self) {
        self.change(|state| match state {
            State::Evicted => State::Evicted,
            _ => State::Responding { slow_since: None },
        });
    }

    /// The client does not read the response as fast as it is sent.
    pub(crate) fn await_reading(&self) {
        self.change(|state| match state {
            State::Responding { slow_since } => {
                State::Waiting { since: slow_since.unwrap_or_else(Instant::now) }
            }
            other => other,
        });
    }

    /// The client has read a part of the response.
    pub(crate) fn continue_sending(&self) {
        self.change(|state| match state {
            State::Waiting { since } => State::Responding { slow_since: Some(since) },
            other => other,
        });
    }

    /// A part of the response is not the end of it: the back end still writes.
    pub(crate) fn stream(&self) {
        self.streaming.store(true, Ordering::Relaxed);
    }

    /// The last part of the response was read from the back end.
    pub(crate) fn end_stream(&self) {
        self.streaming.store(false, Ordering::Relaxed);
    }

    /// Everything was sent. The connection waits for the next request, unless more of the response follows.
    pub(crate) fn await_request(&self) {
        if self.streaming.load(Ordering::Relaxed) {
            return;
        }
        self.change(|state| match state {
            State::Responding { .. } => State::Waiting { since: Instant::now() },
            other => other,
        });
    }

    /// Since when the connection has waited for its client, if it does.
    pub(crate) fn waiting_since(&self) -> Option<Instant> {
        match *self.lock() {
            State::Waiting { since } => Some(since),
            _ => None,
        }
    }

    /// Closes the connection if it waits for its client. Returns whether it does.
    pub(crate) fn evict(&self) -> bool {
        let mut state = self.lock();
        let waits = matches!(*state, State::Waiting { .. });
        if waits {
            *state = State::Evicted;
            self.evicted.notify_one();
        }
        waits
    }

    /// Resolves when the connection is to be closed.
    pub(crate) async fn evicted(&self) {
        self.evicted.notified().await;
    }

    #[cfg(test)]
    pub(crate) fn is_evicted(&self) -> bool {
        *self.lock() == State::Evicted
    }

    /// Returns whether the connection stays open.
    fn change(&self, to: impl FnOnce(State) -> State) -> bool {
        let mut state = self.lock();
        *state = to(*state);
        *state != State::Evicted
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn waits(phase: &Phase) -> Option<Duration> {
        phase.waiting_since().map(|since| since.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_waits_for_its_client_except_while_it_works_or_sends() {
        let phase = Phase::new();
        advance(3 * SECOND).await;
        assert_eq!(waits(&phase), Some(3 * SECOND), "for the head");
        assert!(phase.begin() && waits(&phase).is_none());
        // Nothing is written while the request is processed.
        phase.await_request();
        assert_eq!(waits(&phase), None);
        phase.respond();
        assert_eq!(waits(&phase), None);
        phase.await_request();
        assert_eq!(waits(&phase), Some(Duration::ZERO), "for the next head");
    }

    #[tokio::test(start_paused = true)]
    async fn a_byte_now_and_then_does_not_interrupt_a_wait() {
        let phase = Phase::new();
        assert!(phase.begin());
        for seconds in 0..5 {
            phase.await_body();
            assert_eq!(waits(&phase), Some(seconds * SECOND), "for the body");
            advance(SECOND).await;
            assert!(phase.resume() && waits(&phase).is_none());
        }
        phase.respond();
        for seconds in 0..5 {
            phase.await_reading();
            assert_eq!(waits(&phase), Some(seconds * SECOND), "until the client has read the response");
            advance(SECOND).await;
            phase.continue_sending();
            assert_eq!(waits(&phase), None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_does_not_wait_for_its_client_between_the_parts_of_a_response() {
        let phase = Phase::new();
        assert!(phase.begin());
        phase.stream();
        phase.respond();
        phase.await_request();
        assert_eq!(waits(&phase), None, "the back end has to write");
        phase.await_reading();
        assert_eq!(waits(&phase), Some(Duration::ZERO), "the client has to read");
        phase.continue_sending();
        phase.end_stream();
        phase.await_request();
        assert_eq!(waits(&phase), Some(Duration::ZERO), "for the next head");
    }

    #[tokio::test]
    async fn an_evicted_connection_processes_nothing_and_a_working_one_is_not_evicted() {
        let phase = Phase::new();
        assert!(phase.begin() && !phase.evict());
        phase.respond();
        assert!(!phase.evict());
        phase.await_request();
        assert!(phase.evict() && !phase.begin() && !phase.resume() && !phase.evict());
        phase.evicted().await;
        phase.respond();
        phase.await_request();
        assert!(phase.is_evicted());
    }
}
