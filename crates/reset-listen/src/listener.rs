//! The accept loop of all servers.

use std::{
    future::poll_fn,
    io::{self, ErrorKind},
    task::{Context, Poll},
    time::Duration,
};

use reset_http::Peer;
use tokio::{
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    time::sleep,
};
use tracing::warn;

use crate::{
    Listener, Stop,
    connections::{ConnectionLimits, Connections, Slot},
    throttle::Throttle,
};

/// Delay after a failed accept. The usual cause is that the process has no file descriptors left.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// Bytes of a response that the system buffers before it sends them. With more, 4096 clients that read nothing would take
/// gigabytes of the system's memory, and a slow client would seem to read nothing for a long time.
#[cfg(any(target_os = "android", target_os = "linux"))]
const UNSENT_MAX: u32 = 64 * 1024;

/// An accepted connection.
pub(crate) struct Accepted {
    pub(crate) socket: Socket,
    pub(crate) slot: Slot,
}

pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

enum BoundListener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl BoundListener {
    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(Socket, Option<Peer>)>> {
        match self {
            Self::Tcp(listener) => listener.poll_accept(context)?.map(|(socket, peer)| {
                configure(&socket);
                Ok((Socket::Tcp(socket), Some(Peer(peer.ip().to_canonical()))))
            }),
            Self::Unix(listener) => {
                listener.poll_accept(context)?.map(|(socket, _)| Ok((Socket::Unix(socket), None)))
            }
        }
    }
}

/// Sets the options of an accepted socket. Where one is not supported, the connection works without it.
fn configure(socket: &TcpStream) {
    // A response is one small write, which Nagle's algorithm would only delay.
    let _ = socket.set_nodelay(true);
    #[cfg(any(target_os = "android", target_os = "linux"))]
    {
        let socket = socket2::SockRef::from(socket);
        let _ = socket.set_tcp_notsent_lowat(UNSENT_MAX);
        // The system also gives up what it still has to send after the connection was closed here.
        let _ = socket.set_tcp_user_timeout(Some(crate::STALL_TIMEOUT));
    }
}

/// Accepts connections until `stop` and passes each to `on_accept`. At most as many as `limits` allow are open at a time;
/// more wait in the system's accept queue. At `stop` the listener is closed, so that later clients are refused instead of
/// waiting.
///
/// # Errors
/// Fails if the listener cannot be registered with the runtime.
pub(crate) async fn accept_until(
    mut stop: Stop,
    listener: Listener,
    limits: ConnectionLimits,
    mut on_accept: impl FnMut(Accepted) + Send,
) -> io::Result<()> {
    let bound = match listener {
        Listener::Tcp(listener) => BoundListener::Tcp(TcpListener::from_std(listener)?),
        Listener::Unix(listener) => BoundListener::Unix(UnixListener::from_std(listener)?),
    };
    let (connections, failures) = (Connections::new(limits), Throttle::default());
    loop {
        let accepted = async {
            connections.room().await;
            poll_fn(|context| bound.poll_accept(context)).await
        };
        tokio::select! {
            accepted = accepted => match accepted {
                // A connection without a slot is closed at once.
                Ok((socket, peer)) => if let Some(slot) = connections.open(peer) {
                    on_accept(Accepted { socket, slot });
                },
                // The client has closed the connection while it was in the queue.
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) => {}
                Err(error) => {
                    if let Some(failed) = failures.due() {
                        warn!(%error, failed, "failed to accept connections, retrying after a short backoff");
                    }
                    sleep(ACCEPT_BACKOFF).await;
                }
            },
            () = &mut stop => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{net, sync::mpsc};

    use super::*;

    fn accepting(total: usize, per_client: Option<usize>) -> (net::SocketAddr, mpsc::Receiver<Accepted>) {
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, accepted) = mpsc::channel();
        let on_accept = move |connection| sender.send(connection).unwrap();
        let forever: Stop = Box::pin(std::future::pending());
        let limits = ConnectionLimits { total, per_client, unlimited: Vec::new(), observer: None };
        tokio::spawn(accept_until(forever, Listener::Tcp(listener), limits, on_accept));
        (address, accepted)
    }

    #[tokio::test]
    async fn a_connection_over_the_limit_waits_until_another_ends() {
        let (address, accepted) = accepting(2, None);
        let _clients: Vec<_> = (0..3).map(|_| net::TcpStream::connect(address).unwrap()).collect();
        let newly_accepted = async || {
            sleep(Duration::from_millis(100)).await;
            let newly: Vec<_> = accepted.try_iter().collect();
            // Connections that wait for their clients would make room.
            assert!(newly.iter().all(|accepted| accepted.slot.phase.begin()));
            newly
        };
        let mut first = newly_accepted().await;
        assert_eq!(first.len(), 2);
        assert!(newly_accepted().await.is_empty());
        first.pop();
        assert_eq!(newly_accepted().await.len(), 1);
    }

    #[tokio::test]
    async fn a_connection_over_the_limit_of_its_client_is_closed() {
        let (address, accepted) = accepting(100, Some(2));
        let mut clients: Vec<_> = (0..3).map(|_| net::TcpStream::connect(address).unwrap()).collect();
        sleep(Duration::from_millis(100)).await;
        assert_eq!(accepted.try_iter().count(), 2);
        let last = clients.pop().unwrap();
        last.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let read = tokio::task::spawn_blocking(move || io::Read::read(&mut &last, &mut [0])).await.unwrap();
        assert!(matches!(read, Ok(0)) || read.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    }
}
