//! HS256 tokens in compact form (RFC 7515), signed and verified by one pinned algorithm (R65).
//!
//! Only the header and the signature are judged here. What the claims mean, and what time it is, is the
//! caller's to say (R66).
//!
//! Written out, although there are libraries: the one that is well kept holds its cryptography in a variable
//! of the whole process, and a host application that embeds us may use it with keys of other kinds.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use reset_core::keys::{Key, Keyring};
use serde::{Serialize, de::DeserializeOwned};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::body::{Field, Object};

/// Longest token that is looked at, in bytes (R68).
const TOKEN_MAX: usize = 2048;

/// A token with a signature of ours.
pub struct Verified<C> {
    /// The header's `typ`, still to be compared.
    pub typ: Option<String>,
    /// The claims, still to be judged.
    pub claims: C,
}

/// The text is no token that our key signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forged;

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'a str,
}

/// A token over `claims`. Equal arguments give equal bytes.
pub fn sign(key: &Key, typ: &str, claims: &impl Serialize) -> Zeroizing<String> {
    let mut token = Zeroizing::new(part(&Header { alg: "HS256", typ }));
    token.push('.');
    token.push_str(&part(claims));
    let signature = URL_SAFE_NO_PAD.encode(mac(key, &token).finalize().into_bytes());
    token.push('.');
    token.push_str(&signature);
    token
}

/// Reads a token whose algorithm is HS256, whose header says nothing but `alg` and `typ`, and whose
/// signature our key made. Until all that is known, nobody looks at the claims.
pub fn verify<C: DeserializeOwned>(key: &Key, token: &str) -> Result<Verified<C>, Forged> {
    if token.len() > TOKEN_MAX {
        return Err(Forged);
    }
    let (message, signature) = token.rsplit_once('.').ok_or(Forged)?;
    let (header, claims) = message.split_once('.').ok_or(Forged)?;
    let signature = decode(signature)?;
    mac(key, message).verify_slice(&signature).map_err(|_| Forged)?;
    let header = Object::decode(&decode(header)?).map_err(|_| Forged)?;
    // `kid`, `jku`, `jwk`, `crit` and their like are never acted upon, and never ignored either.
    if header.field("alg") != Field::Text("HS256") || header.has_other_than(&["alg", "typ"]) {
        return Err(Forged);
    }
    let typ = match header.field("typ") {
        Field::Missing => None,
        Field::Text(typ) => Some(typ.to_owned()),
        Field::Null | Field::Other(_) => return Err(Forged),
    };
    let claims = serde_json::from_slice(&decode(claims)?).map_err(|_| Forged)?;
    Ok(Verified { typ, claims })
}

/// The same under any of `keys`: who made it is known by its signature, never by what its header says.
pub fn verify_with_any<C: DeserializeOwned>(keys: &Keyring, token: &str) -> Result<Verified<C>, Forged> {
    keys.all().iter().find_map(|key| verify(key, token).ok()).ok_or(Forged)
}

fn part(value: &impl Serialize) -> String {
    let json = serde_json::to_vec(value).expect("headers and claims are structs of texts and numbers");
    URL_SAFE_NO_PAD.encode(json)
}

/// Strict: one text for each sequence of bytes, so no second token passes for the first.
fn decode(part: &str) -> Result<Vec<u8>, Forged> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Forged)
}

fn mac(key: &Key, message: &str) -> Hmac<Sha256> {
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes a key of any length");
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

    fn key() -> Key {
        Key::shared(&[7; 32])
    }

    /// A token with any header and a signature that our own key made.
    fn signed(header: &str, claims: &str) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(mac(&key(), &message).finalize().into_bytes());
        format!("{message}.{signature}")
    }

    fn read(token: &str) -> Result<Claims, Forged> {
        verify::<Claims>(&key(), token).map(|verified| verified.claims)
    }

    /// RFC 7515, appendix A.1, made with another implementation.
    #[test]
    fn the_signature_is_that_of_rfc_7515() {
        let key = [
            3, 35, 53, 75, 43, 15, 165, 188, 131, 126, 6, 101, 119, 123, 166, 143, 90, 179, 40, 230, 240, 84,
            201, 40, 169, 15, 132, 178, 210, 80, 46, 191, 211, 251, 90, 146, 210, 6, 71, 239, 150, 138, 180,
            195, 119, 98, 61, 34, 61, 46, 33, 114, 5, 46, 79, 8, 192, 205, 154, 245, 103, 208, 128, 163,
        ];
        let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9\
             .eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ\
             .dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let verified = verify::<Value>(&Key::shared(&key), token).unwrap();
        assert_eq!((verified.typ.as_deref(), &verified.claims["iss"]), (Some("JWT"), &json!("joe")));
    }

    #[test]
    fn what_is_signed_can_be_read_and_equal_claims_give_equal_bytes() {
        let claims = json!({"sub": "1"});
        let token = sign(&key(), "JWT", &claims);
        assert_eq!(token, sign(&key(), "JWT", &claims));
        assert_eq!(read(&token), Ok(Claims { sub: "1".into() }));
        assert_eq!(*token, signed(r#"{"alg":"HS256","typ":"JWT"}"#, r#"{"sub":"1"}"#));
    }

    #[test]
    fn only_our_key_makes_a_signature() {
        let token = sign(&Key::shared(&[8; 32]), "JWT", &json!({"sub": "1"}));
        assert_eq!(read(&token), Err(Forged));
    }

    #[test]
    fn no_other_algorithm_and_no_header_of_the_senders_choice_is_accepted() {
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
    fn a_signature_covers_every_byte_and_cannot_be_left_out() {
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
        for place in 0..token.len() {
            let mut flipped = token.as_bytes().to_vec();
            flipped[place] ^= 1;
            assert!(
                std::str::from_utf8(&flipped).is_ok_and(|text| read(text) == Err(Forged)),
                "place {place}"
            );
        }
    }

    #[test]
    fn an_oversized_token_is_not_looked_at() {
        let claims = |length| json!({"sub": "a".repeat(length)});
        assert!(read(&sign(&key(), "JWT", &claims(1400))).is_ok());
        assert_eq!(read(&sign(&key(), "JWT", &claims(1600))), Err(Forged));
    }
}
