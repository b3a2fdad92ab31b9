//! The form of a hash: algorithm and cost, without the hash itself; and the limits on both.

use super::{Layout, argon, bcrypt, django, layout, phpass};

/// Maximum length of a stored hash in bytes. The longest known one is shorter than 256.
const STORED_MAX: usize = 512;

/// Maximum KiB that one new Argon2 hash writes, all passes included: about two seconds.
pub const ARGON2_WORK_MAX: u64 = 2 << 20;
/// Maximum bcrypt cost of new hashes: about a second and a half. Every reset takes that long, and so does every login
/// at the systems that read the table.
pub const BCRYPT_COST_MAX: u32 = 14;
/// Maximum PBKDF2 iterations of new hashes: three times Django 5.2's default, one to two seconds.
pub const PBKDF2_ITERATIONS_MAX: u32 = 3_000_000;
/// Maximum KiB that one new scrypt hash writes, all lanes included: two seconds, or four on a busy machine.
const SCRYPT_WORK_MAX: u64 = 512 << 10;
/// Maximum lanes of Argon2 and scrypt. They run one after the other here.
const LANES_MAX: u32 = 16;

// A stored hash beyond these limits is not verified (R59). Each is some seconds of work.
const STORED_ARGON2_M_KIB: u32 = 1 << 20;
const STORED_ARGON2_T: u32 = 16;
const STORED_ARGON2_WORK: u64 = 4 << 20;
const STORED_BCRYPT_COST: u32 = 15;
const STORED_PBKDF2_ITERATIONS: u32 = 6_000_000;
const STORED_SCRYPT_KIB: u64 = 256 << 10;
const STORED_SCRYPT_WORK: u64 = 1 << 20;
/// phpass itself allows 30; `WordPress` and Drupal wrote 13 to 16.
const STORED_PHPASS_LOG: u32 = 20;

/// The algorithm and cost of new hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Argon2id, version 1.3, as a PHC string.
    Argon2id {
        /// Memory in KiB.
        m_kib: u32,
        /// Passes over the memory.
        t: u32,
        /// Lanes.
        p: u32,
    },
    /// bcrypt, for tables that another system reads. Passwords are limited to [`super::BCRYPT_MAX`] bytes.
    Bcrypt {
        /// The prefix. All three name the same algorithm, but some readers accept only one.
        version: BcryptVersion,
        /// Binary logarithm of the number of rounds.
        cost: u32,
    },
    /// PBKDF2 with HMAC-SHA-256, as Django writes it: `pbkdf2_sha256$<iterations>$<salt>$<base64>`.
    Pbkdf2Sha256 {
        /// Iterations.
        iterations: u32,
    },
    /// scrypt, as Django writes it: `scrypt$<n>$<salt>$<r>$<p>$<base64>`.
    Scrypt {
        /// Number of memory blocks, a power of two.
        n: u32,
        /// Size of a block in units of 128 bytes.
        r: u32,
        /// Lanes.
        p: u32,
    },
}

/// The letter after `$2` in a bcrypt hash. `x` is not supported, because it marks hashes of a broken implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BcryptVersion {
    /// `$2a$`, as Go and bcryptjs 2 write it.
    A,
    /// `$2b$`, as most other programs write it.
    B,
    /// `$2y$`, as PHP writes it.
    Y,
}

/// The form of a stored hash: algorithm, version and cost. Contains nothing secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashForm {
    /// A form that the deployment can choose for new hashes.
    Written(Scheme),
    /// The form of one system. It is written only where it replaces a hash of the same form.
    Foreign {
        /// How the system writes the hash.
        layout: Layout,
        /// The algorithm and its cost.
        scheme: Scheme,
    },
    /// A form that is only verified.
    Legacy(Legacy),
}

