//! Facts for the comparison of dialects that neither the rows nor the document of a dialect contain.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use reset_core::password::Policy;

/// Facts for the comparison that neither the rows nor the document of a dialect contain.
pub struct Traits {
    /// Display name.
    pub title: &'static str,
    /// Which applications it suits best.
    pub suits: &'static str,
    /// The steps of a reset, each with the operation id that performs it. The first step is the reset request.
    pub steps: Vec<(&'static str, &'static str)>,
    /// Format of the mailed secret, followed by the format under the fallback policy, if there is one.
    pub forms: Vec<&'static str>,
    /// Format and lifetime of the token that the mailed secret is exchanged for.
    pub exchanged: Option<(&'static str, Duration)>,
    /// Protection against guessing.
    pub guesses: String,
    /// Password policy.
    pub policy: Policy,
    /// Whether unknown fields in a body are ignored instead of rejected.
    pub other_fields: bool,
    /// Data in the response to a successful reset.
    pub carries: String,
    /// The response to an unknown address, if it differs from the response to a known one.
    pub unknown: Option<Response<Bytes>>,
    /// The responses to an expired, used or replaced secret.
    pub dead: Vec<Response<Bytes>>,
    /// The responses to a secret that was never issued.
    pub forged: Vec<Response<Bytes>>,
    /// The response to a valid secret of a blocked account.
    pub blocked: Response<Bytes>,
    /// Settings that the `hardened` profile changes.
    pub changes: Vec<Change>,
}

/// A difference between the profiles.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// What differs.
    pub what: &'static str,
    /// The setting that overrides it in either profile, or `None` if only the profile decides.
    pub setting: Option<&'static str>,
    /// Value in the `compatible` profile.
    pub compatible: &'static str,
    /// Value in the `hardened` profile.
    pub hardened: &'static str,
}

impl Change {
    /// The minimum password length, which differs in every dialect.
    pub const MIN_LENGTH: Self = Self {
        what: "minimum password length",
        setting: Some("password.min_length"),
        compatible: "`8`",
        hardened: "`15`",
    };
}

/// Formats a duration in the largest unit that divides it.
pub fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [(86_400, "d"), (3_600, "h"), (60, "min")];
    match units.iter().find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{} {name}", seconds / unit),
        None if time.subsec_millis() > 0 => format!("{} ms", time.as_millis()),
        None => format!("{seconds} s"),
    }
}
