//! Compares the shapes of two bodies: their formats, the names of their fields, and the types of the values.

use bytes::Bytes;
use http::{Response, header};
use serde_json::{Map, Value};

use super::names::Names;

/// How deep nested values are compared.
const DEPTH_MAX: usize = 6;
/// Maximum number of differences of one body.
const DIFFERENCES_MAX: usize = 30;

/// The format of a body.
enum Format {
    Empty,
    Json(Value),
    Html,
    Text,
    Other,
}

impl Format {
    fn of(response: &Response<Bytes>) -> Self {
        if response.body().is_empty() {
            return Self::Empty;
        }
        let media = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media = media.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let media = media.to_ascii_lowercase();
        if media == "application/json" || media.ends_with("+json") {
            return serde_json::from_slice(response.body()).map_or(Self::Other, Self::Json);
        }
        match media.as_str() {
            "text/html" => Self::Html,
            "text/plain" => Self::Text,
            _ => Self::Other,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Json(_) => "JSON",
            Self::Html => "HTML",
            Self::Text => "text",
            Self::Other => "another format",
        }
    }
}

/// Returns the differences of the bodies, from the view of the own response.
pub(super) fn differences(own: &Response<Bytes>, theirs: &Response<Bytes>, names: &Names) -> Vec<String> {
    let mut found = Found { names, texts: Vec::new() };
    match (Format::of(own), Format::of(theirs)) {
        (Format::Json(own), Format::Json(theirs)) => found.compare(&own, &theirs, "", 0),
        (own, theirs) if own.name() == theirs.name() => {}
        (own, theirs) => found.add(format!("body is {} instead of {}", own.name(), theirs.name())),
    }
    found.texts
}

struct Found<'a> {
    names: &'a Names,
    texts: Vec<String>,
}

impl Found<'_> {
    fn add(&mut self, text: String) {
        if self.texts.len() < DIFFERENCES_MAX && !self.texts.contains(&text) {
            self.texts.push(text);
        }
    }

    /// Compares two values at `path`.
    fn compare(&mut self, own: &Value, theirs: &Value, path: &str, depth: usize) {
        match (own, theirs) {
            _ if depth > DEPTH_MAX => {}
            (Value::Object(own), Value::Object(theirs)) => self.compare_fields(own, theirs, path, depth),
            // The elements of a list have one shape, and their number is a value.
            (Value::Array(own), Value::Array(theirs)) => {
                if let (Some(own), Some(theirs)) = (own.first(), theirs.first()) {
                    self.compare(own, theirs, &format!("{path}[]"), depth + 1);
                }
            }
            _ if kind(own) == kind(theirs) => {}
            _ => {
                let at = if path.is_empty() { String::new() } else { format!("{path} ") };
                self.add(format!("body {at}is {} instead of {}", kind(own), kind(theirs)));
            }
        }
    }

    fn compare_fields(
        &mut self,
        own: &Map<String, Value>,
        theirs: &Map<String, Value>,
        path: &str,
        depth: usize,
    ) {
        let below = |name: &str| {
            let name = self.names.shown(name);
            if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
        };
        let missing = theirs.keys().filter(|name| !own.contains_key(*name));
        let missing: Vec<_> = missing.map(|name| format!("body lacks {}", below(name))).collect();
        let extra = own.keys().filter(|name| !theirs.contains_key(*name));
        let extra: Vec<_> = extra.map(|name| format!("body has {}", below(name))).collect();
        let both: Vec<_> =
            own.iter().filter_map(|(name, value)| Some((value, theirs.get(name)?, below(name)))).collect();
        for text in missing.into_iter().chain(extra) {
            self.add(text);
        }
        for (own, theirs, path) in both {
            self.compare(own, theirs, &path, depth + 1);
        }
    }
}

/// Returns the type of a value.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(own: &'static str, theirs: &'static str) -> Vec<String> {
        let response = |body: &'static str| {
            let mut response = Response::new(Bytes::from_static(body.as_bytes()));
            let media = if body.starts_with('<') { "text/html; charset=utf-8" } else { "application/json" };
            response.headers_mut().insert(header::CONTENT_TYPE, media.parse().unwrap());
            response
        };
        differences(&response(own), &response(theirs), &Names::default())
    }

    #[test]
    fn missing_extra_and_retyped_fields_are_found_at_any_depth() {
        let own = r#"{"jwt":"a","user":{"id":"1","createdAt":"x","tags":[{"a":1}]}}"#;
        let theirs = r#"{"jwt":null,"user":{"id":1,"role":{},"tags":[{"a":"1"},{"b":2}]},"ok":true}"#;
        assert_eq!(
            of(own, theirs),
            [
                "body lacks ok",
                "body jwt is string instead of null",
                "body lacks user.role",
                "body has user.createdAt",
                "body user.id is string instead of number",
                "body user.tags[].a is number instead of string",
            ]
        );
    }

    #[test]
    fn other_values_other_order_and_other_lengths_are_no_difference() {
        let own = r#"{"a":1,"b":["x"],"c":true}"#;
        let theirs = r#"{"c":false,"b":["y","z"],"a":2.5}"#;
        assert_eq!(of(own, theirs), [""; 0]);
        assert_eq!(of("[]", "[1]"), [""; 0]);
        assert_eq!(of("", ""), [""; 0]);
    }

    #[test]
    fn another_format_is_a_difference() {
        assert_eq!(of("{}", "<p>"), ["body is JSON instead of HTML"]);
        assert_eq!(of("", "{}"), ["body is empty instead of JSON"]);
        assert_eq!(of("{}", "{"), ["body is JSON instead of another format"]);
        assert_eq!(of("[]", "{}"), ["body is array instead of object"]);
    }

    #[test]
    fn number_of_differences_and_depth_are_bounded() {
        let wide: String = ('a'..='z')
            .flat_map(|a| [format!("\"{a}\":1"), format!("\"{a}{a}\":1")])
            .collect::<Vec<_>>()
            .join(",");
        let wide: &'static str = format!("{{{wide}}}").leak();
        assert_eq!(of("{}", wide).len(), DIFFERENCES_MAX);
        let deep = |value: &str| -> &'static str {
            format!("{}{value}{}", "{\"a\":".repeat(50), "}".repeat(50)).leak()
        };
        assert_eq!(of(deep("1"), deep("true")), [""; 0]);
    }
}
