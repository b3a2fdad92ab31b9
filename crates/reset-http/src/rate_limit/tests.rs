//! Rate limits of one client, with the process's own counters and with shared ones.

use std::net::{Ipv4Addr, Ipv6Addr};

use futures_util::future::BoxFuture;
use reset_testkit::memory::FrozenClock;

use super::*;

fn rate_limiter() -> (Arc<RateLimiter>, Arc<FrozenClock>) {
    let clock = Arc::new(FrozenClock::default());
    (RateLimiter::new(ClientLimits::default(), clock.clone(), None), clock)
}

fn admitted(limiter: &Arc<RateLimiter>, class: LimitClass, addresses: impl Iterator<Item = String>) -> usize {
    let mut admitted = 0;
    for address in addresses {
        admitted += usize::from(limiter.acquire_locally(class, Some(address.parse().unwrap())).is_ok());
    }
    admitted
}

#[test]
fn all_addresses_of_a_slash_64_count_as_one_client() {
    let (limiter, _) = rate_limiter();
    let all = (0..10_000).map(|host| format!("2001:DB8:0:7::{host:x}"));
    assert_eq!(admitted(&limiter, LimitClass::ResetRequest, all), 5);
    assert_eq!(admitted(&limiter, LimitClass::ResetRequest, ["2001:db8:0:8::1".to_owned()].into_iter()), 1);
}

#[test]
fn all_notations_of_an_ipv4_address_count_as_one_client() {
    let (limiter, _) = rate_limiter();
    let notations =
        ["1.2.3.4", "::ffff:1.2.3.4", "::FFFF:102:304", "0:0:0:0:0:ffff:1.2.3.4", "1.2.3.4", "1.2.3.4"];
    assert_eq!(admitted(&limiter, LimitClass::ResetRequest, notations.into_iter().map(ToOwned::to_owned)), 5);
}

#[test]
fn open_codes_also_count_against_the_surrounding_network() {
    let (limiter, _) = rate_limiter();
    let v6 = (0..1_000).map(|subnet| format!("2001:db8:5:{subnet:x}::1"));
    assert_eq!(admitted(&limiter, LimitClass::OpenCode, v6), 20);
    let v4 = (0..256).map(|host| format!("198.51.100.{host}"));
    assert_eq!(admitted(&limiter, LimitClass::OpenCode, v4), 20);
    let tokens = (0..256).map(|host| format!("198.51.100.{host}"));
    assert_eq!(admitted(&limiter, LimitClass::Token, tokens), 256, "tokens count per client only");
}

#[test]
fn rejected_client_is_accepted_after_retry_after() {
    let (limiter, clock) = rate_limiter();
    let address = Some("203.0.113.9".parse().unwrap());
    for _ in 0..5 {
        assert!(limiter.acquire_locally(LimitClass::ResetRequest, address).is_ok());
        clock.advance(Duration::from_secs(10));
    }
    let error = limiter.acquire_locally(LimitClass::ResetRequest, address).err();
    let retry_after = Duration::from_secs(15 * 60 - 50);
    assert_eq!(error, Some(CommonError::TooMany { retry_after }));
    clock.advance(retry_after);
    assert!(limiter.acquire_locally(LimitClass::ResetRequest, address).is_ok());
}

#[test]
fn only_wrong_secrets_stay_counted() {
    let (limiter, _) = rate_limiter();
    let address = Some("203.0.113.9".parse().unwrap());
    for _ in 0..20 {
        let permit = limiter.acquire_locally(LimitClass::OpenCode, address).unwrap();
        assert!(permit.judge(Ok::<_, RedeemError>(())).is_ok());
    }
    for _ in 0..5 {
        let permit = limiter.acquire_locally(LimitClass::OpenCode, address).unwrap();
        assert!(permit.judge(Err::<(), _>(RedeemError::Invalid)).is_err());
    }
    assert!(limiter.acquire_locally(LimitClass::OpenCode, address).is_err());
    assert!(
        limiter.acquire_locally(LimitClass::Token, address).is_ok(),
        "wrong short codes do not limit longer secrets"
    );
}

#[test]
fn clients_without_an_address_are_not_limited() {
    let (limiter, _) = rate_limiter();
    assert!((0..1_000).all(|_| limiter.acquire_locally(LimitClass::ResetRequest, None).is_ok()));
    assert!(limiter.warned.load(Ordering::Relaxed));
}

