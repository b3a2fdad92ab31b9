//! Tests of the hasher: hashes of other programs are verified, new hashes are accepted by the libraries, malformed
//! ones are rejected.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use argon2::{Argon2, PasswordVerifier};

use super::{BCRYPT_MAX, BcryptVersion, HashForm, HashPool, Layout, Legacy, Scheme, pool::QUEUE_PER_THREAD};
use crate::{
    error::HashError,
    password::{NewPassword, PASSWORD_MAX, Policy},
    ports::{Entropy, Hasher},
};

struct Zeros;

impl Entropy for Zeros {
    fn fill(&self, out: &mut [u8]) {
        out.fill(0);
    }
}

const SMALL: Scheme = Scheme::Argon2id { m_kib: 64, t: 1, p: 1 };
const BCRYPT: Scheme = Scheme::Bcrypt { version: BcryptVersion::B, cost: 4 };
const PASSWORD: &str = "correct horse Ünï";

/// Hashes of [`PASSWORD`], written by Django 5.2.19, bcrypt 5.0.0 for Python, bcryptjs 2.4.3, bcryptjs 3.0.3 and
/// passlib 1.7.4.
const VECTORS: &[(&str, HashForm)] = &[
    (
        "pbkdf2_sha256$1000$seasalt$LZKTtonyi6Mwg4S1T6mjYRsfh6B2cJTDIFNojUXEHrQ=",
        HashForm::Written(Scheme::Pbkdf2Sha256 { iterations: 1000 }),
    ),
    (
        "pbkdf2_sha256$1000$sälz$sjMK5ATYcFbWYiVB3amepiXLNLUaCmBNgKivMRAktCY=",
        HashForm::Written(Scheme::Pbkdf2Sha256 { iterations: 1000 }),
    ),
    (
        "pbkdf2_sha256$24$seasalt$w4tLa7flZrzryedwnrcy+GeShU2IrCV7EfrCL0a498s=",
        HashForm::Written(Scheme::Pbkdf2Sha256 { iterations: 24 }),
    ),
    (
        "scrypt$1024$seasalt$8$1$kcxld7Ex0JBRH6nw5JLP1HGd/xs2ZuYPc3zdcYgLX6adb7NwYUnD2YaCb50Nlce6DKoqGwGKhTGG/HIF+zmMrw==",
        HashForm::Written(Scheme::Scrypt { n: 1024, r: 8, p: 1 }),
    ),
    (
        "scrypt$16384$l4PFrzttZvI8cEJ77WE8oR$8$5$DKsolmWLVpSxBTFrtXFxaQBQmPhSCD4RDara89B+0Ubswgdo4+IbPA5EICkIALA+IA0Q6YKh6tfLYEzlJAxb6g==",
        HashForm::Written(Scheme::Scrypt { n: 16_384, r: 8, p: 5 }),
    ),
    (
        "argon2$argon2id$v=19$m=64,t=2,p=8$c29tZXNhbHQyMmNoYXJzb2ZpdGFiYw$0e2PymoHhkpb83wNL1bmzgpI8icda8ctEhUe2OLGFwE",
        HashForm::Foreign {
            layout: Layout::DjangoArgon2,
            scheme: Scheme::Argon2id { m_kib: 64, t: 2, p: 8 },
        },
    ),
    (
        "bcrypt$$2b$04$5p0yOGy/RILvOuDaY/BuM.hNv/4S8753gRIXoia/t9KxBqW5k90Ju",
        HashForm::Foreign {
            layout: Layout::DjangoBcrypt,
            scheme: Scheme::Bcrypt { version: BcryptVersion::B, cost: 4 },
        },
    ),
    ("$2a$04$io.v9J1eJAcmhz6E2Fw9xuZdsSpqUDNbkuOG7Y98ZJqPxFtgMOJsa", bcrypt_row(BcryptVersion::A)),
    ("$2a$04$o6b1SkXAsv1PODGa/WR9hOq05CKVBJVlglyEg8Zun2wYjlRjqQ8C.", bcrypt_row(BcryptVersion::A)),
    ("$2b$04$zqEYaJcRtF41aCi1cWgFHOOPnJt1fS7.Orar7ClhlSEpxTNDMRyCO", bcrypt_row(BcryptVersion::B)),
    // The previous hash with PHP's letter; the algorithm is the same.
    ("$2y$04$zqEYaJcRtF41aCi1cWgFHOOPnJt1fS7.Orar7ClhlSEpxTNDMRyCO", bcrypt_row(BcryptVersion::Y)),
    ("$P$67NZFtFTwo88shxzxSqWcrINEzPclB.", HashForm::Legacy(Legacy::Phpass { log_rounds: 8 })),
    ("$H$B9rEqgdeNL3xK7KKp2c0nRUoLwreia/", HashForm::Legacy(Legacy::Phpass { log_rounds: 13 })),
];

