//! The HTTP half of polyreset that no web framework and no dialect knows about.
//!
//! A dialect is a table of rows ([`route`]); [`Api`] serves the rows of every dialect over the use cases of `reset-core`.
//! An HTTP front-end walks [`Api::routes`], registers each row in its framework's own way and hands matched requests to
//! [`Api::answer`]. Everything a client can see is decided here or in a dialect: statuses, bodies, headers, 404, 405, 413
//! and 415, CORS, timeouts, and panics that become responses.
//!
//! # Map
//! * [`api`] and [`route`]: rows, endpoints, and how they are served. [`cors`]: what scripts of other origins may do.
//! * [`client`]: how a client speaks a dialect, as data.
//! * [`body`]: one strict reading of bodies, and [`media_type`]: how they are written. [`wire`] and [`problem`]: pieces of responses. [`jwt`]: HS256 tokens.
//! * [`common_error`]: the errors that every dialect renders in its own envelope.
//! * [`rate_limit`]: what one client may do, and [`TrustedProxies`]: which client that is.
//! * [`redemption`]: how a page takes a dialect's secrets. [`traits`]: what the comparison says about a dialect.
//! * [`upstream`]: who answers a request if there is a back end behind polyreset.
//! * [`openapi`]: one document from the rows of all dialects.
//!
//! ```
//! use reset_http::client::{Client, MailedSecret, SECRET, Step};
//!
//! let client = Client {
//!     dialect: "acme",
//!     title: "Acme",
//!     summary: "a mailed link",
//!     request: vec![Step::new("request", "/acme/request", r#"{"email":EMAIL}"#)],
//!     mailed: MailedSecret::Link { parameters: &["token"] },
//!     exchange: None,
//!     redeem: vec![Step::new("confirm", "/acme/confirm", r#"{"token":SECRET,"password":PASSWORD}"#)],
//!     secret: &[SECRET],
//!     forged: "a".repeat(64),
//!     refused: 400,
//!     redirect: None,
//!     discloses: None,
//! };
//! let secret = client.secret_in("https://example.com/reset?token=f00d").expect("the link has the parameter");
//! assert_eq!(client.redeem_with(&secret, "new").body, r#"{"token":"f00d","password":"new"}"#);
//! ```

pub mod api;
mod bearer;
pub mod body;
pub mod client;
mod client_ip;
pub mod common_error;
pub mod cors;
mod forwarded_notice;
pub mod guessing;
pub mod jwt;
pub mod language;
pub mod media_type;
pub mod module;
pub mod observer;
pub mod openapi;
mod peer;
pub mod problem;
pub mod rate_limit;
pub mod redemption;
pub mod route;
mod serve_options;
pub mod shadow;
pub mod traits;
pub mod upstream;
pub mod wire;

pub use api::Api;
pub use bearer::BearerToken;
pub use client_ip::TrustedProxies;
pub use common_error::{BODY_TIMEOUT, BodyError, with_body_timeout};
pub use module::{Deployment, DialectModule};
pub use peer::Peer;
pub use rate_limit::{ClassLimits, ClientLimits, Counters, SharedCounters, Take, Unavailable};
pub use route::{Dialect, Endpoint, Route};
pub use serve_options::ServeOptions;
pub use wire::{iso, to_json_pretty};
