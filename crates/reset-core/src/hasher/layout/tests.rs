//! Hashes that the systems' own libraries wrote are verified, and a new hash has the layout of the one it replaces.

use std::sync::Arc;

use super::{
    super::{HashPool, Schemes, pool::NewHash},
    *,
};
use crate::{
    password::{NewPassword, PASSWORD_MAX, Policy},
    ports::{Entropy, Hasher},
};

struct Sevens;

impl Entropy for Sevens {
    fn fill(&self, out: &mut [u8]) {
        out.fill(7);
    }
}

const PASSWORD: &str = "correct horse Ünï";
const BCRYPT_4: Scheme = Scheme::Bcrypt { version: BcryptVersion::B, cost: 4 };
const PBKDF2: Scheme = Scheme::Pbkdf2Sha256 { iterations: 1000 };
const SMALL: Schemes = Schemes {
    argon2id: Scheme::Argon2id { m_kib: 64, t: 1, p: 1 },
    bcrypt: BCRYPT_4,
    pbkdf2: PBKDF2,
    scrypt: Scheme::Scrypt { n: 1024, r: 8, p: 1 },
};

/// Hashes of [`PASSWORD`], written by Werkzeug 3.1.9, passlib 1.7.4, Django 5.2.19, better-auth 1.7.25, the npm package
/// asp-identity-pw 1.1.2, and, for `WordPress` 6.8, PHP 8.2's `password_hash` of its pre-hash. `{bcrypt}` is a prefix
/// before the hash of another program.
const VECTORS: &[(&str, Layout, Scheme)] = &[
    (
        "scrypt:1024:8:1$nUPMvAbQfbUFJ6cr$9a862d9da6b6458cafc13e6a57ea9bbfea6a6f4e1c765de9d8c42e75d47b25e030e2bac5c472c3f2941760ea57eeacf952b0b53886d82e9497ce893afca473bf",
        Layout::WerkzeugScrypt,
        Scheme::Scrypt { n: 1024, r: 8, p: 1 },
    ),
    (
        "scrypt:32768:8:1$yhmlZ1Jsrge9XOME$d49aa845ca46febb47bfddd8048079d3a6efa59523fd7d93350abaa85164c3a13a575171371279ca2d2f108a4ee37eb374f885e375c8765a3513964fb43765e2",
        Layout::WerkzeugScrypt,
        Scheme::Scrypt { n: 32_768, r: 8, p: 1 },
    ),
    (
        "pbkdf2:sha256:1000$3fouVw0W2JYkYe5K$4688b015c77e64ce2310576e87f4c8649e106a63ab03ae2119785b7368b91e4e",
        Layout::WerkzeugPbkdf2,
        PBKDF2,
    ),
    (
        "$pbkdf2-sha256$1000$.X.vdS5FqJXSOidE6N1b6w$4vb.b0UPan4aEuOmqU9YVFyFQvIrgGha6kgHqv94W4U",
        Layout::PasslibPbkdf2,
        PBKDF2,
    ),
    (
        "$pbkdf2-sha256$1000$BoCw1przHsN4zw$ju1GZv5dcBqvTKXtRkiP0EsrDmaBk5OBjPxdCTF4zNs",
        Layout::PasslibPbkdf2,
        PBKDF2,
    ),
    (
        "bcrypt_sha256$$2b$04$pbfWsncw.kJtlmJoJ6.M..Q.ZGJgpcXUUoSyRgLLVv6Usps1Fozlm",
        Layout::DjangoBcryptSha256,
        BCRYPT_4,
    ),
    (
        "6b041f371218e5076db724ca74b527e7:99dfa9d6d39d2399656119645a03fdeb8a042ca55f50c755ec7a3900bb996b73510ea597d2c2a0382ff887bb15a31f66f5f32167d80eeb7a6168167519b75340",
        Layout::BetterAuth,
        BETTER_AUTH,
    ),
    (
        "AQAAAAEAACcQAAAAEBTdaFyFmbxzno18ybK0/V+j6wLb4eqqlOfg0/s6qRKgYvtvJ0oDKZKH3Humf8R9Zg==",
        Layout::AspNetSha256,
        Scheme::Pbkdf2Sha256 { iterations: 10_000 },
    ),
    (
        "$wp$2y$04$TfiVD5FwR2G2.2pnSo98BeDYfLAR0KCZ0kLIlMOdRKIigRtcl6Ipa",
        Layout::WordPress,
        Scheme::Bcrypt { version: BcryptVersion::Y, cost: 4 },
    ),
    ("{bcrypt}$2b$04$zqEYaJcRtF41aCi1cWgFHOOPnJt1fS7.Orar7ClhlSEpxTNDMRyCO", Layout::SpringBcrypt, BCRYPT_4),
    ("bcrypt$$2b$04$5p0yOGy/RILvOuDaY/BuM.hNv/4S8753gRIXoia/t9KxBqW5k90Ju", Layout::DjangoBcrypt, BCRYPT_4),
    (
        "argon2$argon2id$v=19$m=64,t=2,p=8$c29tZXNhbHQyMmNoYXJzb2ZpdGFiYw$0e2PymoHhkpb83wNL1bmzgpI8icda8ctEhUe2OLGFwE",
        Layout::DjangoArgon2,
        Scheme::Argon2id { m_kib: 64, t: 2, p: 8 },
    ),
];

fn password(text: &str) -> NewPassword {
    let policy = Policy { min: 1, four_classes: false, refuse_common: false, max_bytes: PASSWORD_MAX };
    policy.accept(text).unwrap()
}

fn pool(scheme: Scheme) -> HashPool {
    HashPool::start_within(scheme, 2, 32 << 10, Arc::new(Sevens)).unwrap()
}

