//! The accept loop of all servers, with a limit on concurrent connections.

use std::{
    future::poll_fn,
    io,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use crate::{Listener, Stop};
use reset_http::Peer;
use tokio::{
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep,
};
use tracing::warn;

/// Delay after a failed accept. The usual cause is that the process has no file descriptors left.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// An accepted connection.
pub(crate) struct Accepted {
    pub(crate) socket: Socket,
    /// Address of the client; `None` on a Unix socket.
    pub(crate) peer: Option<Peer>,
    /// Counts toward the limit of connections until it is dropped.
    pub(crate) permit: OwnedSemaphorePermit,
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
                // A response is one small write, which Nagle's algorithm would only delay.
                socket.set_nodelay(true)?;
                Ok((Socket::Tcp(socket), Some(Peer(peer.ip().to_canonical()))))
            }),
            Self::Unix(listener) => {
                listener.poll_accept(context)?.map(|(socket, _)| Ok((Socket::Unix(socket), None)))
            }
        }
    }
}

/// Accepts connections until `stop` and passes each to `on_accept`. At most `max` are open at a time; more wait in the
/// system's accept queue. At `stop` the listener is closed, so that later clients are refused instead of waiting.
///
/// # Errors
/// Fails if the listener cannot be registered with the runtime.
pub(crate) async fn accept_until(
    mut stop: Stop,
    listener: Listener,
    max: usize,
    mut on_accept: impl FnMut(Accepted) + Send,
) -> io::Result<()> {
    let bound = match listener {
        Listener::Tcp(listener) => BoundListener::Tcp(TcpListener::from_std(listener)?),
        Listener::Unix(listener) => BoundListener::Unix(UnixListener::from_std(listener)?),
    };
    let permits = Arc::new(Semaphore::new(max));
    loop {
        let accepted = async {
            let permit = permits.clone().acquire_owned().await.map_err(io::Error::other)?;
            let (socket, peer) = poll_fn(|context| bound.poll_accept(context)).await?;
            Ok::<_, io::Error>(Accepted { socket, peer, permit })
        };
        tokio::select! {
            accepted = accepted => match accepted {
                Ok(accepted) => on_accept(accepted),
                Err(error) => {
                    warn!(%error, "failed to accept a connection, retrying after a short backoff");
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

    #[tokio::test]
    async fn a_connection_over_the_limit_waits_until_another_ends() {
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, accepted) = mpsc::channel();
        let on_accept = move |connection| sender.send(connection).unwrap();
        let forever: Stop = Box::pin(std::future::pending());
        let _accepting = tokio::spawn(accept_until(forever, Listener::Tcp(listener), 2, on_accept));

        let _clients: Vec<_> = (0..3).map(|_| net::TcpStream::connect(address).unwrap()).collect();
        let newly_accepted = async || {
            sleep(Duration::from_millis(100)).await;
            accepted.try_iter().collect::<Vec<_>>()
        };
        let mut first = newly_accepted().await;
        assert_eq!(first.len(), 2);
        assert!(newly_accepted().await.is_empty());
        first.pop();
        assert_eq!(newly_accepted().await.len(), 1);
    }
}
