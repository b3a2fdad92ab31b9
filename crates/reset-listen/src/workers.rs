//! Worker threads for services that are bound to one thread, such as an actix application. Each worker has its own
//! service. Connections are assigned to the workers in turn and stay with their worker.

use std::{
    error::Error,
    future::Future,
    io,
    num::NonZero,
    sync::Arc,
    thread::{self, available_parallelism},
};

use bytes::Bytes;
use hyper::{Request, Response, body::Body};
use reset_http::Api;
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
    drain::{Drain, Watcher},
    listener::{Accepted, Socket, accept_until},
    upstream::Upstream,
};

/// A connection handed to a worker.
type HandedOver = (Accepted, Watcher);

/// Serves on one worker per core until `stop`, then lets requests in flight finish. Each worker calls `service` once
/// and serves its connections with the result. Otherwise like [`serve`](crate::serve).
///
/// # Errors
/// As [`serve`](crate::serve); also if a thread cannot be started.
pub async fn serve_on_workers<M, F, S, B>(
    listener: Listener,
    api: &Api,
    service: M,
    stop: Stop,
) -> io::Result<()>
where
    M: Fn() -> F + Clone + Send + 'static,
    F: Future<Output = S>,
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Data = Bytes> + Default + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (drain, upstream) = (Drain::new(), Upstream::of(api)?);
    let workers = available_parallelism().map_or(1, NonZero::get);
    let workers: io::Result<Vec<_>> =
        (0..workers).map(|number| spawn_worker(number, service.clone(), upstream.clone())).collect();
    let mut turns = workers?.into_iter().cycle();
    let on_accept = |accepted| {
        let worker: UnboundedSender<HandedOver> = turns.next().expect("there is at least one worker");
        if worker.send((accepted, drain.watcher())).is_err() {
            warn!("worker thread has ended, closing the connection");
        }
    };
    accept_until(stop, listener, ConnectionLimits::of(api), on_accept).await?;
    drain.finish().await;
    // Returning drops the senders, which ends the workers.
    Ok(())
}

fn spawn_worker<M, F, S, B>(
    number: usize,
    service: M,
    upstream: Option<Arc<Upstream>>,
) -> io::Result<UnboundedSender<HandedOver>>
where
    M: Fn() -> F + Send + 'static,
    F: Future<Output = S>,
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Data = Bytes> + Default + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    // Bounded by the limit of connections.
    let (sender, connections) = unbounded_channel();
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let run = move || LocalSet::new().block_on(&runtime, run_worker(connections, service, upstream));
    thread::Builder::new().name(format!("http-{number}")).spawn(run)?;
    Ok(sender)
}

async fn run_worker<M, F, S, B>(
    mut connections: UnboundedReceiver<HandedOver>,
    service: M,
    upstream: Option<Arc<Upstream>>,
) where
    M: Fn() -> F,
    F: Future<Output = S>,
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Data = Bytes> + Default + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let service = service().await;
    while let Some((accepted, watcher)) = connections.recv().await {
        match onto_this_runtime(accepted) {
            Ok(accepted) => {
                drop(spawn_local(serve_connection(accepted, service.clone(), upstream.clone(), watcher)));
            }
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