/// Hashes of a password of exactly 72 bytes, written by bcrypt for Python, bcryptjs 2 and bcryptjs 3.
const LONGEST: [(&str, &str); 3] = [
    ("a", "$2b$04$e1blJnzKp8o6zEriCoQJIuJAVqlXWc./SFgRIxMuVPcqlqFU3qo1i"),
    ("ü", "$2a$04$yPalmTpKTnNo1dNCIrSZQ.sr9Yuj9758QdNyCh8q/BMBGWRaKFxcG"),
    ("ü", "$2b$04$id1TwLScbJcB6aT7n7/VFeol.WL75XIdTKeCryzpCFlqgCSGx2/7."),
];

const fn bcrypt_row(version: BcryptVersion) -> HashForm {
    HashForm::Written(Scheme::Bcrypt { version, cost: 4 })
}

fn password(text: &str) -> NewPassword {
    Policy { min: 1, four_classes: false, refuse_common: false, max_bytes: PASSWORD_MAX }
        .accept(text)
        .unwrap()
}

fn pool(scheme: Scheme) -> HashPool {
    HashPool::start(scheme, 2, Arc::new(Zeros)).unwrap()
}

#[tokio::test]
async fn library_verifies_new_argon2_hashes() {
    let pool = pool(SMALL);
    // Two passwords, so that the second hash runs in used memory.
    for text in ["correct horse", "battery staple"] {
        let stored = pool.hash(password(text), None).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{stored}");
        let library = Argon2::default();
        assert!(PasswordVerifier::<str>::verify_password(&library, text.as_bytes(), &stored).is_ok());
        assert!(pool.verify(password(text), &stored).await.unwrap());
        assert!(!pool.verify(password("wrong"), &stored).await.unwrap());
    }
}

#[tokio::test]
async fn bcrypt_hashes_are_written_and_verified() {
    let pool = pool(BCRYPT);
    let stored = pool.hash(password("correct horse"), None).await.unwrap();
    assert!(stored.starts_with("$2b$04$") && stored.len() == 60, "{stored}");
    assert!(pool.verify(password("correct horse"), &stored).await.unwrap());
    assert!(!pool.verify(password("wrong"), &stored).await.unwrap());
}

#[tokio::test]
async fn hashes_of_django_bcryptjs_and_others_are_verified() {
    let pool = pool(SMALL);
    for (stored, form) in VECTORS {
        assert_eq!(HashForm::of(stored), Some(*form), "{stored}");
        assert!(pool.verify(password(PASSWORD), stored).await.unwrap(), "{stored}");
        assert!(!pool.verify(password("correct horse Uni"), stored).await.unwrap(), "{stored}");
    }
    let prehashed = "bcrypt_sha256$$2b$04$3473PZ1vaoEOK78zl5W4neykNzG9JOW10ju29r0JAQXdZ.vp1Xg2i";
    let scheme = Scheme::Bcrypt { version: BcryptVersion::B, cost: 4 };
    assert_eq!(
        HashForm::of(prehashed),
        Some(HashForm::Foreign { layout: Layout::DjangoBcryptSha256, scheme })
    );
    assert!(pool.verify(password(&"a".repeat(90)), prehashed).await.unwrap());
    assert!(!pool.verify(password(&"a".repeat(91)), prehashed).await.unwrap());
}

#[tokio::test]
async fn every_scheme_verifies_its_own_hashes() {
    for (scheme, prefix) in [
        (Scheme::Pbkdf2Sha256 { iterations: 1000 }, "pbkdf2_sha256$1000$0000000000000000000000$"),
        (Scheme::Scrypt { n: 1024, r: 8, p: 2 }, "scrypt$1024$0000000000000000000000$8$2$"),
        (Scheme::Bcrypt { version: BcryptVersion::A, cost: 4 }, "$2a$04$"),
        (Scheme::Bcrypt { version: BcryptVersion::Y, cost: 4 }, "$2y$04$"),
    ] {
        let pool = pool(scheme);
        let stored = pool.hash(password(PASSWORD), None).await.unwrap();
        assert!(stored.starts_with(prefix), "{stored}");
        assert_eq!(HashForm::of(&stored), Some(HashForm::Written(scheme)));
        assert!(pool.verify(password(PASSWORD), &stored).await.unwrap());
        assert!(!pool.verify(password("wrong"), &stored).await.unwrap());
    }
}

