//! Validates a body as the library zod does: checks every field and reports all issues together, in schema order.
//! Issues never repeat submitted values (R36).

use serde::de::IgnoredAny;

use super::error::InsForgeError;
use reset_http::{
    body::{Field, Kind, Object},
    route::Call,
};

/// Decodes a body. An empty body is an empty object, as in the framework express.
///
/// # Errors
/// Returns [`InsForgeError::Issues`] for an array, which express passes on to zod, and [`InsForgeError::Undecodable`]
/// for anything else that is not a valid object.
pub(super) async fn decode(call: &Call) -> Result<Object, InsForgeError> {
    let body = call.request.body();
    if body.is_empty() {
        return Ok(Object::default());
    }
    call.object().await.map_err(|_| undecodable(body))
}

fn undecodable(body: &[u8]) -> InsForgeError {
    match serde_json::from_slice::<Vec<IgnoredAny>>(body) {
        Ok(_) => InsForgeError::Issues(": Expected object, received array".into()),
        Err(_) => InsForgeError::Undecodable,
    }
}

/// The field is invalid; the issue is recorded in the [`Schema`].
pub(super) struct IssueRecorded;

/// The validation of one body.
pub(super) struct Schema<'a> {
    body: &'a Object,
    issues: Vec<String>,
}

impl<'a> Schema<'a> {
    /// Starts the validation of `body`.
    pub(super) fn of(body: &'a Object) -> Self {
        Self { body, issues: Vec::new() }
    }

    /// Returns the string in the field `name` as parsed by `read`. Records `otherwise` as the issue if `read` returns
    /// `None`.
    pub(super) fn required<T>(
        &mut self,
        name: &str,
        otherwise: &str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<T, IssueRecorded> {
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
        Err(IssueRecorded)
    }

    /// As [`Self::required`], but returns `None` if the field is absent. `null` does not count as absent.
    pub(super) fn optional<T>(
        &mut self,
        name: &str,
        otherwise: &str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<Option<T>, IssueRecorded> {
        match self.body.field(name) {
            Field::Missing => Ok(None),
            Field::Null | Field::Text(_) | Field::Other(_) => self.required(name, otherwise, read).map(Some),
        }
    }

    /// Returns the recorded issues as an error.
    pub(super) fn invalid(self) -> InsForgeError {
        InsForgeError::Issues(self.issues.join(", "))
    }
}

fn mistyped(received: &str) -> String {
    format!("Expected string, received {received}")
}

/// Returns zod's name of a JSON type.
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

    /// Validates a body against a schema of two required strings `a` and `b` and an optional string `c`.
    fn issues(body: &[u8]) -> Result<Option<&'static str>, String> {
        let message = |error| match error {
            InsForgeError::Issues(text) => text,
            _ => "undecodable".to_owned(),
        };
        let body = Object::decode(body).map_err(|_| message(undecodable(body)))?;
        let mut schema = Schema::of(&body);
        let a = schema.required("a", "must be x", |text| (text == "x").then_some(()));
        let b = schema.required("b", "unused", |_| Some(()));
        let c = schema.optional("c", "must be y", |text| (text == "y").then_some("y"));
        match (a, b, c) {
            (Ok(()), Ok(()), Ok(c)) => Ok(c),
            _ => Err(message(schema.invalid())),
        }
    }

    #[test]
    fn issues_are_reported_together_in_schema_order() {
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
    fn optional_field_may_be_absent_and_unknown_keys_are_ignored() {
        assert_eq!(issues(br#"{"a":"x","b":""}"#), Ok(None));
        assert_eq!(issues(br#"{"z":{"id":1},"a":"x","b":"","c":"y"}"#), Ok(Some("y")));
    }

    #[test]
    fn array_is_reported_as_an_issue_and_other_bodies_are_undecodable() {
        assert_eq!(issues(br#" ["x",{}] "#).unwrap_err(), ": Expected object, received array");
        for body in [b"null".as_slice(), b"1", b"\"x\"", b"{", b"[", b"[1,]", b" ", br#"{"a":"x","a":"x"}"#] {
            assert_eq!(issues(body).unwrap_err(), "undecodable", "{:?}", String::from_utf8_lossy(body));
        }
    }
}
