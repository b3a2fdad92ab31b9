//! Which names of fields and headers may be written into a log, a metric or the database.
//!
//! A back end can build names from input: an object by address, or an error by the text of a field. A name is therefore
//! written only if it looks like one that a programmer has chosen, and if it is no value of the request or of a response.

use std::collections::HashSet;

use bytes::Bytes;
use http::Request;
use percent_encoding::percent_decode_str;
use serde_json::Value;

/// Stands for a name that is not written.
const HIDDEN: &str = "(hidden)";
/// Maximum length of a written name.
const LENGTH_MAX: usize = 40;
/// Maximum number of digits in a written name. Codes and tokens have more.
const DIGITS_MAX: usize = 2;

/// The values that are no names.
#[derive(Default)]
pub(super) struct Names {
    values: HashSet<String>,
}

impl Names {
    /// Hides the values of a request: those of its query and of its body.
    pub(super) fn hide_request(&mut self, request: &Request<Bytes>) {
        if let Some(query) = request.uri().query() {
            self.hide_form(query);
        }
        self.hide_body(request.body());
    }

    /// Hides the values of a body. If it is not JSON, every word in it.
    pub(super) fn hide_body(&mut self, body: &[u8]) {
        if let Ok(value) = serde_json::from_slice::<Value>(body) {
            self.hide_json(&value);
        } else {
            let text = String::from_utf8_lossy(body);
            self.hide_form(&text);
            let words = text.split(|c: char| !is_of_name(c)).filter(|word| !word.is_empty());
            self.values.extend(words.map(str::to_lowercase));
        }
    }

    fn hide_json(&mut self, value: &Value) {
        match value {
            Value::String(text) => drop(self.values.insert(text.to_lowercase())),
            Value::Array(items) => items.iter().for_each(|item| self.hide_json(item)),
            Value::Object(fields) => fields.values().for_each(|field| self.hide_json(field)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn hide_form(&mut self, form: &str) {
        for (_, value) in form.split('&').filter_map(|pair| pair.split_once('=')) {
            let value = value.replace('+', " ");
            self.values.insert(percent_decode_str(&value).decode_utf8_lossy().to_lowercase());
        }
    }

    /// Returns the name, or a placeholder.
    pub(super) fn shown<'a>(&self, name: &'a str) -> &'a str {
        let chosen = name.chars().all(is_of_name)
            && name.starts_with(|c: char| c.is_ascii_alphabetic() || "_$".contains(c))
            && name.len() <= LENGTH_MAX
            && name.chars().filter(char::is_ascii_digit).count() <= DIGITS_MAX;
        if chosen && !self.values.contains(&name.to_lowercase()) { name } else { HIDDEN }
    }
}

/// Whether a written name may have this character.
fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-$".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hiding(query: &str, body: &'static str) -> Names {
        let mut names = Names::default();
        let request = Request::post(format!("/a?{query}")).body(Bytes::from_static(body.as_bytes()));
        names.hide_request(&request.unwrap());
        names
    }

    #[test]
    fn names_that_a_programmer_chooses_are_written() {
        let names = hiding("", r#"{"email":"ann@example.com"}"#);
        for name in ["email", "createdAt", "created_at", "$ref", "x-reset-reference", "oAuth2", "statusCode"]
        {
            assert_eq!(names.shown(name), name);
        }
    }

    #[test]
    fn addresses_codes_and_tokens_are_hidden() {
        let names = Names::default();
        for name in ["ann@example.com", "123456", "a1b2c3d4", "a b", "", &"a".repeat(41), "naïve", "a\nb"] {
            assert_eq!(names.shown(name), HIDDEN, "{name}");
        }
    }

    #[test]
    fn values_of_the_request_are_hidden_even_if_they_look_like_names() {
        let names = hiding("token=Secret%2DWord&a=b", r#"{"user":{"code":["abcdef"]},"n":1}"#);
        for name in ["secret-word", "SECRET-WORD", "abcdef", "AbcDef"] {
            assert_eq!(names.shown(name), HIDDEN, "{name}");
        }
        let form = hiding("", "email=ann%40example.com&password=correct-horse");
        assert_eq!((form.shown("correct-horse"), form.shown("role")), (HIDDEN, "role"));
        let mut text = Names::default();
        text.hide_body(b"no such user: hunter-two");
        assert_eq!(text.shown("hunter-two"), HIDDEN);
    }
}
