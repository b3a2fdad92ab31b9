//! What is counted, and how often it may happen.

use std::time::Duration;

use reset_core::budget::Window;

/// The kinds of requests, each with its own counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LimitClass {
    /// A reset request.
    ResetRequest,
    /// An invalid short code that identifies the account on its own (px0).
    OpenCode,
    /// An invalid code for a named address (InsForge).
    AddressCode,
    /// An invalid secret that is too long to guess: a long code, a token or a link.
    Token,
    /// An estimate of a password's strength, which costs milliseconds of a core.
    Estimate,
}

impl LimitClass {
    /// All classes.
    pub const ALL: [Self; 5] =
        [Self::ResetRequest, Self::OpenCode, Self::AddressCode, Self::Token, Self::Estimate];

    /// Returns the name in the log and in the shared counters.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ResetRequest => "reset-request",
            Self::OpenCode => "open-code",
            Self::AddressCode => "address-code",
            Self::Token => "token",
            Self::Estimate => "estimate",
        }
    }
}

/// The limits of one class. The count of each window must not exceed [`COUNT_MAX`](reset_core::budget::COUNT_MAX).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassLimits {
    /// Of one client.
    pub client: Vec<Window>,
    /// Of the surrounding network, an IPv4 /24 or an IPv6 /48: one party can hold all its addresses.
    pub network: Vec<Window>,
}

/// The rate limits of one client and of the surrounding network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// [`LimitClass::ResetRequest`]. Default 5 per 15 minutes and 20 per day; of a network 50 and 200.
    pub requests: ClassLimits,
    /// [`LimitClass::OpenCode`]. Default 5 per hour and 10 per day; of a network 20 per day.
    pub open_codes: ClassLimits,
    /// [`LimitClass::AddressCode`]. Default 10 per 15 minutes, as in InsForge; of a network 100.
    pub address_codes: ClassLimits,
    /// [`LimitClass::Token`]. Default 60 per hour; of a network 600.
    pub tokens: ClassLimits,
    /// [`LimitClass::Estimate`]. Default 60 per minute; of a network 600.
    pub estimates: ClassLimits,
}

impl Default for ClientLimits {
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        const QUARTER: Duration = Duration::from_secs(15 * 60);
        const HOUR: Duration = Duration::from_secs(60 * 60);
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        let limits = |client: &[Window], network: &[Window]| ClassLimits {
            client: client.to_vec(),
            network: network.to_vec(),
        };
        Self {
            requests: limits(
                &[Window::new(5, QUARTER), Window::new(20, DAY)],
                &[Window::new(50, QUARTER), Window::new(200, DAY)],
            ),
            open_codes: limits(&[Window::new(5, HOUR), Window::new(10, DAY)], &[Window::new(20, DAY)]),
            address_codes: limits(&[Window::new(10, QUARTER)], &[Window::new(100, QUARTER)]),
            tokens: limits(&[Window::new(60, HOUR)], &[Window::new(600, HOUR)]),
            estimates: limits(&[Window::new(60, MINUTE)], &[Window::new(600, MINUTE)]),
        }
    }
}

impl ClientLimits {
    /// Returns the limits of `class`.
    pub(super) fn of(&self, class: LimitClass) -> &ClassLimits {
        match class {
            LimitClass::ResetRequest => &self.requests,
            LimitClass::OpenCode => &self.open_codes,
            LimitClass::AddressCode => &self.address_codes,
            LimitClass::Token => &self.tokens,
            LimitClass::Estimate => &self.estimates,
        }
    }
}
