//! Limits of mails by SMTP, and their defaults.

use std::time::Duration;

use crate::rate::Rate;

/// Default limit of concurrent mails per recipient domain.
pub const PER_DOMAIN: usize = 4;

/// Default limit of concurrent mails per mail server, and therefore of connections. To many servers, more than a handful
/// look like an attack, and one connection carries thousands of mails per second. A per-domain limit as high as this
/// lets one slow domain hold up all others.
pub const CONNECTIONS: usize = 6;

/// Highest limit of concurrent mails per mail server.
pub const CONNECTIONS_MAX: usize = 64;

/// Limits of mails by SMTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailLimits {
    /// Concurrent mails per mail server, and therefore connections (`mail.connections`), at least 1. The limit in force is
    /// lower while the server accepts fewer.
    pub connections: usize,
    /// Concurrent mails per recipient domain (`mail.per_domain`), at least 1.
    pub per_domain: usize,
    /// Mails per period (`mail.rate`).
    pub rate: Option<Rate>,
    /// Longest wait for each stage of a conversation before the final dot (`mail.timeout`). The default is that of
    /// RFC 5321, 4.5.3.2, or 20 s if there is a fallback.
    pub timeout: Option<Duration>,
}

impl Default for MailLimits {
    fn default() -> Self {
        Self { connections: CONNECTIONS, per_domain: PER_DOMAIN, rate: None, timeout: None }
    }
}
