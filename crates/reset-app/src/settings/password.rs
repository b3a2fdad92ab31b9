//! How passwords are judged and stored.

use anyhow::{Result, bail};
use reset_core::{
    hasher::Scheme,
    password::{PASSWORD_MAX, Policy},
};

use super::{Profile, value::Values};

/// Most KiB that one Argon2 hash may write, passes included: about two seconds.
const WORK_MAX: u64 = 2 * 1024 * 1024;
/// Longest password that bcrypt reads whole.
const BCRYPT_MAX: usize = 72;
/// Largest Argon2id memory: a stored hash beyond it would not be verified either (R59).
const M_KIB_MAX: u32 = 1 << 20;

/// The password side.
pub(crate) struct Passwords {
    /// How new passwords are hashed.
    pub(crate) scheme: Scheme,
    /// How many are hashed at once.
    pub(crate) threads: usize,
    /// Rules for px0, whose seed wants four classes of characters.
    pub(crate) px0: Policy,
    /// Rules for every other dialect.
    pub(crate) policy: Policy,
}

impl Passwords {
    pub(super) fn read(values: &Values) -> Result<Self> {
        if values.choice("password.denylist")? == "on" {
            bail!(
                "password.denylist ({}) is on, which this version does not offer yet: leave it off",
                values.value("password.denylist").source
            );
        }
        let p = values.integer("password.argon2_p", 1..=16)?;
        let m_kib = values.integer("password.argon2_m_kib", 8 * p..=M_KIB_MAX)?;
        let t = values.integer("password.argon2_t", 1..=16)?;
        if u64::from(m_kib) * u64::from(t) > WORK_MAX {
            bail!(
                "password.argon2_m_kib times password.argon2_t is {m_kib} times {t}; expected at most {WORK_MAX}: \
                 nobody waits longer than some seconds for a password"
            );
        }
        // 14: about a second and a half. A reset, and every login of whoever reads the table, waits for it.
        let cost = values.integer("password.bcrypt_cost", 4..=14)?;
        let budget: usize = values.integer("password.memory_mib", 1..=1 << 20)?;
        let bcrypt = values.choice("password.hash")? == "bcrypt";
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (scheme, threads, max_bytes) = if bcrypt {
            (Scheme::Bcrypt { cost }, cores, BCRYPT_MAX)
        } else {
            let fit = budget * 1024 / m_kib as usize;
            (Scheme::Argon2id { m_kib, t, p }, fit.clamp(1, cores), PASSWORD_MAX)
        };
        let min = values.integer("password.min_length", 1..=64)?;
        let policy = Policy { min, four_classes: false, max_bytes };
        let px0 = match values.profile {
            Profile::Compatible => Policy { four_classes: true, ..policy },
            Profile::Hardened => policy,
        };
        Ok(Self { scheme, threads, px0, policy })
    }

    /// What an operator may import: anything that can be hashed whole.
    pub(crate) fn import(&self) -> Policy {
        Policy { min: 1, ..self.policy }
    }
}
