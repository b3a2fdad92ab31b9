//! The standalone server: the rows, and the 404 of whichever dialect owns the path.

use actix_web::{App, HttpServer, web};
use reset_app::{DRAIN, HEAD_PATIENCE, IDLE_PATIENCE, Listener, Serving, Stop};
use reset_dialects::Api;

use crate::{
    configure,
    wire::{WireRequest, respond},
};

/// Serves `api` on `listener` until `stop`, then lets requests in flight finish.
pub fn serve(listener: Listener, api: Api, stop: Stop) -> Serving {
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
    })
    .disable_signals()
    .client_request_timeout(HEAD_PATIENCE)
    .keep_alive(IDLE_PATIENCE)
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
