//! polyreset on actix-web.
//!
//! As a library, [`configure`] adds the routes as actix resources to the `App` or `Scope` of a host application. As a
//! binary, with the feature `standalone`, `serve` runs them as a server.
//!
//! ```no_run
//! # async fn host() -> Result<(), Box<dyn std::error::Error>> {
//! let polyreset = reset_app::Embedded::start(&[("public_url", "https://example.com/accounts")]).await?;
//! let accounts = actix_web::web::scope("/accounts").configure(server_actix::configure(polyreset.api()));
//! # Ok(())
//! # }
//! ```

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

/// Returns the configuration for `App::configure` or `Scope::configure`. The host handles unknown paths.
pub fn configure(api: Api) -> impl FnOnce(&mut web::ServiceConfig) + Clone {
    move |config| {
        for route in api.routes() {
            config.service(resource(&api, route));
        }
    }
}

/// Builds the resource of one route: a handler per method, the dialect's 405 response, and the body limit.
fn resource(api: &Api, route: &Arc<Route>) -> Resource {
    let exact = route.path.clone();
    let wrong_method = {
        let (api, route) = (api.clone(), route.clone());
        move |request: HttpRequest| {
            let head = head(&request);
            let response = respond(api.wrong_method(&route, &head.method, &head.headers));
            async move { response }
        }
    };
    let mut resource = web::resource(route.path.as_str())
        // actix matches the decoded path, but the raw path must match, too. Under a scope it has the scope's prefix.
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
