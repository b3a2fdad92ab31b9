//! Ends connections whose clients do not read the response.
//!
//! hyper has timeouts for reading a request, but none for writing a response: a client that stops reading would keep its
//! connection forever.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use crate::connections::Slot;

/// Timeout for a part of a response: a client must read something within 15 s (R40).
pub const STALL_TIMEOUT: Duration = Duration::from_secs(15);

/// Timeout for a whole response: 60 s from the first time that its client did not read as fast as it was sent (R40).
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// A socket whose writes time out. It also reports to its slot whether the connection waits for its client to read.
pub(crate) struct TimedWrites<Io> {
    io: Io,
    slot: Slot,
    writing: Writing,
}

/// The state of the current response.
#[derive(Default)]
struct Writing {
    /// When the response first had to wait for the client.
    waits_since: Option<Instant>,
    /// When the current wait began: since then nothing could be written.
    stalled_since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Writing {
    /// Returns whether the client has taken too long.
    fn times_out(&mut self, context: &mut Context<'_>) -> bool {
        let now = Instant::now();
        let waits = *self.waits_since.get_or_insert(now) + WRITE_TIMEOUT;
        let stalled = *self.stalled_since.get_or_insert(now) + STALL_TIMEOUT;
        let deadline = waits.min(stalled);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(context).is_ready()
    }

    /// The client has read a part.
    fn advance(&mut self) {
        self.stalled_since = None;
    }

    /// The whole response was written.
    fn finish(&mut self) {
        self.waits_since = None;
    }
}

impl<Io> TimedWrites<Io> {
    pub(crate) fn new(io: Io, slot: Slot) -> Self {
        Self { io, slot, writing: Writing::default() }
    }

    fn written(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Pending if self.writing.times_out(context) => {
                self.slot.write_timed_out();
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            Poll::Pending => {
                self.slot.phase.await_reading();
                Poll::Pending
            }
            Poll::Ready(written) => {
                self.writing.advance();
                self.slot.phase.continue_sending();
                Poll::Ready(written)
            }
        }
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for TimedWrites<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for TimedWrites<Io> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.written(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, parts);
        self.written(context, written)
    }

    /// Without this, hyper would copy each body into one buffer per connection.
    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes the socket when it has written everything that it has.
        let flushed = Pin::new(&mut self.io).poll_flush(context);
        if flushed.is_ready() {
            self.writing.finish();
            self.slot.phase.await_request();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
        time::{sleep, timeout},
    };

    use super::*;
    use crate::connections::{ConnectionLimits, Connections};

    /// Bytes that the sockets of these tests buffer.
    const BUFFER: usize = 64;

    fn pair() -> (TimedWrites<DuplexStream>, DuplexStream) {
        let limits = ConnectionLimits { total: 1, per_client: None, unlimited: Vec::new(), observer: None };
        let slot = Connections::new(limits).open(None).unwrap();
        slot.phase.respond();
        let (server, client) = duplex(BUFFER);
        (TimedWrites::new(server, slot), client)
    }

    /// Sends `bytes` bytes and returns after how long that failed, if it did.
    async fn send(server: &mut TimedWrites<DuplexStream>, bytes: usize) -> Result<(), Duration> {
        let started = Instant::now();
        let sent = async {
            server.write_all(&vec![b'x'; bytes]).await?;
            server.flush().await
        };
        sent.await.map_err(|error| {
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            started.elapsed()
        })
    }

    /// Reads one byte per `interval`.
    async fn drip(mut client: DuplexStream, interval: Duration) {
        while client.read_u8().await.is_ok() {
            sleep(interval).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_nothing_times_out_after_15_seconds() {
        let (mut server, _client) = pair();
        assert_eq!(send(&mut server, BUFFER).await, Ok(()), "the system takes it");
        sleep(10 * WRITE_TIMEOUT).await;
        assert_eq!(send(&mut server, 1).await, Err(STALL_TIMEOUT));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_a_byte_now_and_then_times_out_after_60_seconds() {
        let (mut server, client) = pair();
        let reading = tokio::spawn(drip(client, Duration::from_secs(14)));
        assert_eq!(send(&mut server, BUFFER + 30).await, Err(WRITE_TIMEOUT));
        reading.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_client_that_reads_each_response_in_time_is_served() {
        let (mut server, client) = pair();
        let reading = tokio::spawn(drip(client, Duration::from_secs(1)));
        for _ in 0..20 {
            assert_eq!(send(&mut server, 50).await, Ok(()));
        }
        reading.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_waits_for_its_client_while_the_client_reads_nothing() {
        let (mut server, mut client) = pair();
        assert!(timeout(Duration::from_secs(1), send(&mut server, BUFFER + 1)).await.is_err());
        assert!(server.slot.phase.waiting_since().is_some());
        client.read_exact(&mut [0; BUFFER]).await.unwrap();
        server.write_all(b"x").await.unwrap();
        assert!(server.slot.phase.waiting_since().is_none());
        server.flush().await.unwrap();
        assert!(server.slot.phase.waiting_since().is_some(), "for the next request");
    }
}
