//! How the routes are served.

use http::{HeaderName, HeaderValue};
use ipnet::IpNet;
use std::sync::Arc;

use crate::{
    bearer::BearerToken,
    client_ip::TrustedProxies,
    cors::CORS_HEADERS,
    observer::Observer,
    rate_limit::{ClientLimits, SharedCounters},
    upstream::UpstreamOptions,
};

/// How an [`Api`](crate::Api) serves its routes.
#[derive(Clone)]
pub struct ServeOptions {
    /// Maximum body size in bytes. Default 64 KiB.
    pub body_limit: usize,
    /// Origins allowed by CORS. Default none.
    pub cors_origins: Vec<HeaderValue>,
    /// Request headers that scripts of those origins may set. Default: those of the dialects and of tracing libraries.
    pub cors_headers: Vec<HeaderName>,
    /// Proxies whose forwarding headers are trusted. Default none.
    pub proxies: TrustedProxies,
    /// Networks of the deployment's own servers, whose requests are those of many people: no limit per client or network
    /// applies to them. Default none.
    pub own_servers: Vec<IpNet>,
    /// Rate limits per client. `None`, the default of this struct, disables them; a deployment enables them by
    /// default.
    pub client_limits: Option<ClientLimits>,
    /// Maximum number of concurrent connections per client, which the standalone servers enforce. Default none.
    pub client_connections: Option<usize>,
    /// Counters that all replicas share. Default `None`: each process counts for itself.
    pub shared: Option<SharedCounters>,
    /// Receives every response and the events of connections, for metrics. Default none.
    pub observer: Option<Arc<dyn Observer>>,
    /// Token that every request must present, whatever its path. Default none.
    pub token: Option<BearerToken>,
    /// The back end that the standalone servers pass all other requests to. Default none.
    pub upstream: Option<UpstreamOptions>,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            body_limit: 64 * 1024,
            cors_origins: Vec::new(),
            cors_headers: CORS_HEADERS.map(HeaderName::from_static).into(),
            proxies: TrustedProxies::default(),
            own_servers: Vec::new(),
            client_limits: None,
            client_connections: None,
            shared: None,
            observer: None,
            token: None,
            upstream: None,
        }
    }
}
