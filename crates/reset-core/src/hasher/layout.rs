//! Layouts: how one system writes a hash, around an algorithm that the other files compute. A reset writes a layout only
//! over a hash that already has it, because only that system's login reads it.

use base64::{
    Engine, alphabet,
    engine::{GeneralPurpose, general_purpose::NO_PAD, general_purpose::STANDARD},
};
use hmac::{Hmac, KeyInit, Mac};
use pbkdf2::{Algorithm, pbkdf2_hmac, pbkdf2_hmac_with_params};
use sha2::{Digest, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::{
    BcryptVersion, HashForm, SALT, Scheme, argon, bcrypt, decimal,
    django::{self, SCRYPT_TAG, params_exist, salt_text, scrypt_params, scrypt_tag},
    unknown_format,
};
use crate::{
    encoding::{hex, unhex},
    error::HashError,
};

/// How one system writes a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Django: `argon2$argon2id$…`.
    DjangoArgon2,
    /// Django: `bcrypt$$2b$…`.
    DjangoBcrypt,
    /// Django: `bcrypt_sha256$$2b$…`, bcrypt of the hexadecimal SHA-256, which avoids the limit of 72 bytes.
    DjangoBcryptSha256,
    /// Spring Security's `DelegatingPasswordEncoder`: `{bcrypt}$2a$…`.
    SpringBcrypt,
    /// `WordPress` 6.8 and later: `$wp$2y$…`, bcrypt of the Base64 of a keyed SHA-384.
    WordPress,
    /// Werkzeug, so Flask, Superset and Airflow: `scrypt:<n>:<r>:<p>$<salt>$<hex>`.
    WerkzeugScrypt,
    /// Werkzeug: `pbkdf2:sha256:<iterations>$<salt>$<hex>`.
    WerkzeugPbkdf2,
    /// passlib: `$pbkdf2-sha256$<iterations>$<salt>$<hash>`.
    PasslibPbkdf2,
    /// better-auth: `<salt>:<hex>`, scrypt with parameters that are not written down.
    BetterAuth,
    /// ASP.NET Core Identity, version 3 with HMAC-SHA-256: Base64 of a header, the salt and the hash.
    AspNetSha256,
    /// The same with HMAC-SHA-512, the default since .NET 7.
    AspNetSha512,
}

/// better-auth's parameters: its hashes contain none, so no others can be verified.
pub(super) const BETTER_AUTH: Scheme = Scheme::Scrypt { n: 16_384, r: 16, p: 1 };
/// Length of Werkzeug's salts in letters and digits.
const WERKZEUG_SALT: usize = 16;
/// Length of a PBKDF2 hash in bytes, whatever the hash function is.
const TAG: usize = 32;
/// First byte of version 3 of ASP.NET Core Identity.
const ASP_NET_V3: u8 = 1;
/// Length of the header before the salt: version, hash function, iterations and salt length.
const ASP_NET_HEADER: usize = 13;

const PREFIXES: [(&str, Layout); 4] = [
    ("bcrypt_sha256$", Layout::DjangoBcryptSha256),
    ("bcrypt$", Layout::DjangoBcrypt),
    ("{bcrypt}", Layout::SpringBcrypt),
    ("$wp", Layout::WordPress),
];
const WERKZEUG_SCRYPT: &str = "scrypt:";
const WERKZEUG_PBKDF2: &str = "pbkdf2:sha256:";
const PASSLIB: &str = "$pbkdf2-sha256$";

/// passlib's Base64, with `.` for `+`.
const PASSLIB_BASE64: GeneralPurpose = GeneralPurpose::new(
    &match alphabet::Alphabet::new("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./") {
        Ok(alphabet) => alphabet,
        Err(_) => panic!("64 different characters"),
    },
    NO_PAD,
);

