//! Strict decoding of request bodies, the same for every dialect (R20, R39).
//!
//! A body is one object with at most 64 fields, at most eight levels deep, and without duplicate keys. A derived
//! struct would also accept an array in place of an object, and a generic value would keep the last of two equal
//! keys; attackers have used both to reset other users' passwords. Each dialect decides how to report a missing or
//! mistyped field. The two kinds of forms are read as strictly; all their fields are strings.

mod form;

use std::fmt;

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use zeroize::Zeroizing;

use crate::media_type::MediaType;

/// Maximum nesting depth of objects and arrays.
const DEPTH_MAX: usize = 8;
/// Maximum number of fields. No dialect has ten, and each new key is compared with all previous ones.
const FIELDS_MAX: usize = 64;

/// A decoded body. Strings are wiped from memory when it is dropped. It has no `Debug`, so that no log can show it.
#[derive(Default)]
pub struct Object {
    fields: Vec<(String, Value)>,
}

/// The body is not an object with exactly one interpretation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undecodable {
    /// It is malformed, ambiguous, or beyond the limits.
    Malformed,
    /// It is the JSON value `null`.
    Null,
    /// It is a JSON string.
    Text,
    /// It is another JSON value than an object.
    Other(Kind),
}

/// The value of a field.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Field<'a> {
    /// The field is absent.
    Missing,
    /// `null`.
    Null,
    /// A string.
    Text(&'a str),
    /// Any other JSON type.
    Other(Kind),
}

/// A JSON type other than string and `null`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// A number.
    Number,
    /// An array with any content.
    Array,
    /// An object with any content.
    Object,
}

enum Value {
    Null,
    Text(Zeroizing<String>),
    Other(Kind),
}

impl Object {
    /// Decodes `body`, which is written as `media`.
    ///
    /// # Errors
    /// Returns [`Undecodable`] for JSON as [`Self::decode`] does, and for a form unless its fields are text in UTF-8
    /// with distinct names and within the limit on their number.
    pub async fn read(media: &MediaType, body: &Bytes) -> Result<Self, Undecodable> {
        match media {
            MediaType::Json => Self::decode(body),
            MediaType::Form => form::decode(body),
            MediaType::Multipart { boundary } => form::decode_multipart(body, boundary.as_deref()).await,
        }
    }

    /// Decodes `body` from JSON.
    ///
    /// # Errors
    /// Returns [`Undecodable`] unless `body` is one JSON object in UTF-8, without duplicate keys and within the limits
    /// on depth and number of fields.
    pub fn decode(body: &[u8]) -> Result<Self, Undecodable> {
        // `serde_json` does not check the encoding of the nested strings that it skips.
        let text = std::str::from_utf8(body).map_err(|_| Undecodable::Malformed)?;
        if !is_shallow(body) {
            return Err(Undecodable::Malformed);
        }
        serde_json::from_str(text).map_err(|_| match serde_json::from_str(text) {
            Ok(Value::Null) => Undecodable::Null,
            Ok(Value::Text(_)) => Undecodable::Text,
            // An object that is not accepted is ambiguous or beyond the limits.
            Ok(Value::Other(Kind::Object)) | Err(_) => Undecodable::Malformed,
            Ok(Value::Other(kind)) => Undecodable::Other(kind),
        })
    }

    /// Adds a field; fails on a duplicate one and beyond the limit.
    fn add(&mut self, name: String, value: Value) -> Result<(), Undecodable> {
        if self.fields.len() == FIELDS_MAX || self.fields.iter().any(|(known, _)| *known == name) {
            return Err(Undecodable::Malformed);
        }
        self.fields.push((name, value));
        Ok(())
    }