#[tokio::test]
async fn new_hash_keeps_the_form_of_the_one_it_replaces() {
    let pool = HashPool::start_within(SMALL, 1, 128, Arc::new(Zeros)).unwrap();
    let like = |m_kib, t, p| HashForm::Written(Scheme::Argon2id { m_kib, t, p });
    for (row, prefix) in [
        (like(128, 3, 2), "$argon2id$v=19$m=128,t=3,p=2$"),
        (like(64, 2, 1), "$argon2id$v=19$m=64,t=2,p=1$"),
        (like(129, 1, 1), "$argon2id$v=19$m=64,t=1,p=1$"),
        (bcrypt_row(BcryptVersion::A), "$argon2id$v=19$m=64,t=1,p=1$"),
    ] {
        let stored = pool.hash(password("x"), Some(&row)).await.unwrap();
        assert!(stored.starts_with(prefix), "{stored}");
        assert!(pool.verify(password("x"), &stored).await.unwrap());
    }
    let pool = self::pool(BCRYPT);
    let row = HashForm::of("$2a$05$io.v9J1eJAcmhz6E2Fw9xuZdsSpqUDNbkuOG7Y98ZJqPxFtgMOJsa");
    assert!(pool.hash(password("x"), row.as_ref()).await.unwrap().starts_with("$2a$05$"));
}

#[tokio::test]
async fn bcrypt_accepts_72_bytes_and_rejects_73_bytes_and_nul() {
    let pool = pool(BCRYPT);
    for (letter, foreign) in LONGEST {
        let text = letter.repeat(BCRYPT_MAX / letter.len());
        assert!(pool.verify(password(&text), foreign).await.unwrap());
        let shorter = text.strip_suffix(letter).unwrap();
        assert!(!pool.verify(password(shorter), foreign).await.unwrap());
        let own = pool.hash(password(&text), None).await.unwrap();
        assert!(pool.verify(password(&text), &own).await.unwrap());
        assert!(!pool.verify(password(shorter), &own).await.unwrap());

        let longer = text + "a";
        let refused = [
            pool.hash(password(&longer), None).await.unwrap_err(),
            pool.verify(password(&longer), foreign).await.unwrap_err(),
        ];
        for error in refused {
            assert_eq!(error.to_string(), "hashing failed: bcrypt reads at most 72 bytes of a password");
        }
    }
    let nul = super::bcrypt::write(b"a\0b", BcryptVersion::B, 4, [0; super::SALT]).unwrap_err();
    assert!(nul.to_string().contains("NUL"), "{nul}");
}

#[test]
fn unused_bits_of_a_bcrypt_salt_are_ignored() {
    let canonical = "$2b$04$zqEYaJcRtF41aCi1cWgFHOOPnJt1fS7.Orar7ClhlSEpxTNDMRyCO";
    let spare = canonical.replacen("FHO", "FHP", 1);
    assert!(super::verify(PASSWORD.as_bytes(), canonical).unwrap());
    assert!(super::verify(PASSWORD.as_bytes(), &spare).unwrap());
}