impl Layout {
    /// Returns a name for reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DjangoArgon2 => "argon2 (Django)",
            Self::DjangoBcrypt => "bcrypt (Django)",
            Self::DjangoBcryptSha256 => "bcrypt_sha256 (Django)",
            Self::SpringBcrypt => "{bcrypt} (Spring Security)",
            Self::WordPress => "$wp$2y$ (WordPress)",
            Self::WerkzeugScrypt => "scrypt (Werkzeug)",
            Self::WerkzeugPbkdf2 => "pbkdf2:sha256 (Werkzeug)",
            Self::PasslibPbkdf2 => "$pbkdf2-sha256$ (passlib)",
            Self::BetterAuth => "scrypt (better-auth)",
            Self::AspNetSha256 | Self::AspNetSha512 => "ASP.NET Core Identity v3",
        }
    }

    /// Returns the length in characters that a column needs for new hashes.
    pub(super) const fn column_length(self) -> usize {
        match self {
            Self::DjangoArgon2 => 107,
            Self::DjangoBcrypt => 67,
            Self::DjangoBcryptSha256 => 74,
            Self::SpringBcrypt => 68,
            Self::WordPress => 63,
            // Longer parameters than the usual ones can exceed this by three; the database then rejects the hash.
            Self::WerkzeugScrypt => 162,
            Self::WerkzeugPbkdf2 => 103,
            Self::PasslibPbkdf2 => 89,
            Self::BetterAuth => 161,
            Self::AspNetSha256 | Self::AspNetSha512 => 84,
        }
    }

    /// Returns the work of so many iterations of PBKDF2, in iterations with SHA-256. SHA-512 takes about twice as long.
    pub(super) const fn work(self, iterations: u32) -> u64 {
        iterations as u64 * if matches!(self, Self::AspNetSha512) { 2 } else { 1 }
    }

    /// Returns the scheme of a new hash that replaces one of `stored`, where `least` are the deployment's parameters of
    /// the same algorithm.
    pub(super) fn like(self, least: Scheme, stored: Scheme, room_kib: u64) -> Scheme {
        match (self, least, stored) {
            (Self::BetterAuth, ..) => BETTER_AUTH,
            (
                Self::AspNetSha512,
                Scheme::Pbkdf2Sha256 { iterations: least },
                Scheme::Pbkdf2Sha256 { iterations: stored },
            ) => {
                let stored = Scheme::Pbkdf2Sha256 { iterations: stored.saturating_mul(2) };
                match (Scheme::Pbkdf2Sha256 { iterations: least }).like(stored, room_kib) {
                    Scheme::Pbkdf2Sha256 { iterations } => {
                        Scheme::Pbkdf2Sha256 { iterations: (iterations / 2).max(1) }
                    }
                    other => other,
                }
            }
            _ => least.like(stored, room_kib),
        }
    }
}

/// Returns the form of a hash in one of the layouts, except `DjangoArgon2`, which Django's file knows.
pub(super) fn form(stored: &str) -> Option<HashForm> {
    for (prefix, layout) in PREFIXES {
        if let Some(HashForm::Written(scheme)) = stored.strip_prefix(prefix).and_then(bcrypt::form) {
            return Some(HashForm::Foreign { layout, scheme });
        }
    }
    let Parts { layout, scheme, .. } = Parts::read(stored)?;
    Some(HashForm::Foreign { layout, scheme })
}

