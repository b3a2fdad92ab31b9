//! The webhook: notifies other systems over HTTP, so that they can end sessions that polyreset cannot reach.

use std::{
    error::Error as _,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::webhook_event::request;
use anyhow::{Context, Result};
use async_trait::async_trait;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, Error, connect::HttpConnector},
    rt::TokioExecutor,
};
use reset_core::{
    error::MailError,
    ports::{Clock, PasswordReset, Webhook},
    time::Timestamp,
};
use rustls::crypto::ring;
use tokio::{sync::Semaphore, time::timeout};

use crate::settings::WebhookSettings;

/// Timeout of one attempt: connection, request and response status.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum concurrent requests. The other slots of the worker are for mail.
const CONCURRENCY: usize = 2;
/// Backoff after a failed connection or a timeout. Events wait; mails do not wait for them.
const BACKOFF: Duration = Duration::from_secs(30);
/// 410 Gone: the receiver wants no more events (Standard Webhooks). The only status that is not retried.
const GONE: u16 = 410;

/// A webhook over HTTP/1.1, with TLS if the URL is https. Redirects are not followed.
pub(crate) struct HttpWebhook {
    settings: WebhookSettings,
    client: Client<HttpsConnector<HttpConnector>, String>,
    clock: Arc<dyn Clock>,
    permits: Semaphore,
    /// End of the backoff.
    backoff_until: Mutex<Timestamp>,
}

impl HttpWebhook {
    /// Builds the client without connecting.
    pub(crate) fn new(settings: WebhookSettings, clock: Arc<dyn Clock>) -> Result<Self> {
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(ring::default_provider())
            .context("notify.webhook_url: the trusted certificate authorities of the system cannot be read")?
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let permits = Semaphore::new(CONCURRENCY);
        let backoff_until = Mutex::new(Timestamp::from_millis(i64::MIN));
        Ok(Self { settings, client, clock, permits, backoff_until })
    }

    /// Locks the end of the backoff. Poisoning is ignored: the value is only copied, so it is always consistent.
    fn backoff_until(&self) -> MutexGuard<'_, Timestamp> {
        self.backoff_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Webhook for HttpWebhook {
    async fn post(&self, event: &PasswordReset) -> Result<String, MailError> {
        let temporary = |reply: &str| Err(MailError::Temporary { reply: reply.to_owned() });
        let now = self.clock.now();
        if now < *self.backoff_until() {
            return temporary("webhook: backoff");
        }
        let Ok(_permit) = self.permits.try_acquire() else { return temporary("webhook: busy") };
        let request = request(&self.settings.url, &self.settings.secret, event, now);
        let failed = |reply: &str| {
            *self.backoff_until() = self.clock.now().plus(BACKOFF);
            temporary(reply)
        };
        match timeout(TIMEOUT, self.client.request(request)).await {
            Err(_) => failed("webhook: timeout"),
            Ok(Err(error)) => failed(reason(&error)),
            Ok(Ok(response)) => {
                let status = response.status();
                let reply = format!("webhook: {}", status.as_u16());
                match status.as_u16() {
                    _ if status.is_success() => Ok(reply),
                    GONE => Err(MailError::Permanent { reply }),
                    _ => Err(MailError::Temporary { reply }),
                }
            }
        }
    }
}

/// Returns the cause of a failure as a fixed text, which cannot quote a secret.
fn reason(error: &Error) -> &'static str {
    let mut cause = error.source();
    while let Some(error) = cause {
        match error.downcast_ref::<io::Error>().map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => return "webhook: refused",
            Some(io::ErrorKind::InvalidData) => return "webhook: tls",
            _ => cause = error.source(),
        }
    }
    if error.is_connect() { "webhook: unreachable" } else { "webhook: broken" }
}

#[cfg(test)]
mod tests {
    use crate::webhook_event::WebhookSecret;
    use reset_core::{account::AccountId, job::JobId};
    use reset_testkit::memory::FrozenClock;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    fn webhook(port: u16) -> (HttpWebhook, Arc<FrozenClock>) {
        let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let url = format!("http://127.0.0.1:{port}/hook").parse().unwrap();
        let clock = Arc::new(FrozenClock::default());
        (HttpWebhook::new(WebhookSettings { url, secret }, clock.clone()).unwrap(), clock)
    }

    fn event() -> PasswordReset {
        PasswordReset {
            id: JobId::new("e1"),
            account: AccountId::new("42"),
            dialect: "px0".to_owned(),
            at: FrozenClock::START,
        }
    }

    /// Responds to one request with `status` and returns the request.
    async fn respond(listener: &TcpListener, status: &str) -> String {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"}}") {
            assert!(socket.read_buf(&mut request).await.unwrap() > 0, "the request ended early");
        }
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        socket.write_all(head.as_bytes()).await.unwrap();
        String::from_utf8(request).unwrap()
    }

    #[tokio::test]
    async fn response_status_decides_whether_to_retry() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (webhook, _) = webhook(listener.local_addr().unwrap().port());
        for (status, expected) in [
            ("204 No Content", "Ok(\"webhook: 204\")"),
            ("302 Found", "Err(Temporary { reply: \"webhook: 302\" })"),
            ("404 Not Found", "Err(Temporary { reply: \"webhook: 404\" })"),
            ("410 Gone", "Err(Permanent { reply: \"webhook: 410\" })"),
            ("503 Service Unavailable", "Err(Temporary { reply: \"webhook: 503\" })"),
        ] {
            let event = event();
            let (reply, request) = tokio::join!(webhook.post(&event), respond(&listener, status));
            assert_eq!(format!("{reply:?}"), expected);
            assert!(request.starts_with("POST /hook HTTP/1.1\r\n"), "{request}");
            assert!(request.contains("webhook-signature: v1,"), "{request}");
        }
    }

    #[tokio::test]
    async fn unreachable_receiver_is_retried_after_the_backoff() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let (webhook, clock) = webhook(address.port());
        let reply = async |webhook: &HttpWebhook| format!("{:?}", webhook.post(&event()).await);
        assert_eq!(reply(&webhook).await, "Err(Temporary { reply: \"webhook: refused\" })");
        let listener = TcpListener::bind(address).await.unwrap();
        assert_eq!(reply(&webhook).await, "Err(Temporary { reply: \"webhook: backoff\" })");
        clock.advance(BACKOFF);
        let event = event();
        let (posted, _) = tokio::join!(webhook.post(&event), respond(&listener, "204 No Content"));
        assert_eq!(posted.unwrap(), "webhook: 204");
    }
}