    /// Returns the value of the field `name`.
    pub fn field(&self, name: &str) -> Field<'_> {
        match self.fields.iter().find(|(key, _)| key == name) {
            None => Field::Missing,
            Some((_, Value::Null)) => Field::Null,
            Some((_, Value::Text(text))) => Field::Text(text),
            Some((_, Value::Other(kind))) => Field::Other(*kind),
        }
    }

    /// Returns the names of the fields, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(name, _)| name.as_str())
    }

    /// Returns whether the body has fields that are not in `known`.
    pub fn has_other_than(&self, known: &[&str]) -> bool {
        self.fields.iter().any(|(key, _)| !known.contains(&key.as_str()))
    }
}

/// Returns whether brackets outside strings nest at most [`DEPTH_MAX`] deep.
fn is_shallow(body: &[u8]) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => depth += 1,
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return false;
        }
    }
    true
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut object = Object::default();
                while let Some(key) = map.next_key()? {
                    let added = object.add(key, map.next_value()?);
                    added.map_err(|_| A::Error::custom("too many fields, or a duplicate field"))?;
                }
                Ok(object)
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E: Error>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Value, E> {
                Ok(Value::Other(Kind::Boolean))
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Value, E> {
                Ok(Value::Other(Kind::Number))
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Value, E> {
                Ok(Value::Other(Kind::Number))
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Value, E> {
                Ok(Value::Other(Kind::Number))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
                Ok(Value::Text(Zeroizing::new(text.to_owned())))
            }

            fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
                Ok(Value::Text(Zeroizing::new(text)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Value::Other(Kind::Array))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Value::Other(Kind::Object))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email(body: &[u8]) -> Result<Option<String>, Undecodable> {
        Object::decode(body).map(|object| match object.field("email") {
            Field::Text(text) => Some(text.to_owned()),
            _ => None,
        })
    }

    #[test]
    fn object_is_decoded_whatever_its_unknown_fields_contain() {
        let body = br#" {"email":"a@b.com","x":{"deep":[1,2,{"y":null}]},"n":-1.5e3} "#;
        assert_eq!(email(body), Ok(Some("a@b.com".to_owned())));
        let object = Object::decode(body).unwrap();
        assert!(matches!(object.field("n"), Field::Other(Kind::Number)));
        assert!(object.has_other_than(&["email", "x"]) && !object.has_other_than(&["email", "x", "n"]));
    }

    #[test]
    fn ambiguous_bodies_are_rejected() {
        let deep = format!(r#"{{"email":{}{}}}"#, "[".repeat(8), "]".repeat(8));
        let many: Vec<String> = (0..=FIELDS_MAX).map(|number| format!(r#""k{number}":1"#)).collect();
        let many = format!("{{{}}}", many.join(","));
        let deeper = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let bodies: [&[u8]; 15] = [
            b"",
            br#"{"email":"a@b.com","email":"c@d.com"}"#,
            br#"{"email":"a@b.com","\u0065mail":"c@d.com"}"#,
            br#"{"x":1,"x":2}"#,
            br#"{"email":"a@b.com"} x"#,
            br#"{"email":"a@b.com"}{}"#,
            br#"{"email":"a@b.com",}"#,
            br#"{"email":"\ud800"}"#,
            b"\xef\xbb\xbf{}",
            b"{\"email\":\"\xff\"}",
            b"{\"email\":\"a@b.com\",\"x\":[\"\xff\"]}",
            b"{\"email\":\"a\nb\"}",
            deep.as_bytes(),
            deeper.as_bytes(),
            many.as_bytes(),
        ];
        for body in bodies {
            let start = &body[..body.len().min(60)];
            let malformed = Err(Undecodable::Malformed);
            assert_eq!(email(body), malformed, "{:?}", String::from_utf8_lossy(start));
        }
    }

    #[test]
    fn other_json_values_than_objects_are_rejected_by_their_type() {
        for (body, found) in [
            ("null", Undecodable::Null),
            (r#" "a@b.com" "#, Undecodable::Text),
            (r#"["a@b.com"]"#, Undecodable::Other(Kind::Array)),
            ("1", Undecodable::Other(Kind::Number)),
            ("true", Undecodable::Other(Kind::Boolean)),
        ] {
            assert_eq!(email(body.as_bytes()), Err(found), "{body}");
        }
    }
}
