//! The four dialects as their clients speak them: where a reset is asked for and done, and with what bodies.

use crate::mails::ReceivedMail;

/// Makes a body of two texts.
pub type Body = fn(&str, &str) -> String;

/// How a dialect says it.
#[derive(Clone, Copy)]
pub struct ClientDialect {
    /// Its name in settings.
    pub name: &'static str,
    /// Where a reset is asked for.
    pub ask: &'static str,
    /// Where a code is exchanged for a token, and with what: the address and the code.
    pub exchange: Option<(&'static str, Body)>,
    /// Where a password is set.
    pub reset: &'static str,
    /// The body that sets a password by a secret.
    pub body: Body,
    /// The secret in a mail of this dialect's.
    pub secret: fn(&ReceivedMail) -> Option<&str>,
    /// The status of a secret that opens nothing.
    pub refused: u16,
}

/// All of them, with their default settings.
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
        secret: |letter| letter.link().filter(|link| link.contains("reset_token=")).and(letter.token()),
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
        secret: |letter| letter.link().filter(|link| link.contains("code=")).and(letter.token()),
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

/// The body that asks for a reset.
pub fn asked(email: &str) -> String {
    format!(r#"{{"email":"{email}"}}"#)
}

/// The text of a field in a flat JSON object of ours.
pub fn text<'a>(body: &'a str, field: &str) -> Option<&'a str> {
    body.split_once(&format!(r#""{field}":""#))?.1.split('"').next()
}
