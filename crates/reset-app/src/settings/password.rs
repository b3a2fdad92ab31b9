//! Settings of the password policy and of hashing.

use anyhow::{Result, bail};
use reset_core::{
    hasher::{ARGON2_WORK_MAX, BCRYPT_COST_MAX, BcryptVersion, PBKDF2_ITERATIONS_MAX, Scheme, Schemes},
    password::Policy,
};

use reset_settings::Values;

use super::{keys, users};

/// Maximum Argon2id memory in KiB. A stored hash with more would not be verified either (R59).
const M_KIB_MAX: u32 = 1 << 20;
/// OpenSSL's default memory limit for scrypt, in bytes (`EVP_PBE_scrypt`, `SCRYPT_MAX_MEM`). Django does not raise it, so
/// a hash that needs more would lock its owner out.
const OPENSSL_SCRYPT_MAX: u64 = 32 << 20;

/// Settings of the password policy and of hashing.
pub(crate) struct PasswordSettings {
    /// Hash for new passwords.
    pub(crate) scheme: Scheme,
    /// The parameters of every algorithm, if a new hash keeps the form of the one that it replaces.
    pub(crate) own_forms: Option<Schemes>,
    /// Maximum parallel hashes.
    pub(crate) threads: usize,
    /// Memory limit per hash in KiB: the parameters of a stored hash can require more than those of the scheme.
    pub(crate) room_kib: u64,
    /// Policy for new passwords, which a dialect's contract can make stricter.
    pub(crate) policy: Policy,
    /// Names that no password may be built from, in addition to those of the account, the host and the sender.
    pub(crate) context_words: Vec<String>,
}

impl PasswordSettings {
    pub(super) fn read(values: &Values) -> Result<Self> {
        // Every scheme is validated, so that a mistake shows at once and not when the scheme is selected later.
        let (argon2id, bcrypt) = (argon2id(values)?, bcrypt(values)?);
        let schemes = Schemes { argon2id, bcrypt, pbkdf2: pbkdf2(values)?, scrypt: scrypt(values)? };
        let own_forms = users::keeps_forms(values)?.then_some(schemes);
        let scheme = scheme(values)?;
        let budget_kib = 1024 * values.integer(&keys::PASSWORD_MEMORY_MIB, 1..=1_u64 << 20)?;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let memory_kib = own_forms.map_or(scheme.memory_kib(), |schemes| schemes.memory_kib());
        let fit = budget_kib / memory_kib.max(1);
        let threads = usize::try_from(fit).map_or(cores, |fit| fit.clamp(1, cores));
        let room_kib = budget_kib / threads as u64;
        let min = values.integer(&keys::PASSWORD_MIN_LENGTH, 1..=64)?;
        let refuse_common = values.choice(&keys::PASSWORD_DENYLIST)? == "on";
        // The policy applies before the account is known, and its hash may be bcrypt.
        let max_bytes = own_forms.map_or(scheme, |schemes| schemes.bcrypt).password_max();
        let policy = Policy { min, four_classes: false, refuse_common, max_bytes };
        let context_words = values.list(&keys::PASSWORD_CONTEXT_WORDS);
        Ok(Self { scheme, own_forms, threads, room_kib, policy, context_words })
    }

    /// Returns the policy for imports: any password that can be hashed without truncation.
    pub(crate) fn import(&self) -> Policy {
        Policy { min: 1, refuse_common: false, ..self.policy }
    }
}

/// Returns the scheme of new hashes that replace none, or one of another algorithm.
pub(super) fn scheme(values: &Values) -> Result<Scheme> {
    match values.choice(&keys::PASSWORD_HASH)? {
        "bcrypt" => bcrypt(values),
        "pbkdf2-sha256" => pbkdf2(values),
        "scrypt" => scrypt(values),
        _ => argon2id(values),
    }
}

fn argon2id(values: &Values) -> Result<Scheme> {
    let p = values.integer(&keys::PASSWORD_ARGON2_P, 1..=16)?;
    let m_kib = values.integer(&keys::PASSWORD_ARGON2_M_KIB, 8 * p..=M_KIB_MAX)?;
    let t = values.integer(&keys::PASSWORD_ARGON2_T, 1..=16)?;
    if u64::from(m_kib) * u64::from(t) > ARGON2_WORK_MAX {
        bail!(
            "password.argon2_m_kib times password.argon2_t is {m_kib} times {t}; expected at most \
             {ARGON2_WORK_MAX}, so that one hash takes seconds at most"
        );
    }
    Ok(Scheme::Argon2id { m_kib, t, p })
}

fn bcrypt(values: &Values) -> Result<Scheme> {
    let cost = values.integer(&keys::PASSWORD_BCRYPT_COST, 4..=BCRYPT_COST_MAX)?;
    let version = values.read(&keys::PASSWORD_BCRYPT_VERSION, "2a, 2b or 2y", BcryptVersion::named)?;
    let is_php = matches!(values.preset(), Some("wordpress" | "laravel"));
    let version =
        if is_php && !values.is_given(&keys::PASSWORD_BCRYPT_VERSION) { BcryptVersion::Y } else { version };
    Ok(Scheme::Bcrypt { version, cost })
}

fn pbkdf2(values: &Values) -> Result<Scheme> {
    let iterations = values.integer(&keys::PASSWORD_PBKDF2_ITERATIONS, 1_000..=PBKDF2_ITERATIONS_MAX)?;
    Ok(Scheme::Pbkdf2Sha256 { iterations })
}

