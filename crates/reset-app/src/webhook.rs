//! The webhook: other systems are told over HTTP, and end the sessions that polyreset cannot reach.

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

/// Longest time for one try: the connection, the request and the status of the answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Most events at once: the worker's other hands are for mail.
const AT_ONCE: usize = 2;
/// How long nothing is tried after nobody answered. Events wait; mails do not wait for them.
const REST: Duration = Duration::from_secs(30);
/// "I want no more of these" (Standard Webhooks): the one status after which nothing is tried again.
const GONE: u16 = 410;

/// A webhook over HTTP/1.1, with TLS where the URL says so. Redirects are not followed.
pub(crate) struct HttpWebhook {
    settings: WebhookSettings,
    client: Client<HttpsConnector<HttpConnector>, String>,
    clock: Arc<dyn Clock>,
    places: Semaphore,
    /// When there is something to be tried again.
    rest_until: Mutex<Timestamp>,
}

impl HttpWebhook {
    /// Connects to nothing yet.
    pub(crate) fn new(settings: WebhookSettings, clock: Arc<dyn Clock>) -> Result<Self> {
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(ring::default_provider())
            .context("notify.webhook_url: the system's trust anchors cannot be read")?
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let (places, rest_until) = (Semaphore::new(AT_ONCE), Mutex::new(Timestamp::from_millis(i64::MIN)));
        Ok(Self { settings, client, clock, places, rest_until })
    }

    /// The lock is held for a copy: no panic can have left anything half done.
    fn rest_until(&self) -> MutexGuard<'_, Timestamp> {
        self.rest_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Webhook for HttpWebhook {
    async fn post(&self, event: &PasswordReset) -> Result<String, MailError> {
        let later = |reply: &str| Err(MailError::Temporary { reply: reply.to_owned() });
        let now = self.clock.now();
        if now < *self.rest_until() {
            return later("webhook: resting");
        }
        let Ok(_place) = self.places.try_acquire() else { return later("webhook: busy") };
        let request = request(&self.settings.url, &self.settings.secret, event, now);
        let failed = |reply: &str| {
            *self.rest_until() = self.clock.now().plus(REST);
            later(reply)
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

/// What failed, in a word that quotes nothing.
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

    /// Answers one request with `status`; the request.
    async fn answer(listener: &TcpListener, status: &str) -> String {
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
    async fn a_reply_decides_whether_to_try_again() {
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
            let (reply, request) = tokio::join!(webhook.post(&event), answer(&listener, status));
            assert_eq!(format!("{reply:?}"), expected);
            assert!(request.starts_with("POST /hook HTTP/1.1\r\n"), "{request}");
            assert!(request.contains("webhook-signature: v1,"), "{request}");
        }
    }

    #[tokio::test]
    async fn who_does_not_answer_is_left_alone_for_a_while_and_then_tried_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let (webhook, clock) = webhook(address.port());
        let reply = async |webhook: &HttpWebhook| format!("{:?}", webhook.post(&event()).await);
        assert_eq!(reply(&webhook).await, "Err(Temporary { reply: \"webhook: refused\" })");
        let listener = TcpListener::bind(address).await.unwrap();
        assert_eq!(reply(&webhook).await, "Err(Temporary { reply: \"webhook: resting\" })");
        clock.advance(REST);
        let event = event();
        let (told, _) = tokio::join!(webhook.post(&event), answer(&listener, "204 No Content"));
        assert_eq!(told.unwrap(), "webhook: 204");
    }
}
