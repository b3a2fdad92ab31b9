//! How a client speaks Strapi: version 3 under `/auth`, versions 4 and 5 under `/api/auth`.

use reset_http::client::{Client, MailedSecret, SECRET, Step};

use crate::{NAME, StrapiSettings};

pub(crate) fn client(settings: &StrapiSettings) -> Client {
    let base = &settings.base_path;
    const REQUEST: &str = r#"{"email":EMAIL}"#;
    const REDEEM: &str = r#"{"code":SECRET,"password":PASSWORD,"passwordConfirmation":PASSWORD}"#;
    Client {
        dialect: NAME,
        title: "Strapi",
        summary: "a mailed link",
        request: vec![
            Step::new("forgotPassword", format!("{base}/auth/forgot-password"), REQUEST),
            Step::new("forgotPasswordV4", format!("{base}/api/auth/forgot-password"), REQUEST),
        ],
        mailed: MailedSecret::Link { parameters: &["code"] },
        exchange: None,
        redeem: vec![
            Step::new("resetPassword", format!("{base}/auth/reset-password"), REDEEM),
            Step::new("resetPasswordV4", format!("{base}/api/auth/reset-password"), REDEEM),
        ],
        secret: &[SECRET],
        forged: "a".repeat(128),
        refused: 400,
        redirect: None,
        discloses: None,
    }
}
