//! Pages for people: the hosted reset pages, the API reference, the comparison of the dialects and the demo.
//!
//! Each part is a dialect like any other, with rows, errors and a document; [`complete`] adds those that a deployment
//! serves to the dialects of its settings. This is the only crate with a template engine.
//!
//! * [`hosted`]: `/forgot`, `/reset`, `/not-me`, `/.well-known/change-password`.
//! * [`service`]: `/healthz`, `/readyz`, `/openapi.json`, `/openapi.yaml`, `/docs`, `/dialects`.
//! * [`demo`]: the start page, mailbox and sign-in of `serve --demo`.
//! * [`comparison`]: the tables behind `/dialects` and the dialect reference.
//!
//! ```
//! use reset_core::keys::HmacKey;
//! use reset_pages::hosted::PagesSettings;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let root = HmacKey::root(&[7; 32])?;
//! let pages = PagesSettings::defaults(&root, "https://accounts.example.com");
//! let served = reset_pages::complete(Vec::new(), Some(pages), None);
//! let paths: Vec<&str> = served.iter().flat_map(|part| &part.rows).map(|(path, _)| path.as_str()).collect();
//! assert!(paths.contains(&"/healthz") && paths.contains(&"/forgot"));
//! # Ok(())
//! # }
//! ```

pub mod comparison;
pub mod demo;
pub mod hosted;
mod html;
pub mod service;
#[cfg(test)]
mod testing;

use reset_http::{
    problem,
    route::{Dialect, ErrorRenderer},
};

/// The dialects that a deployment serves, with the pages that it has. The service's own rows come last: they answer for
/// every path that no dialect owns.
pub fn complete(
    mut dialects: Vec<Dialect>,
    pages: Option<hosted::PagesSettings>,
    demo: Option<demo::DemoSettings>,
) -> Vec<Dialect> {
    let mut errors = ErrorRenderer::Fixed(problem::render);
    if let Some(pages) = pages {
        let (pages, outside) = hosted::dialect(pages, &dialects, demo.is_some());
        dialects.push(pages);
        errors = outside;
    }
    if let Some(demo) = demo {
        dialects.push(demo::dialect(demo, &dialects));
    }
    dialects.push(service::dialect(&dialects, errors));
    dialects
}
