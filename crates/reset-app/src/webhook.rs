//! The webhook: other systems are told over HTTP, and end the sessions that polyreset cannot reach.

use std::{error::Error as _, io, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use async_trait::async_trait;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, Error, connect::HttpConnector},
    rt::TokioExecutor,
};
use reset_core::{
    error::MailError,
    ports::{Clock, Event, Webhook},
};
use reset_dialects::webhook::request;
use rustls::crypto::ring;
use tokio::time::timeout;

use crate::settings::WebhookSettings;

/// Longest time for one try: the connection, the request and the status of the answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// "I want no more of these" (Standard Webhooks): the one status after which nothing is tried again.
const GONE: u16 = 410;

/// A webhook over HTTP/1.1, with TLS where the URL says so. Redirects are not followed.
pub(crate) struct HttpWebhook {
    settings: WebhookSettings,
    client: Client<HttpsConnector<HttpConnector>, String>,
    clock: Arc<dyn Clock>,
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
        Ok(Self { settings, client: Client::builder(TokioExecutor::new()).build(connector), clock })
    }
}

#[async_trait]
impl Webhook for HttpWebhook {
    async fn post(&self, event: &Event) -> Result<String, MailError> {
        let request = request(&self.settings.url, &self.settings.secret, event, self.clock.now());
        let failed = |reply: &str| Err(MailError::Temporary { reply: reply.to_owned() });
        match timeout(PATIENCE, self.client.request(request)).await {
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
    use reset_core::{account::AccountId, errand::ErrandId, memory::FrozenClock};
    use reset_dialects::webhook::WebhookSecret;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    fn webhook(port: u16) -> HttpWebhook {
        let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let url = format!("http://127.0.0.1:{port}/hook").parse().unwrap();
        HttpWebhook::new(WebhookSettings { url, secret }, Arc::new(FrozenClock::default())).unwrap()
    }

    fn event() -> Event {
        Event {
            id: ErrandId::new("e1"),
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
        let webhook = webhook(listener.local_addr().unwrap().port());
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
    async fn nobody_there_is_worth_another_try() {
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let reply = webhook(port).post(&event()).await.unwrap_err();
        assert!(matches!(reply, MailError::Temporary { reply } if reply == "webhook: refused"));
    }
}
