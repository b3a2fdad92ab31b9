//! Django's hash formats (`django/contrib/auth/hashers.py`, 5.2): PBKDF2 and scrypt with alphanumeric salts, and the
//! prefixes that Django puts before other formats.

use base64::{Engine, engine::general_purpose::STANDARD};
use pbkdf2::{Algorithm, pbkdf2_hmac, pbkdf2_hmac_with_params};
use scrypt::Params;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{HashForm, Layout, Legacy, SALT, Scheme, argon, decimal, unknown_format};
use crate::error::HashError;

/// Prefix before a PHC string, which starts with `$` itself: `argon2$argon2id$…`.
pub(super) const ARGON2: &str = "argon2";
const PBKDF2: &str = "pbkdf2_sha256$";
const SCRYPT: &str = "scrypt$";

/// Length of a PBKDF2 hash in bytes: that of SHA-256.
const PBKDF2_TAG: usize = 32;
/// Length of a scrypt hash in bytes.
pub(super) const SCRYPT_TAG: usize = 64;

/// Returns the form of a hash that Django wrote.
pub(super) fn form(stored: &str) -> Option<HashForm> {
    if stored.starts_with(PBKDF2) {
        let Pbkdf2 { iterations, .. } = Pbkdf2::read(stored)?;
        return Some(HashForm::Written(Scheme::Pbkdf2Sha256 { iterations }));
    }
    if stored.starts_with(SCRYPT) {
        let Scrypt { n, r, p, .. } = Scrypt::read(stored)?;
        return Some(HashForm::Written(Scheme::Scrypt { n, r, p }));
    }
    match argon::form(stored.strip_prefix(ARGON2)?)? {
        HashForm::Written(scheme) => Some(HashForm::Foreign { layout: Layout::DjangoArgon2, scheme }),
        HashForm::Legacy(Legacy::Argon2 { m_kib, t, p }) => {
            Some(HashForm::Legacy(Legacy::DjangoArgon2 { m_kib, t, p }))
        }
        _ => None,
    }
}

struct Pbkdf2<'a> {
    iterations: u32,
    salt: &'a str,
    hash: [u8; PBKDF2_TAG],
}

impl<'a> Pbkdf2<'a> {
    fn read(stored: &'a str) -> Option<Self> {
        let mut fields = stored.strip_prefix(PBKDF2)?.split('$');
        let (iterations, salt, hash) = (decimal(fields.next()?)?, fields.next()?, fields.next()?);
        let hash = STANDARD.decode(hash).ok()?.try_into().ok()?;
        (fields.next().is_none() && iterations > 0 && !salt.is_empty()).then_some(Self {
            iterations,
            salt,
            hash,
        })
    }
}

struct Scrypt<'a> {
    n: u32,
    r: u32,
    p: u32,
    salt: &'a str,
    hash: [u8; SCRYPT_TAG],
}

impl<'a> Scrypt<'a> {
    fn read(stored: &'a str) -> Option<Self> {
        let mut fields = stored.strip_prefix(SCRYPT)?.split('$');
        let (n, salt) = (decimal(fields.next()?)?, fields.next()?);
        let (r, p) = (decimal(fields.next()?)?, decimal(fields.next()?)?);
        let hash = STANDARD.decode(fields.next()?).ok()?.try_into().ok()?;
        (fields.next().is_none() && params_exist(n, r, p) && !salt.is_empty()).then_some(Self {
            n,
            r,
            p,
            salt,
            hash,
        })
    }
}

/// Returns whether scrypt allows these parameters (RFC 7914, 6), whatever they cost.
pub(super) fn params_exist(n: u32, r: u32, p: u32) -> bool {
    n > 1 && n.is_power_of_two() && r > 0 && p > 0 && u64::from(r) * u64::from(p) < 1 << 30
}

