//! The decoder of request bodies agrees with an independent reader: it accepts what is one object with distinct names within
//! the limits, reads the same texts from it, and accepts nothing else.

#![no_main]

use std::collections::BTreeSet;

use bytes::Bytes;
use futures_util::FutureExt;
use libfuzzer_sys::fuzz_target;
use reset_http::{
    body::{Field, Object},
    media_type::MediaType,
};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
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

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
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
    // The reader rejects numbers and texts in nested values that the decoder skips, so it can fail where decoding works.
    let Ok(Pairs(pairs)) = serde_json::from_slice(body) else {
        assert!(serde_json::from_slice::<Value>(body).is_err() || decoded.is_err(), "another value than an object");
        return;
    };
    let levels = 1 + pairs.iter().map(|(_, value)| depth(value)).max().unwrap_or(0);
    let fits = levels <= 8 && are_distinct(pairs.iter().map(|(name, _)| name.as_str()));
    assert_eq!(decoded.is_ok(), fits);
    let Ok(object) = decoded else { return };
    assert!(object.names().eq(pairs.iter().map(|(name, _)| name.as_str())));
    for (name, value) in &pairs {
        match (object.field(name), value) {
            (Field::Text(read), Value::String(text)) => assert_eq!(read, text),
            (Field::Null, Value::Null) => {}
            (Field::Other(_), Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {}
            _ => panic!("another type"),
        }
    }
}

fn form(body: &[u8]) {
    let read = Object::read(&MediaType::Form, &Bytes::copy_from_slice(body));
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

fn multipart(body: &[u8]) {
    let media = MediaType::Multipart { boundary: Some("x".to_owned()) };
    let read = Object::read(&media, &Bytes::copy_from_slice(body));
    let Ok(object) = read.now_or_never().expect("a form is in memory") else { return };
    // A value is a part of the body, byte for byte, and no name is that of a file.
    for name in object.names() {
        let Field::Text(value) = object.field(name) else { panic!("a field of a form is a text") };
        assert!(value.is_empty() || body.windows(value.len()).any(|window| window == value.as_bytes()));
        assert!(!name.contains('"'));
    }
    assert!(are_distinct(object.names()));
}

fuzz_target!(|input: (u8, &[u8])| {
    let (kind, body) = input;
    match kind % 3 {
        0 => json(body),
        1 => form(body),
        _ => multipart(body),
    }
});
