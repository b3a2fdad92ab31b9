//! Wire formats: four API dialects as route tables, and the framework-independent half of every HTTP front-end.
//!
//! This is the only crate that reads and writes JSON bodies. It depends on no web framework: an HTTP front-end
//! iterates over [`Api::routes`], registers each route natively and passes matched requests to [`Api::answer`].
//!
//! # How to add a dialect
//! 1. Add a folder whose `mod.rs` has the dialect's settings struct and the route table:
//!    `pub fn dialect(settings) -> Dialect`.
//! 2. Add one file per endpoint. Its `run` decodes the request, calls one use case and renders the response; the
//!    `#[utoipa::path]` attribute above it is the API documentation.
//! 3. Add an `error.rs` that maps each use case's errors and [`common_error::CommonError`] to response bytes, with
//!    an exhaustive match.
//! 4. Add a field with defaults to [`DialectSettings`], a line to [`dialects`], and the name to [`NAMES`].
//!
//! The routes of every HTTP front-end, the OpenAPI documents, the worker's mails and the generic conformance cases
//! are derived from the table.

pub mod admin;
pub mod api;
pub mod audit;
pub mod body;
mod client_ip;
pub mod common_error;
pub mod comparison;
pub mod demo;
pub mod enumeration_probe;
mod html;
pub mod insforge;
mod jwt;
mod language;
pub mod observer;
pub mod openapi;
pub mod own;
pub mod pages;
mod peer;
pub mod px0;
pub mod rate_limit;
pub mod redemption;
pub mod route;
mod settings;
pub mod strapi;
pub mod webhook;
mod wire;
pub mod worthai;

pub use api::{Api, ServeOptions};
pub use client_ip::TrustedProxies;
pub use common_error::{BODY_TIMEOUT, BodyError, with_body_timeout};
pub use peer::Peer;
pub use rate_limit::{ClientLimits, Counters, SharedCounters, Take, Unavailable};
pub use route::{Dialect, Endpoint, Route};
pub use settings::DialectSettings;
pub use wire::{iso, to_json_pretty};

/// Names of all dialects, including those that are not served.
pub const NAMES: [&str; 4] = [px0::NAME, worthai::NAME, strapi::NAME, insforge::NAME];

/// Returns the dialects that `settings` enable, followed by the hosted pages, the demo, and polyreset's own paths
/// such as `/healthz`, which always come last.
pub fn dialects(settings: DialectSettings) -> Vec<Dialect> {
    let stories = settings.demo.as_ref().map(|_| demo::stories(&settings)).unwrap_or_default();
    let DialectSettings { px0, worthai, strapi, insforge, pages, demo } = settings;
    let mut all: Vec<Dialect> = [
        px0.map(px0::dialect),
        worthai.map(worthai::dialect),
        strapi.map(strapi::dialect),
        insforge.map(insforge::dialect),
    ]
    .into_iter()
    .flatten()
    .collect();
    if let Some(pages) = pages {
        all.push(pages::dialect(pages, &all, demo.is_some()));
    }
    if let Some(demo) = demo {
        all.push(demo::dialect(demo, stories, &all));
    }
    all.push(own::dialect(&all));
    all
}
