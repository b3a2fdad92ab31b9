//! worthai's secret: a random `jti` inside a signed token with the account's id, the purpose and the expiry.
//!
//! The token contains no email address, only opaque ids (R68).

use std::time::Duration;

use reset_core::{
    account::AccountId,
    encoding::hex,
    keys::Keyring,
    secret::{SecretFormat, Seed, TicketSecret},
    ticket::{Ticket, TicketKind},
    time::Timestamp,
};
use serde::{Deserialize, Deserializer, Serialize, de::IgnoredAny};
use zeroize::Zeroizing;

use reset_http::jwt::{self, Forged, VerifiedToken};

/// Header `typ`: distinguishes these tokens from all others signed with the same key (RFC 8725, section 3.11).
const TYP: &str = "pwreset+jwt";
/// Claim `iss`.
const ISSUER: &str = "polyreset";
/// Claim `aud`.
const AUDIENCE: &str = "worthai:password-reset";
/// Random bytes of a `jti` (R1).
const JTI: usize = 16;
/// Tolerated clock skew in seconds: the signing server's clock may be this far ahead (R66).
const SKEW: i64 = 5;

/// Reset tokens signed with the current key or a previous one. All claims are validated before any query; the ticket
/// is then looked up by the `jti`.
pub(super) struct ResetToken {
    keys: Keyring,
    lifetime: Duration,
}

/// The claims of an issued token, in wire order.
#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    jti: &'a str,
    iat: i64,
    nbf: i64,
    exp: i64,
    iss: &'a str,
    aud: &'a str,
}

/// The claims of a presented token: `None` for a claim that is missing or has the wrong type.
#[derive(Deserialize)]
struct Presented {
    #[serde(default, deserialize_with = "typed")]
    sub: Option<String>,
    #[serde(default, deserialize_with = "typed")]
    jti: Option<String>,
    #[serde(default, deserialize_with = "typed")]
    iat: Option<i64>,
    #[serde(default, deserialize_with = "typed")]
    nbf: Option<i64>,
    #[serde(default, deserialize_with = "typed")]
    exp: Option<i64>,
    #[serde(default, deserialize_with = "typed")]
    iss: Option<String>,
    #[serde(default, deserialize_with = "typed")]
    aud: Option<String>,
}

/// Why a token is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Defect {
    /// The signature is invalid.
    Forged,
    /// The signature is valid, but the token was issued for another purpose.
    OtherPurpose,
    /// The token is expired or not yet valid, or its claims are malformed.
    Dead,
}

impl From<Forged> for Defect {
    fn from(_: Forged) -> Self {
        Self::Forged
    }
}

impl ResetToken {
    pub(super) fn new(keys: Keyring, lifetime: Duration) -> Self {
        Self { keys, lifetime }
    }

    /// Validates a token at `now` and returns its `jti`. The order of the checks is the contract's: signature,
    /// purpose, times.
    pub(super) fn parse(&self, presented: &str, now: Timestamp) -> Result<TicketSecret, Defect> {
        let VerifiedToken { typ, claims } = jwt::verify_with_any::<Presented>(&self.keys, presented)?;
        let purpose = (typ.as_deref(), claims.iss.as_deref(), claims.aud.as_deref());
        if purpose != (Some(TYP), Some(ISSUER), Some(AUDIENCE)) {
            return Err(Defect::OtherPurpose);
        }
        let Presented {
            sub: Some(sub), jti: Some(jti), iat: Some(iat), nbf: Some(nbf), exp: Some(exp), ..
        } = claims
        else {
            return Err(Defect::Dead);
        };
        let (present, lifetime) =
            (now.as_secs(), Timestamp::from_millis(0).plus(self.lifetime).as_secs_ceil());
        let started = nbf.max(iat) <= present.saturating_add(SKEW);
        // `iat` is rounded down and `exp` may be rounded up, hence the extra second.
        let unexpired = exp > present && exp.saturating_sub(iat) <= lifetime.saturating_add(1);
        let well_formed =
            jti.len() == 2 * JTI && jti.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if started && unexpired && well_formed {
            Ok(TicketSecret::new(TicketKind::Token, jti).of(AccountId::new(sub)))
        } else {
            Err(Defect::Dead)
        }
    }
}

impl ResetToken {
    /// Returns the claim `exp`. It is rounded down like `iat`, so that the token states exactly the configured
    /// lifetime (R66). A lifetime under a minute, as in tests, is rounded up, because rounding down could leave
    /// nothing of it.
    fn end(&self, minted: Timestamp) -> i64 {
        let end = minted.plus(self.lifetime);
        if self.lifetime < Duration::from_secs(60) { end.as_secs_ceil() } else { end.as_secs() }
    }
}

impl SecretFormat for ResetToken {
    fn kind(&self) -> TicketKind {
        TicketKind::Token
    }

    fn mint(&self, seed: &Seed) -> TicketSecret {
        let mut jti = Zeroizing::new([0; JTI]);
        seed.fill(&mut jti[..]);
        TicketSecret::new(TicketKind::Token, hex(&jti[..]))
    }

