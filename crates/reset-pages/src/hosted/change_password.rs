//! `/.well-known/change-password`: the URL that password managers open to change a password (W3C, "A Well-Known URL
//! for Changing Passwords"; R38).

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};

use super::{Pages, fallback::redirect_to};
use reset_http::route::Call;

#[utoipa::path(get, path = "/.well-known/change-password", operation_id = "changePassword", tag = "pages",
    summary = "Redirect to the page that starts a reset",
    responses((status = 303, description = "Redirects to `/forgot`",
        headers(("Location" = String, description = "URL of the page")))))]
pub(super) async fn redirect(pages: Arc<Pages>, _: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    Ok(redirect_to(StatusCode::SEE_OTHER, &pages.url_of("/forgot", None)))
}
