//! The standalone server: the routes, and the 404 response of the dialect that owns the path.
//!
//! actix runs the application; `reset-listen` handles the connections, as in the other two servers. actix's own parser
//! treats pipelined requests and framing differently, loses a response after broken chunks, and has no setting for
//! the size of a head or the timeout of a later head.

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
    let served = api.clone();
    let service = move || {
        let api = served.clone();
        async move {
            let application = Rc::new(application(api).await);
            service_fn(move |request| call(application.clone(), request))
        }
    };
    Box::pin(async move { reset_listen::serve_on_workers(listener, &api, service, stop).await })
}

/// Builds the application: the routes, and a fallback for all other requests.
async fn application(
    api: Api,
) -> impl Service<Request, Response = ServiceResponse<impl MessageBody>, Error = actix_web::Error> {
    let fallback_api = api.clone();
    let fallback = move |WireRequest(request): WireRequest| {
        let api = fallback_api.clone();
        async move { respond(api.fallback(request).await) }
    };
    let app = App::new()
        .app_data(web::PayloadConfig::new(api.body_limit()))
        .configure(configure(api))
        .default_service(web::to(fallback));
    let service = app.into_factory().new_service(AppConfig::default()).await;
    service.unwrap_or_else(|()| unreachable!("an application without data factories always starts"))
}
