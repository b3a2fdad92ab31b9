//! The decoder of request bodies agrees with an independent reader: it accepts a body exactly if it is one object with distinct
//! names within the limits, and reads the same values from it.

#![no_main]

use std::collections::BTreeSet;

use bytes::Bytes;
use futures_util::FutureExt;
use libfuzzer_sys::fuzz_target;
use reset_http::{
    body::{Field, Kind, Object, Undecodable},
    media_type::MediaType,
};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;

/// The fields of an object in their order, with duplicates.
struct Pairs(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Pairs;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

/// How deep the arrays and objects of a value nest. `Value` keeps only the last of two equal names, and this counts both.
struct Depth(usize);

impl<'de> Deserialize<'de> for Depth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Depth;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a value")
            }
            fn visit_unit<E: Error>(self) -> Result<Depth, E> {
                Ok(Depth(0))
            }
            fn visit_bool<E: Error>(self, _: bool) -> Result<Depth, E> {
                Ok(Depth(0))
            }
            fn visit_i64<E: Error>(self, _: i64) -> Result<Depth, E> {
                Ok(Depth(0))
            }
            fn visit_u64<E: Error>(self, _: u64) -> Result<Depth, E> {
                Ok(Depth(0))
            }
            fn visit_f64<E: Error>(self, _: f64) -> Result<Depth, E> {
                Ok(Depth(0))
            }
            fn visit_str<E: Error>(self, _: &str) -> Result<Depth, E> {
                Ok(Depth(0))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Depth, A::Error> {
                let mut below = 0;
                while let Some(Depth(depth)) = seq.next_element()? {
                    below = below.max(depth);
                }
                Ok(Depth(1 + below))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Depth, A::Error> {
                let mut below = 0;
                while let Some((_, Depth(depth))) = map.next_entry::<String, Depth>()? {
                    below = below.max(depth);
                }
                Ok(Depth(1 + below))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

fn are_distinct<'a>(names: impl Iterator<Item = &'a str>) -> bool {
    let mut known = BTreeSet::new();
    let mut count = 0;
    for name in names {
        known.insert(name);
        count += 1;
    }
    known.len() == count && count <= 64
}

fn json(body: &[u8]) {
    let decoded = Object::decode(body);
    assert!(decoded.is_err() || std::str::from_utf8(body).is_ok(), "not UTF-8");
    // The decoder skips nested values, so it accepts numbers and escapes in them that `serde_json` rejects.
    let (Ok(value), Ok(Depth(depth))) = (serde_json::from_slice(body), serde_json::from_slice(body)) else {
        return;
    };
    if !matches!(value, Value::Object(_)) || depth > 8 {
        let expected = match value {
            _ if depth > 8 => Undecodable::Malformed,
            Value::Null => Undecodable::Null,
            Value::String(_) => Undecodable::Text,
            Value::Bool(_) => Undecodable::Other(Kind::Boolean),
            Value::Number(_) => Undecodable::Other(Kind::Number),
            Value::Array(_) | Value::Object(_) => Undecodable::Other(Kind::Array),
        };
        assert_eq!(decoded.err(), Some(expected));
        return;
    }
    let Pairs(pairs) = serde_json::from_slice(body).expect("an object");
    if !are_distinct(pairs.iter().map(|(name, _)| name.as_str())) {
        assert_eq!(decoded.err(), Some(Undecodable::Malformed));
        return;
    }
    let object = decoded.ok().expect("an object with distinct names within the limits is accepted");
    assert!(object.names().eq(pairs.iter().map(|(name, _)| name.as_str())));
    for (name, value) in &pairs {
        match (object.field(name), value) {
            (Field::Text(read), Value::String(text)) => assert_eq!(read, text),
            (Field::Null, Value::Null) => {}
            (Field::Other(Kind::Boolean), Value::Bool(_))
            | (Field::Other(Kind::Number), Value::Number(_))
            | (Field::Other(Kind::Array), Value::Array(_))
            | (Field::Other(Kind::Object), Value::Object(_)) => {}
            _ => panic!("another type"),
        }
    }
}

fn form(body: &[u8]) {
    let bytes = Bytes::copy_from_slice(body);
    let read = Object::read(&MediaType::Form, &bytes);
    let decoded = read.now_or_never().expect("a form is in memory");
    let pairs: Vec<_> = url::form_urlencoded::parse(body).collect();
    let is_text = |text: &str| !text.contains(char::REPLACEMENT_CHARACTER);
    let fits = pairs.iter().all(|(name, value)| is_text(name) && is_text(value))
        && are_distinct(pairs.iter().map(|(name, _)| &**name));
    assert_eq!(decoded.is_ok(), fits);
    let Ok(object) = decoded else { return };
    for (name, value) in &pairs {
        assert!(object.field(name) == Field::Text(value));
    }
}

/// Returns the fields of a multipart form with the boundary `x`.
fn read_multipart(body: &[u8]) -> Option<Vec<(String, String)>> {
    let media = MediaType::Multipart { boundary: Some("x".to_owned()) };
    let body = Bytes::copy_from_slice(body);
    let object = Object::read(&media, &body).now_or_never().expect("a form is in memory").ok()?;
    let fields = object.names().map(|name| {
        let Field::Text(value) = object.field(name) else { panic!("a field of a form is a text") };
        (name.to_owned(), value.to_owned())
    });
    Some(fields.collect())
}

fn multipart(body: &[u8]) {
    let Some(fields) = read_multipart(body) else { return };
    // A value is a part of the body, byte for byte, and no name is that of a file.
    for (name, value) in &fields {
        assert!(value.is_empty() || body.windows(value.len()).any(|window| window == value.as_bytes()));
        assert!(!name.contains('"'));
    }
    assert!(are_distinct(fields.iter().map(|(name, _)| name.as_str())));
    let mut written = String::new();
    for (name, value) in &fields {
        written += &format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    written += "--x--\r\n";
    assert_eq!(read_multipart(written.as_bytes()), Some(fields), "written again, the same form is read");
}

fuzz_target!(|input: (u8, &[u8])| {
    let (kind, body) = input;
    match kind % 3 {
        0 => json(body),
        1 => form(body),
        _ => multipart(body),
    }
});
