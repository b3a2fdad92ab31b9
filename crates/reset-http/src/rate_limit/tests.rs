//! Rate limits of one client, with the process's own counters and with shared ones.

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
fn every_class_also_counts_against_the_surrounding_network() {
    for (class, of_network) in [
        (LimitClass::ResetRequest, 50),
        (LimitClass::OpenCode, 20),
        (LimitClass::AddressCode, 100),
        (LimitClass::Token, 600),
        (LimitClass::Estimate, 600),
    ] {
        let (limiter, _) = rate_limiter();
        let v6 = (0..1_000).map(|subnet| format!("2001:db8:5:{subnet:x}::1"));
        assert_eq!(admitted(&limiter, class, v6), of_network, "{class:?}");
        assert_eq!(admitted(&limiter, class, ["2001:db8:6::1".to_owned()].into_iter()), 1, "{class:?}");
        let v4 = (0..2_560).map(|number| format!("198.51.100.{}", number % 256));
        assert_eq!(admitted(&limiter, class, v4), of_network, "{class:?}");
    }
}

/// The attack of one network that holds a whole /48 or many of them.
#[test]
fn limited_client_stays_limited_however_much_is_counted_in_other_classes() {
    let (limiter, clock) = rate_limiter();
    let client = Some("2001:db8:1:1::1".parse().unwrap());
    while limiter.acquire_locally(LimitClass::ResetRequest, client).is_ok() {}
    for class in LimitClass::ALL.into_iter().filter(|class| *class != LimitClass::ResetRequest) {
        for number in 0..70_000_u32 {
            let (high, low) = (number >> 16, number & 0xFFFF);
            let same_network = format!("2001:db8:1:{low:x}::1").parse().unwrap();
            let other_network = format!("2001:{:x}:{low:x}::1", 0xdb9 + high).parse().unwrap();
            let _ = limiter.acquire_locally(class, Some(same_network));
            let _ = limiter.acquire_locally(class, Some(other_network));
        }
    }
    clock.advance(Duration::from_secs(60));
    assert!(limiter.acquire_locally(LimitClass::ResetRequest, client).is_err());
}

#[test]
fn limited_client_stays_limited_however_many_other_networks_follow() {
    let (limiter, _) = rate_limiter();
    let client = Some("2001:db8:1:1::1".parse().unwrap());
    while limiter.acquire_locally(LimitClass::ResetRequest, client).is_ok() {}
    for number in 0..100_000_u32 {
        let other = format!("2001:{:x}:{:x}::1", 0xdb9 + (number >> 16), number & 0xFFFF).parse().unwrap();
        assert!(limiter.acquire_locally(LimitClass::ResetRequest, Some(other)).is_ok());
    }
    assert!(limiter.acquire_locally(LimitClass::ResetRequest, client).is_err());
}

#[test]
fn high_limits_do_not_reduce_the_number_of_clients_that_are_remembered() {
    let limits = ClassLimits {
        client: vec![Window::new(10_000, Duration::from_secs(900))],
        network: vec![Window::new(10_000, Duration::from_secs(900))],
    };
    let limits = ClientLimits { requests: limits, ..ClientLimits::default() };
    let limiter = RateLimiter::new(limits, Arc::new(FrozenClock::default()), None);
    let clients = (0..10_000).map(|number| format!("203.{}.{}.7", number / 250, number % 250));
    assert_eq!(admitted(&limiter, LimitClass::ResetRequest, clients), 10_000);
    for width in Width::ALL {
        assert_eq!(limiter.lock().of(LimitClass::ResetRequest, width).len(), 10_000);
    }
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
fn returned_permits_are_forgotten() {
    let (limiter, _) = rate_limiter();
    for number in 0..1_000 {
        let address = format!("203.0.{}.{}", number / 250, number % 250).parse().unwrap();
        limiter.acquire_locally(LimitClass::Token, Some(address)).unwrap().give_back();
    }
    for width in Width::ALL {
        assert_eq!(limiter.lock().of(LimitClass::Token, width).len(), 0);
    }
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
        for class in LimitClass::ALL {
            let _ = limiter.acquire(class, Some(address.parse().unwrap())).await;
        }
    }
    let mut names: Vec<String> =
        counters.requested.lock().unwrap().iter().map(|budget| budget.name.clone()).collect();
    // Neither as text nor in hexadecimal.
    let reveals =
        |name: &String| ["203.0", "2001:db8", "cb0071", "20010db8"].iter().any(|part| name.contains(part));
    assert!(names.iter().all(|name| name.len() == 32 && !reveals(name)));
    names.sort();
    names.dedup();
    // Each class has a counter per client, one for the /24 that the IPv4 addresses share, and one for the IPv6 /48.
    assert_eq!(names.len(), LimitClass::ALL.len() * (3 + 2));
}
