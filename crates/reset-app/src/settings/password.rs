//! How passwords are judged and stored.

use anyhow::{Result, bail};
use reset_core::{
    hasher::{ARGON2_WORK_MAX, BCRYPT_COST_MAX, BcryptVersion, PBKDF2_ITERATIONS_MAX, Scheme},
    password::Policy,
};

use super::{Profile, value::Values};

/// Largest Argon2id memory: a stored hash beyond it would not be verified either (R59).
const M_KIB_MAX: u32 = 1 << 20;
/// Memory in bytes that OpenSSL allows to scrypt where nobody asks for more, and Django does not: a dearer hash
/// would lock its owner out (`EVP_PBE_scrypt`, `SCRYPT_MAX_MEM`).
const OPENSSL_SCRYPT_MAX: u64 = 32 << 20;

/// The password side.
pub(crate) struct PasswordSettings {
    /// How new passwords are hashed.
    pub(crate) scheme: Scheme,
    /// How many are hashed at once.
    pub(crate) threads: usize,
    /// KiB of memory that each of them may take, where a row's own parameters ask for more than the scheme's.
    pub(crate) room_kib: u64,
    /// Rules for px0, whose seed wants four classes of characters.
    pub(crate) px0: Policy,
    /// Rules for every other dialect.
    pub(crate) policy: Policy,
    /// What no password may be made of, beside the account's names, the host's and the sender's.
    pub(crate) context_words: Vec<String>,
}

impl PasswordSettings {
    pub(super) fn read(values: &Values) -> Result<Self> {
        // Every scheme is judged, not only the one in force: a mistake should not wait for its day.
        let (argon2id, bcrypt) = (argon2id(values)?, bcrypt(values)?);
        let (pbkdf2, scrypt) = (pbkdf2(values)?, scrypt(values)?);
        let scheme = match values.choice("password.hash")? {
            "bcrypt" => bcrypt,
            "pbkdf2-sha256" => pbkdf2,
            "scrypt" => scrypt,
            _ => argon2id,
        };
        let budget_kib = 1024 * values.integer("password.memory_mib", 1..=1_u64 << 20)?;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let fit = budget_kib / scheme.memory_kib().max(1);
        let threads = usize::try_from(fit).map_or(cores, |fit| fit.clamp(1, cores));
        let room_kib = budget_kib / threads as u64;
        let min = values.integer("password.min_length", 1..=64)?;
        let refuse_common = values.choice("password.denylist")? == "on";
        let policy = Policy { min, four_classes: false, refuse_common, max_bytes: scheme.password_max() };
        let px0 = match values.profile {
            Profile::Compatible => Policy { four_classes: true, ..policy },
            Profile::Hardened => policy,
        };
        let context_words = values.list("password.context_words");
        Ok(Self { scheme, threads, room_kib, px0, policy, context_words })
    }

    /// What an operator may import: anything that can be hashed whole.
    pub(crate) fn import(&self) -> Policy {
        Policy { min: 1, refuse_common: false, ..self.policy }
    }
}

fn argon2id(values: &Values) -> Result<Scheme> {
    let p = values.integer("password.argon2_p", 1..=16)?;
    let m_kib = values.integer("password.argon2_m_kib", 8 * p..=M_KIB_MAX)?;
    let t = values.integer("password.argon2_t", 1..=16)?;
    if u64::from(m_kib) * u64::from(t) > ARGON2_WORK_MAX {
        bail!(
            "password.argon2_m_kib times password.argon2_t is {m_kib} times {t}; expected at most \
             {ARGON2_WORK_MAX}: nobody waits longer than some seconds for a password"
        );
    }
    Ok(Scheme::Argon2id { m_kib, t, p })
}

fn bcrypt(values: &Values) -> Result<Scheme> {
    let cost = values.integer("password.bcrypt_cost", 4..=BCRYPT_COST_MAX)?;
    let version = values.read("password.bcrypt_version", "2a, 2b or 2y", BcryptVersion::named)?;
    Ok(Scheme::Bcrypt { version, cost })
}

fn pbkdf2(values: &Values) -> Result<Scheme> {
    let iterations = values.integer("password.pbkdf2_iterations", 1_000..=PBKDF2_ITERATIONS_MAX)?;
    Ok(Scheme::Pbkdf2Sha256 { iterations })
}

fn scrypt(values: &Values) -> Result<Scheme> {
    let expected = "a power of two from 1024 to 131072";
    let n = values.read("password.scrypt_n", expected, |text| {
        text.parse().ok().filter(|n: &u32| n.is_power_of_two() && (1024..=131_072).contains(n))
    })?;
    let r = values.integer("password.scrypt_r", 1..=32_u32)?;
    let p = values.integer("password.scrypt_p", 1..=16_u32)?;
    // OpenSSL's own sum: the memory, two blocks of scratch, a block a lane.
    if 128 * u64::from(r) * (u64::from(n) + 2 + u64::from(p)) > OPENSSL_SCRYPT_MAX {
        bail!(
            "password.scrypt_n times password.scrypt_r is {n} times {r}; expected so much that it fits 32 MiB: \
             Django reads no scrypt hash beyond"
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
    fn every_way_to_hash_has_its_parameters_and_its_longest_password() {
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
    fn what_the_deployment_is_called_is_its_words_its_host_and_its_sender() {
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
    fn the_memory_of_scrypt_and_of_dearer_rows_counts_as_well() {
        let scrypt = |mib| {
            let memory = [("POLYRESET_PASSWORD__HASH", "scrypt"), ("POLYRESET_PASSWORD__MEMORY_MIB", mib)];
            environment(&memory).unwrap()
        };
        assert_eq!((scrypt("16").threads, scrypt("16").room_kib), (1, 16_384));
        for passwords in [scrypt("33"), scrypt("512"), environment(&[]).unwrap()] {
            let most = passwords.room_kib * passwords.threads as u64;
            assert!(most <= 512 * 1024 && passwords.room_kib >= passwords.scheme.memory_kib());
        }
    }
}
