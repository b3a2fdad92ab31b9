//! SMTP tests against a scripted server.

mod delivery;
mod diagnosis;
mod domains;
mod encryption;
mod failover;
mod limits;
mod login;
mod sender;
#[expect(clippy::unwrap_used, reason = "the test fails if the sink cannot run")]
mod sink;

use std::time::Duration;

use reset_core::{
    error::MailError,
    job::Reference,
    mail::{Mail, MailBody},
    time::Timestamp,
};
use reset_mail::{MailService, SmtpSettings, TransportConfig};

fn service(settings: SmtpSettings) -> MailService {
    let transports = vec![TransportConfig::Smtp(settings)];
    MailService::new(transports, "Polyreset <no-reply@example.org>", "reset.example.org")
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Creates a service with a fallback server.
fn with_fallback(first: SmtpSettings, second: SmtpSettings) -> MailService {
    let service = service(first).with_fallback(TransportConfig::Smtp(second));
    service.unwrap_or_else(|error| panic!("{error}"))
}

fn mail(code: &str) -> Mail {
    let body = MailBody::ResetCode { code: code.to_owned().into(), lifetime: Duration::from_secs(900) };
    Mail {
        to: "canary@example.net".to_owned(),
        name: None,
        locale: None,
        dialect: "px0".to_owned(),
        reference: Reference::stored("K7Q2M4ZD8R"),
        at: Timestamp::from_millis(1_796_047_320_000),
        network: None,
        message_id: "0af1".to_owned(),
        body,
    }
}

/// Formats a result as `temporary: 451 4.7.1` and similar.
fn outcome(result: Result<String, MailError>) -> String {
    match result {
        Ok(reply) => format!("accepted: {reply}"),
        Err(MailError::Temporary { reply }) => format!("temporary: {reply}"),
        Err(MailError::Busy { reply, .. }) => format!("busy: {reply}"),
        Err(MailError::Uncertain { reply }) => format!("uncertain: {reply}"),
        Err(MailError::Permanent { reply }) => format!("permanent: {reply}"),
    }
}
