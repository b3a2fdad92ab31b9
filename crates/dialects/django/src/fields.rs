//! Reads a body as the serializers of Django REST Framework do: every field is checked, and all errors are reported
//! together in the order of the fields.
//!
//! Two rules are stricter than the framework's. A number is not taken as its text, and an address must be one that
//! polyreset serves (`reset_core::email`). Submitted values are never repeated.

use reset_core::{account::AccountId, email::EmailAddress, encoding::unbase64_url};
use reset_http::{
    body::{Field, Kind, Object, Undecodable},
    media_type::MediaType,
    route::Call,
};

use super::error::{DjangoError, FieldErrors};

const INVALID_ADDRESS: &str = "Enter a valid email address.";
const NUL: &str = "Null characters are not allowed.";

/// Decodes the body of a request. An empty body has no fields, whatever its media type is.
pub(super) async fn decode(call: &Call) -> Result<Object, DjangoError> {
    let body = call.request.body();
    if body.is_empty() {
        return Ok(Object::default());
    }
    call.object().await.map_err(|why| unreadable(&call.media_type(), why, body))
}

/// Returns the framework's error for a body without readable fields. The framework adds the place of the fault as
/// Python's parsers report it; here the text after the dash is fixed.
fn unreadable(media: &MediaType, why: Undecodable, body: &[u8]) -> DjangoError {
    let found = match why {
        Undecodable::Malformed => {
            return DjangoError::Unreadable(match media {
                MediaType::Json => "JSON parse error - Expecting one object with distinct names",
                MediaType::Form => "Malformed request.",
                MediaType::Multipart { boundary: Some(_) } => {
                    "Multipart form parse error - Expecting text fields with distinct names"
                }
                MediaType::Multipart { boundary: None } => {
                    "Multipart form parse error - Invalid boundary in multipart: None"
                }
            });
        }
        Undecodable::Null => return DjangoError::of("non_field_errors", "No data provided"),
        Undecodable::Text => "str",
        Undecodable::Other(Kind::Array) => "list",
        Undecodable::Other(Kind::Object) => "dict",
        Undecodable::Other(Kind::Boolean) => "bool",
        Undecodable::Other(Kind::Number) if body.iter().any(|byte| b".eE".contains(byte)) => "float",
        Undecodable::Other(Kind::Number) => "int",
    };
    DjangoError::of("non_field_errors", format!("Invalid data. Expected a dictionary, but got {found}."))
}

/// The fields of one body, and the errors found so far.
pub(super) struct Fields<'a> {
    body: &'a Object,
    errors: FieldErrors,
}

impl<'a> Fields<'a> {
    pub(super) fn of(body: &'a Object) -> Self {
        Self { body, errors: FieldErrors::default() }
    }

    /// Returns the text of the field `name` as sent; see [`strip`]. If it has none, or more than `max` characters,
    /// records the error and returns an empty text.
    pub(super) fn text(&mut self, name: &'static str, max: usize) -> &'a str {
        let text = self.filled(name, "Not a valid string.");
        let mut errors = Vec::new();
        if strip(text).chars().count() > max {
            errors.push(format!("Ensure this field has no more than {max} characters."));
        }
        if text.contains('\0') {
            errors.push(NUL.to_owned());
        }
        if errors.is_empty() {
            return text;
        }
        self.errors.add(name, errors);
        ""
    }

    /// Returns the address in the field `name`. If there is none, records the errors and returns `None`.
    pub(super) fn address(&mut self, name: &'static str) -> Option<EmailAddress> {
        let text = strip(self.filled(name, INVALID_ADDRESS));
        let address = EmailAddress::parse(text).ok();
        if address.is_none() && !text.is_empty() {
            let nul = text.contains('\0').then(|| NUL.to_owned());
            self.errors.add(name, nul.into_iter().chain([INVALID_ADDRESS.to_owned()]).collect());
        }
        address
    }

    /// Returns all recorded errors as one, if there are any.
    pub(super) fn finish(self) -> Result<(), DjangoError> {
        if self.errors.is_empty() { Ok(()) } else { Err(DjangoError::Fields(self.errors)) }
    }

    /// Returns the text of the field `name`. If it is blank or has another type, records the error and returns an
    /// empty text.
    fn filled(&mut self, name: &'static str, mistyped: &str) -> &'a str {
        let error = match self.body.field(name) {
            Field::Text(text) if !strip(text).is_empty() => return text,
            Field::Text(_) => "This field may not be blank.",
            Field::Missing => "This field is required.",
            Field::Null => "This field may not be null.",
            Field::Other(_) => mistyped,
        };
        self.errors.add(name, vec![error.to_owned()]);
        ""
    }
}

/// Removes white space from both ends as Python does, which also counts the four separators of ASCII.
pub(super) fn strip(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || ('\x1c'..='\x1f').contains(&c))
}

/// Decodes a uid; `None` if it is not the URL-safe Base64 of any text. The account need not exist.
pub(super) fn account(uid: &str) -> Option<AccountId> {
    String::from_utf8(unbase64_url(uid)?).ok().filter(|id| !id.is_empty()).map(AccountId::new)
}