#[test]
fn memory_stays_below_64_mib_for_any_number_of_clients() {
    let (limiter, clock) = rate_limiter();
    for number in 0..200_000_u64 {
        let address = if number.is_multiple_of(2) {
            IpAddr::V6(Ipv6Addr::from_bits(u128::from(0x2001_0db8_0000_0000 + number * 0x10001) << 64))
        } else {
            IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(number).unwrap() * 257))
        };
        // Only one in 64 clients gets the longest list: filling all would take minutes and use no more memory.
        let times = if number % 64 == 0 { 60 } else { 1 };
        for _ in 0..times {
            let _ = limiter.acquire_locally(LimitClass::Token, Some(address));
        }
        clock.advance(Duration::from_millis(1));
    }
    let clients = limiter.clients.lock().unwrap();
    let (entry, known) = (ENTRY_OVERHEAD + 8 * 64, clients.young.len() + clients.old.len());
    assert!(known * entry <= 2 * GENERATION_BYTES, "{known} clients");
    assert!(2 * GENERATION_BYTES < 64 * 1024 * 1024 && known < 200_000);
}

/// Counters that return prepared results and record their calls.
#[derive(Default)]
struct ScriptedCounters {
    results: Mutex<Vec<Result<Take, Unavailable>>>,
    requested: Mutex<Vec<Budget>>,
    given_back: Mutex<Vec<(Vec<String>, String)>>,
}

impl Counters for ScriptedCounters {
    fn take<'a>(&'a self, budgets: &'a [Budget], _: Timestamp) -> BoxFuture<'a, Result<Take, Unavailable>> {
        self.requested.lock().unwrap().extend_from_slice(budgets);
        let result = self.results.lock().unwrap().pop().unwrap_or(Err(Unavailable));
        Box::pin(async move { result })
    }

    fn give_back(&self, names: Vec<String>, id: String) {
        self.given_back.lock().unwrap().push((names, id));
    }

    fn work(&self) -> bool {
        !self.results.lock().unwrap().is_empty()
    }
}

fn with_shared_counters(
    results: Vec<Result<Take, Unavailable>>,
) -> (Arc<RateLimiter>, Arc<ScriptedCounters>, Option<IpAddr>) {
    let counters = Arc::new(ScriptedCounters { results: Mutex::new(results), ..ScriptedCounters::default() });
    let shared = SharedCounters { counters: counters.clone(), names: HmacKey::shared(b"names") };
    let limiter = RateLimiter::new(ClientLimits::default(), Arc::new(FrozenClock::default()), Some(shared));
    (limiter, counters, Some("203.0.113.9".parse().unwrap()))
}

#[tokio::test]
async fn shared_counters_decide_and_get_permits_back() {
    let until = FrozenClock::START.plus(Duration::from_secs(77));
    let taken = Take::Taken { id: "7".to_owned() };
    let (limiter, counters, address) = with_shared_counters(vec![Ok(Take::Full { until }), Ok(taken)]);
    let permit = limiter.acquire(LimitClass::OpenCode, address).await.unwrap();
    permit.give_back();
    let requested = counters.requested.lock().unwrap().clone();
    let names: Vec<String> = requested.iter().map(|budget| budget.name.clone()).collect();
    let windows: Vec<usize> = requested.iter().map(|budget| budget.windows.len()).collect();
    assert_eq!(
        (windows, counters.given_back.lock().unwrap().clone()),
        (vec![2, 1], vec![(names, "7".to_owned())])
    );
    let error = limiter.acquire(LimitClass::OpenCode, address).await.err();
    assert_eq!(error, Some(CommonError::TooMany { retry_after: Duration::from_secs(77) }));
}

#[tokio::test]
async fn own_counters_include_earlier_requests_when_shared_counters_fail() {
    let taken = |id: u32| Ok(Take::Taken { id: id.to_string() });
    let (limiter, _, address) = with_shared_counters((0..3).map(taken).collect());
    let mut admitted = 0;
    for _ in 0..50 {
        admitted += u32::from(limiter.acquire(LimitClass::ResetRequest, address).await.is_ok());
    }
    assert_eq!(admitted, 5, "three with the shared counters, two without");
    assert_eq!(limiter.shares(), Some(false));
}

#[tokio::test]
async fn shared_names_hide_addresses_and_differ_per_counter() {
    let (limiter, counters, _) = with_shared_counters(Vec::new());
    for address in ["203.0.113.9", "203.0.113.10", "2001:db8:0:7::9"] {
        for class in
            [LimitClass::ResetRequest, LimitClass::OpenCode, LimitClass::AddressCode, LimitClass::Token]
        {
            let _ = limiter.acquire(class, Some(address.parse().unwrap())).await;
        }
    }
    let mut names: Vec<String> =
        counters.requested.lock().unwrap().iter().map(|budget| budget.name.clone()).collect();
    assert!(names.iter().all(|name| name.len() == 32 && !name.contains("203")));
    names.sort();
    names.dedup();
    // Four counters per client, one for the /24 that the IPv4 addresses share, and one for the IPv6 /48.
    assert_eq!(names.len(), 3 * 4 + 2);
}
