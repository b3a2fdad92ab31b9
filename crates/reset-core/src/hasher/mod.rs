//! Password hashing: writes hashes in one configured [`Scheme`] and verifies every [`HashForm`] that a users table
//! can hold.
//!
//! [`HashPool`] implements the [`Hasher`](crate::ports::Hasher) port on a limited number of threads. There is one file
//! per family of hash formats. [`HashForm`] identifies the format of a stored hash and limits the work it can demand.
//!
//! # How to add a format
//! For a known algorithm in another notation, add a variant of [`Layout`]. For another algorithm, add a variant of
//! [`Scheme`] with its limits, and a file here that parses, verifies and writes it.

mod argon;
mod bcrypt;
mod django;
mod form;
mod layout;
mod phpass;
mod pool;
#[cfg(test)]
mod tests;
mod thread;

pub use self::{
    form::{
        ARGON2_WORK_MAX, BCRYPT_COST_MAX, BcryptVersion, HashForm, Legacy, PBKDF2_ITERATIONS_MAX, Scheme,
    },
    layout::Layout,
    pool::{BadScheme, HashPool, Schemes},
};
use crate::error::HashError;

/// Maximum length of a password that bcrypt reads completely, in bytes of UTF-8: OpenBSD's limit (R58).
pub const BCRYPT_MAX: usize = 72;

/// Length of a salt in bytes (RFC 9106, 4).
const SALT: usize = 16;

/// Returns whether `stored` is a hash of `password`. The parameters are checked before any work is done (R59).
fn verify(password: &[u8], stored: &str) -> Result<bool, HashError> {
    let form = HashForm::of(stored).ok_or_else(unknown_format)?;
    if !form.is_bounded() {
        return Err(HashError::Failed("the stored hash's parameters exceed the work limit".to_owned()));
    }
    match form {
        HashForm::Written(Scheme::Argon2id { .. }) | HashForm::Legacy(Legacy::Argon2 { .. }) => {
            argon::verify(password, stored)
        }
        HashForm::Written(Scheme::Bcrypt { .. }) => bcrypt::verify(password, stored),
        HashForm::Written(Scheme::Pbkdf2Sha256 { .. }) => django::verify_pbkdf2(password, stored),
        HashForm::Written(Scheme::Scrypt { .. }) => django::verify_scrypt(password, stored),
        HashForm::Foreign { layout, .. } => layout::verify(password, stored, layout),
        HashForm::Legacy(Legacy::DjangoArgon2 { .. }) => {
            argon::verify(password, stored.strip_prefix(django::ARGON2).ok_or_else(unknown_format)?)
        }
        HashForm::Legacy(Legacy::Phpass { .. }) => phpass::verify(password, stored),
    }
}

fn unknown_format() -> HashError {
    HashError::Failed("the stored hash has an unknown format".to_owned())
}

/// Parses a decimal number: digits only, no sign and no spaces.
fn decimal(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}
