//! The webhook that announces a completed reset, signed as Standard Webhooks specify
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use http::{
    Request, Uri,
    header::{CONTENT_TYPE, HeaderName, USER_AGENT},
};
use reset_core::{keys::is_varied, ports::PasswordReset, time::Timestamp};
use serde::Serialize;
use sha2::Sha256;
use zeroize::Zeroizing;

use reset_http::wire::iso;

/// The usual prefix of a webhook secret.
const PREFIX: &str = "whsec_";
/// Allowed length of a secret in bytes, from the specification.
const SECRET: std::ops::RangeInclusive<usize> = 24..=64;

/// The key that signs webhooks. It has no `Debug`, so that no log can show it.
#[derive(Clone)]
pub(crate) struct WebhookSecret(Zeroizing<Vec<u8>>);

impl WebhookSecret {
    /// Parses 24 to 64 random bytes in base64, with or without the prefix `whsec_`. Returns `None` for anything else, and
    /// for a placeholder.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.strip_prefix(PREFIX).unwrap_or(text)).ok().map(Zeroizing::new)?;
        (SECRET.contains(&bytes.len()) && is_varied(&bytes)).then_some(Self(bytes))
    }

    fn sign(&self, id: &str, seconds: i64, body: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC accepts keys of any length");
        mac.update(format!("{id}.{seconds}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    timestamp: String,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    account: &'a str,
    dialect: &'a str,
}

/// Builds the request that sends `event` to `url`, signed at `now`. Every attempt for an event has the same
/// `webhook-id`.
pub(crate) fn request(
    url: &Uri,
    secret: &WebhookSecret,
    event: &PasswordReset,
    now: Timestamp,
) -> Request<String> {
    let data = Data { account: event.account.as_str(), dialect: &event.dialect };
    let body = Body { r#type: "password.reset", timestamp: iso(event.at), data };
    let body = serde_json::to_string(&body).expect("the body is a struct of strings");
    let (id, seconds) = (event.id.as_str(), now.as_millis().div_euclid(1000));
    let signature = secret.sign(id, seconds, &body);
    let [webhook_id, webhook_timestamp, webhook_signature] =
        ["webhook-id", "webhook-timestamp", "webhook-signature"].map(HeaderName::from_static);
    let request = Request::post(url)
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, "polyreset")
        .header(webhook_id, id)
        .header(webhook_timestamp, seconds)
        .header(webhook_signature, signature);
    request.body(body).expect("the URL was parsed before, and header values are base64 and digits")
}

#[cfg(test)]
mod tests {
    use reset_core::{account::AccountId, job::JobId};

    use super::*;

    #[test]
    fn signature_matches_the_vector_of_the_specification() {
        // From the specification's reference libraries.
        let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        assert_eq!(
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn attempts_share_the_id_and_body_but_not_the_signature() {
        let secret = WebhookSecret::parse("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let event = PasswordReset {
            id: JobId::new("e1"),
            account: AccountId::new("42"),
            dialect: "px0".to_owned(),
            at: Timestamp::from_millis(1_768_574_400_000),
        };
        let url = "https://app.example.com/hooks?x=1".parse().unwrap();
        let [first, second] = [1_000, 61_000]
            .map(|later| request(&url, &secret, &event, Timestamp::from_millis(1_768_574_400_000 + later)));
        assert_eq!(
            first.body(),
            r#"{"type":"password.reset","timestamp":"2026-01-16T14:40:00.000Z","data":{"account":"42","dialect":"px0"}}"#
        );
        assert_eq!(first.body(), second.body());
        assert_eq!(first.headers()["webhook-id"], "e1");
        assert_eq!(first.headers()["webhook-id"], second.headers()["webhook-id"]);
        assert_eq!(first.headers()["webhook-timestamp"], "1768574401");
        assert_ne!(first.headers()["webhook-signature"], second.headers()["webhook-signature"]);
    }

    #[test]
    fn secret_must_have_24_to_64_bytes() {
        for (bytes, accepted) in [(23, false), (24, true), (64, true), (65, false)] {
            let text = format!("whsec_{}", STANDARD.encode((0..bytes).collect::<Vec<u8>>()));
            assert_eq!(WebhookSecret::parse(&text).is_some(), accepted, "{bytes}");
        }
        for other in ["whsec_!".to_owned(), format!("whsec_{}", STANDARD.encode([7; 32]))] {
            assert!(WebhookSecret::parse(&other).is_none(), "{other}");
        }
    }
}
