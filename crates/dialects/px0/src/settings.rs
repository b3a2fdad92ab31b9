//! The section `[px0]` of the settings.

use std::time::Duration;

use anyhow::Result;
use reset_core::{password::Policy, ticket::HARD_CAP};
use reset_http::{
    guessing::{SIX_DIGITS, bound, per_day, unguessable},
    module::Deployment,
    route::{Dialect, Lifetime, Security},
};
use reset_settings::{Choice, Integer, Key, Profile, SettingKey, Text};

use crate::{Codes, NAME, Px0Settings, dialect};

/// Description of the setting `wire`.
const WIRES: &str = "Wire format: `published`, the format of the published contract";

pub(crate) static ENABLED: Key<bool> =
    Key::new("px0.enabled", "true", "Whether px0 is served").only_with(&["px0"]);
static BASE_PATH: Key<Text> = Key::new("px0.base_path", "/v1/auth", "Path prefix of its two operations");
static WIRE: Key<Choice> = Key::choice("px0.wire", &["published"], "published", WIRES);
static CODE_TTL: Key<Duration> = Key::new("px0.code_ttl", "15m", "Lifetime of a code").hardened("10m");
static DISCLOSE_UNKNOWN: Key<bool> =
    Key::new("px0.disclose_unknown", "true", "Whether unknown addresses get the contract's 404")
        .hardened("false");

/// The keys of the section, in the order in which they are documented.
pub(crate) const KEYS: &[&SettingKey] = &[
    ENABLED.setting(),
    BASE_PATH.setting(),
    WIRE.setting(),
    CODE_TTL.setting(),
    DISCLOSE_UNKNOWN.setting(),
    LIVE_CODES.setting(),
];

/// Maximum number of live six-digit codes, in the section of limits.
static LIVE_CODES: Key<Integer> = Key::new(
    "limits.px0_live_codes",
    "10",
    "Maximum live six-digit px0 codes; beyond it, long codes are mailed",
);

/// Reads the section.
///
/// # Errors
/// Fails with one sentence that names the setting.
pub(crate) fn read(deployment: &Deployment<'_>) -> Result<Dialect> {
    let values = deployment.values;
    values.choice(&WIRE)?;
    let max_live = values.integer(&LIVE_CODES, 1..=1_000_000)?;
    let hardened = values.profile() == Profile::Hardened;
    let settings = Px0Settings {
        base_path: deployment.base_path(&BASE_PATH)?,
        disclose_unknown: values.boolean(&DISCLOSE_UNKNOWN)?,
        code_ttl: values.duration(&CODE_TTL, HARD_CAP)?,
        codes: match values.profile() {
            Profile::Compatible => Codes::SixDigits { max_live: deployment.limited.then_some(max_live) },
            Profile::Hardened => Codes::Long,
        },
        // The contract requires four character classes (docs/dialects.md#px0).
        policy: Policy { four_classes: !hardened, ..deployment.policy },
    };
    let security = settings.security(deployment);
    Ok(Dialect { security, ..dialect(settings) })
}

impl Px0Settings {
    fn security(&self, deployment: &Deployment<'_>) -> Security {
        let mut weaknesses = Vec::new();
        if self.disclose_unknown {
            weaknesses.push(
                "R13: px0 discloses to anyone whether an address has an account (px0.disclose_unknown)"
                    .into(),
            );
        }
        match self.codes {
            Codes::Long => {}
            Codes::SixDigits { max_live: Some(most) } => weaknesses.push(format!(
                "R47: px0 codes have six digits, and every guess counts against all live codes: with {most} live codes, \
                 one guess in {} succeeds (profile, limits.px0_live_codes)",
                1_000_000 / most
            )),
            Codes::SixDigits { max_live: None } => weaknesses
                .push("R47: px0 codes have six digits, and their number is not limited (limits.enabled)".into()),
        }
        if self.policy.four_classes {
            weaknesses.push("R55: px0 passwords must mix character classes (profile)".into());
        }
        let lifetimes = vec![Lifetime::of_code(CODE_TTL.setting(), self.code_ttl)];
        Security { bound: Some(self.bound(deployment)), weaknesses, lifetimes }
    }

    fn bound(&self, deployment: &Deployment<'_>) -> String {
        match self.codes {
            Codes::SixDigits { max_live: Some(most) } if deployment.limited => {
                let guesses = per_day(&deployment.budgeting.open_guesses);
                #[expect(clippy::cast_precision_loss, reason = "a setting of at most a million")]
                let live = most as f64;
                format!(
                    "px0: {guesses} wrong guesses per day at {live} live 6-digit codes: P(any takeover) <= {} per day of \
                     attack",
                    bound(guesses, live, SIX_DIGITS)
                )
            }
            Codes::SixDigits { .. } => {
                "px0: guesses at 6-digit codes are not limited: P(any takeover) is 1 within minutes".into()
            }
            Codes::Long => unguessable(NAME, 60, "60-bit codes"),
        }
    }
}
