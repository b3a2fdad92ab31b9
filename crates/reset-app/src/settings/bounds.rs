//! Upper bounds for the success of an attacker who guesses codes, computed from the limits in force (R45, R47).

use anyhow::Result;
use reset_core::budget::Window;
use reset_dialects::{insforge, px0};

use super::Settings;

/// Number of six-digit codes.
const SIX_DIGITS: f64 = 1e6;
/// Assumed guesses per day where no limit applies: 1000 per second.
const UNLIMITED: f64 = 86.4e6;
/// Assumed number of live secrets where no limit applies.
const MANY: f64 = 1e4;

/// Returns the maximum number of guesses per day that `windows` allow.
fn per_day(windows: &[Window]) -> f64 {
    const DAY: f64 = 86_400.0;
    let most = windows.iter().map(|window| {
        // If the day is not a multiple of the sliding window, `count` can pass at either end of the day.
        f64::from(window.count) * (DAY / window.span.as_secs_f64()).max(1.0).ceil()
    });
    most.fold(f64::INFINITY, f64::min)
}

/// Formats P(any takeover) <= guesses × live / space, capped at one.
fn bound(guesses: f64, live: f64, space: f64) -> String {
    format!("{:.1e}", (guesses * live / space).min(1.0))
}

impl Settings {
    /// Returns one line for each served dialect.
    ///
    /// # Errors
    /// Fails if the settings of a dialect are invalid.
    pub(crate) fn bounds(&self) -> Result<Vec<String>> {
        let dialects = self.stand_in()?;
        let budgeting = &self.limits.budgeting;
        let long = |name: &str, bits: i32, secrets: &str| {
            let most = bound(UNLIMITED, MANY, 2_f64.powi(bits));
            format!(
                "{name}: {secrets}: P(any takeover) <= {most} per day of attack, at 1000 guesses per second and 10000 live \
                 secrets"
            )
        };
        let mut lines = Vec::new();
        if let Some(px0) = &dialects.px0 {
            lines.push(match px0.codes {
                px0::Codes::SixDigits { max_live: Some(most) } if self.limits.enabled => {
                    let guesses = per_day(&budgeting.open_guesses);
                    #[expect(clippy::cast_precision_loss, reason = "a setting of at most a million")]
                    let most = most as f64;
                    format!(
                        "px0: {guesses} wrong guesses per day at {most} live 6-digit codes: P(any takeover) <= {} per day of attack",
                        bound(guesses, most, SIX_DIGITS)
                    )
                }
                px0::Codes::SixDigits { .. } => {
                    "px0: guesses at 6-digit codes are not limited: P(any takeover) is 1 within minutes".into()
                }
                px0::Codes::Long => long("px0", 60, "60-bit codes"),
            });
        }
        if dialects.worthai.is_some() {
            lines.push(long("worthai", 256, "tokens with a 256-bit signature"));
        }
        if dialects.strapi.is_some() {
            lines.push(long("strapi", 448, "448-bit codes"));
        }
        if let Some(insforge) = &dialects.insforge {
            lines.push(match insforge.method {
                insforge::Method::Link => long("insforge", 192, "192-bit tokens"),
                insforge::Method::Code if self.limits.enabled => {
                    let (own, all) = (per_day(&budgeting.guesses), per_day(&budgeting.all_guesses));
                    let own = own.min(all);
                    format!(
                        "insforge: {own} wrong guesses per day at the 6-digit codes of one account, {all} at those of all: \
                         P(takeover) <= {} per account, P(any takeover) <= {} per day of attack",
                        bound(own, 1.0, SIX_DIGITS),
                        bound(all, 1.0, SIX_DIGITS)
                    )
                }
                insforge::Method::Code => format!(
                    "insforge: {} attempts per 6-digit code, but the number of codes is not limited: P(takeover) approaches 1",
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
    fn bounds_match_the_security_requirements() {
        let day = Duration::from_secs(86_400);
        let windows = [Window::new(5, Duration::from_secs(600)), Window::new(20, day)];
        assert_eq!(bound(per_day(&windows), 10.0, SIX_DIGITS), "2.0e-4");
        assert_eq!(bound(UNLIMITED, MANY, 2_f64.powi(60)), "7.5e-7");
        let windows = [Window::new(10, day), Window::new(25, 30 * day)];
        assert_eq!(bound(per_day(&windows), 1.0, SIX_DIGITS), "1.0e-5");
        assert_eq!(bound(1e9, 10.0, SIX_DIGITS), "1.0e0");
    }
}
