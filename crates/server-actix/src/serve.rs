//! The standalone server: the rows, and the 404 of whichever dialect owns the path.
//!
//! HTTP/1.1 alone is spoken, on every front-end alike, and what a connection may cost is what `reset-listen`
//! grants on hyper. Where actix has a setting for it, that is used. It has none for the size of a head, and its
//! times end with the first byte of a second request: [`guarded`] and [`Patience`] stand in there.

use std::{
    any::Any,
    cell::Cell,
    io,
    net::{Shutdown, TcpStream},
    num::NonZero,
    os::fd::{AsFd, BorrowedFd},
    rc::Rc,
    thread::available_parallelism,
    time::Instant,
};

use actix_web::{
    App, Error, HttpResponse, HttpServer,
    body::{EitherBody, MessageBody},
    dev::{Extensions, ServiceRequest, ServiceResponse},
    http::StatusCode,
    middleware::{Next, from_fn},
    rt, web,
};
use reset_app::{CONNECTIONS_MAX, DRAIN, HEAD_PATIENCE, IDLE_PATIENCE, Listener, Serving, Stop};
use reset_dialects::{Api, api::HEAD_MAX};

use crate::{
    configure,
    wire::{WireRequest, respond},
};

/// Serves `api` on `listener` until `stop`, then lets requests in flight finish.
pub fn serve(listener: Listener, api: Api, stop: Stop) -> Serving {
    let workers = available_parallelism().map_or(1, NonZero::get);
    let server = HttpServer::new(move || {
        let strays = api.clone();
        let stray = move |WireRequest(request): WireRequest| {
            let api = strays.clone();
            async move { respond(api.stray(request).await) }
        };
        App::new()
            .app_data(web::PayloadConfig::new(api.body_limit()))
            .configure(configure(api.clone()))
            .default_service(web::to(stray))
            .wrap(from_fn(guarded))
    })
    .disable_signals()
    .workers(workers)
    // actix counts by worker.
    .max_connections(CONNECTIONS_MAX.div_ceil(workers))
    .tcp_nodelay(true)
    // `Patience` comes first, and ends a connection without a word, as hyper does. These are for one that it
    // could not watch.
    .client_request_timeout(2 * HEAD_PATIENCE)
    .keep_alive(2 * IDLE_PATIENCE)
    .on_connect(Patience::begin)
    .shutdown_timeout(DRAIN.as_secs())
    .shutdown_signal(stop);
    let bound = match listener {
        Listener::Tcp(listener) => server.listen(listener),
        Listener::Unix(listener) => server.listen_uds(listener),
    };
    match bound {
        Ok(server) => Box::pin(server.run()),
        Err(error) => Box::pin(async { Err(error) }),
    }
}

/// Tells [`Patience`] of the request, and refuses a head that is too large as hyper does.
async fn guarded<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let waiting = request.conn_data::<Patience>().map(|patience| patience.waiting.clone());
    let tell = |since| waiting.iter().for_each(|waiting| waiting.set(since));
    tell(None);
    let answer = if head_length(&request) > HEAD_MAX {
        let refusal = HttpResponse::build(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE).force_close().finish();
        Ok(request.into_response(refusal).map_into_right_body())
    } else {
        next.call(request).await.map(ServiceResponse::map_into_left_body)
    };
    tell(Some(Instant::now()));
    answer
}

/// How long the head was on the wire, but for white space that says nothing.
fn head_length(request: &ServiceRequest) -> usize {
    let uri = request.uri();
    let origin = uri.scheme_str().map_or(0, |scheme| scheme.len() + "://".len())
        + uri.authority().map_or(0, |authority| authority.as_str().len());
    let target = origin + uri.path_and_query().map_or(0, |path| path.as_str().len());
    let line = request.method().as_str().len() + target + "  HTTP/1.1\r\n".len();
    let header =
        |(name, value): (&actix_web::http::header::HeaderName, &actix_web::http::header::HeaderValue)| {
            name.as_str().len() + value.len() + ": \r\n".len()
        };
    line + request.headers().iter().map(header).sum::<usize>() + "\r\n".len()
}

/// Ends a connection on which no head arrives within [`HEAD_PATIENCE`] of its beginning or of the answer before.
struct Patience {
    /// Since when no request is being answered; nothing while one is.
    waiting: Rc<Cell<Option<Instant>>>,
    watch: rt::task::JoinHandle<()>,
}

impl Patience {
    fn begin(connection: &dyn Any, data: &mut Extensions) {
        let socket = if let Some(socket) = connection.downcast_ref::<rt::net::TcpStream>() {
            second_hand(socket.as_fd())
        } else if let Some(socket) = connection.downcast_ref::<rt::net::UnixStream>() {
            second_hand(socket.as_fd())
        } else {
            return;
        };
        // Without a descriptor to spare, actix's own times must do.
        let Ok(socket) = socket else { return };
        let waiting = Rc::new(Cell::new(Some(Instant::now())));
        let watch = rt::spawn(watch(socket, waiting.clone()));
        data.insert(Self { waiting, watch });
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

/// Another handle on the socket. Shutting it down asks for no particular kind of socket.
fn second_hand(socket: BorrowedFd<'_>) -> io::Result<TcpStream> {
    socket.try_clone_to_owned().map(TcpStream::from)
}

async fn watch(socket: TcpStream, waiting: Rc<Cell<Option<Instant>>>) {
    loop {
        let left = waiting.get().map_or(HEAD_PATIENCE, |since| HEAD_PATIENCE.saturating_sub(since.elapsed()));
        if left.is_zero() {
            break;
        }
        rt::time::sleep(left).await;
    }
    // actix meets the end of the input, and still sends what it has to say. Gone already is as good.
    let _ = socket.shutdown(Shutdown::Read);
}
