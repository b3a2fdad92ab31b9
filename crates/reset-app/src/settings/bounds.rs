//! What an attacker can reach against the limits in force: the bounds of security.md B1 to B4, from the running numbers.

use anyhow::Result;
use reset_core::budget::Window;
use reset_dialects::{insforge, px0};

use super::Settings;

/// Codes of six digits.
const SIX_DIGITS: f64 = 1e6;
/// Guesses a day of an attacker whom nothing but the line slows down: a thousand a second.
const UNLIMITED: f64 = 86.4e6;
/// Secrets that are live at once, where nothing limits their number.
const MANY: f64 = 1e4;

/// Most that `windows` let through in a day.
fn a_day(windows: &[Window]) -> f64 {
    const DAY: f64 = 86_400.0;
    let most = windows.iter().map(|window| {
        // A window that slides lets `count` through at either end of a day that is no multiple of it.
        f64::from(window.count) * (DAY / window.span.as_secs_f64()).max(1.0).ceil()
    });
    most.fold(f64::INFINITY, f64::min)
}

/// P(any takeover) <= G*N/S (B1), and never more than one.
fn bound(guesses: f64, live: f64, space: f64) -> String {
    format!("{:.1e}", (guesses * live / space).min(1.0))
}

impl Settings {
    /// A line for each dialect that is served.
    pub(crate) fn bounds(&self) -> Result<Vec<String>> {
        let dialects = self.stand_in()?;
        let budgeting = &self.limits.budgeting;
        let machine = |name: &str, bits: i32, what: &str| {
            let most = bound(UNLIMITED, MANY, 2_f64.powi(bits));
            format!(
                "{name}: {what}: P(any takeover) <= {most} per attacked day, at 1000 guesses a second and 10000 live"
            )
        };
        let mut lines = Vec::new();
        if let Some(px0) = &dialects.px0 {
            lines.push(match px0.codes {
                px0::Codes::SixDigits { max_live: Some(most) } if self.limits.enabled => {
                    let guesses = a_day(&budgeting.open_guesses);
                    #[expect(clippy::cast_precision_loss, reason = "a setting of at most a million")]
                    let most = most as f64;
                    format!(
                        "px0: {guesses} wrong guesses a day at {most} live codes of 6 digits: P(any takeover) <= {} per attacked day",
                        bound(guesses, most, SIX_DIGITS)
                    )
                }
                px0::Codes::SixDigits { .. } => {
                    "px0: nothing limits guesses at codes of 6 digits: P(any takeover) is 1 within minutes".into()
                }
                px0::Codes::Long => machine("px0", 60, "codes of 60 bits"),
            });
        }
        if dialects.worthai.is_some() {
            lines.push(machine("worthai", 256, "tokens with a signature of 256 bits"));
        }
        if dialects.strapi.is_some() {
            lines.push(machine("strapi", 448, "codes of 448 bits"));
        }
        if let Some(insforge) = &dialects.insforge {
            lines.push(match insforge.method {
                insforge::Method::Link => machine("insforge", 192, "tokens of 192 bits"),
                insforge::Method::Code if self.limits.enabled => {
                    let (own, all) = (a_day(&budgeting.guesses), a_day(&budgeting.all_guesses));
                    let own = own.min(all);
                    format!(
                        "insforge: {own} wrong guesses a day at an account's codes of 6 digits, {all} at all: P(takeover) <= {} per account, P(any) <= {} per attacked day",
                        bound(own, 1.0, SIX_DIGITS),
                        bound(all, 1.0, SIX_DIGITS)
                    )
                }
                insforge::Method::Code => format!(
                    "insforge: {} guesses at each code of 6 digits, and nothing limits the codes: P(takeover) is 1 in time",
                    insforge.max_attempts
                ),
            });
        }
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_bounds_are_those_of_the_security_requirements() {
        let day = Duration::from_secs(86_400);
        let windows = [Window::new(5, Duration::from_secs(600)), Window::new(20, day)];
        assert_eq!(bound(a_day(&windows), 10.0, SIX_DIGITS), "2.0e-4");
        assert_eq!(bound(UNLIMITED, MANY, 2_f64.powi(60)), "7.5e-7");
        let windows = [Window::new(10, day), Window::new(25, 30 * day)];
        assert_eq!(bound(a_day(&windows), 1.0, SIX_DIGITS), "1.0e-5");
        assert_eq!(bound(1e9, 10.0, SIX_DIGITS), "1.0e0");
    }
}
