//! Accepting: one loop for every front-end, and one bound on how many connections there may be.

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

/// Wait after the system refused a connection: most likely there are no file descriptors left.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// A connection that was accepted.
pub(crate) struct Accepted {
    pub(crate) socket: Socket,
    /// Who is at the other end, where a Unix socket does not hide it.
    pub(crate) peer: Option<Peer>,
    /// Its place among the most there may be, until it ends.
    pub(crate) place: OwnedSemaphorePermit,
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
                // An answer is one small write: waiting for more only delays it.
                socket.set_nodelay(true)?;
                Ok((Socket::Tcp(socket), Some(Peer(peer.ip().to_canonical()))))
            }),
            Self::Unix(listener) => {
                listener.poll_accept(context)?.map(|(socket, _)| Ok((Socket::Unix(socket), None)))
            }
        }
    }
}

/// Hands connections to `begin` until `stop`, `most` of them at a time; more wait in the system's queue. The
/// listener is closed then, so that who comes later is refused and does not wait in vain.
///
/// # Errors
/// When the listener cannot be taken over by the runtime.
pub(crate) async fn accept_until(
    mut stop: Stop,
    listener: Listener,
    most: usize,
    mut begin: impl FnMut(Accepted) + Send,
) -> io::Result<()> {
    let door = match listener {
        Listener::Tcp(listener) => BoundListener::Tcp(TcpListener::from_std(listener)?),
        Listener::Unix(listener) => BoundListener::Unix(UnixListener::from_std(listener)?),
    };
    let places = Arc::new(Semaphore::new(most));
    loop {
        let accepted = async {
            let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
            let (socket, peer) = poll_fn(|context| door.poll_accept(context)).await?;
            Ok::<_, io::Error>(Accepted { socket, peer, place })
        };
        tokio::select! {
            accepted = accepted => match accepted {
                Ok(arrival) => begin(arrival),
                Err(error) => {
                    warn!(%error, "a connection was not accepted");
                    sleep(REFUSED_PAUSE).await;
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
    async fn a_connection_over_the_bound_waits_until_another_ends() {
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, arrivals) = mpsc::channel();
        let begin = move |arrival| sender.send(arrival).unwrap();
        let forever: Stop = Box::pin(std::future::pending());
        let _accepting = tokio::spawn(accept_until(forever, Listener::Tcp(listener), 2, begin));

        let _clients: Vec<_> = (0..3).map(|_| net::TcpStream::connect(address).unwrap()).collect();
        let soon = async || {
            sleep(Duration::from_millis(100)).await;
            arrivals.try_iter().collect::<Vec<_>>()
        };
        let mut first = soon().await;
        assert_eq!(first.len(), 2);
        assert!(soon().await.is_empty());
        first.pop();
        assert_eq!(soon().await.len(), 1);
    }
}
