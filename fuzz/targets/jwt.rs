//! A signed token verifies under its key alone and keeps its claims; a token with any change is forged, and so is any text.
//! A signature does not replace the checks of the header.

#![no_main]

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use libfuzzer_sys::fuzz_target;
use reset_core::keys::HmacKey;
use reset_http::jwt;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::Sha256;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Claims {
    sub: String,
    exp: i64,
}

/// A header by another reader: a derived struct rejects duplicate and unknown names.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: Option<String>,
}

const KEY: [u8; 32] = [7; 32];

/// Signs any header and any claims.
fn signed(header: &str, claims: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let mac = Hmac::<Sha256>::new_from_slice(&KEY).unwrap().chain_update(&message);
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

/// Returns `typ` if the header is one that a token may have.
fn typ_of(header: &str) -> Option<Option<String>> {
    // A derived struct reads an array and `null` as well.
    let value: Value = serde_json::from_str(header).ok()?;
    let is_text = value.is_object() && value.get("typ").is_none_or(Value::is_string);
    let Header { alg, typ } = serde_json::from_str(header).ok()?;
    (is_text && alg == "HS256").then_some(typ)
}

fuzz_target!(|input: (u8, u16, i64, &str)| {
    let (byte, position, exp, texts) = input;
    // Three lines: a header or its `typ`, the claims or their `sub`, and a signature or a token.
    let mut texts = texts.splitn(3, '\n');
    let mut next = || texts.next().unwrap_or_default();
    let (header, payload, text) = (next(), next(), next());
    let (key, other) = (HmacKey::shared(&KEY), HmacKey::shared(&[8; 32]));

    let token = signed(header, payload);
    let claims = serde_json::from_str::<Claims>(payload).ok().filter(|_| token.len() <= 2048);
    let verified = jwt::verify::<Claims>(&key, &token).ok().map(|verified| (verified.typ, verified.claims));
    assert_eq!(verified, typ_of(header).zip(claims), "{header} {payload}");

    assert!(jwt::verify::<Claims>(&key, text).is_err(), "no text is a token");
    let claims = Claims { sub: payload.to_owned(), exp };
    let token = jwt::sign(&key, header, &claims).to_string();
    let verified = jwt::verify::<Claims>(&key, &token);
    assert_eq!(verified.is_ok(), token.len() <= 2048);
    let Ok(verified) = verified else { return };
    assert_eq!((verified.typ.as_deref(), &verified.claims), (Some(header), &claims));
    assert!(jwt::verify::<Claims>(&other, &token).is_err());
    let mut changed = token.clone().into_bytes();
    let position = usize::from(position) % changed.len();
    changed[position] = byte & 0x7f;
    let changed = String::from_utf8(changed).unwrap();
    assert_eq!(jwt::verify::<Claims>(&key, &changed).is_ok(), changed == token);
    let (message, _) = token.rsplit_once('.').unwrap();
    assert!(jwt::verify::<Claims>(&key, &format!("{message}.{text}")).is_err(), "another signature");
});
