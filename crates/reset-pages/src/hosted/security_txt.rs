//! `/.well-known/security.txt`: where to report a vulnerability (RFC 9116). Served only if the deployment names a contact.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};

use super::Pages;
use reset_http::{
    route::Call,
    wire::{iso, reply},
};

/// Path of the file.
pub(super) const PATH: &str = "/.well-known/security.txt";

/// How long the file is valid from the moment of the request. RFC 9116 (2.5.5) recommends less than a year.
const VALID: Duration = Duration::from_secs(180 * 24 * 60 * 60);

#[utoipa::path(get, path = "/.well-known/security.txt", operation_id = "securityTxt", tag = "pages",
    summary = "Where to report a vulnerability",
    responses((status = 200, description = "Contact and expiry, as RFC 9116 defines them", body = String,
        content_type = "text/plain")))]
pub(super) async fn show(pages: Arc<Pages>, call: Call) -> Result<Response<Bytes>, Response<Bytes>> {
    let contact = pages.security_contact.as_deref().unwrap_or_default();
    let expires = iso(call.resets.adapters().clock.now().plus(VALID));
    let canonical = pages.url_of(PATH, None);
    let text = format!("Contact: {contact}\nExpires: {expires}\nCanonical: {canonical}\n");
    Ok(reply(StatusCode::OK, HeaderValue::from_static("text/plain; charset=utf-8"), text))
}
