//! How a client speaks InsForge: by a code that it exchanges for a token, or by a link.

use reset_http::client::{Client, ExchangeStep, MailedSecret, SECRET, Step};

use crate::{InsForgeSettings, Method, NAME};

pub(crate) fn client(settings: &InsForgeSettings) -> Client {
    let send = |body: String| {
        Step::new("sendResetPassword", format!("{}/email/send-reset-password", settings.base_path), body)
    };
    let exchange = Step::new(
        "exchangeResetPasswordToken",
        format!("{}/email/exchange-reset-password-token", settings.base_path),
        r#"{"email":EMAIL,"code":SECRET}"#,
    );
    let (summary, request, mailed, exchange) = match settings.method {
        Method::Code => (
            "a mailed code, exchanged for a token",
            send(r#"{"email":EMAIL}"#.into()),
            MailedSecret::Code,
            Some(ExchangeStep { step: exchange, token: "token" }),
        ),
        Method::Link => (
            "a mailed link to a page that insforge.allowed_redirect_urls lists",
            send(format!(r#"{{"email":EMAIL,"redirectTo":"{}"}}"#, settings.example_target())),
            MailedSecret::Link { parameters: &["token"] },
            None,
        ),
    };
    Client {
        dialect: NAME,
        title: "InsForge",
        summary,
        request: vec![request],
        mailed,
        exchange,
        redeem: vec![Step::new(
            "resetPassword",
            format!("{}/email/reset-password", settings.base_path),
            r#"{"newPassword":PASSWORD,"otp":SECRET}"#,
        )],
        secret: &[SECRET],
        forged: "a".repeat(64),
        refused: 401,
        redirect: Some("redirectTo"),
        discloses: None,
    }
}
