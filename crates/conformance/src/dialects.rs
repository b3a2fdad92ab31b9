//! The four dialects as clients use them: paths and bodies to request and complete a reset.

use crate::mails::ReceivedMail;

/// Builds a body from two values.
pub type Body = fn(&str, &str) -> String;

/// Paths and bodies of one dialect.
#[derive(Clone, Copy)]
pub struct ClientDialect {
    /// Name of the dialect in settings.
    pub name: &'static str,
    /// Path that requests a reset.
    pub ask: &'static str,
    /// Path that exchanges a code for a token, and the body from address and code.
    pub exchange: Option<(&'static str, Body)>,
    /// Path that sets a password.
    pub reset: &'static str,
    /// Body that sets a password, from secret and password.
    pub body: Body,
    /// Extracts the secret from a mail of this dialect.
    pub secret: fn(&ReceivedMail) -> Option<&str>,
    /// Status of the response to an invalid secret.
    pub refused: u16,
}

/// All dialects with their default settings.
pub const DIALECTS: [ClientDialect; 4] = [
    ClientDialect {
        name: "px0",
        ask: "/v1/auth/password-reset/trigger",
        exchange: None,
        reset: "/v1/auth/password-reset/reset",
        body: |secret, password| format!(r#"{{"code":"{secret}","new_password":"{password}"}}"#),
        secret: ReceivedMail::code,
        refused: 400,
    },
    ClientDialect {
        name: "worthai",
        ask: "/auth/api/v1/forgot-password",
        exchange: None,
        reset: "/auth/api/v1/reset-password",
        body: |secret, password| format!(r#"{{"reset_token":"{secret}","password":"{password}"}}"#),
        secret: |mail| mail.link().filter(|link| link.contains("reset_token=")).and(mail.token()),
        refused: 400,
    },
    ClientDialect {
        name: "strapi",
        ask: "/api/auth/forgot-password",
        exchange: None,
        reset: "/api/auth/reset-password",
        body: |secret, password| {
            let twice = format!(r#""password":"{password}","passwordConfirmation":"{password}""#);
            format!(r#"{{"code":"{secret}",{twice}}}"#)
        },
        secret: |mail| mail.link().filter(|link| link.contains("code=")).and(mail.token()),
        refused: 400,
    },
    ClientDialect {
        name: "insforge",
        ask: "/api/auth/email/send-reset-password",
        exchange: Some(("/api/auth/email/exchange-reset-password-token", |email, code| {
            format!(r#"{{"email":"{email}","code":"{code}"}}"#)
        })),
        reset: "/api/auth/email/reset-password",
        body: |secret, password| format!(r#"{{"newPassword":"{password}","otp":"{secret}"}}"#),
        secret: ReceivedMail::code,
        refused: 401,
    },
];

/// Returns the body that requests a reset.
pub fn asked(email: &str) -> String {
    format!(r#"{{"email":"{email}"}}"#)
}

/// Returns the value of a text field in a flat JSON object, without unescaping it.
pub fn text<'a>(body: &'a str, field: &str) -> Option<&'a str> {
    body.split_once(&format!(r#""{field}":""#))?.1.split('"').next()
}
