//! Argon2, as PHC strings: `$argon2id$v=19$m=…,t=…,p=…$<salt>$<hash>`.

use argon2::{
    Algorithm, Argon2, Block, Params, PasswordHasher as _, Version, password_hash::phc::PasswordHash,
};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use super::{HashForm, Legacy, SALT, Scheme, unreadable};
use crate::error::HashError;

/// Bytes of hash.
const TAG: usize = 32;

/// The form of a PHC string of Argon2.
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
    // Strings from before versions were written are of the first one (PHC string format).
    let version = Version::try_from(parsed.version.unwrap_or(0x10)).ok()?;
    (parsed.salt.is_some() && parsed.hash.is_some()).then_some(())?;
    Some((algorithm, version, Params::try_from(parsed).ok()?))
}

/// Whether the PHC string is a hash of `password`. Its parameters were judged before.
pub(super) fn verify(password: &[u8], stored: &str) -> Result<bool, HashError> {
    let parsed = PasswordHash::new(stored).map_err(|_| unreadable())?;
    let (algorithm, version, params) = parts(&parsed).ok_or_else(unreadable)?;
    let (Some(salt), Some(hash)) = (parsed.salt, parsed.hash) else {
        return Err(unreadable());
    };
    let again = Argon2::new(algorithm, version, params)
        .hash_password_with_salt(password, salt.as_ref())
        .map_err(|error| HashError::Failed(error.to_string()))?;
    Ok(again.hash.is_some_and(|again| again.as_bytes().ct_eq(hash.as_bytes()).into()))
}

/// The parameters as the library takes them.
pub(super) fn params(m_kib: u32, t: u32, p: u32) -> Result<Params, String> {
    Params::new(m_kib, t, p, Some(TAG)).map_err(|error| format!("Argon2 parameters: {error}"))
}

/// Hashes in `memory`, which grows where it is too small.
pub(super) fn write(
    password: &[u8],
    params: Params,
    salt: [u8; SALT],
    memory: &mut Vec<Block>,
) -> Result<String, HashError> {
    let (m_kib, t, p) = (params.m_cost(), params.t_cost(), params.p_cost());
    let blocks = params.block_count();
    if memory.len() < blocks {
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
