//! The memory of the per-client limits, measured at the allocator (R51).

#![expect(clippy::unwrap_used, reason = "a test that cannot continue panics")]

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use allocation_counter::measure;
use futures_util::FutureExt;
use reset_core::budget::Window;
use reset_http::rate_limit::{ClassLimits, ClientLimits, LimitClass, MEMORY_MAX, RateLimiter};
use reset_testkit::memory::FrozenClock;

/// Sends `times` requests from each of `networks` networks, every second one over IPv6, and from as many /24 or /48.
fn flood(limiter: &Arc<RateLimiter>, clock: &FrozenClock, class: LimitClass, networks: u32, times: usize) {
    for number in 0..networks {
        let address = if number % 2 == 0 {
            IpAddr::V6(Ipv6Addr::from_bits(u128::from(0x2001_0db8_0000 + u64::from(number)) << 80))
        } else {
            IpAddr::V4(Ipv4Addr::from_bits(number << 8))
        };
        for _ in 0..times {
            // The counters of this process answer at once.
            let _ = limiter.acquire(class, Some(address)).now_or_never().unwrap();
        }
        clock.advance(Duration::from_millis(1));
    }
}

#[test]
fn limits_take_at_most_48_mib_however_many_clients_there_are() {
    let many = || vec![Window::new(1_000, Duration::from_secs(3600))];
    let limits =
        ClientLimits { requests: ClassLimits { client: many(), network: many() }, ..ClientLimits::default() };
    let measured = measure(|| {
        let clock = Arc::new(FrozenClock::default());
        let limiter = RateLimiter::new(limits, clock.clone(), None);
        for class in LimitClass::ALL {
            flood(&limiter, &clock, class, 40_000, 1);
        }
        // Clients that are just within their limits, and many that are over it.
        flood(&limiter, &clock, LimitClass::ResetRequest, 1_000, 200);
        flood(&limiter, &clock, LimitClass::AddressCode, 20_000, 11);
    });
    let bytes = usize::try_from(measured.bytes_max).unwrap();
    println!("at most {bytes} bytes");
    assert!(bytes <= MEMORY_MAX, "{bytes}");
    assert!(bytes > MEMORY_MAX / 4, "only {bytes}: the counters were not filled");
    assert_eq!(MEMORY_MAX, 48 * 1024 * 1024, "as documented");
}
