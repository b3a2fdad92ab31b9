//! Which costs a new hash keeps from the one that it replaces.

use super::*;

const ROOM: u64 = 256 << 10;

fn like(scheme: Scheme, row: Scheme) -> Scheme {
    scheme.like(row, ROOM)
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
    assert_eq!(expensive.like(expensive, 0), expensive, "the configured cost is kept");
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
    for row in [Scheme::Argon2id { m_kib: 1, t: 1, p: 1 }, Scheme::Pbkdf2Sha256 { iterations: 12 }] {
        assert_eq!(ours.like(row, ROOM), ours);
    }
}
