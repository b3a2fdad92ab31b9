//! Per-client limits in Redis: shared by all processes, and counted per process while Redis is unavailable.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    thread::sleep,
    time::{Duration, Instant},
};

use conformance::{
    clients::{self, Step},
    http::{self, get},
    server::{Server, TestDeployment},
    test_redis::{self, TestRedis},
};
use tempfile::TempDir;

use super::{TIMEOUT, limited};

/// Maximum response time while Redis is unavailable, on a busy machine. The timeout for Redis is 50 ms of it.
const SOON: Duration = Duration::from_secs(2);

/// Returns a deployment that counts clients in the Redis at `url`, under a secret of its own.
fn with_redis(url: &str, secret: &str) -> (TestDeployment, TempDir) {
    let (mut deployment, folder) = limited();
    deployment.set("POLYRESET_LIMITS__REDIS_URL", url);
    deployment.set("POLYRESET_SECRET", secret);
    (deployment, folder)
}

fn secret_of(folder: &TempDir) -> String {
    let mut hasher = DefaultHasher::new();
    folder.path().hash(&mut hasher);
    format!("{:016x}0102030405060708", hasher.finish()).repeat(2)
}

/// Returns the request of a client that gets the same response for known and unknown addresses.
fn strapi(email: &str) -> Step {
    clients::named("strapi").request_for(email)
}

/// Requests a reset for an unknown address and returns the status.
fn request(server: &Server) -> u16 {
    let started = Instant::now();
    let status = http::send(server.address, &strapi("nobody@example.com")).unwrap().status;
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    status
}

fn requests_are_accepted(server: &Server, times: usize) {
    for number in 0..times {
        assert_eq!(request(server), 200, "request {number}");
    }
}

/// Waits until `/readyz` reports this state of the limits. The process is ready in every state.
fn wait_for_limits(server: &Server, limits: &str) {
    let (started, expected) = (Instant::now(), format!(r#""limits":"{limits}""#));
    loop {
        let ready = get(server.address, "/readyz").unwrap();
        assert_eq!(ready.status, 200, "{}", ready.body);
        if ready.body.contains(&expected) {
            return;
        }
        assert!(started.elapsed() < TIMEOUT, "never {limits}: {}", ready.body);
        sleep(Duration::from_millis(100));
    }
}

#[test]
fn two_processes_share_the_count_of_a_client() {
    let Some(url) = test_redis::url() else { return };
    let folder = tempfile::tempdir().unwrap();
    let secret = secret_of(&folder);
    let (one, _one) = with_redis(&url, &secret);
    let (two, _two) = with_redis(&url, &secret);
    let (first, second) = (one.start().unwrap(), two.start().unwrap());
    wait_for_limits(&first, "ok");
    for _ in 0..10 {
        // This is not a valid reset request, so its take is given back.
        assert_eq!(http::send(first.address, &strapi("")).unwrap().status, 400);
    }
    requests_are_accepted(&first, 3);
    requests_are_accepted(&second, 2);
    for server in [&first, &second] {
        let refused = http::send(server.address, &strapi("a@example.com")).unwrap();
        let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!(refused.status == 429 && (800..=900).contains(&wait), "{wait}");
    }
    // Under another secret, clients are counted separately.
    let (other, _other) = with_redis(&url, &secret.chars().rev().collect::<String>());
    requests_are_accepted(&other.start().unwrap(), 5);
    let doctor = one.run(&["doctor"], "").unwrap();
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains("ok    redis: accepts the per-client counters"), "{said}");
}

#[test]
fn while_redis_is_down_each_process_counts_clients_itself() {
    let Some(mut redis) = TestRedis::start() else { return };
    let (deployment, _folder) = with_redis(&redis.url(), &"5e01020304050607".repeat(4));
    let server = deployment.start().unwrap();
    requests_are_accepted(&server, 3);
    redis.stop();
    requests_are_accepted(&server, 2);
    for _ in 0..20 {
        assert_eq!(request(&server), 429, "an outage lets no client through");
    }
    wait_for_limits(&server, "degraded");
    let doctor = deployment.run(&["doctor"], "").unwrap();
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(!doctor.status.success() && said.contains("FAIL  redis: limits.redis_url"), "{said}");
    redis.spawn();
    wait_for_limits(&server, "ok");
    requests_are_accepted(&server, 5);
    assert_eq!(request(&server), 429);
    let log = deployment.logged();
    assert_eq!(log.matches("Redis unavailable").count(), 1, "once per outage: {log}");
    assert_eq!(log.matches("Redis available again").count(), 1, "{log}");
}

#[test]
fn an_unresponsive_redis_does_not_delay_responses() {
    let Some(redis) = TestRedis::start() else { return };
    let (deployment, _folder) = with_redis(&redis.url(), &"5f01020304050607".repeat(4));
    let server = deployment.start().unwrap();
    requests_are_accepted(&server, 1);
    redis.pause();
    requests_are_accepted(&server, 4);
    for _ in 0..20 {
        assert_eq!(request(&server), 429);
    }
    wait_for_limits(&server, "degraded");
    // A server that starts during the outage waits a second for Redis and then serves.
    let (late, _late) = with_redis(&redis.url(), &"6001020304050607".repeat(4));
    let late = late.start().unwrap();
    requests_are_accepted(&late, 5);
    assert_eq!(request(&late), 429);
    redis.resume();
    wait_for_limits(&server, "ok");
    wait_for_limits(&late, "ok");
}

#[test]
fn without_redis_readyz_does_not_mention_limits() {
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
