//! The wire: four API dialects as tables of rows, and the neutral half of every front-end.
//!
//! This is the only crate that knows JSON. It knows no web framework: a front-end walks [`Api::routes`],
//! registers each row natively and hands matched requests to [`Api::answer`].
//!
//! # How to add a dialect
//! 1. A folder with a `mod.rs`: its `DialectSettings`, and `pub fn dialect(settings) -> Dialect`, the table.
//! 2. A file for each endpoint: `run` decodes, calls one use case, renders; `#[utoipa::path]` above it is its
//!    documentation.
//! 3. `error.rs`: an exhaustive match from each use case's errors, and from [`common_error::CommonError`], to bytes.
//! 4. One field in [`DialectSettings`], with its defaults, one line in [`dialects`], and its name in [`NAMES`].
//!
//! Routes on every front-end, the OpenAPI documents, the worker's mails and the generic conformance cases
//! follow from the table.

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

/// Every dialect by its name, served or not.
pub const NAMES: [&str; 4] = [px0::NAME, worthai::NAME, strapi::NAME, insforge::NAME];

/// The dialects that are served, and our own paths last.
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
