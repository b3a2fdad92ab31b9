//! The form of a hash: algorithm and cost, without the hash itself; and the limits on both.

use super::{argon, bcrypt, django, phpass};

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
    /// A form that new hashes can have.
    Written(Scheme),
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
    /// A PHC string of Argon2 behind Django's prefix: `argon2$argon2id$…`.
    DjangoArgon2 {
        /// Memory in KiB.
        m_kib: u32,
        /// Passes over the memory.
        t: u32,
        /// Lanes.
        p: u32,
    },
    /// bcrypt behind Django's prefix: `bcrypt$$2b$…`.
    DjangoBcrypt {
        /// Binary logarithm of the number of rounds.
        cost: u32,
    },
    /// bcrypt of the hexadecimal SHA-256, with which Django avoids the limit of 72 bytes: `bcrypt_sha256$$2b$…`.
    DjangoBcryptSha256 {
        /// Binary logarithm of the number of rounds.
        cost: u32,
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
        let readers = [argon::form, bcrypt::form, django::form, phpass::form];
        readers.into_iter().find_map(|read| read(stored))
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
            Self::Written(Scheme::Argon2id { m_kib, t, p })
            | Self::Legacy(Legacy::Argon2 { m_kib, t, p } | Legacy::DjangoArgon2 { m_kib, t, p }) => {
                argon2(m_kib, t, p)
            }
            Self::Written(Scheme::Bcrypt { cost, .. })
            | Self::Legacy(Legacy::DjangoBcrypt { cost } | Legacy::DjangoBcryptSha256 { cost }) => {
                cost <= STORED_BCRYPT_COST
            }
            Self::Written(Scheme::Pbkdf2Sha256 { iterations }) => iterations <= STORED_PBKDF2_ITERATIONS,
            Self::Written(Scheme::Scrypt { n, r, p }) => {
                scrypt_kib(n, r) <= STORED_SCRYPT_KIB
                    && p <= LANES_MAX
                    && scrypt_kib(n, r) * u64::from(p) <= STORED_SCRYPT_WORK
            }
            Self::Legacy(Legacy::Phpass { log_rounds }) => log_rounds <= STORED_PHPASS_LOG,
        }
    }
}

impl Scheme {
    /// Returns the scheme for a hash that replaces one of form `row`. If both have the same algorithm, the row's
    /// version letter is kept. Its cost is kept if it is not lower than this scheme's, fits into `room_kib` of memory
    /// and is within the limits for new hashes. For another algorithm, this scheme applies
    /// unchanged.
    pub(super) fn like(self, row: Option<&HashForm>, room_kib: u64) -> Self {
        let Some(&HashForm::Written(stored)) = row else { return self };
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
mod tests {
    use super::*;

    const ROOM: u64 = 256 << 10;

    fn like(scheme: Scheme, row: Scheme) -> Scheme {
        scheme.like(Some(&HashForm::Written(row)), ROOM)
    }

    #[test]
    fn bcrypt_row_keeps_its_letter_and_any_cost_within_the_limits() {
        let ours = Scheme::Bcrypt { version: BcryptVersion::B, cost: 12 };
        for (cost, kept) in [(4, 12), (10, 12), (12, 12), (13, 13), (14, 14), (15, 12), (31, 12), (99, 12)] {
            for version in [BcryptVersion::A, BcryptVersion::B, BcryptVersion::Y] {
                let new = like(ours, Scheme::Bcrypt { version, cost });
                assert_eq!(new, Scheme::Bcrypt { version, cost: kept });
            }
        }
    }

    #[test]
    fn argon2_row_keeps_its_cost_within_work_and_memory_limits() {
        let ours = Scheme::Argon2id { m_kib: 47_104, t: 1, p: 1 };
        let row = |m_kib, t, p| Scheme::Argon2id { m_kib, t, p };
        for kept in [row(47_104, 1, 4), row(47_104, 3, 1), row(102_400, 2, 8), row(256 << 10, 1, 1)] {
            assert_eq!(like(ours, kept), kept);
        }
        let excessive =
            [row(262_145, 1, 1), row(102_400, 100, 1), row(u32::MAX, u32::MAX, 1), row(47_104, 1, 17)];
        for other in [row(19_456, 2, 1), row(8, 100, 1)].into_iter().chain(excessive) {
            assert_eq!(like(ours, other), ours);
        }
        let expensive = row(1 << 20, 4, 1);
        assert_eq!(
            expensive.like(Some(&HashForm::Written(expensive)), 0),
            expensive,
            "the configured cost is kept"
        );
    }

    #[test]
    fn pbkdf2_and_scrypt_rows_keep_any_cost_within_the_limits() {
        let ours = Scheme::Pbkdf2Sha256 { iterations: 1_000_000 };
        for (iterations, kept) in
            [(1, 1_000_000), (1_200_000, 1_200_000), (3_000_000, 3_000_000), (3_000_001, 1_000_000)]
        {
            let new = like(ours, Scheme::Pbkdf2Sha256 { iterations });
            assert_eq!(new, Scheme::Pbkdf2Sha256 { iterations: kept });
        }
        let ours = Scheme::Scrypt { n: 1 << 14, r: 8, p: 5 };
        let row = |n, r, p| Scheme::Scrypt { n, r, p };
        for kept in [row(1 << 15, 8, 3), row(1 << 17, 8, 1)] {
            assert_eq!(like(ours, kept), kept);
        }
        for other in [row(1 << 14, 8, 1), row(1 << 13, 8, 16), row(1 << 19, 8, 1), row(1 << 14, 8, 17)] {
            assert_eq!(like(ours, other), ours);
        }
    }

    #[test]
    fn row_of_another_algorithm_gets_the_configured_scheme() {
        let ours = Scheme::Bcrypt { version: BcryptVersion::Y, cost: 10 };
        let rows = [
            HashForm::Written(Scheme::Argon2id { m_kib: 1, t: 1, p: 1 }),
            HashForm::Written(Scheme::Pbkdf2Sha256 { iterations: 12 }),
            HashForm::Legacy(Legacy::DjangoBcrypt { cost: 13 }),
            HashForm::Legacy(Legacy::Phpass { log_rounds: 13 }),
        ];
        for row in rows {
            assert_eq!(ours.like(Some(&row), ROOM), ours);
        }
        assert_eq!(ours.like(None, ROOM), ours);
    }
}