    /// Signs the token of a ticket. The same ticket gives the same token, so a retried mail carries the same link. The
    /// ticket's expiry in the store, in milliseconds, is authoritative; `exp` is only rounded to it (R4).
    fn seal(&self, secret: &TicketSecret, ticket: &Ticket) -> Zeroizing<String> {
        let minted = ticket.minted_at.as_secs();
        let claims = Claims {
            sub: ticket.account.as_str(),
            jti: secret.reveal(),
            iat: minted,
            nbf: minted,
            exp: self.end(ticket.minted_at),
            iss: ISSUER,
            aud: AUDIENCE,
        };
        jwt::sign(self.keys.current(), TYP, &claims)
    }
}

/// Deserializes a claim as `T`, or as `None` if it has another type.
fn typed<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Claim<T> {
        Typed(T),
        Other(IgnoredAny),
    }
    Claim::deserialize(deserializer).map(|claim| match claim {
        Claim::Typed(value) => Some(value),
        Claim::Other(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use reset_core::keys::HmacKey;
    use serde_json::{Value, json};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_768_574_400_250);
    const SECS: i64 = 1_768_574_400;
    const JTI_TEXT: &str = "000102030405060708090a0b0c0d0e0f";

    fn tokens() -> ResetToken {
        ResetToken::new(HmacKey::shared(&[7; 32]).into(), Duration::from_secs(1800))
    }

    fn valid_claims() -> Value {
        json!({"sub": "1", "jti": JTI_TEXT, "iat": SECS, "nbf": SECS, "exp": SECS + 1801, "iss": ISSUER, "aud": AUDIENCE})
    }

    fn parse(typ: &str, claims: &Value) -> Result<String, Defect> {
        let token = jwt::sign(tokens().keys.current(), typ, claims);
        tokens().parse(&token, NOW).map(|secret| secret.reveal().to_owned())
    }

    /// Parses a token with one valid claim replaced, or removed if `value` is `null`.
    fn parse_with(name: &str, value: Value) -> Result<String, Defect> {
        let mut claims = valid_claims();
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value,
        }
        parse(TYP, &claims)
    }

    #[test]
    fn valid_token_returns_its_jti() {
        assert_eq!(parse(TYP, &valid_claims()), Ok(JTI_TEXT.to_owned()));
    }

    #[test]
    fn token_verifies_with_every_key_of_the_keyring() {
        let [old, new] = [7, 8].map(|byte| HmacKey::shared(&[byte; 32]));
        let issued = jwt::sign(&old, TYP, &valid_claims());
        let parse = |keys| ResetToken::new(keys, Duration::from_secs(1800)).parse(&issued, NOW).map(drop);
        assert_eq!(parse(Keyring::new(new.clone(), [old])), Ok(()));
        assert_eq!(parse(new.into()), Err(Defect::Forged));
    }

    #[test]
    fn token_for_another_purpose_differs_from_a_forged_one() {
        assert_eq!(parse("JWT", &valid_claims()), Err(Defect::OtherPurpose));
        assert_eq!(parse("PWRESET+JWT", &valid_claims()), Err(Defect::OtherPurpose));
        for name in ["iss", "aud"] {
            for value in [
                Value::Null,
                json!("other"),
                json!(""),
                json!([ISSUER, AUDIENCE]),
                json!([AUDIENCE]),
                json!(1),
            ] {
                assert_eq!(parse_with(name, value), Err(Defect::OtherPurpose), "{name}");
            }
        }
        assert_eq!(parse("JWT", &json!({"id": 1, "iat": SECS, "exp": SECS + 60})), Err(Defect::OtherPurpose));
        assert_eq!(tokens().parse("a.b.c", NOW).err(), Some(Defect::Forged));
    }

    #[test]
    fn every_claim_is_required_and_typed() {
        for name in ["sub", "jti", "iat", "nbf", "exp"] {
            assert_eq!(parse_with(name, Value::Null), Err(Defect::Dead), "{name} removed");
            for value in [json!(true), json!({}), json!([]), json!([1]), json!(1.5)] {
                assert_eq!(parse_with(name, value.clone()), Err(Defect::Dead), "{name} {value}");
            }
        }
        for name in ["iat", "nbf", "exp"] {
            for value in [json!(SECS.to_string()), json!(1_768_574_400.5), json!(u64::MAX), json!(1e300)] {
                assert_eq!(parse_with(name, value.clone()), Err(Defect::Dead), "{name} {value}");
            }
        }
        for value in
            [json!(1), json!(""), json!("*"), json!(JTI_TEXT.to_uppercase()), json!(format!("{JTI_TEXT}0"))]
        {
            assert_eq!(parse_with("jti", value.clone()), Err(Defect::Dead), "jti {value}");
        }
    }

    #[test]
    fn token_is_valid_only_between_its_times_and_no_longer_than_the_configured_lifetime() {
        let exp = |value: i64| parse_with("exp", json!(value)).is_ok();
        assert!(exp(SECS + 1) && !exp(SECS) && !exp(SECS - 1) && !exp(-1) && !exp(i64::MIN));
        assert!(exp(SECS + 1801) && !exp(SECS + 1802) && !exp(i64::MAX));
        for name in ["iat", "nbf"] {
            assert!(parse_with(name, json!(SECS + SKEW)).is_ok(), "{name}");
            assert_eq!(parse_with(name, json!(SECS + SKEW + 1)), Err(Defect::Dead), "{name}");
            assert_eq!(parse_with(name, json!(i64::MAX)), Err(Defect::Dead), "{name}");
        }
        assert_eq!(parse_with("iat", json!(i64::MIN)), Err(Defect::Dead));
    }
}
