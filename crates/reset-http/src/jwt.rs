//! HS256 JSON Web Tokens in compact form (RFC 7515), with the algorithm pinned (R65).
//!
//! This module checks only the header and the signature. The caller validates the claims, including the times (R66).
//!
//! No JWT library is used: the maintained one keeps its cryptography provider in a process-wide variable, which a host
//! application that embeds this crate may have set to another provider.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use reset_core::keys::{HmacKey, Keyring};
use serde::{Serialize, de::DeserializeOwned};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::body::{Field, Object};

/// Maximum token length in bytes; longer tokens are rejected unread (R68).
const TOKEN_MAX: usize = 2048;

/// A token whose signature is valid.
pub struct VerifiedToken<C> {
    /// The header's `typ`, which the caller still has to check.
    pub typ: Option<String>,
    /// The claims, which the caller still has to validate.
    pub claims: C,
}

/// The text is not a token signed with the expected key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forged;

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'a str,
}

/// Signs a token with `claims`. Equal arguments return equal bytes.
pub fn sign(key: &HmacKey, typ: &str, claims: &impl Serialize) -> Zeroizing<String> {
    let mut token = Zeroizing::new(encode(&Header { alg: "HS256", typ }));
    token.push('.');
    token.push_str(&encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(mac(key, &token).finalize().into_bytes());
    token.push('.');
    token.push_str(&signature);
    token
}

/// Verifies a token: signed with `key`, algorithm HS256, and no header fields besides `alg` and `typ`. The claims are
/// parsed only after these checks.
///
/// # Errors
/// Returns [`Forged`] if a check fails or the claims do not parse.
pub fn verify<C: DeserializeOwned>(key: &HmacKey, token: &str) -> Result<VerifiedToken<C>, Forged> {
    if token.len() > TOKEN_MAX {
        return Err(Forged);
    }
    let (message, signature) = token.rsplit_once('.').ok_or(Forged)?;
    let (header, claims) = message.split_once('.').ok_or(Forged)?;
    let signature = decode(signature)?;
    mac(key, message).verify_slice(&signature).map_err(|_| Forged)?;
    let header = Object::decode(&decode(header)?).map_err(|_| Forged)?;
    // A token with `kid`, `jku`, `jwk`, `crit` or any other field is rejected: the field is neither used nor ignored.
    if header.field("alg") != Field::Text("HS256") || header.has_other_than(&["alg", "typ"]) {
        return Err(Forged);
    }
    let typ = match header.field("typ") {
        Field::Missing => None,
        Field::Text(typ) => Some(typ.to_owned()),
        Field::Null | Field::Other(_) => return Err(Forged),
    };
    let claims = serde_json::from_slice(&decode(claims)?).map_err(|_| Forged)?;
    Ok(VerifiedToken { typ, claims })
}

/// As [`verify`], with any of `keys`. The signature decides which key applies, never a header field.
///
/// # Errors
/// Returns [`Forged`] if the token is valid under none of the keys.
pub fn verify_with_any<C: DeserializeOwned>(keys: &Keyring, token: &str) -> Result<VerifiedToken<C>, Forged> {
    keys.all().iter().find_map(|key| verify(key, token).ok()).ok_or(Forged)
}

fn encode(value: &impl Serialize) -> String {
    let json = serde_json::to_vec(value).expect("headers and claims are structs of strings and numbers");
    URL_SAFE_NO_PAD.encode(json)
}

/// Decodes strictly: every byte sequence has exactly one encoding, so a token cannot be altered and stay valid.
fn decode(part: &str) -> Result<Vec<u8>, Forged> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Forged)
}

