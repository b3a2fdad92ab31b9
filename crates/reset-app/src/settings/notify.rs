//! Settings of the notifications after a completed reset.

use crate::webhook_event::WebhookSecret;
use anyhow::{Result, bail};
use http::Uri;
use zeroize::Zeroizing;

use reset_settings::Values;

use super::keys;

/// Recipients of a notification.
pub(crate) struct NotifySettings {
    /// Whether the owner is notified by mail.
    pub(crate) owner: bool,
    /// The webhook, if configured.
    pub(crate) webhook: Option<WebhookSettings>,
}

/// URL that receives the events, and the key that signs them.
#[derive(Clone)]
pub(crate) struct WebhookSettings {
    pub(crate) url: Uri,
    pub(crate) secret: WebhookSecret,
}

impl NotifySettings {
    pub(super) fn read(values: &Values) -> Result<Self> {
        let owner = values.boolean(&keys::NOTIFY_PASSWORD_CHANGED)?;
        let Some(url) = values.given_text(&keys::NOTIFY_WEBHOOK_URL)? else {
            if values.is_given(&keys::NOTIFY_WEBHOOK_SECRET) {
                bail!("notify.webhook_secret has no effect without notify.webhook_url: set both or neither");
            }
            return Ok(Self { owner, webhook: None });
        };
        // Credentials in the URL would not be sent: the signature authenticates the request.
        let url = url.parse().ok().filter(|url: &Uri| {
            matches!(url.scheme_str(), Some("http" | "https"))
                && url.host().is_some_and(|host| !host.is_empty())
                && url.authority().is_some_and(|authority| !authority.as_str().contains('@'))
        });
        let url = url.ok_or_else(|| {
            values.bad(&keys::NOTIFY_WEBHOOK_URL, "a URL such as https://app.example.com/hooks/polyreset")
        })?;
        let Some(secret) = values.given_text(&keys::NOTIFY_WEBHOOK_SECRET)?.map(Zeroizing::new) else {
            bail!(
                "notify.webhook_secret is required, because notify.webhook_url is set: set \
                 POLYRESET_NOTIFY__WEBHOOK_SECRET to the output of `echo whsec_$(openssl rand -base64 32)`"
            );
        };
        let secret = WebhookSecret::parse(&secret).ok_or_else(|| {
            values.bad(
                &keys::NOTIFY_WEBHOOK_SECRET,
                "whsec_ and 24 to 64 random bytes in base64, as `echo whsec_$(openssl rand -base64 32)` prints them",
            )
        })?;
        Ok(Self { owner, webhook: Some(WebhookSettings { url, secret }) })
    }
}
