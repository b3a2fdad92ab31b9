//! phpass with MD5, the "portable" format of `WordPress` and phpBB. Such hashes are verified, so that existing users
//! can log in, but never written, because MD5 is too weak for passwords.

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{HashForm, Legacy, unknown_format};
use crate::error::HashError;

/// The base-64 digits of phpass, in ascending order.
const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

struct Parts<'a> {
    log_rounds: u32,
    salt: &'a str,
    hash: &'a str,
}

/// Returns the form of a phpass hash.
pub(super) fn form(stored: &str) -> Option<HashForm> {
    let Parts { log_rounds, .. } = parts(stored)?;
    Some(HashForm::Legacy(Legacy::Phpass { log_rounds }))
}

/// Parses `$P$` or `$H$`, one digit for the rounds, eight of salt, 22 of hash.
fn parts(stored: &str) -> Option<Parts<'_>> {
    let rest = stored.strip_prefix("$P$").or_else(|| stored.strip_prefix("$H$"))?;
    (rest.len() == 31 && rest.bytes().all(|byte| DIGITS.contains(&byte))).then_some(())?;
    let log_rounds = DIGITS.iter().position(|digit| *digit == rest.as_bytes()[0])?;
    let log_rounds = u32::try_from(log_rounds).ok().filter(|log| (7..=30).contains(log))?;
    Some(Parts { log_rounds, salt: &rest[1..9], hash: &rest[9..] })
}

/// Returns whether `stored` is a hash of `password`. The caller has checked the rounds.
pub(super) fn verify(password: &[u8], stored: &str) -> Result<bool, HashError> {
    let Parts { log_rounds, salt, hash } = parts(stored).ok_or_else(unknown_format)?;
    let first = Md5::new().chain_update(salt).chain_update(password).finalize();
    let digest = (0..1_u64 << log_rounds)
        .fold(first, |digest, _| Md5::new().chain_update(digest).chain_update(password).finalize());
    let computed = Zeroizing::new(encode(&digest));
    Ok(computed.as_bytes().ct_eq(hash.as_bytes()).into())
}

/// Encodes each three bytes as four digits, least significant first, and the last byte as two.
fn encode(digest: &[u8]) -> String {
    let digit = |value: u32, at: usize| char::from(DIGITS[(value >> (6 * at)) as usize & 63]);
    let group = |bytes: &[u8]| {
        let value = bytes.iter().rev().fold(0, |value: u32, byte| value << 8 | u32::from(*byte));
        (0..=bytes.len()).map(move |at| digit(value, at)).collect::<String>()
    };
    digest.chunks(3).map(group).collect()
}
