//! How a client speaks worthai.

use reset_http::client::{Client, MailedSecret, SECRET, Step};

use crate::{NAME, WorthaiSettings};

pub(crate) fn client(settings: &WorthaiSettings) -> Client {
    let base = &settings.base_path;
    Client {
        dialect: NAME,
        title: "worthai",
        summary: "a mailed link with a signed token",
        request: vec![Step::new("forgotPassword", format!("{base}/forgot-password"), r#"{"email":EMAIL}"#)],
        mailed: MailedSecret::Link { parameters: &["reset_token"] },
        exchange: None,
        redeem: vec![Step::new(
            "resetPassword",
            format!("{base}/reset-password"),
            r#"{"reset_token":SECRET,"password":PASSWORD}"#,
        )],
        secret: &[SECRET],
        forged: "a.b.c".into(),
        refused: 400,
        redirect: None,
        discloses: None,
    }
}
