//! What the comparison of dialects says about one dialect, beyond what its rows and its document already say.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use reset_core::password::Policy;

/// What a chooser needs to know of a dialect, and neither its rows nor its document can tell.
pub struct Traits {
    /// Its name for people.
    pub title: &'static str,
    /// Whom it serves best.
    pub suits: &'static str,
    /// The way to a new password: what is done, by which operation of the document.
    pub steps: Vec<(&'static str, &'static str)>,
    /// The form of the mailed secret; after it that of the policy for fallback times, if there is one.
    pub forms: Vec<&'static str>,
    /// What the mailed secret is exchanged for, and how long that lives.
    pub exchanged: Option<(&'static str, Duration)>,
    /// What stands against guessing.
    pub guesses: String,
    /// Rules for a new password.
    pub policy: Policy,
    /// Whether a body may have fields that nobody asked for.
    pub other_fields: bool,
    /// What a success tells beyond itself.
    pub carries: String,
    /// The answer to an unknown address, where it differs from that to a known one.
    pub unknown: Option<Response<Bytes>>,
    /// The answers to a secret that expired, was spent or replaced.
    pub dead: Vec<Response<Bytes>>,
    /// The answers to a secret that never was.
    pub forged: Vec<Response<Bytes>>,
    /// The answer to a good secret of a blocked account.
    pub blocked: Response<Bytes>,
    /// What profile `hardened` changes.
    pub changes: Vec<Change>,
}

/// One difference between the profiles.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// What differs.
    pub what: &'static str,
    /// The setting that decides it in either profile; nothing where the profile alone does.
    pub setting: Option<&'static str>,
    /// In profile `compatible`.
    pub compatible: &'static str,
    /// In profile `hardened`.
    pub hardened: &'static str,
}

impl Change {
    /// The one that concerns every dialect.
    pub const MIN_LENGTH: Self = Self {
        what: "least length of a password",
        setting: Some("password.min_length"),
        compatible: "`8`",
        hardened: "`15`",
    };
}

/// A time in the largest unit that measures it exactly.
pub fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [(86_400, "d"), (3_600, "h"), (60, "min")];
    match units.iter().find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{} {name}", seconds / unit),
        None if time.subsec_millis() > 0 => format!("{} ms", time.as_millis()),
        None => format!("{seconds} s"),
    }
}
