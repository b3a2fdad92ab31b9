//! Services that stay on one thread, such as an actix application: a few workers, each with a service of its own.
//! Connections go to them in turn, and stay where they went.

use std::{
    error::Error,
    future::Future,
    io,
    num::NonZero,
    thread::{self, available_parallelism},
};

use crate::{CONNECTIONS_MAX, Listener, Stop};
use hyper::{
    Request, Response,
    body::{Body, Incoming},
};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::{
    net::{TcpStream, UnixStream},
    runtime,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::{LocalSet, spawn_local},
};
use tower::Service;
use tracing::warn;

use crate::{
    converse,
    listener::{Accepted, Socket, accept_until},
};

/// A connection on its way to a worker.
type Moved = (Accepted, Watcher);

/// Serves on as many workers as there are cores until `stop`, then lets requests in flight finish. Each worker
/// asks `service` once for the service that it runs.
///
/// # Errors
/// When the listener cannot be taken over by the runtime, or the system gives no thread.
pub async fn serve_on_workers<M, F, S, B>(listener: Listener, service: M, stop: Stop) -> io::Result<()>
where
    M: Fn() -> F + Clone + Send + 'static,
    F: Future<Output = S>,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Default + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let drain = GracefulShutdown::new();
    let workers = available_parallelism().map_or(1, NonZero::get);
    let workers: io::Result<Vec<_>> = (0..workers).map(|number| worker(number, service.clone())).collect();
    let mut turns = workers?.into_iter().cycle();
    let begin = |arrival| {
        let worker: UnboundedSender<Moved> = turns.next().expect("there is a worker");
        if worker.send((arrival, drain.watcher())).is_err() {
            warn!("a worker has ended; its connection is closed");
        }
    };
    accept_until(stop, listener, CONNECTIONS_MAX, begin).await?;
    drain.shutdown().await;
    // The workers end as their senders are dropped here.
    Ok(())
}

fn worker<M, F, S, B>(number: usize, service: M) -> io::Result<UnboundedSender<Moved>>
where
    M: Fn() -> F + Send + 'static,
    F: Future<Output = S>,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Default + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    // Bounded by the places that connections take.
    let (sender, connections) = unbounded_channel();
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let run = move || LocalSet::new().block_on(&runtime, work(connections, service));
    thread::Builder::new().name(format!("http-{number}")).spawn(run)?;
    Ok(sender)
}

async fn work<M, F, S, B>(mut connections: UnboundedReceiver<Moved>, service: M)
where
    M: Fn() -> F,
    F: Future<Output = S>,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Default + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let service = service().await;
    while let Some((arrival, watcher)) = connections.recv().await {
        match here(arrival) {
            Ok(arrival) => drop(spawn_local(converse(arrival, service.clone(), watcher))),
            Err(error) => warn!(%error, "a connection was not moved to its worker"),
        }
    }
}

/// The connection, woken by this thread's runtime instead of the one that accepted it.
fn here(arrival: Accepted) -> io::Result<Accepted> {
    let socket = match arrival.socket {
        Socket::Tcp(socket) => Socket::Tcp(TcpStream::from_std(socket.into_std()?)?),
        Socket::Unix(socket) => Socket::Unix(UnixStream::from_std(socket.into_std()?)?),
    };
    Ok(Accepted { socket, ..arrival })
}
