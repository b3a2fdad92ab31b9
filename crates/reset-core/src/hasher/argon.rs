//! Argon2 as PHC strings: `$argon2id$v=19$m=…,t=…,p=…$<salt>$<hash>`.

use argon2::{
    Algorithm, Argon2, Block, Params, PasswordHasher as _, Version, password_hash::phc::PasswordHash,
};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use super::{HashForm, Legacy, SALT, Scheme, unknown_format};
use crate::error::HashError;

/// Length of the hash in bytes.
const TAG: usize = 32;

/// Returns the form of an Argon2 PHC string.
pub(super) fn form(stored: &str) -> Option<HashForm> {
    let (algorithm, version, params) = parts(&PasswordHash::new(stored).ok()?)?;
    let (m_kib, t, p) = (params.m_cost(), params.t_cost(), params.p_cost());
    Some(match (algorithm, version) {
        (Algorithm::Argon2id, Version::V0x13) => HashForm::Written(Scheme::Argon2id { m_kib, t, p }),
        _ => HashForm::Legacy(Legacy::Argon2 { m_kib, t, p }),
    })
}

fn parts(parsed: &PasswordHash) -> Option<(Algorithm, Version, Params)> {
    let algorithm = Algorithm::try_from(parsed.algorithm.as_str()).ok()?;
    // A string without a version is of the first one, 0x10 (PHC string format).
    let version = Version::try_from(parsed.version.unwrap_or(0x10)).ok()?;
    (parsed.salt.is_some() && parsed.hash.is_some()).then_some(())?;
    Some((algorithm, version, Params::try_from(parsed).ok()?))
}

/// Returns whether the PHC string is a hash of `password`. The caller has checked the parameters.
pub(super) fn verify(password: &[u8], stored: &str) -> Result<bool, HashError> {
    let parsed = PasswordHash::new(stored).map_err(|_| unknown_format())?;
    let (algorithm, version, params) = parts(&parsed).ok_or_else(unknown_format)?;
    let (Some(salt), Some(hash)) = (parsed.salt, parsed.hash) else {
        return Err(unknown_format());
    };
    let computed = Argon2::new(algorithm, version, params)
        .hash_password_with_salt(password, salt.as_ref())
        .map_err(|error| HashError::Failed(error.to_string()))?;
    Ok(computed.hash.is_some_and(|computed| computed.as_bytes().ct_eq(hash.as_bytes()).into()))
}

/// Converts the parameters to the library's type.
pub(super) fn params(m_kib: u32, t: u32, p: u32) -> Result<Params, String> {
    Params::new(m_kib, t, p, Some(TAG)).map_err(|error| format!("Argon2 parameters: {error}"))
}

/// Hashes `password`, using `memory`, which grows if it is too small.
pub(super) fn write(
    password: &[u8],
    params: Params,
    salt: [u8; SALT],
    memory: &mut Vec<Block>,
) -> Result<String, HashError> {
    let (m_kib, t, p) = (params.m_cost(), params.t_cost(), params.p_cost());
    let blocks = params.block_count();
    if let Some(missing) = blocks.checked_sub(memory.len()) {
        // An allocation that cannot fail would end the process.
        memory.try_reserve_exact(missing).map_err(|_| {
            HashError::Failed(format!("the system provides no memory for a hash of {m_kib} KiB"))
        })?;
        memory.resize(blocks, Block::default());
    }
    let mut tag = [0; TAG];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(password, &salt, &mut tag, &mut memory[..blocks])
        .map_err(|error| HashError::Failed(error.to_string()))?;
    let [salt, hash] = [&salt[..], &tag[..]].map(|bytes| STANDARD_NO_PAD.encode(bytes));
    tag.zeroize();
    Ok(format!("$argon2id$v=19$m={m_kib},t={t},p={p}${salt}${hash}"))
}