/// A form that is verified but never written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Legacy {
    /// A PHC string of Argon2i or Argon2d, or of an Argon2id before version 1.3.
    Argon2 {
        /// Memory in KiB.
        m_kib: u32,
        /// Passes over the memory.
        t: u32,
        /// Lanes.
        p: u32,
    },
    /// The same behind Django's prefix: `argon2$argon2i$…`.
    DjangoArgon2 {
        /// Memory in KiB.
        m_kib: u32,
        /// Passes over the memory.
        t: u32,
        /// Lanes.
        p: u32,
    },
    /// phpass with MD5: `$P$…` (`WordPress` before 6.8), `$H$…` (phpBB 3).
    Phpass {
        /// Binary logarithm of the number of rounds.
        log_rounds: u32,
    },
}

impl HashForm {
    /// Returns the form of `stored`; `None` if the format is unknown. The parameters are as written and can exceed
    /// every limit.
    pub fn of(stored: &str) -> Option<Self> {
        if stored.len() > STORED_MAX {
            return None;
        }
        let readers = [argon::form, bcrypt::form, django::form, layout::form, phpass::form];
        readers.into_iter().find_map(|read| read(stored))
    }

    /// Whether a new hash can have this form.
    pub fn is_writable(&self) -> bool {
        !matches!(self, Self::Legacy(_))
    }

    /// Returns the length in characters that a column needs for new hashes of this form; 0 if it is never written.
    pub fn column_length(&self) -> usize {
        match *self {
            Self::Written(scheme) => scheme.column_length(),
            Self::Foreign { layout, .. } => layout.column_length(),
            Self::Legacy(_) => 0,
        }
    }

    /// Returns a name for reports, such as `bcrypt $2a$10$`.
    pub fn describe(&self) -> String {
        match *self {
            Self::Written(Scheme::Bcrypt { version, cost }) => {
                format!("bcrypt ${}${cost:02}$", version.name())
            }
            Self::Written(scheme) => scheme.name().to_owned(),
            Self::Foreign { layout, .. } => layout.name().to_owned(),
            Self::Legacy(Legacy::Argon2 { .. } | Legacy::DjangoArgon2 { .. }) => {
                "Argon2 other than Argon2id 1.3".to_owned()
            }
            Self::Legacy(Legacy::Phpass { .. }) => "phpass".to_owned(),
        }
    }

    /// Returns whether such a hash can be verified within the work limits (R59).
    pub(super) fn is_bounded(&self) -> bool {
        let argon2 = |m_kib: u32, t: u32, p: u32| {
            m_kib <= STORED_ARGON2_M_KIB
                && t <= STORED_ARGON2_T
                && p <= LANES_MAX
                && argon2_work(m_kib, t) <= STORED_ARGON2_WORK
        };
        match *self {
            Self::Foreign { layout, scheme: Scheme::Pbkdf2Sha256 { iterations } } => {
                layout.work(iterations) <= u64::from(STORED_PBKDF2_ITERATIONS)
            }
            Self::Written(scheme) | Self::Foreign { scheme, .. } => match scheme {
                Scheme::Argon2id { m_kib, t, p } => argon2(m_kib, t, p),
                Scheme::Bcrypt { cost, .. } => cost <= STORED_BCRYPT_COST,
                Scheme::Pbkdf2Sha256 { iterations } => iterations <= STORED_PBKDF2_ITERATIONS,
                Scheme::Scrypt { n, r, p } => {
                    scrypt_kib(n, r) <= STORED_SCRYPT_KIB
                        && p <= LANES_MAX
                        && scrypt_kib(n, r) * u64::from(p) <= STORED_SCRYPT_WORK
                }
            },
            Self::Legacy(Legacy::Argon2 { m_kib, t, p } | Legacy::DjangoArgon2 { m_kib, t, p }) => {
                argon2(m_kib, t, p)
            }
            Self::Legacy(Legacy::Phpass { log_rounds }) => log_rounds <= STORED_PHPASS_LOG,
        }
    }
}

