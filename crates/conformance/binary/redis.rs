//! Clients that are counted in Redis: by all processes together, and by each for itself while Redis is away.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    thread::sleep,
    time::{Duration, Instant},
};

use conformance::{
    http::{get, post},
    server::{Deployment, Server},
    test_redis::{self, TestRedis},
};
use tempfile::TempDir;

use super::{TIMEOUT, limited};

/// Longest time for an answer while Redis is away, on a busy machine: 50 ms of it are the wait for Redis.
const SOON: Duration = Duration::from_secs(2);

/// A deployment that counts in the Redis at `url`, under a secret that no other test has.
fn counting(url: &str, secret: &str) -> (Deployment, TempDir) {
    let (mut deployment, folder) = limited();
    deployment.set("POLYRESET_LIMITS__REDIS_URL", url);
    deployment.set("POLYRESET_SECRET", secret);
    (deployment, folder)
}

fn secret_of(folder: &TempDir) -> String {
    let mut hasher = DefaultHasher::new();
    folder.path().hash(&mut hasher);
    format!("{:016x}", hasher.finish()).repeat(4)
}

/// Asks once, for an address that nobody has.
fn ask(server: &Server) -> u16 {
    let began = Instant::now();
    let body = r#"{"email":"nobody@example.com"}"#;
    let status = post(server.address, "/auth/forgot-password", body).unwrap().status;
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    status
}

fn asks(server: &Server, times: usize) {
    for number in 0..times {
        assert_eq!(ask(server), 200, "ask {number}");
    }
}

/// What `/readyz` says of the limits, which never makes a process unready.
fn wait_for(server: &Server, limits: &str) {
    let (began, expected) = (Instant::now(), format!(r#""limits":"{limits}""#));
    loop {
        let ready = get(server.address, "/readyz").unwrap();
        assert_eq!(ready.status, 200, "{}", ready.body);
        if ready.body.contains(&expected) {
            return;
        }
        assert!(began.elapsed() < TIMEOUT, "never {limits}: {}", ready.body);
        sleep(Duration::from_millis(100));
    }
}

#[test]
fn two_processes_count_a_client_together_and_give_back_together() {
    let Some(url) = test_redis::url() else { return };
    let folder = tempfile::tempdir().unwrap();
    let secret = secret_of(&folder);
    let (one, _one) = counting(&url, &secret);
    let (two, _two) = counting(&url, &secret);
    let (first, second) = (one.start().unwrap(), two.start().unwrap());
    wait_for(&first, "ok");
    for _ in 0..10 {
        // No ask at all, so what it took is given back.
        assert_eq!(post(first.address, "/auth/forgot-password", r#"{"email":""}"#).unwrap().status, 400);
    }
    asks(&first, 3);
    asks(&second, 2);
    for server in [&first, &second] {
        let refused = post(server.address, "/auth/forgot-password", r#"{"email":"a@example.com"}"#).unwrap();
        let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!(refused.status == 429 && (800..=900).contains(&wait), "{wait}");
    }
    // Another secret, another count.
    let (other, _other) = counting(&url, &secret.replace(|c: char| c.is_ascii_digit(), "a"));
    asks(&other.start().unwrap(), 5);
    let doctor = one.run(&["doctor"], "").unwrap();
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains("ok    redis: accepts the per-client counters"), "{said}");
}

#[test]
fn when_redis_stops_the_processs_own_count_goes_on_and_nothing_fails() {
    let Some(mut redis) = TestRedis::start() else { return };
    let (deployment, _folder) = counting(&redis.url(), &"5e".repeat(32));
    let server = deployment.start().unwrap();
    asks(&server, 3);
    redis.stop();
    asks(&server, 2);
    for _ in 0..20 {
        assert_eq!(ask(&server), 429, "nobody is let through for it");
    }
    wait_for(&server, "degraded");
    let doctor = deployment.run(&["doctor"], "").unwrap();
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(!doctor.status.success() && said.contains("FAIL  redis: limits.redis_url"), "{said}");
    redis.run();
    wait_for(&server, "ok");
    asks(&server, 5);
    assert_eq!(ask(&server), 429);
    let log = deployment.logged();
    assert_eq!(log.matches("Redis unavailable").count(), 1, "once an outage: {log}");
    assert_eq!(log.matches("Redis available again").count(), 1, "{log}");
}

#[test]
fn a_redis_that_says_nothing_holds_nobody_up() {
    let Some(redis) = TestRedis::start() else { return };
    let (deployment, _folder) = counting(&redis.url(), &"5f".repeat(32));
    let server = deployment.start().unwrap();
    asks(&server, 1);
    redis.hush();
    asks(&server, 4);
    for _ in 0..20 {
        assert_eq!(ask(&server), 429);
    }
    wait_for(&server, "degraded");
    // One that starts meanwhile waits a second for it, and serves.
    let (late, _late) = counting(&redis.url(), &"60".repeat(32));
    let late = late.start().unwrap();
    asks(&late, 5);
    assert_eq!(ask(&late), 429);
    redis.wake();
    wait_for(&server, "ok");
    wait_for(&late, "ok");
}

#[test]
fn without_redis_nobody_speaks_of_it() {
    let (deployment, _folder) = limited();
    let server = deployment.start().unwrap();
    assert!(!get(server.address, "/readyz").unwrap().body.contains("limits"));
    let (mut wrong, _wrong) = limited();
    wrong.set("POLYRESET_LIMITS__REDIS_URL", "rediss://user:hunter2@cache");
    let said = wrong.run(&["serve"], "").unwrap();
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(
        said.contains("limits.redis_url (POLYRESET_LIMITS__REDIS_URL)") && !said.contains("hunter2"),
        "{said}"
    );
}
