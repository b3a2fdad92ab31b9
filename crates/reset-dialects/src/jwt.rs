//! HS256 tokens in compact form, signed and verified by one pinned algorithm (R65).
//!
//! Only the signature and the header are judged here. What the claims mean, and what time it is, is the
//! caller's to say: the library would ask the system's clock and pass a token that lacks a claim (R66).

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, EncodingKey, Header, TokenData, Validation,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::ErrorKind,
    signature::{self, Signer, Verifier},
};
use reset_core::keys::Key;
use serde::{Serialize, de::DeserializeOwned};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Longest token that is looked at, in bytes (R68).
const TOKEN_MAX: usize = 2048;

/// A token with a signature of ours.
pub(crate) struct Verified<C> {
    /// The header's `typ`, still to be compared.
    pub(crate) typ: Option<String>,
    /// The claims, still to be judged.
    pub(crate) claims: C,
}

/// The text is no token that our key signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Forged;

/// A token over `claims`. Equal arguments give equal bytes.
pub(crate) fn sign(key: &Key, typ: &str, claims: &impl Serialize) -> Zeroizing<String> {
    install();
    let header = Header { typ: Some(typ.to_owned()), ..Header::new(Algorithm::HS256) };
    let token = jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(key.as_bytes()));
    Zeroizing::new(token.expect("claims are structs of texts and numbers"))
}

/// Reads a token whose algorithm is HS256, whose header says nothing but `alg` and `typ`, and whose
/// signature our key made.
pub(crate) fn verify<C: DeserializeOwned>(key: &Key, token: &str) -> Result<Verified<C>, Forged> {
    if token.len() > TOKEN_MAX {
        return Err(Forged);
    }
    install();
    let mut signature_alone = Validation::new(Algorithm::HS256);
    signature_alone.required_spec_claims.clear();
    signature_alone.validate_exp = false;
    signature_alone.validate_aud = false;
    let decoded = jsonwebtoken::decode(token, &DecodingKey::from_secret(key.as_bytes()), &signature_alone);
    let TokenData { header, claims } = decoded.map_err(|_| Forged)?;
    // `kid`, `jku`, `jwk`, `crit` and their like are never acted upon, and never ignored either.
    let plain = Header { typ: header.typ.clone(), ..Header::new(Algorithm::HS256) };
    if header == plain { Ok(Verified { typ: header.typ, claims }) } else { Err(Forged) }
}

/// The only algorithm there is: no RSA in the tree, and so none to confuse HS256 with.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| {
        only_hs256(*algorithm, key.family())?;
        Ok(Box::new(Hs256(Key::shared(key.as_bytes()))))
    },
    verifier_factory: |algorithm, key| {
        only_hs256(*algorithm, key.family())?;
        Ok(Box::new(Hs256(Key::shared(key.try_get_as_bytes()?))))
    },
    key_utils: KeyUtils::new_unimplemented(),
};

/// The library keeps one provider for the whole process. Where a host application installed its own before,
/// that one stays, and serves HS256 just as well.
fn install() {
    PROVIDER.install_default().ok();
}

fn only_hs256(algorithm: Algorithm, family: AlgorithmFamily) -> jsonwebtoken::errors::Result<()> {
    let known = algorithm == Algorithm::HS256 && family == AlgorithmFamily::Hmac;
    if known { Ok(()) } else { Err(ErrorKind::InvalidAlgorithm.into()) }
}

/// HMAC-SHA-256 under one key.
struct Hs256(Key);

impl Hs256 {
    fn mac(&self, message: &[u8]) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).expect("HMAC takes a key of any length");
        mac.update(message);
        mac.finalize().into_bytes().to_vec()
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(self.mac(message))
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let honest: bool = self.mac(message).ct_eq(signature).into();
        if honest { Ok(()) } else { Err(signature::Error::new()) }
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl<C> fmt::Debug for Verified<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verified")
    }
}
