//! How a client speaks px0.

use reset_http::client::{Client, MailedSecret, SECRET, Step};

use crate::{NAME, Px0Settings};

pub(crate) fn client(settings: &Px0Settings) -> Client {
    Client {
        dialect: NAME,
        title: "px0",
        summary: "a mailed code that alone identifies the account",
        request: vec![Step::new(
            "triggerPasswordReset",
            format!("{}/password-reset/trigger", settings.base_path),
            r#"{"email":EMAIL}"#,
        )],
        mailed: MailedSecret::Code,
        exchange: None,
        redeem: vec![Step::new(
            "resetPassword",
            format!("{}/password-reset/reset", settings.base_path),
            r#"{"code":SECRET,"new_password":PASSWORD}"#,
        )],
        secret: &[SECRET],
        forged: "000000".into(),
        refused: 400,
        redirect: None,
        discloses: settings.disclose_unknown.then_some(404),
    }
}
