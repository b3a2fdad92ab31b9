//! What a hash is: its algorithm and its cost, without the hash itself; and how much of both is sane.

use super::{argon, bcrypt, django, phpass};

/// Longest stored hash that is looked at, in bytes. The longest one that we know is shorter than 256.
const STORED_MAX: usize = 512;

/// Most KiB that one Argon2 hash may write when we make it, passes included: about two seconds.
pub const ARGON2_WORK_MAX: u64 = 2 << 20;
/// Largest bcrypt cost that we write: about a second and a half. A reset, and every login of whoever reads the
/// table, waits for it.
pub const BCRYPT_COST_MAX: u32 = 14;
/// Most PBKDF2 iterations that we write: three times Django 5.2's own, one to two seconds.
pub const PBKDF2_ITERATIONS_MAX: u32 = 3_000_000;
/// Most KiB that one scrypt hash may write when we make it, all lanes included: two seconds, or four on a busy
/// machine.
const SCRYPT_WORK_MAX: u64 = 512 << 10;
/// Most lanes of Argon2 and scrypt: what is sane on any server. They run one after the other here.
const LANES_MAX: u32 = 16;

// Beyond these a stored hash is not even verified (R59): each is some seconds of work.
const STORED_ARGON2_M_KIB: u32 = 1 << 20;
const STORED_ARGON2_T: u32 = 16;
const STORED_ARGON2_WORK: u64 = 4 << 20;
const STORED_BCRYPT_COST: u32 = 15;
const STORED_PBKDF2_ITERATIONS: u32 = 6_000_000;
const STORED_SCRYPT_KIB: u64 = 256 << 10;
const STORED_SCRYPT_WORK: u64 = 1 << 20;
/// phpass itself allows 30; `WordPress` and Drupal wrote 13 to 16.
const STORED_PHPASS_LOG: u32 = 20;

/// How new passwords are hashed.
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
    /// bcrypt, for tables that another system reads. Passwords have at most [`super::BCRYPT_MAX`] bytes.
    Bcrypt {
        /// The prefix. All three name the same algorithm; some readers insist on theirs.
        version: BcryptVersion,
        /// Binary logarithm of the rounds.
        cost: u32,
    },
    /// PBKDF2 with HMAC-SHA-256, as Django writes it: `pbkdf2_sha256$<iterations>$<salt>$<base64>`.
    Pbkdf2Sha256 {
        /// Iterations.
        iterations: u32,
    },
    /// scrypt, as Django writes it: `scrypt$<n>$<salt>$<r>$<p>$<base64>`.
    Scrypt {
        /// Blocks of memory, a power of two.
        n: u32,
        /// Size of a block, in units of 128 bytes.
        r: u32,
        /// Lanes.
        p: u32,
    },
}

/// The letter after `$2` of a bcrypt hash. `x` is not among them: it marks hashes of a broken program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BcryptVersion {
    /// `$2a$`: what Go and bcryptjs 2 write.
    A,
    /// `$2b$`: what everybody else writes.
    B,
    /// `$2y$`: what PHP writes.
    Y,
}

/// The form that a stored hash has: algorithm, version and cost. No secret is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashForm {
    /// One that new passwords can be hashed in.
    Written(Scheme),
    /// One that is verified alone.
    Legacy(Legacy),
}

/// A form that is verified and never written.
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
        /// Binary logarithm of the rounds.
        cost: u32,
    },
    /// bcrypt of the hexadecimal SHA-256, Django's way around the 72 bytes: `bcrypt_sha256$$2b$…`.
    DjangoBcryptSha256 {
        /// Binary logarithm of the rounds.
        cost: u32,
    },
    /// phpass on MD5: `$P$…` (`WordPress` before 6.8), `$H$…` (phpBB 3).
    Phpass {
        /// Binary logarithm of the rounds.
        log_rounds: u32,
    },
}

impl HashForm {
    /// The form of `stored`; nothing when it is in none that is understood. Its parameters may be out of all
    /// reason: they are as they were written.
    pub fn of(stored: &str) -> Option<Self> {
        if stored.len() > STORED_MAX {
            return None;
        }
        let readers = [argon::form, bcrypt::form, django::form, phpass::form];
        readers.into_iter().find_map(|read| read(stored))
    }

