//! How a client speaks acme.

use reset_http::client::{Client, MailedSecret, SECRET, Step};

use crate::{AcmeSettings, NAME};

pub(crate) fn client(settings: &AcmeSettings) -> Client {
    let base = &settings.base_path;
    Client {
        dialect: NAME,
        title: "acme",
        summary: "a mailed link",
        request: vec![Step::new("requestReset", format!("{base}/request"), r#"{"email":EMAIL}"#)],
        mailed: MailedSecret::Link { parameters: &["token"] },
        exchange: None,
        redeem: vec![Step::new(
            "confirmReset",
            format!("{base}/confirm"),
            r#"{"token":SECRET,"password":PASSWORD}"#,
        )],
        secret: &[SECRET],
        forged: "a".repeat(64),
        refused: 400,
        redirect: None,
        discloses: None,
    }
}
