//! InsForge: a six-digit code that is exchanged for a token, or a link (dialects.md 4).

use std::time::Duration;

use reset_core::{keys::Key, password::Policy};

use crate::route::Dialect;

/// Name of the dialect.
const NAME: &str = "insforge";

/// What a deployment decides about InsForge.
#[derive(Clone)]
pub struct Settings {
    /// What is mailed. Default a code; a link in profile `hardened`.
    pub method: Method,
    /// Origin of the mailed links: the deployment's `public_url`.
    pub public_url: String,
    /// Where a link may lead. An empty list allows nothing (R33).
    pub allowed_redirect_urls: Vec<String>,
    /// How long a code lives. Default 15 minutes.
    pub code_ttl: Duration,
    /// How long a link, or the token that a code became, lives. Default 1 hour.
    pub token_ttl: Duration,
    /// Most guesses for one code. Default 3 (InsForge's own).
    pub max_attempts: u32,
    /// Key of the tags at the end of the tokens.
    pub tags: Key,
    /// Rules for a new password.
    pub policy: Policy,
}

/// What is mailed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Six digits, to be exchanged for a token.
    Code,
    /// A link to the client's own page.
    Link,
}

/// The dialect's rows, envelope, mails and document.
pub fn dialect(_settings: Settings) -> Dialect {
    unimplemented!("{NAME}")
}
