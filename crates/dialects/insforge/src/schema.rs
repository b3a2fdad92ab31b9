//! Reading a body as zod does: every field is looked at, and all that is wrong is said at once, in the order
//! of the schema (dialects.md 4.1). Submitted values are never repeated (R36).

use serde::de::IgnoredAny;

use super::error::InsForgeError;
use reset_http::body::{Field, Kind, Object};

/// Reads a body. No body at all is an empty object, as in express.
///
/// # Errors
/// [`InsForgeError::Issues`] for an array, which express lets through to zod; else [`InsForgeError::Undecodable`].
pub(super) fn decode(body: &[u8]) -> Result<Object, InsForgeError> {
    let body = if body.is_empty() { b"{}" } else { body };
    Object::decode(body).map_err(|_| match serde_json::from_slice::<Vec<IgnoredAny>>(body) {
        Ok(_) => InsForgeError::Issues(": Expected object, received array".into()),
        Err(_) => InsForgeError::Undecodable,
    })
}

/// The field is not as it should be, and the reading has noted why.
pub(super) struct Noted;

/// One reading of one body.
pub(super) struct Schema<'a> {
    body: &'a Object,
    issues: Vec<String>,
}

impl<'a> Schema<'a> {
    /// Starts reading `body`.
    pub(super) fn of(body: &'a Object) -> Self {
        Self { body, issues: Vec::new() }
    }

    /// A text that must be there and that `read` understands; `otherwise` is said when it does not.
    pub(super) fn required<T>(
        &mut self,
        name: &str,
        otherwise: &str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<T, Noted> {
        let issue = match self.body.field(name) {
            Field::Text(text) => match read(text) {
                Some(value) => return Ok(value),
                None => otherwise.to_owned(),
            },
            Field::Missing => "Required".to_owned(),
            Field::Null => mistyped("null"),
            Field::Other(kind) => mistyped(type_name(kind)),
        };
        self.issues.push(format!("{name}: {issue}"));
        Err(Noted)
    }

    /// As [`Self::required`], but it may be absent. `null` is not absence.
    pub(super) fn optional<T>(
        &mut self,
        name: &str,
        otherwise: &str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<Option<T>, Noted> {
        match self.body.field(name) {
            Field::Missing => Ok(None),
            Field::Null | Field::Text(_) | Field::Other(_) => self.required(name, otherwise, read).map(Some),
        }
    }

    /// What is wrong with the body.
    pub(super) fn invalid(self) -> InsForgeError {
        InsForgeError::Issues(self.issues.join(", "))
    }
}

fn mistyped(received: &str) -> String {
    format!("Expected string, received {received}")
}

/// A JSON type in zod's words.
fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Boolean => "boolean",
        Kind::Number => "number",
        Kind::Array => "array",
        Kind::Object => "object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a body whose schema is two texts `a`, `b` and an optional `c`.
    fn issues(body: &[u8]) -> Result<Option<&'static str>, String> {
        let told = |error| match error {
            InsForgeError::Issues(text) => text,
            _ => "undecodable".to_owned(),
        };
        let body = decode(body).map_err(told)?;
        let mut schema = Schema::of(&body);
        let a = schema.required("a", "must be x", |text| (text == "x").then_some(()));
        let b = schema.required("b", "unused", |_| Some(()));
        let c = schema.optional("c", "must be y", |text| (text == "y").then_some("y"));
        match (a, b, c) {
            (Ok(()), Ok(()), Ok(c)) => Ok(c),
            _ => Err(told(schema.invalid())),
        }
    }

    #[test]
    fn issues_are_told_together_in_the_order_of_the_schema() {
        let of = |body: &[u8]| issues(body).unwrap_err();
        assert_eq!(of(b"{}"), "a: Required, b: Required");
        assert_eq!(
            of(br#"{"c":"n","b":null,"a":"n"}"#),
            "a: must be x, b: Expected string, received null, c: must be y"
        );
        assert_eq!(
            of(br#"{"a":1,"b":true}"#),
            "a: Expected string, received number, b: Expected string, received boolean"
        );
        assert_eq!(
            of(br#"{"a":{},"b":[]}"#),
            "a: Expected string, received object, b: Expected string, received array"
        );
        assert_eq!(of(br#"{"a":"x","b":"","c":null}"#), "c: Expected string, received null");
    }

    #[test]
    fn absence_differs_from_presence_and_other_keys_are_ignored() {
        assert_eq!(issues(br#"{"a":"x","b":""}"#), Ok(None));
        assert_eq!(issues(br#"{"z":{"id":1},"a":"x","b":"","c":"y"}"#), Ok(Some("y")));
    }

    #[test]
    fn an_array_is_told_from_what_is_no_json_at_all() {
        assert_eq!(issues(b"").unwrap_err(), "a: Required, b: Required");
        assert_eq!(issues(br#" ["x",{}] "#).unwrap_err(), ": Expected object, received array");
        for body in [b"null".as_slice(), b"1", b"\"x\"", b"{", b"[", b"[1,]", b" ", br#"{"a":"x","a":"x"}"#] {
            assert_eq!(issues(body).unwrap_err(), "undecodable", "{:?}", String::from_utf8_lossy(body));
        }
    }
}