/// Converts the parameters to the library's type.
pub(super) fn scrypt_params(n: u32, r: u32, p: u32) -> Result<Params, String> {
    let log_n = u8::try_from(n.trailing_zeros()).ok().filter(|_| params_exist(n, r, p));
    let params = log_n.and_then(|log_n| Params::new(log_n, r, p).ok());
    params.ok_or_else(|| format!("scrypt parameters: n={n}, r={r}, p={p}"))
}

/// Returns whether `stored` is a hash of `password`. The caller has checked the iterations.
pub(super) fn verify_pbkdf2(password: &[u8], stored: &str) -> Result<bool, HashError> {
    let Pbkdf2 { iterations, salt, hash } = Pbkdf2::read(stored).ok_or_else(unknown_format)?;
    let computed = pbkdf2(password, salt.as_bytes(), iterations);
    Ok(computed.ct_eq(&hash).into())
}

/// Returns whether `stored` is a hash of `password`. The caller has checked the parameters.
pub(super) fn verify_scrypt(password: &[u8], stored: &str) -> Result<bool, HashError> {
    let Scrypt { n, r, p, salt, hash } = Scrypt::read(stored).ok_or_else(unknown_format)?;
    let params = scrypt_params(n, r, p).map_err(HashError::Failed)?;
    Ok(scrypt_tag(password, salt.as_bytes(), &params)?.ct_eq(&hash).into())
}

/// Hashes `password` with PBKDF2.
pub(super) fn write_pbkdf2(password: &[u8], iterations: u32, salt: [u8; SALT]) -> String {
    let salt = salt_text(salt);
    let hash = STANDARD.encode(pbkdf2(password, salt.as_bytes(), iterations).as_slice());
    format!("{PBKDF2}{iterations}${salt}${hash}")
}

/// Hashes `password` with scrypt.
pub(super) fn write_scrypt(
    password: &[u8],
    (n, r, p): (u32, u32, u32),
    salt: [u8; SALT],
) -> Result<String, HashError> {
    let (salt, params) = (salt_text(salt), scrypt_params(n, r, p).map_err(HashError::Failed)?);
    let hash = STANDARD.encode(scrypt_tag(password, salt.as_bytes(), &params)?.as_slice());
    Ok(format!("{SCRYPT}{n}${salt}${r}${p}${hash}"))
}

/// Derives PBKDF2's 32 bytes with HMAC-SHA-256.
pub(super) fn pbkdf2(password: &[u8], salt: &[u8], iterations: u32) -> Zeroizing<[u8; PBKDF2_TAG]> {
    let mut tag = Zeroizing::new([0; PBKDF2_TAG]);
    match pbkdf2::Params::new(iterations) {
        // This function is not generic, so it is compiled with the library, which is optimised in development builds
        // too.
        Ok(params) => {
            let sha256 = Algorithm::Pbkdf2Sha256;
            pbkdf2_hmac_with_params(password, salt, sha256, params, &mut *tag);
        }
        // The library's parameters require 1000 iterations; hashes in tests and very old rows have fewer.
        Err(_) => pbkdf2_hmac::<Sha256>(password, salt, iterations, &mut *tag),
    }
    tag
}

/// Derives scrypt's 64 bytes.
pub(super) fn scrypt_tag(
    password: &[u8],
    salt: &[u8],
    params: &Params,
) -> Result<Zeroizing<[u8; SCRYPT_TAG]>, HashError> {
    let mut tag = Zeroizing::new([0; SCRYPT_TAG]);
    scrypt::scrypt(password, salt, params, &mut *tag)
        .map_err(|error| HashError::Failed(error.to_string()))?;
    Ok(tag)
}

/// Encodes the salt as 22 letters and digits in base 62, Django's length for 128 bits. No bits are lost.
pub(super) fn salt_text(salt: [u8; SALT]) -> String {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rest = u128::from_be_bytes(salt);
    let mut digit = || {
        let digit = (rest % 62) as usize;
        rest /= 62;
        char::from(LETTERS[digit])
    };
    (0..22).map(|_| digit()).collect()
}