fn mac(key: &HmacKey, message: &str) -> Hmac<Sha256> {
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC accepts keys of any length");
    mac.chain_update(message)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, Deserialize, PartialEq, Eq)]
    struct Claims {
        sub: String,
    }

    fn key() -> HmacKey {
        HmacKey::shared(&[7; 32])
    }

    /// A token with any header, signed with the expected key.
    fn signed(header: &str, claims: &str) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(mac(&key(), &message).finalize().into_bytes());
        format!("{message}.{signature}")
    }

    fn read(token: &str) -> Result<Claims, Forged> {
        verify::<Claims>(&key(), token).map(|verified| verified.claims)
    }

    /// The token of RFC 7515, appendix A.1.
    #[test]
    fn example_token_of_rfc_7515_verifies() {
        let key = [
            3, 35, 53, 75, 43, 15, 165, 188, 131, 126, 6, 101, 119, 123, 166, 143, 90, 179, 40, 230, 240, 84,
            201, 40, 169, 15, 132, 178, 210, 80, 46, 191, 211, 251, 90, 146, 210, 6, 71, 239, 150, 138, 180,
            195, 119, 98, 61, 34, 61, 46, 33, 114, 5, 46, 79, 8, 192, 205, 154, 245, 103, 208, 128, 163,
        ];
        let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9\
             .eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ\
             .dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let verified = verify::<Value>(&HmacKey::shared(&key), token).unwrap();
        assert_eq!((verified.typ.as_deref(), &verified.claims["iss"]), (Some("JWT"), &json!("joe")));
    }

    #[test]
    fn signed_token_verifies_and_equal_claims_give_equal_bytes() {
        let claims = json!({"sub": "1"});
        let token = sign(&key(), "JWT", &claims);
        assert_eq!(token, sign(&key(), "JWT", &claims));
        assert_eq!(read(&token), Ok(Claims { sub: "1".into() }));
        assert_eq!(*token, signed(r#"{"alg":"HS256","typ":"JWT"}"#, r#"{"sub":"1"}"#));
    }

    #[test]
    fn token_signed_with_another_key_is_rejected() {
        let token = sign(&HmacKey::shared(&[8; 32]), "JWT", &json!({"sub": "1"}));
        assert_eq!(read(&token), Err(Forged));
    }

    #[test]
    fn other_algorithms_and_extra_header_fields_are_rejected() {
        assert!(read(&signed(r#"{"alg":"HS256"}"#, r#"{"sub":"1"}"#)).is_ok());
        for header in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"nOnE"}"#,
            r#"{"alg":"hs256"}"#,
            r#"{"alg":"HS384"}"#,
            r#"{"alg":"HS512"}"#,
            r#"{"alg":"RS256"}"#,
            r#"{"alg":"ES256"}"#,
            r#"{"alg":"EdDSA"}"#,
            r#"{"alg":""}"#,
            r#"{"alg":null}"#,
            r#"{"alg":["HS256"]}"#,
            r#"{"typ":"JWT"}"#,
            r#"{"alg":"HS256","alg":"HS256"}"#,
            r#"{"alg":"none","alg":"HS256"}"#,
            r#"{"alg":"HS256","typ":"JWT","typ":"JWT"}"#,
            r#"{"alg":"HS256","kid":"../../../dev/null"}"#,
            r#"{"alg":"HS256","jku":"https://evil.example/keys"}"#,
            r#"{"alg":"HS256","x5u":"https://evil.example/chain"}"#,
            r#"{"alg":"HS256","jwk":{"kty":"oct","k":"AA"}}"#,
            r#"{"alg":"HS256","crit":["exp"]}"#,
            r#"{"alg":"HS256","zip":"DEF"}"#,
            r#"{"alg":"HS256","b64":false}"#,
            r#"["JWT","HS256"]"#,
            "{}",
            "",
        ] {
            assert_eq!(read(&signed(header, r#"{"sub":"1"}"#)), Err(Forged), "{header}");
        }
    }

    #[test]
    fn signature_covers_every_byte_and_is_required() {
        let token = sign(&key(), "JWT", &json!({"sub": "1"}));
        let (message, signature) = token.rsplit_once('.').unwrap();
        let (header, payload) = message.split_once('.').unwrap();
        let other = URL_SAFE_NO_PAD.encode(br#"{"sub":"2"}"#);
        for forged in [
            format!("{message}."),
            message.to_owned(),
            format!("{message}.{}", URL_SAFE_NO_PAD.encode([0; 32])),
            format!("{message}.{}", &signature[..42]),
            format!("{message}.{signature}A"),
            format!("{message}.{signature}="),
            format!("{header}.{other}.{signature}"),
            format!("{header}..{signature}"),
            format!(".{payload}.{signature}"),
            format!("{message}.{signature}.{signature}"),
            format!(" {message}.{signature}"),
            format!("{message}.{signature}\n"),
            format!("{}.{message}.{signature}", "A".repeat(2048)),
            "..".to_owned(),
            String::new(),
        ] {
            assert_eq!(read(&forged), Err(Forged), "{forged}");
        }
        for position in 0..token.len() {
            let mut flipped = token.as_bytes().to_vec();
            flipped[position] ^= 1;
            assert!(
                std::str::from_utf8(&flipped).is_ok_and(|text| read(text) == Err(Forged)),
                "position {position}"
            );
        }
    }

    #[test]
    fn oversized_token_is_rejected() {
        let claims = |length| json!({"sub": "a".repeat(length)});
        assert!(read(&sign(&key(), "JWT", &claims(1400))).is_ok());
        assert_eq!(read(&sign(&key(), "JWT", &claims(1600))), Err(Forged));
    }
}
