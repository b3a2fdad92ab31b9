//! How a client speaks dj-rest-auth and Djoser.

use reset_http::client::{Client, MailedSecret, Step};

use super::{DjangoSettings, NAME};

pub(crate) fn client(settings: &DjangoSettings) -> Client {
    const REQUEST: &str = r#"{"email":EMAIL}"#;
    const REST_AUTH: &str = r#"{"new_password1":PASSWORD,"new_password2":PASSWORD,"uid":UID,"token":TOKEN}"#;
    const DJOSER: &str = r#"{"uid":UID,"token":TOKEN,"new_password":PASSWORD}"#;
    const DJOSER_RETYPE: &str =
        r#"{"uid":UID,"token":TOKEN,"new_password":PASSWORD,"re_new_password":PASSWORD}"#;
    let step =
        |operation, path, body: &str| Step::new(operation, format!("{}{path}", settings.base_path), body);
    let djoser = if settings.retype { DJOSER_RETYPE } else { DJOSER };
    Client {
        dialect: NAME,
        title: "Django",
        summary: "a mailed link with the account and a token, for dj-rest-auth and Djoser",
        request: vec![
            step("passwordResetWithoutSlash", "/password/reset", REQUEST),
            step("passwordReset", "/password/reset/", REQUEST),
            step("usersResetPassword", "/users/reset_password/", REQUEST),
        ],
        mailed: MailedSecret::Link { parameters: &["uid", "token"] },
        exchange: None,
        redeem: vec![
            step("passwordResetConfirmWithoutSlash", "/password/reset/confirm", REST_AUTH),
            step("passwordResetConfirm", "/password/reset/confirm/", REST_AUTH),
            step("usersResetPasswordConfirm", "/users/reset_password_confirm/", djoser),
        ],
        secret: &["UID", "TOKEN"],
        forged: format!("MQ/{}", "0".repeat(64)),
        refused: 400,
        redirect: None,
        discloses: None,
    }
}
