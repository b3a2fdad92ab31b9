//! `/sign-in`: the last step of the tour, which checks the password of a demo account.

use std::{sync::Arc, time::Duration};

use askama::Template;
use bytes::Bytes;
use http::{Response, StatusCode};
use reset_core::{
    Resets,
    email::EmailAddress,
    error::RedeemError,
    password::{PASSWORD_MAX, Policy},
};
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::{
    Demo, NAME, Person,
    page::{Frame, message, page, reject_cross_site, render},
};
use reset_http::{common_error::CommonError, route::Call};

#[derive(Template)]
#[template(path = "demo/sign_in.html")]
struct SignInPage<'a> {
    frame: Frame,
    people: &'a [Person],
}

#[utoipa::path(get, path = "/sign-in", operation_id = "signInPage", tag = "demo",
    summary = "Page to sign in",
    responses((status = 200, description = "The page", body = String, content_type = "text/html")))]
pub(super) async fn show(demo: Arc<Demo>, _: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    let people = demo.stage.people();
    Ok(page(StatusCode::OK, &SignInPage { frame: Frame::new(4, demo.pages), people: &people }))
}

#[utoipa::path(post, path = "/sign-in", operation_id = "signIn", tag = "demo",
    summary = "Check the password of a demo account",
    request_body(content = String, content_type = "application/x-www-form-urlencoded",
        description = "`email` and `password` of a demo account"),
    responses(
        (status = 200, description = "The password is correct", body = String, content_type = "text/html"),
        (status = 403, description = "The password is wrong, or the form was submitted from another site", body = String,
            content_type = "text/html"),
        (status = 500, description = "Internal error", body = String, content_type = "text/html"),
        (status = 503, description = "Another password is being checked", body = String,
            content_type = "text/html", headers(("Retry-After" = u64, description = "Seconds to wait")))))]
pub(super) async fn sign_in(demo: Arc<Demo>, call: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    if let Some(rejection) = reject_cross_site(call.request.headers()) {
        return Err(rejection);
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
        let line = "Wrong password. Use the password that you set last, or the initial password shown on the sign-in page.";
        message(StatusCode::FORBIDDEN, "Not signed in", line)
    };
    let person = demo.person(&email).ok_or_else(wrong)?;
    let busy = |retry_after| render(&CommonError::Busy { retry_after });
    let Ok(_permit) = demo.sign_ins.try_acquire() else { return Err(busy(Duration::from_secs(1))) };
    match accepts(&call.resets, &person.email, &password).await {
        Ok(true) => {
            let line = format!(
                "This is {}'s current password. The demo has no sessions, so nothing else changed.",
                person.name
            );
            Ok(message(StatusCode::OK, &format!("Signed in as {}", person.name), &line))
        }
        Ok(false) => Err(wrong()),
        Err(RedeemError::Busy { retry_after }) => Err(busy(retry_after)),
        Err(error) => Err(render(&CommonError::failure(NAME, &error))),
    }
}

/// Whether the stored hash accepts the password.
async fn accepts(resets: &Resets, email: &str, password: &str) -> Result<bool, RedeemError> {
    let any = Policy { min: 1, four_classes: false, refuse_common: false, max_bytes: PASSWORD_MAX };
    let (Ok(password), Ok(email)) = (any.accept(password), EmailAddress::parse(email)) else {
        return Ok(false);
    };
    let store = &resets.adapters().store;
    let Some(account) = store.account_by_email(&email).await? else { return Ok(false) };
    let Some(stored) = store.password_hash(&account.id).await? else { return Ok(false) };
    Ok(resets.adapters().hasher.verify(password, &stored).await?)
}