/// The parsed parts of a hash that is not bcrypt.
struct Parts {
    layout: Layout,
    scheme: Scheme,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Parts {
    fn read(stored: &str) -> Option<Self> {
        let parts = if let Some(rest) = stored.strip_prefix(WERKZEUG_SCRYPT) {
            let (parameters, salt, hash) = werkzeug(rest)?;
            let mut numbers = parameters.split(':').map(decimal);
            let (n, r, p) = (numbers.next()??, numbers.next()??, numbers.next()??);
            (numbers.next().is_none() && params_exist(n, r, p)).then_some(())?;
            Self { layout: Layout::WerkzeugScrypt, scheme: Scheme::Scrypt { n, r, p }, salt, hash }
        } else if let Some(rest) = stored.strip_prefix(WERKZEUG_PBKDF2) {
            let (iterations, salt, hash) = werkzeug(rest)?;
            let iterations = decimal(iterations)?;
            Self { layout: Layout::WerkzeugPbkdf2, scheme: Scheme::Pbkdf2Sha256 { iterations }, salt, hash }
        } else if let Some(rest) = stored.strip_prefix(PASSLIB) {
            let mut fields = rest.split('$');
            let (iterations, salt, hash) = (decimal(fields.next()?)?, fields.next()?, fields.next()?);
            fields.next().is_none().then_some(())?;
            let [salt, hash] = [salt, hash].map(|field| PASSLIB_BASE64.decode(field).ok());
            let (salt, hash) = (salt?, hash?);
            Self { layout: Layout::PasslibPbkdf2, scheme: Scheme::Pbkdf2Sha256 { iterations }, salt, hash }
        } else if let Some((salt, hash)) = stored.split_once(':') {
            (salt.len() == 2 * SALT && unhex(salt).is_some()).then_some(())?;
            // The salt is the hexadecimal text itself.
            let (salt, hash) = (salt.as_bytes().to_vec(), unhex(hash)?);
            Self { layout: Layout::BetterAuth, scheme: BETTER_AUTH, salt, hash }
        } else {
            Self::read_asp_net(&STANDARD.decode(stored).ok()?)?
        };
        let tag = if matches!(parts.scheme, Scheme::Scrypt { .. }) { SCRYPT_TAG } else { TAG };
        let iterates = !matches!(parts.scheme, Scheme::Pbkdf2Sha256 { iterations: 0 });
        (parts.hash.len() == tag && iterates && !parts.salt.is_empty()).then_some(parts)
    }

    fn read_asp_net(bytes: &[u8]) -> Option<Self> {
        let (header, rest) = bytes.split_first_chunk::<ASP_NET_HEADER>()?;
        (header[0] == ASP_NET_V3).then_some(())?;
        let number = |at: usize| Some(u32::from_be_bytes(header[at..at + 4].try_into().ok()?));
        let (function, iterations, salt) = (number(1)?, number(5)?, number(9)?);
        let layout = match function {
            1 => Layout::AspNetSha256,
            2 => Layout::AspNetSha512,
            _ => return None,
        };
        let (salt, hash) = rest.split_at_checked(usize::try_from(salt).ok()?)?;
        let (salt, hash) = (salt.to_vec(), hash.to_vec());
        Some(Self { layout, scheme: Scheme::Pbkdf2Sha256 { iterations }, salt, hash })
    }
}

/// Splits `<parameters>$<salt>$<hex>`. The salt is used as written.
fn werkzeug(text: &str) -> Option<(&str, Vec<u8>, Vec<u8>)> {
    let mut fields = text.split('$');
    let (parameters, salt, hash) = (fields.next()?, fields.next()?, fields.next()?);
    fields.next().is_none().then_some(())?;
    Some((parameters, salt.as_bytes().to_vec(), unhex(hash)?))
}

/// Returns whether `stored` is a hash of `password`. The caller has checked the parameters.
pub(super) fn verify(password: &[u8], stored: &str, layout: Layout) -> Result<bool, HashError> {
    if layout == Layout::DjangoArgon2 {
        return argon::verify(password, stored.strip_prefix(django::ARGON2).ok_or_else(unknown_format)?);
    }
    if let Some((prefix, _)) = PREFIXES.into_iter().find(|(_, known)| *known == layout) {
        let stored = stored.strip_prefix(prefix).ok_or_else(unknown_format)?;
        return bcrypt::verify(&bcrypt_input(password, layout), stored);
    }
    let Parts { scheme, salt, hash, .. } = Parts::read(stored).ok_or_else(unknown_format)?;
    Ok(derive(password, layout, scheme, &salt)?.ct_eq(&hash).into())
}

/// Hashes `password` with bcrypt, PBKDF2 or scrypt.
pub(super) fn write(
    password: &[u8],
    layout: Layout,
    scheme: Scheme,
    salt: [u8; SALT],
) -> Result<String, HashError> {
    if let Scheme::Bcrypt { version, cost } = scheme {
        let version = if layout == Layout::WordPress { BcryptVersion::Y } else { version };
        let prefix =
            PREFIXES.into_iter().find(|(_, known)| *known == layout).map_or("", |(prefix, _)| prefix);
        let hash = bcrypt::write(&bcrypt_input(password, layout), version, cost, salt)?;
        return Ok(format!("{prefix}{hash}"));
    }
    let text = match layout {
        Layout::WerkzeugScrypt | Layout::WerkzeugPbkdf2 => salt_text(salt)[..WERKZEUG_SALT].to_owned(),
        Layout::BetterAuth => hex(&salt),
        _ => String::new(),
    };
    let salt = if text.is_empty() { &salt[..] } else { text.as_bytes() };
    let hash = derive(password, layout, scheme, salt)?;
    Ok(match (layout, scheme) {
        (Layout::WerkzeugScrypt, Scheme::Scrypt { n, r, p }) => {
            format!("{WERKZEUG_SCRYPT}{n}:{r}:{p}${text}${}", hex(&hash))
        }
        (Layout::WerkzeugPbkdf2, Scheme::Pbkdf2Sha256 { iterations }) => {
            format!("{WERKZEUG_PBKDF2}{iterations}${text}${}", hex(&hash))
        }
        (Layout::PasslibPbkdf2, Scheme::Pbkdf2Sha256 { iterations }) => {
            let [salt, hash] = [salt, &hash].map(|bytes| PASSLIB_BASE64.encode(bytes));
            format!("{PASSLIB}{iterations}${salt}${hash}")
        }
        (Layout::BetterAuth, _) => format!("{text}:{}", hex(&hash)),
        (Layout::AspNetSha256 | Layout::AspNetSha512, Scheme::Pbkdf2Sha256 { iterations }) => {
            let function: u32 = if layout == Layout::AspNetSha512 { 2 } else { 1 };
            let length = u32::try_from(salt.len()).unwrap_or(u32::MAX);
            let numbers = [function, iterations, length].map(u32::to_be_bytes);
            STANDARD.encode([&[ASP_NET_V3], numbers.as_flattened(), salt, &hash].concat())
        }
        _ => return Err(unknown_format()),
    })
}

/// Returns what bcrypt hashes: the password, or a digest of it that fits bcrypt's 72 bytes.
fn bcrypt_input(password: &[u8], layout: Layout) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(match layout {
        Layout::DjangoBcryptSha256 => hex(&Sha256::digest(password)).into_bytes(),
        Layout::WordPress => {
            let keyed = Hmac::<Sha384>::new_from_slice(b"wp-sha384").expect("HMAC takes a key of any length");
            STANDARD.encode(keyed.chain_update(password).finalize().into_bytes()).into_bytes()
        }
        _ => password.to_vec(),
    })
}

