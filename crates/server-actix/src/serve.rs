//! The standalone server: the rows, and the 404 of whichever dialect owns the path.
//!
//! The application is actix's, its connections are `reset-listen`'s like those of the other front-ends. actix's own
//! parser reads pipelined requests and framing in its own way, loses an answer behind broken chunks, and has no
//! setting for the size of a head or for a slow second one.

use std::rc::Rc;

use actix_http::Request;
use actix_service::IntoServiceFactory;
use actix_web::{
    App,
    body::MessageBody,
    dev::{AppConfig, Service, ServiceFactory, ServiceResponse},
    web,
};
use reset_app::{Listener, ServeFuture, Stop};
use reset_http::Api;
use tower::service_fn;

use crate::{
    across::call,
    configure,
    wire::{WireRequest, respond},
};

/// Serves `api` on `listener` until `stop`, then lets requests in flight finish.
pub fn serve(listener: Listener, api: Api, stop: Stop) -> ServeFuture {
    let service = move || {
        let api = api.clone();
        async move {
            let application = Rc::new(application(api).await);
            service_fn(move |request| call(application.clone(), request))
        }
    };
    Box::pin(reset_listen::serve_on_workers(listener, service, stop))
}

/// The rows, and an answer for everything else.
async fn application(
    api: Api,
) -> impl Service<Request, Response = ServiceResponse<impl MessageBody>, Error = actix_web::Error> {
    let strays = api.clone();
    let stray = move |WireRequest(request): WireRequest| {
        let api = strays.clone();
        async move { respond(api.fallback(request).await) }
    };
    let app = App::new()
        .app_data(web::PayloadConfig::new(api.body_limit()))
        .configure(configure(api))
        .default_service(web::to(stray));
    let service = app.into_factory().new_service(AppConfig::default()).await;
    service.unwrap_or_else(|()| unreachable!("an application without data of its own needs nothing to begin"))
}
