//! Upper bounds for the success of an attacker who guesses secrets, computed from the limits in force (R45, R47).

use reset_core::budget::Window;

/// The number of six-digit codes.
pub const SIX_DIGITS: f64 = 1e6;
/// Assumed guesses per day where no limit applies: 1000 per second.
const UNLIMITED: f64 = 86.4e6;
/// Assumed number of live secrets where no limit applies.
const MANY: f64 = 1e4;

/// Returns the maximum number of guesses per day that `windows` allow.
pub fn per_day(windows: &[Window]) -> f64 {
    const DAY: f64 = 86_400.0;
    let most = windows.iter().map(|window| {
        // If the day is not a multiple of the sliding window, `count` can pass at either end of the day.
        f64::from(window.count) * (DAY / window.span.as_secs_f64()).max(1.0).ceil()
    });
    most.fold(f64::INFINITY, f64::min)
}

/// Formats P(any takeover) <= guesses × live / space, capped at one.
pub fn bound(guesses: f64, live: f64, space: f64) -> String {
    format!("{:.1e}", (guesses * live / space).min(1.0))
}

/// The sentence about a dialect whose secrets are too long to guess. `secrets` describes them: `256-bit tokens`.
pub fn unguessable(dialect: &str, bits: i32, secrets: &str) -> String {
    let most = bound(UNLIMITED, MANY, 2_f64.powi(bits));
    format!(
        "{dialect}: {secrets}: P(any takeover) <= {most} per day of attack, at 1000 guesses per second and 10000 live \
         secrets"
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn bounds_are_those_of_the_security_requirements() {
        let day = Duration::from_secs(86_400);
        let windows = [Window::new(5, Duration::from_secs(600)), Window::new(20, day)];
        assert_eq!(bound(per_day(&windows), 10.0, SIX_DIGITS), "2.0e-4");
        assert_eq!(bound(UNLIMITED, MANY, 2_f64.powi(60)), "7.5e-7");
        let windows = [Window::new(10, day), Window::new(25, 30 * day)];
        assert_eq!(bound(per_day(&windows), 1.0, SIX_DIGITS), "1.0e-5");
        assert_eq!(bound(1e9, 10.0, SIX_DIGITS), "1.0e0");
    }
}
