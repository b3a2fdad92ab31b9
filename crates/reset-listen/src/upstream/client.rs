//! The HTTP client, and why a request to the back end fails.

use std::{error::Error as _, io, time::Duration};

use hyper::{StatusCode, http::uri::Scheme};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, Error, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use reset_http::upstream::UpstreamOptions;
use rustls::{CertificateError, ClientConfig, RootCertStore, crypto::ring};

use super::OutgoingBody;

/// How long an unused connection is kept. Node.js closes one after 5 s, and a request that meets this end fails.
const IDLE: Duration = Duration::from_secs(3);

/// A client with a pool of connections.
pub(super) type HttpClient = Client<HttpsConnector<HttpConnector>, OutgoingBody>;

/// Builds the client without connecting.
///
/// # Errors
/// Fails if the back end is https and the certificate authorities that the system trusts cannot be read.
pub(super) fn new(options: &UpstreamOptions) -> io::Result<HttpClient> {
    let config = ClientConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    // Plain HTTP needs no authorities, and a minimal container has none.
    let config = if options.origin.scheme() == Some(&Scheme::HTTPS) {
        config.with_native_roots()?
    } else {
        config.with_root_certificates(RootCertStore::empty())
    };
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(options.connect_timeout));
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(config.with_no_client_auth())
        .https_or_http()
        .enable_http1()
        .wrap_connector(http);
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .build(connector))
}

/// Returns what is wrong with the TLS of the back end.
fn tls_failure(error: &rustls::Error) -> &'static str {
    use CertificateError::{
        BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
        NotValidYetContext, UnknownIssuer,
    };
    let rustls::Error::InvalidCertificate(certificate) = error else { return "TLS failed" };
    match certificate {
        Expired | ExpiredContext { .. } => "TLS failed: the certificate has expired",
        NotValidYet | NotValidYetContext { .. } => "TLS failed: the certificate is not valid yet",
        NotValidForName | NotValidForNameContext { .. } => {
            "TLS failed: the certificate is for another name than the host in upstream_url"
        }
        // An authority of the same name, with another key.
        UnknownIssuer | BadSignature => {
            "TLS failed: the certificate's authority is unknown: add it to the system's authorities, or name a file with \
             all authorities in the variable SSL_CERT_FILE"
        }
        _ => "TLS failed: the certificate is not valid",
    }
}

/// Why the back end did not answer: the status of the response, and a fixed text for the log, which cannot quote an address
/// or a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) status: StatusCode,
    pub(super) reason: &'static str,
}

impl Failure {
    /// The back end answered with something that is not HTTP, or closed the connection.
    pub(super) const BROKEN: Self = Self { status: StatusCode::BAD_GATEWAY, reason: "broken response" };
    /// It was silent for too long.
    pub(super) const TIMEOUT: Self =
        Self { status: StatusCode::GATEWAY_TIMEOUT, reason: "no response in time" };
    /// The client did not send its body in time.
    pub(super) const SLOW_CLIENT: Self =
        Self { status: StatusCode::REQUEST_TIMEOUT, reason: "body of the client did not arrive in time" };
    /// The request has passed this server before.
    pub(super) const LOOP: Self =
        Self { status: StatusCode::LOOP_DETECTED, reason: "loop: upstream_url leads back to polyreset" };

    /// Returns the failure behind an error of the client.
    pub(super) fn of(error: &Error) -> Self {
        let bad = |reason| Self { status: StatusCode::BAD_GATEWAY, reason };
        let mut next = error.source();
        while let Some(cause) = next {
            if let Some(error) = cause.downcast_ref::<rustls::Error>() {
                return bad(tls_failure(error));
            }
            let io = cause.downcast_ref::<io::Error>();
            match io.map(io::Error::kind) {
                Some(io::ErrorKind::ConnectionRefused) => return bad("connection refused"),
                Some(io::ErrorKind::TimedOut) => {
                    return Self { status: StatusCode::GATEWAY_TIMEOUT, reason: "no connection in time" };
                }
                _ => {}
            }
            // The source of an I/O error is that of the error in it, which would be skipped.
            next = match io.and_then(io::Error::get_ref) {
                Some(inner) => Some(inner),
                None => cause.source(),
            };
        }
        if error.is_connect() { bad("unreachable") } else { Self::BROKEN }
    }
}