    /// Whether the work of verifying such a hash has an end that somebody would wait for (R59).
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
    /// How to hash in the place of a hash of form `row`. Of the same algorithm, the row's version letter stays,
    /// and so does its cost where it is no lower than this scheme's, can be paid within `room_kib` of memory,
    /// and is one that we would write at all. Of another algorithm, nothing stays.
    pub(super) fn like(self, row: Option<&HashForm>, room_kib: u64) -> Self {
        let Some(&HashForm::Written(theirs)) = row else { return self };
        match (self, theirs) {
            (Self::Argon2id { m_kib: m, t, .. }, Self::Argon2id { m_kib, t: passes, p }) => {
                let (least, work) = (argon2_work(m, t), argon2_work(m_kib, passes));
                let stays = m_kib >= m
                    && u64::from(m_kib) <= room_kib.max(m.into())
                    && (least..=ARGON2_WORK_MAX.max(least)).contains(&work)
                    && p <= LANES_MAX;
                if stays { theirs } else { self }
            }
            (Self::Bcrypt { cost: least, .. }, Self::Bcrypt { version, cost }) => {
                let stays = (least..=BCRYPT_COST_MAX).contains(&cost);
                Self::Bcrypt { version, cost: if stays { cost } else { least } }
            }
            (Self::Pbkdf2Sha256 { iterations: least }, Self::Pbkdf2Sha256 { iterations }) => {
                if (least..=PBKDF2_ITERATIONS_MAX).contains(&iterations) { theirs } else { self }
            }
            (Self::Scrypt { n, r, p }, Self::Scrypt { n: their_n, r: their_r, p: their_p }) => {
                let (ours, kib) = (scrypt_kib(n, r), scrypt_kib(their_n, their_r));
                let (least, work) = (ours * u64::from(p), kib * u64::from(their_p));
                let stays = (ours..=room_kib.max(ours)).contains(&kib)
                    && (least..=SCRYPT_WORK_MAX.max(least)).contains(&work)
                    && their_p <= LANES_MAX;
                if stays { theirs } else { self }
            }
            _ => self,
        }
    }

    /// Memory in KiB that one hash takes while it is made; nothing worth counting for bcrypt and PBKDF2.
    pub fn memory_kib(self) -> u64 {
        match self {
            Self::Argon2id { m_kib, .. } => m_kib.into(),
            Self::Scrypt { n, r, .. } => scrypt_kib(n, r),
            Self::Bcrypt { .. } | Self::Pbkdf2Sha256 { .. } => 0,
        }
    }

    /// Most bytes of UTF-8 that a password may have: what the algorithm reads whole.
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
    /// The version whose prefix is `name`, such as `2b`.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "2a" => Some(Self::A),
            "2b" => Some(Self::B),
            "2y" => Some(Self::Y),
            _ => None,
        }
    }

    /// The prefix, such as `2b`.
    pub fn name(self) -> &'static str {
        match self {
            Self::A => "2a",
            Self::B => "2b",
            Self::Y => "2y",
        }
    }
}

/// KiB that are written, passes included.
fn argon2_work(m_kib: u32, t: u32) -> u64 {
    u64::from(m_kib) * u64::from(t)
}

/// KiB that scrypt works in: 128 bytes times `n` times `r`, rounded up.
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
    fn a_bcrypt_row_keeps_its_letter_always_and_its_cost_while_it_is_sane() {
        let ours = Scheme::Bcrypt { version: BcryptVersion::B, cost: 12 };
        for (cost, kept) in [(4, 12), (10, 12), (12, 12), (13, 13), (14, 14), (15, 12), (31, 12), (99, 12)] {
            for version in [BcryptVersion::A, BcryptVersion::B, BcryptVersion::Y] {
                let new = like(ours, Scheme::Bcrypt { version, cost });
                assert_eq!(new, Scheme::Bcrypt { version, cost: kept });
            }
        }
    }

    #[test]
    fn an_argon2_row_keeps_its_cost_within_work_and_memory() {
        let ours = Scheme::Argon2id { m_kib: 47_104, t: 1, p: 1 };
        let row = |m_kib, t, p| Scheme::Argon2id { m_kib, t, p };
        for kept in [row(47_104, 1, 4), row(47_104, 3, 1), row(102_400, 2, 8), row(256 << 10, 1, 1)] {
            assert_eq!(like(ours, kept), kept);
        }
        let much = [row(262_145, 1, 1), row(102_400, 100, 1), row(u32::MAX, u32::MAX, 1), row(47_104, 1, 17)];
        for other in [row(19_456, 2, 1), row(8, 100, 1)].into_iter().chain(much) {
            assert_eq!(like(ours, other), ours);
        }
        let dear = row(1 << 20, 4, 1);
        assert_eq!(dear.like(Some(&HashForm::Written(dear)), 0), dear, "what is set is never too much");
    }

    #[test]
    fn a_pbkdf2_row_and_a_scrypt_row_keep_their_cost_while_it_is_sane() {
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
    fn a_row_of_another_algorithm_gets_what_is_set() {
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
