//! `/sign-in`: says which password is the account's, for the people who take part and nobody else.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use reset_core::{
    Resets,
    email::EmailAddress,
    password::{PASSWORD_MAX, Policy},
};
use tracing::error;
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::{
    Demo, NAME,
    page::{foreign, message},
};
use crate::route::Call;

#[utoipa::path(post, path = "/sign-in", operation_id = "signIn", tag = "demo",
    summary = "See which password is the account's",
    request_body(content = String, content_type = "application/x-www-form-urlencoded",
        description = "`email` and `password` of somebody who takes part"),
    responses(
        (status = 200, description = "It is the password", body = String, content_type = "text/html"),
        (status = 403, description = "It is not, or the form was another site's", body = String,
            content_type = "text/html"),
        (status = 500, description = "The server failed", body = String, content_type = "text/html")))]
pub(super) async fn sign_in(demo: Arc<Demo>, call: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    if let Some(refused) = foreign(call.request.headers()) {
        return Err(refused);
    }
    let (mut email, mut password) = (String::new(), Zeroizing::new(String::new()));
    for (key, value) in form_urlencoded::parse(call.request.body()) {
        match &*key {
            "email" => email = value.into_owned(),
            "password" => password = Zeroizing::new(value.into_owned()),
            _ => {}
        }
    }
    let wrong = || {
        let line = "That is not the account's password. A mail may have changed it, or nothing has yet.";
        message(StatusCode::FORBIDDEN, "Not signed in", line)
    };
    let person = demo.person(&email).ok_or_else(wrong)?;
    match accepts(&call.resets, &person.email, &password).await {
        Some(true) => {
            let line = format!(
                "This is {}'s password now. (The demo has no sessions: nothing else happened.)",
                person.name
            );
            Ok(message(StatusCode::OK, &format!("Signed in as {}", person.name), &line))
        }
        Some(false) => Err(wrong()),
        None => {
            error!(dialect.name = NAME, "a password could not be looked at");
            let line = "The log of the demo says what happened.";
            Err(message(StatusCode::INTERNAL_SERVER_ERROR, "That did not work", line))
        }
    }
}

/// Whether the stored hash accepts the password; nothing where that cannot be found out.
async fn accepts(resets: &Resets, email: &str, password: &str) -> Option<bool> {
    let any = Policy { min: 1, four_classes: false, refuse_common: false, max_bytes: PASSWORD_MAX };
    let Ok(password) = any.accept(password) else { return Some(false) };
    let (store, email) = (&resets.adapters().store, EmailAddress::parse(email).ok()?);
    let Some(account) = store.account_by_email(&email).await.ok()? else { return Some(false) };
    let Some(stored) = store.password_hash(&account.id).await.ok()? else { return Some(false) };
    resets.adapters().hasher.verify(password, &stored).await.ok()
}
