//! The password hash: written by one [`Scheme`], read in every [`HashForm`] that a users table may hold.
//!
//! [`HashPool`] is the port's implementation: a fixed set of threads, whatever the algorithm. Below it, one file
//! a family of forms; [`form`](HashForm) says what a stored hash is and what it may demand.
//!
//! # How to add a form
//! A variant of [`HashForm`] with its bounds, and a file here that parses and verifies it.

mod argon;
mod bcrypt;
mod django;
mod form;
mod phpass;
mod pool;
#[cfg(test)]
mod tests;

pub use self::{
    form::{
        ARGON2_WORK_MAX, BCRYPT_COST_MAX, BcryptVersion, HashForm, Legacy, PBKDF2_ITERATIONS_MAX, Scheme,
    },
    pool::{BadScheme, HashPool},
};
use crate::error::HashError;

/// Longest password that bcrypt reads whole, in bytes of UTF-8: OpenBSD's own limit (R58).
pub const BCRYPT_MAX: usize = 72;

/// Bytes of salt (RFC 9106, 4).
const SALT: usize = 16;

/// Whether `stored` is a hash of `password`. Its parameters are judged before anything is done with them (R59).
fn verify(password: &[u8], stored: &str) -> Result<bool, HashError> {
    let form = HashForm::of(stored).ok_or_else(unreadable)?;
    if !form.is_bounded() {
        return Err(HashError::Failed("the stored hash demands more work than any sane one".to_owned()));
    }
    match form {
        HashForm::Written(Scheme::Argon2id { .. }) | HashForm::Legacy(Legacy::Argon2 { .. }) => {
            argon::verify(password, stored)
        }
        HashForm::Written(Scheme::Bcrypt { .. }) => bcrypt::verify(password, stored),
        HashForm::Written(Scheme::Pbkdf2Sha256 { .. }) => django::verify_pbkdf2(password, stored),
        HashForm::Written(Scheme::Scrypt { .. }) => django::verify_scrypt(password, stored),
        HashForm::Legacy(Legacy::DjangoArgon2 { .. }) => {
            argon::verify(password, stored.strip_prefix(django::ARGON2).ok_or_else(unreadable)?)
        }
        HashForm::Legacy(Legacy::DjangoBcrypt { .. }) => {
            bcrypt::verify(password, stored.strip_prefix(django::BCRYPT).ok_or_else(unreadable)?)
        }
        HashForm::Legacy(Legacy::DjangoBcryptSha256 { .. }) => django::verify_bcrypt_sha256(password, stored),
        HashForm::Legacy(Legacy::Phpass { .. }) => phpass::verify(password, stored),
    }
}

fn unreadable() -> HashError {
    HashError::Failed("the stored hash is in no form that is understood".to_owned())
}

/// A number as hashes are written: digits alone, no sign and no spaces.
fn decimal(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}