#[tokio::test]
async fn stored_hash_beyond_the_work_limit_is_not_verified() {
    let pool = pool(SMALL);
    let salt_and_hash = "AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let (tag32, tag64) = (format!("{}=", "A".repeat(43)), format!("{}==", "A".repeat(86)));
    let bcrypt = |cost| format!("$2b${cost}${}", "a".repeat(53));
    let expensive = [
        format!("$argon2id$v=19$m=4194304,t=1,p=1${salt_and_hash}"),
        format!("$argon2id$v=19$m=64,t=1000,p=1${salt_and_hash}"),
        format!("$argon2id$v=19$m=1048576,t=5,p=1${salt_and_hash}"),
        format!("$argon2id$v=19$m=1024,t=1,p=17${salt_and_hash}"),
        format!("$argon2i$v=16$m=4194304,t=1,p=1${salt_and_hash}"),
        format!("argon2$argon2id$v=19$m=4194304,t=1,p=1${salt_and_hash}"),
        bcrypt("31"),
        bcrypt("16"),
        format!("bcrypt${}", bcrypt("31")),
        format!("bcrypt_sha256${}", bcrypt("31")),
        format!("pbkdf2_sha256$6000001$s${tag32}"),
        format!("pbkdf2_sha256$4294967295$s${tag32}"),
        format!("scrypt$2147483648$s$1$1${tag64}"),
        format!("scrypt$16384$s$1000000$1${tag64}"),
        format!("scrypt$16384$s$8$1000000${tag64}"),
        format!("scrypt$262144$s$8$5${tag64}"),
        format!("$P$J{}", "a".repeat(30)),
        format!("$H$S{}", "a".repeat(30)),
        format!("{{bcrypt}}{}", bcrypt("31")),
        format!("$wp{}", bcrypt("16")),
        format!("scrypt:2147483648:1:1$s${}", "ab".repeat(64)),
        format!("pbkdf2:sha256:6000001$s${}", "ab".repeat(32)),
        format!("$pbkdf2-sha256$4294967295$AAAA${}", "A".repeat(43)),
    ];
    for stored in expensive {
        assert!(HashForm::of(&stored).is_some(), "{stored}");
        let refused = pool.verify(password("x"), &stored).await.unwrap_err().to_string();
        assert_eq!(refused, "hashing failed: the stored hash's parameters exceed the work limit", "{stored}");
    }
}

#[tokio::test]
async fn malformed_hash_is_reported_without_being_quoted() {
    let pool = pool(SMALL);
    let (tag32, tag64) = (format!("{}=", "A".repeat(43)), format!("{}==", "A".repeat(86)));
    let broken = [
        "$2b$é".to_owned(),
        "plain".to_owned(),
        String::new(),
        "!".to_owned() + &"a".repeat(40),
        format!("$2x$04${}", "a".repeat(53)),
        format!("$2b$+4${}", "a".repeat(53)),
        format!("$2b$4${}", "a".repeat(53)),
        format!("$2b$03${}", "a".repeat(53)),
        format!("$2b$32${}", "a".repeat(53)),
        format!("$2b$04${}", "a".repeat(52)),
        format!("$2b$04${}é{}", "a".repeat(21), "a".repeat(30)),
        "$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        "argon2$argon2id".to_owned(),
        format!("pbkdf2_sha256$0$s${tag32}"),
        format!("pbkdf2_sha256$-1$s${tag32}"),
        format!("pbkdf2_sha256$99999999999$s${tag32}"),
        format!("pbkdf2_sha256$1000$${tag32}"),
        format!("pbkdf2_sha256$1000$s${tag64}"),
        format!("pbkdf2_sha256$1000$s${tag32}$"),
        format!("pbkdf2_sha256$1000${}${tag32}", "s".repeat(600)),
        format!("scrypt$1000$s$8$1${tag64}"),
        format!("scrypt$1$s$8$1${tag64}"),
        format!("scrypt$1024$s$0$1${tag64}"),
        format!("scrypt$1024$s$8$0${tag64}"),
        format!("scrypt$1024$s$4294967295$4294967295${tag64}"),
        format!("scrypt$1024$s$8$1${tag32}"),
        format!("$P$.{}", "a".repeat(30)),
        format!("$P$z{}", "a".repeat(30)),
        format!("$P$B{}", "a".repeat(29)),
        format!("$P$B{}é", "a".repeat(28)),
        format!("{{noop}}$2b$04${}", "a".repeat(53)),
        format!("$wp$2b$4${}", "a".repeat(53)),
        format!("scrypt:1000:8:1$s${}", "ab".repeat(64)),
        format!("scrypt:1024:8:1:1$s${}", "ab".repeat(64)),
        format!("scrypt:1024:8:1$s${}", "ab".repeat(63)),
        format!("pbkdf2:sha1:1000$s${}", "ab".repeat(20)),
        format!("pbkdf2:sha256:0$s${}", "ab".repeat(32)),
        format!("pbkdf2:sha256:1000$${}", "ab".repeat(32)),
        format!("$pbkdf2-sha256$1000$AAAA${}", "A".repeat(42)),
        format!("{}:{}", "a".repeat(32), "ab".repeat(63)),
        format!("{}:{}", "é".repeat(16), "ab".repeat(64)),
        "AQAAAAEAACcQAAAAEA==".to_owned(),
        "AQAAAAEAACcQ/////xTdaFyFmbxzno18ybK0/V+j6wLb4eqqlOfg0/s6qRKgYvtvJ0oDKZKH3Humf8R9Zg==".to_owned(),
    ];
    for stored in broken {
        assert_eq!(HashForm::of(&stored), None, "{stored}");
        let refused = pool.verify(password("x"), &stored).await.unwrap_err().to_string();
        assert_eq!(refused, "hashing failed: the stored hash has an unknown format", "{stored}");
    }
}

