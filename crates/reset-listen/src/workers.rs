//! Worker threads for services that are bound to one thread, such as an actix application. Each worker has its own
//! service. Connections are assigned to the workers in turn and stay with their worker.

use std::{
    error::Error,
    future::Future,
    io,
    num::NonZero,
    thread::{self, available_parallelism},
};

use hyper::{Request, Response, body::Body};
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
    ConnectionLimits, Listener, RequestBody, Stop,
    connection::serve_connection,
    listener::{Accepted, Socket, accept_until},
};

/// A connection handed to a worker.
type HandedOver = (Accepted, Watcher);

/// Serves on one worker per core until `stop`, then lets requests in flight finish. Each worker calls `service` once
/// and serves its connections with the result.
///
/// # Errors
/// Fails if the listener cannot be registered with the runtime or a thread cannot be started.
pub async fn serve_on_workers<M, F, S, B>(
    listener: Listener,
    limits: ConnectionLimits,
    service: M,
    stop: Stop,
) -> io::Result<()>
where
    M: Fn() -> F + Clone + Send + 'static,
    F: Future<Output = S>,
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Default + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let drain = GracefulShutdown::new();
    let workers = available_parallelism().map_or(1, NonZero::get);
    let workers: io::Result<Vec<_>> =
        (0..workers).map(|number| spawn_worker(number, service.clone())).collect();
    let mut turns = workers?.into_iter().cycle();
    let on_accept = |accepted| {
        let worker: UnboundedSender<HandedOver> = turns.next().expect("there is at least one worker");
        if worker.send((accepted, drain.watcher())).is_err() {
            warn!("worker thread has ended, closing the connection");
        }
    };
    accept_until(stop, listener, limits, on_accept).await?;
    drain.shutdown().await;
    // Returning drops the senders, which ends the workers.
    Ok(())
}

fn spawn_worker<M, F, S, B>(number: usize, service: M) -> io::Result<UnboundedSender<HandedOver>>
where
    M: Fn() -> F + Send + 'static,
    F: Future<Output = S>,
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Default + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    // Bounded by the limit of connections.
    let (sender, connections) = unbounded_channel();
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let run = move || LocalSet::new().block_on(&runtime, run_worker(connections, service));
    thread::Builder::new().name(format!("http-{number}")).spawn(run)?;
    Ok(sender)
}

async fn run_worker<M, F, S, B>(mut connections: UnboundedReceiver<HandedOver>, service: M)
where
    M: Fn() -> F,
    F: Future<Output = S>,
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Default + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let service = service().await;
    while let Some((accepted, watcher)) = connections.recv().await {
        match onto_this_runtime(accepted) {
            Ok(accepted) => drop(spawn_local(serve_connection(accepted, service.clone(), watcher))),
            Err(error) => warn!(%error, "failed to move a connection to its worker, closing it"),
        }
    }
}

/// Registers the connection with this thread's runtime instead of the one that accepted it.
fn onto_this_runtime(accepted: Accepted) -> io::Result<Accepted> {
    let socket = match accepted.socket {
        Socket::Tcp(socket) => Socket::Tcp(TcpStream::from_std(socket.into_std()?)?),
        Socket::Unix(socket) => Socket::Unix(UnixStream::from_std(socket.into_std()?)?),
    };
    Ok(Accepted { socket, ..accepted })
}
