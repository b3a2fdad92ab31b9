//! bcrypt: `$2b$12$` and 53 characters, for tables that Strapi, InsForge, px0, PHP or Rails read.

use base64::{
    Engine, alphabet,
    engine::{GeneralPurpose, general_purpose::NO_PAD},
};
use subtle::ConstantTimeEq;

use super::{BCRYPT_MAX, BcryptVersion, HashForm, SALT, Scheme, decimal, unknown_format};
use crate::error::HashError;

/// bcrypt's own alphabet. The last character of a salt has four unused bits, which some programs set.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&alphabet::BCRYPT, NO_PAD.with_decode_allow_trailing_bits(true));

/// The parsed parts of a hash.
struct Parts {
    version: BcryptVersion,
    cost: u32,
    salt: [u8; SALT],
    hash: [u8; 23],
}

/// Returns the form of a bcrypt hash.
pub(super) fn form(stored: &str) -> Option<HashForm> {
    let Parts { version, cost, .. } = parts(stored)?;
    Some(HashForm::Written(Scheme::Bcrypt { version, cost }))
}

fn parts(stored: &str) -> Option<Parts> {
    let (version, rest) = stored.strip_prefix('$')?.split_once('$')?;
    let (cost, rest) = rest.split_once('$')?;
    let (version, cost) = (BcryptVersion::named(version)?, decimal(cost).filter(|_| cost.len() == 2)?);
    let (salt, hash) = (rest.len() == 53).then_some(rest)?.split_at_checked(22)?;
    let (salt, hash) = (BASE64.decode(salt).ok()?, BASE64.decode(hash).ok()?);
    // Reject costs that the algorithm does not define.
    (4..=31).contains(&cost).then_some(())?;
    Some(Parts { version, cost, salt: salt.try_into().ok()?, hash: hash.try_into().ok()? })
}

/// Returns whether `stored` is a hash of `password`. The caller has checked the cost.
pub(super) fn verify(password: &[u8], stored: &str) -> Result<bool, HashError> {
    let Parts { version, cost, salt, hash } = parts(stored).ok_or_else(unknown_format)?;
    let computed = write(password, version, cost, salt)?;
    let computed = parts(&computed).ok_or_else(unknown_format)?;
    Ok(computed.hash.ct_eq(&hash).into())
}

/// Hashes a password of at most 72 bytes.
pub(super) fn write(
    password: &[u8],
    version: BcryptVersion,
    cost: u32,
    salt: [u8; SALT],
) -> Result<String, HashError> {
    // The policy has already rejected longer passwords. The library would silently truncate one, and its
    // `non_truncating_hash` rejects the 72nd byte, which every other program reads.
    if password.len() > BCRYPT_MAX {
        return Err(HashError::Failed(format!("bcrypt reads at most {BCRYPT_MAX} bytes of a password")));
    }
    if password.contains(&0) {
        return Err(HashError::Failed("bcrypt treats NUL as the end of a password".to_owned()));
    }
    let hash = ::bcrypt::hash_with_salt(password, cost, salt)
        .map_err(|error| HashError::Failed(error.to_string()))?;
    Ok(hash.format_for_version(match version {
        BcryptVersion::A => ::bcrypt::Version::TwoA,
        BcryptVersion::B => ::bcrypt::Version::TwoB,
        BcryptVersion::Y => ::bcrypt::Version::TwoY,
    }))
}