fn scrypt(values: &Values) -> Result<Scheme> {
    let expected = "a power of two from 1024 to 131072";
    let n = values.read(&keys::PASSWORD_SCRYPT_N, expected, |text| {
        text.parse().ok().filter(|n: &u32| n.is_power_of_two() && (1024..=131_072).contains(n))
    })?;
    let r = values.integer(&keys::PASSWORD_SCRYPT_R, 1..=32_u32)?;
    let p = values.integer(&keys::PASSWORD_SCRYPT_P, 1..=16_u32)?;
    // OpenSSL's formula: N blocks of memory, two blocks of scratch space, and one block per lane.
    if 128 * u64::from(r) * (u64::from(n) + 2 + u64::from(p)) > OPENSSL_SCRYPT_MAX {
        bail!(
            "password.scrypt_n times password.scrypt_r is {n} times {r}; expected a product that fits 32 MiB: \
             Django cannot verify a larger scrypt hash"
        );
    }
    Ok(Scheme::Scrypt { n, r, p })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Inputs, Settings};

    fn environment(pairs: &[(&str, &str)]) -> Result<PasswordSettings> {
        let environment =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Ok(Settings::read(Inputs { environment, ..Inputs::default() })?.passwords)
    }

    #[test]
    fn every_hash_has_its_parameters_and_its_maximum_password_length() {
        let of = |hash, more: &[(&str, &str)]| {
            let given: Vec<_> =
                [("POLYRESET_PASSWORD__HASH", hash)].into_iter().chain(more.iter().copied()).collect();
            environment(&given).map(|passwords| (passwords.scheme, passwords.policy.max_bytes))
        };
        let bcrypt = |version, cost| (Scheme::Bcrypt { version, cost }, 72);
        assert_eq!(of("argon2id", &[]).unwrap(), (Scheme::Argon2id { m_kib: 47_104, t: 1, p: 1 }, 1024));
        assert_eq!(of("bcrypt", &[]).unwrap(), bcrypt(BcryptVersion::B, 12));
        let like_go =
            [("POLYRESET_PASSWORD__BCRYPT_VERSION", "2a"), ("POLYRESET_PASSWORD__BCRYPT_COST", "10")];
        assert_eq!(of("bcrypt", &like_go).unwrap(), bcrypt(BcryptVersion::A, 10));
        let pbkdf2 = Scheme::Pbkdf2Sha256 { iterations: 1_000_000 };
        assert_eq!(of("pbkdf2-sha256", &[]).unwrap(), (pbkdf2, 1024));
        assert_eq!(of("scrypt", &[]).unwrap(), (Scheme::Scrypt { n: 16_384, r: 8, p: 5 }, 1024));
        for (variable, value, expected) in [
            ("POLYRESET_PASSWORD__HASH", "md5", "argon2id or bcrypt or pbkdf2-sha256 or scrypt"),
            ("POLYRESET_PASSWORD__BCRYPT_VERSION", "2x", "2a, 2b or 2y"),
            ("POLYRESET_PASSWORD__PBKDF2_ITERATIONS", "999", "from 1000 to 3000000"),
            ("POLYRESET_PASSWORD__SCRYPT_N", "16385", "a power of two"),
            ("POLYRESET_PASSWORD__SCRYPT_R", "0", "from 1 to 32"),
            ("POLYRESET_PASSWORD__SCRYPT_P", "17", "from 1 to 16"),
            ("POLYRESET_PASSWORD__SCRYPT_R", "16", "fits 32 MiB"),
        ] {
            let text = environment(&[(variable, value)]).map(|_| ()).unwrap_err().to_string();
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn names_of_the_deployment_are_its_context_words_host_and_sender() {
        let environment = [
            ("POLYRESET_PASSWORD__CONTEXT_WORDS", "Acme, Acme Bank"),
            ("POLYRESET_MAIL_FROM", "\"The Bank\" <no-reply@example.org>"),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let settings = Settings::read(Inputs { environment, ..Inputs::default() }).unwrap();
        let names = settings.names("https://id.example.org:8443/reset");
        assert_eq!(names, ["Acme", "Acme Bank", "id.example.org", "The Bank"]);
        let settings = Settings::read(Inputs::default()).unwrap();
        assert_eq!(settings.names("http://127.0.0.1:8080"), ["127.0.0.1", "Polyreset"]);
    }

    #[test]
    fn memory_limit_applies_to_scrypt_and_to_stored_hashes() {
        let scrypt = |mib| {
            let memory = [("POLYRESET_PASSWORD__HASH", "scrypt"), ("POLYRESET_PASSWORD__MEMORY_MIB", mib)];
            environment(&memory).unwrap()
        };
        assert_eq!((scrypt("16").threads, scrypt("16").room_kib), (1, 16_384));
        // Any row may have any form, so one hash may need Argon2's 46 MiB although the preset's default is bcrypt.
        let django = [
            ("POLYRESET_USERS__PRESET", "django"),
            ("POLYRESET_DATABASE_URL", "postgres://db/app"),
            ("POLYRESET_SECRET", "5501020304050607550102030405060755010203040506075501020304050607"),
            ("POLYRESET_PASSWORD__MEMORY_MIB", "64"),
        ];
        let django = environment(&django).unwrap();
        assert_eq!((django.threads, django.room_kib), (1, 65_536));
        assert_eq!(django.policy.max_bytes, 72, "any row may have bcrypt");
        for passwords in [scrypt("33"), scrypt("512"), environment(&[]).unwrap()] {
            let most = passwords.room_kib * passwords.threads as u64;
            assert!(most <= 512 * 1024 && passwords.room_kib >= passwords.scheme.memory_kib());
        }
    }
}