#[tokio::test]
async fn full_queue_reports_busy_and_recovers() {
    let pool =
        HashPool::start(Scheme::Argon2id { m_kib: 16 * 1024, t: 8, p: 1 }, 1, Arc::new(Zeros)).unwrap();
    let pool = Arc::new(pool);
    let all: Vec<_> = (0..3 * QUEUE_PER_THREAD)
        .map(|_| {
            tokio::spawn({
                let pool = pool.clone();
                async move { pool.hash(password("x"), None).await }
            })
        })
        .collect();
    let (mut done, mut busy) = (0, 0);
    for one in all {
        match one.await.unwrap() {
            Ok(_) => done += 1,
            Err(HashError::Busy { .. }) => busy += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(done >= 1 && busy >= QUEUE_PER_THREAD, "{done} done, {busy} busy");
    assert!(pool.hash(password("x"), None).await.is_ok());
}

#[test]
fn parameters_outside_the_algorithm_are_rejected_at_start() {
    for scheme in [
        Scheme::Argon2id { m_kib: 1, t: 1, p: 1 },
        Scheme::Bcrypt { version: BcryptVersion::B, cost: 40 },
        Scheme::Pbkdf2Sha256 { iterations: 0 },
        Scheme::Scrypt { n: 1000, r: 8, p: 1 },
        Scheme::Scrypt { n: 1024, r: 0, p: 1 },
    ] {
        assert!(HashPool::start(scheme, 1, Arc::new(Zeros)).is_err());
    }
}

#[tokio::test]
async fn pool_starts_a_thread_with_a_task_and_ends_it_when_idle() {
    let idle_end = Duration::from_millis(50);
    let pool = HashPool::with_idle_end(idle_end, SMALL, 2, 0, Arc::new(Zeros)).unwrap();
    assert_eq!(pool.threads(), 0, "a server that hashes nothing holds no memory for it");
    for _ in 0..2 {
        let hash = pool.hash(password(PASSWORD), None).await.unwrap();
        assert!(pool.verify(password(PASSWORD), &hash).await.unwrap());
        // The thread may not be idle yet when the second task arrives; then that one starts another.
        assert!((1..=2).contains(&pool.threads()), "{}", pool.threads());
        let begun = Instant::now();
        while pool.threads() > 0 {
            assert!(begun.elapsed() < Duration::from_secs(10), "the thread does not end");
            tokio::time::sleep(idle_end).await;
        }
    }
}

#[tokio::test]
async fn pool_never_runs_more_threads_than_allowed() {
    let slow = Scheme::Argon2id { m_kib: 1024, t: 8, p: 1 };
    let pool = Arc::new(HashPool::start(slow, 3, Arc::new(Zeros)).unwrap());
    let hashes: Vec<_> = (0..3 * QUEUE_PER_THREAD)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.hash(password(PASSWORD), None).await })
        })
        .collect();
    for hash in hashes {
        hash.await.unwrap().unwrap();
        assert!((1..=3).contains(&pool.threads()));
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn hashing_has_a_lower_priority_than_requests() {
    let pool = pool(SMALL);
    pool.hash(password(PASSWORD), None).await.unwrap();
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let mut lowered = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("stat")).ok());
    assert!(
        lowered.any(|stat| {
            // The fields after the name in brackets; the nice value is field 19 (proc_pid_stat(5)).
            let (start, rest) = stat.rsplit_once(") ").unwrap();
            let nice: i32 = rest.split(' ').nth(16).unwrap().parse().unwrap();
            start.ends_with("(hash") && nice > 0
        }),
        "no thread named `hash` has a nice value above 0"
    );
    drop(pool);
}
