//! polyreset behind actix-web.
//!
//! The library half is [`configure`]: rows become actix resources, for a host's own `App` or `Scope`. The
//! binary half, behind the feature `standalone`, is `serve` and a `main` of one line.

#[cfg(feature = "standalone")]
mod across;
#[cfg(feature = "standalone")]
mod serve;
mod wire;

use std::sync::Arc;

use actix_web::{HttpRequest, Resource, guard, http::Method, web};
use reset_http::{Api, Route};

#[cfg(feature = "standalone")]
pub use crate::serve::serve;
use crate::wire::{WireRequest, head, respond};

/// Pass to `App::configure` or `Scope::configure`. Unknown paths are left to the host.
pub fn configure(api: Api) -> impl FnOnce(&mut web::ServiceConfig) + Clone {
    move |config| {
        for route in api.routes() {
            config.service(resource(&api, route));
        }
    }
}

/// One row: a handler for each method, the dialect's own 405, and the body limit.
fn resource(api: &Api, route: &Arc<Route>) -> Resource {
    let exact = route.path.clone();
    let wrong_method = {
        let (api, route) = (api.clone(), route.clone());
        move |request: HttpRequest| {
            let response = respond(api.wrong_method(&route, &head(&request).headers));
            async move { response }
        }
    };
    let mut resource = web::resource(route.path.as_str())
        // actix matches the decoded path; the raw one must match, too. Under a scope it has the scope's prefix.
        .guard(guard::fn_guard(move |context| context.head().uri.path().ends_with(&exact)))
        .app_data(web::PayloadConfig::new(route.body_limit))
        .default_service(web::to(wrong_method));
    for endpoint in &route.endpoints {
        let (api, route, endpoint) = (api.clone(), route.clone(), endpoint.clone());
        let method = Method::from_bytes(endpoint.method.as_str().as_bytes()).expect("a standard method");
        let handler = move |WireRequest(request): WireRequest| {
            let (api, route, endpoint) = (api.clone(), route.clone(), endpoint.clone());
            async move { respond(api.answer(&route, &endpoint, request).await) }
        };
        if method == Method::GET {
            resource = resource.route(web::head().to(handler.clone()));
        }
        resource = resource.route(web::method(method).to(handler));
    }
    resource
}