#[tokio::test]
async fn hashes_of_each_system_are_verified() {
    let pool = pool(SMALL.argon2id);
    for (stored, layout, scheme) in VECTORS {
        let form = HashForm::Foreign { layout: *layout, scheme: *scheme };
        assert_eq!(HashForm::of(stored), Some(form), "{stored}");
        assert!(pool.verify(password(PASSWORD), stored).await.unwrap(), "{stored}");
        assert!(!pool.verify(password("correct horse Uni"), stored).await.unwrap(), "{stored}");
    }
}

#[tokio::test]
async fn new_hash_has_the_layout_of_the_one_it_replaces_and_fits_its_column() {
    let pool = pool(SMALL.argon2id).keeping_forms(SMALL);
    for (stored, layout, _) in VECTORS {
        let row = HashForm::of(stored).unwrap();
        let new = pool.hash(password(PASSWORD), Some(&row)).await.unwrap();
        let Some(form @ HashForm::Foreign { layout: kept, .. }) = HashForm::of(&new) else { panic!("{new}") };
        assert_eq!(kept, *layout, "{new}");
        assert!(new.len() <= form.column_length(), "{} {new}", new.len());
        assert!(pool.verify(password(PASSWORD), &new).await.unwrap(), "{new}");
        assert!(!pool.verify(password("wrong"), &new).await.unwrap(), "{new}");
    }
}

#[tokio::test]
async fn asp_net_hash_with_sha_512_keeps_its_function_and_its_work_is_counted_twice() {
    // The header is documented by ASP.NET Core's PasswordHasher; the library above knows SHA-256 only.
    let row = HashForm::Foreign {
        layout: Layout::AspNetSha512,
        scheme: Scheme::Pbkdf2Sha256 { iterations: 100_000 },
    };
    let pool = pool(SMALL.argon2id)
        .keeping_forms(Schemes { pbkdf2: Scheme::Pbkdf2Sha256 { iterations: 3_000 }, ..SMALL });
    assert_eq!(pool.successor(Some(&row)).scheme, Scheme::Pbkdf2Sha256 { iterations: 100_000 });
    let weak =
        HashForm::Foreign { layout: Layout::AspNetSha512, scheme: Scheme::Pbkdf2Sha256 { iterations: 10 } };
    let new = pool.hash(password(PASSWORD), Some(&weak)).await.unwrap();
    assert!(new.starts_with("AQAAAAIAAAXcAAAAE"), "1500 iterations: {new}");
    assert!(pool.verify(password(PASSWORD), &new).await.unwrap());
    let unbounded = HashForm::Foreign {
        layout: Layout::AspNetSha512,
        scheme: Scheme::Pbkdf2Sha256 { iterations: 3_000_001 },
    };
    assert!(!unbounded.is_bounded());
}

#[tokio::test]
async fn better_auth_hash_is_of_the_normalized_password() {
    // Written by better-auth 1.7.25 for a password of a ligature, a Roman numeral and a circled digit.
    let stored = "174aeba8b1fbc375675ae718e44fc027:c4778a5f127637ef65dc07aa2fbf63b478f691a014f6c09b99932706f64240045594d5eaff20d74a88a784f0d0b943935d526c20cae6f34ce2c1e73cb2c0f31b";
    let pool = pool(SMALL.argon2id);
    for same in ["\u{fb01}sh \u{2167}\u{2460}", "fish VIII1"] {
        assert!(pool.verify(password(same), stored).await.unwrap(), "{same}");
    }
}

#[tokio::test]
async fn prehashed_bcrypt_reads_more_than_72_bytes() {
    let pool = pool(BCRYPT_4);
    let long = "a".repeat(100);
    for row in ["bcrypt_sha256$$2b$04$", "$wp$2y$04$"] {
        let row = HashForm::of(&format!("{row}{}", "a".repeat(53))).unwrap();
        let new = pool.hash(password(&long), Some(&row)).await.unwrap();
        assert!(pool.verify(password(&long), &new).await.unwrap());
        assert!(!pool.verify(password(&long[1..]), &new).await.unwrap());
    }
}

#[test]
fn configured_algorithm_keeps_the_layout_and_replaces_other_algorithms_with_its_bare_hash() {
    let pool = pool(BCRYPT_4);
    let new = |row: &str| {
        let NewHash { layout, scheme } = pool.successor(HashForm::of(row).as_ref());
        (layout, scheme.name())
    };
    for (stored, layout, scheme) in VECTORS {
        let expected = matches!(scheme, Scheme::Bcrypt { .. }).then_some(*layout);
        assert_eq!(new(stored), (expected, "bcrypt"), "{stored}");
    }
    assert_eq!(new("$P$67NZFtFTwo88shxzxSqWcrINEzPclB."), (None, "bcrypt"));
}

#[test]
fn pool_that_keeps_forms_writes_each_algorithm_with_the_deployments_parameters() {
    let pool = pool(SMALL.argon2id)
        .keeping_forms(Schemes { bcrypt: Scheme::Bcrypt { version: BcryptVersion::B, cost: 10 }, ..SMALL });
    let row = HashForm::Written(Scheme::Bcrypt { version: BcryptVersion::Y, cost: 4 });
    let raised = Scheme::Bcrypt { version: BcryptVersion::Y, cost: 10 };
    assert_eq!(pool.successor(Some(&row)), NewHash { layout: None, scheme: raised });
    let row = HashForm::Written(Scheme::Pbkdf2Sha256 { iterations: 1 });
    assert_eq!(pool.successor(Some(&row)), NewHash { layout: None, scheme: PBKDF2 });
    assert_eq!(pool.successor(None), NewHash { layout: None, scheme: SMALL.argon2id });
}
