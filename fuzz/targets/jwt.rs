//! A signed token verifies under its key alone and keeps its claims; a token with any change is forged, and so is any text.

#![no_main]

use libfuzzer_sys::fuzz_target;
use reset_core::keys::HmacKey;
use reset_http::jwt;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Claims {
    sub: String,
    exp: i64,
}

fuzz_target!(|input: (&str, &str, i64, u16, u8, &str)| {
    let (typ, sub, exp, position, byte, text) = input;
    let (key, other) = (HmacKey::shared(&[7; 32]), HmacKey::shared(&[8; 32]));
    assert!(jwt::verify::<Claims>(&key, text).is_err(), "no text is a token");
    let claims = Claims { sub: sub.to_owned(), exp };
    let token = jwt::sign(&key, typ, &claims).to_string();
    let verified = jwt::verify::<Claims>(&key, &token);
    assert_eq!(verified.is_ok(), token.len() <= 2048);
    let Ok(verified) = verified else { return };
    assert_eq!((verified.typ.as_deref(), &verified.claims), (Some(typ), &claims));
    assert!(jwt::verify::<Claims>(&other, &token).is_err());
    let mut changed = token.clone().into_bytes();
    let position = usize::from(position) % changed.len();
    changed[position] = byte & 0x7f;
    let changed = String::from_utf8(changed).unwrap();
    assert_eq!(jwt::verify::<Claims>(&key, &changed).is_ok(), changed == token);
    // The same header and claims, signed with another key.
    let (message, _) = token.rsplit_once('.').unwrap();
    assert!(jwt::verify::<Claims>(&key, &format!("{message}.{text}")).is_err());
});