/// Derives the bytes of the hash with PBKDF2 or scrypt.
fn derive(
    password: &[u8],
    layout: Layout,
    scheme: Scheme,
    salt: &[u8],
) -> Result<Zeroizing<Vec<u8>>, HashError> {
    Ok(match scheme {
        Scheme::Scrypt { n, r, p } => {
            let params = scrypt_params(n, r, p).map_err(HashError::Failed)?;
            let password = Zeroizing::new(match std::str::from_utf8(password) {
                // better-auth normalizes; the other systems hash the bytes as they are.
                Ok(text) if layout == Layout::BetterAuth => text.nfkc().collect::<String>().into_bytes(),
                _ => password.to_vec(),
            });
            Zeroizing::new(scrypt_tag(&password, salt, &params)?.to_vec())
        }
        Scheme::Pbkdf2Sha256 { iterations } if layout == Layout::AspNetSha512 => {
            let mut tag = Zeroizing::new(vec![0; TAG]);
            match pbkdf2::Params::new(iterations) {
                Ok(params) => {
                    pbkdf2_hmac_with_params(password, salt, Algorithm::Pbkdf2Sha512, params, &mut tag);
                }
                // The library's parameters require 1000 iterations.
                Err(_) => pbkdf2_hmac::<Sha512>(password, salt, iterations, &mut tag),
            }
            tag
        }
        Scheme::Pbkdf2Sha256 { iterations } => {
            Zeroizing::new(django::pbkdf2(password, salt, iterations).to_vec())
        }
        Scheme::Argon2id { .. } | Scheme::Bcrypt { .. } => return Err(unknown_format()),
    })
}

#[cfg(test)]
mod tests;