impl Scheme {
    /// Returns the scheme for a hash that replaces one of scheme `stored`. If both have the same algorithm, the row's
    /// version letter is kept. Its cost is kept if it is not lower than this scheme's, fits into `room_kib` of memory
    /// and is within the limits for new hashes. For another algorithm, this scheme applies
    /// unchanged.
    pub(super) fn like(self, stored: Self, room_kib: u64) -> Self {
        match (self, stored) {
            (Self::Argon2id { m_kib: m, t, .. }, Self::Argon2id { m_kib, t: passes, p }) => {
                let (least, work) = (argon2_work(m, t), argon2_work(m_kib, passes));
                let keep = m_kib >= m
                    && u64::from(m_kib) <= room_kib.max(m.into())
                    && (least..=ARGON2_WORK_MAX.max(least)).contains(&work)
                    && p <= LANES_MAX;
                if keep { stored } else { self }
            }
            (Self::Bcrypt { cost: least, .. }, Self::Bcrypt { version, cost }) => {
                let keep = (least..=BCRYPT_COST_MAX).contains(&cost);
                Self::Bcrypt { version, cost: if keep { cost } else { least } }
            }
            (Self::Pbkdf2Sha256 { iterations: least }, Self::Pbkdf2Sha256 { iterations }) => {
                if (least..=PBKDF2_ITERATIONS_MAX).contains(&iterations) { stored } else { self }
            }
            (Self::Scrypt { n, r, p }, Self::Scrypt { n: stored_n, r: stored_r, p: stored_p }) => {
                let (own_kib, kib) = (scrypt_kib(n, r), scrypt_kib(stored_n, stored_r));
                let (least, work) = (own_kib * u64::from(p), kib * u64::from(stored_p));
                let keep = (own_kib..=room_kib.max(own_kib)).contains(&kib)
                    && (least..=SCRYPT_WORK_MAX.max(least)).contains(&work)
                    && stored_p <= LANES_MAX;
                if keep { stored } else { self }
            }
            _ => self,
        }
    }

    /// Returns the name of the algorithm, as the setting `password.hash` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Argon2id { .. } => "argon2id",
            Self::Bcrypt { .. } => "bcrypt",
            Self::Pbkdf2Sha256 { .. } => "pbkdf2-sha256",
            Self::Scrypt { .. } => "scrypt",
        }
    }

    /// Returns the length in characters that a column needs for these hashes. Django's column holds 128.
    pub fn column_length(self) -> usize {
        match self {
            Self::Argon2id { .. } => 101,
            Self::Bcrypt { .. } => 60,
            Self::Pbkdf2Sha256 { .. } => 89,
            Self::Scrypt { .. } => 128,
        }
    }

    /// Returns the memory in KiB that one hash needs while it is computed; 0 for bcrypt and PBKDF2, which need next
    /// to none.
    pub fn memory_kib(self) -> u64 {
        match self {
            Self::Argon2id { m_kib, .. } => m_kib.into(),
            Self::Scrypt { n, r, .. } => scrypt_kib(n, r),
            Self::Bcrypt { .. } | Self::Pbkdf2Sha256 { .. } => 0,
        }
    }

    /// Returns the maximum length of a password in bytes of UTF-8: what the algorithm reads completely.
    pub fn password_max(self) -> usize {
        match self {
            Self::Bcrypt { .. } => super::BCRYPT_MAX,
            Self::Argon2id { .. } | Self::Pbkdf2Sha256 { .. } | Self::Scrypt { .. } => {
                crate::password::PASSWORD_MAX
            }
        }
    }
}

impl BcryptVersion {
    /// Returns the version with the prefix `name`, such as `2b`.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "2a" => Some(Self::A),
            "2b" => Some(Self::B),
            "2y" => Some(Self::Y),
            _ => None,
        }
    }

    /// Returns the prefix, such as `2b`.
    pub fn name(self) -> &'static str {
        match self {
            Self::A => "2a",
            Self::B => "2b",
            Self::Y => "2y",
        }
    }
}

/// Returns the KiB that Argon2 writes, all passes included.
fn argon2_work(m_kib: u32, t: u32) -> u64 {
    u64::from(m_kib) * u64::from(t)
}

/// Returns the memory of scrypt in KiB: 128 bytes times `n` times `r`, rounded up.
fn scrypt_kib(n: u32, r: u32) -> u64 {
    (u64::from(n) * u64::from(r)).div_ceil(8)
}

#[cfg(test)]
mod tests;
