//! The dialects side by side, for people who choose one.
//!
//! Whatever rows, policies, refusals and documents know is taken from them; [`Traits`] has the rest, stated in
//! each dialect's folder. `GET /dialects` shows it as a page, `cargo xtask dialects` writes it into
//! `docs/dialects.md`.

mod operations;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response};
use reset_core::{
    issue_policy::{Delivery, IssuePolicy},
    password::Policy,
};
use serde_json::{Map, Value};

use self::operations::{Operation, read};
use crate::{common_error::CommonError, route::Dialect};

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
    pub(crate) const MIN_LENGTH: Self = Self {
        what: "least length of a password",
        setting: Some("password.min_length"),
        compatible: "`8`",
        hardened: "`15`",
    };
}

/// A piece of text in one line of a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Span {
    /// Prose.
    Text(String),
    /// What goes over the wire or into settings, letter by letter.
    Code(String),
}

/// The lines of a cell.
pub type Cell = Vec<Vec<Span>>;

/// One table: each row begins with its own heading.
pub struct Table {
    /// What it shows.
    pub caption: &'static str,
    /// Headings, the first for the rows' headings.
    pub columns: Vec<String>,
    /// The rows, as wide as the headings.
    pub rows: Vec<Vec<Cell>>,
}

/// The comparison of the dialects among `dialects`; our own paths are none.
pub fn tables(dialects: &[Dialect]) -> Vec<Table> {
    let sides: Vec<Side> = dialects.iter().filter_map(Side::of).collect();
    vec![glance(&sides), operations(&sides), answers(&sides), profiles(&sides)]
}

/// One dialect with its traits, its operations and what it mails.
struct Side<'a> {
    dialect: &'a Dialect,
    traits: &'a Traits,
    operations: Vec<Operation>,
    policies: Vec<&'a IssuePolicy>,
}

impl<'a> Side<'a> {
    fn of(dialect: &'a Dialect) -> Option<Self> {
        let traits = dialect.traits.as_ref()?;
        let policies = dialect.policies.iter().flat_map(|policies| {
            [Some(&policies.primary), policies.fallback.as_ref().map(|fallback| &fallback.policy)]
        });
        Some(Self { dialect, traits, operations: read(dialect), policies: policies.flatten().collect() })
    }

    fn operation(&self, id: &str) -> &Operation {
        let found = self.operations.iter().find(|operation| operation.id == id);
        found.expect("a step names an operation of its document")
    }

    fn steps(&self) -> Cell {
        let step = |(number, (what, id)): (usize, &(&str, &str))| {
            let operation = self.operation(id);
            let mut line = vec![text(format!("{number}. {what}: "))];
            line.extend(operation.call());
            line
        };
        (1..).zip(&self.traits.steps).map(step).collect()
    }

    fn secrets(&self) -> Cell {
        let way = |delivery: &Delivery| match delivery {
            Delivery::Code => vec![text(", to be typed")],
            Delivery::Link { parameter, .. } | Delivery::LinkViaRedirect { parameter, .. } => {
                vec![text(", in a link: "), code(format!("?{parameter}="))]
            }
        };
        let mailed =
            self.traits.forms.iter().zip(&self.policies).enumerate().map(|(place, (form, policy))| {
                let mut line = said(&format!("{}{form}", if place > 0 { "or " } else { "" }));
                line.extend(way(&policy.delivery));
                line
            });
        let mut secrets: Cell = mailed.collect();
        if let Some((form, _)) = self.traits.exchanged {
            // What is mailed as a rule is what is exchanged.
            secrets.insert(1, said(&format!("then {form}")));
        }
        secrets
    }

    fn lives(&self) -> Cell {
        let mut mailed: Vec<String> = self.policies.iter().map(|policy| span(policy.lifetime)).collect();
        mailed.dedup();
        let mailed = mailed.into_iter().enumerate();
        let mut lives: Cell = mailed
            .map(|(place, lifetime)| vec![text(format!("{}{lifetime}", if place > 0 { "or " } else { "" }))])
            .collect();
        if let Some((_, lifetime)) = self.traits.exchanged {
            lives.insert(1, vec![text(format!("then {}", span(lifetime)))]);
        }
        lives
    }

    /// The status of a trigger's answer when all is well.
    fn accepted(&self) -> &str {
        let (_, ask) = self.traits.steps[0];
        self.operation(ask).statuses.first().map_or("", String::as_str)
    }

    /// Keys of the bodies that say no, each set of them once.
    fn envelopes(&self) -> Cell {
        let failure = self.dialect.errors.render(&CommonError::Failure, &HeaderMap::new());
        let mut envelopes: Cell =
            [&failure, &self.traits.blocked].into_iter().map(|answer| vec![code(keys(answer))]).collect();
        envelopes.dedup();
        envelopes
    }

    fn unknown(&self) -> Cell {
        match &self.traits.unknown {
            Some(answer) => vec![shown(answer)],
            None => vec![vec![text("as to a known one: "), code(self.accepted())]],
        }
    }
}

/// A row of one heading and a cell for each dialect.
fn row<'a>(sides: &[Side<'a>], head: &str, cell: impl Fn(&Side<'a>) -> Cell) -> Vec<Cell> {
    [vec![said(head)]].into_iter().chain(sides.iter().map(cell)).collect()
}

/// What to choose by.
fn glance(sides: &[Side]) -> Table {
    let rows = vec![
        row(sides, "Choose it for", |side| vec![said(side.traits.suits)]),
        row(sides, "Steps", Side::steps),
        row(sides, "Mailed secret", Side::secrets),
        row(sides, "Its lifetime", Side::lives),
        row(sides, "Against guessing", |side| vec![said(&side.traits.guesses)]),
        row(sides, "New password", |side| vec![said(&rules(&side.traits.policy))]),
        row(sides, "A success carries", |side| vec![said(&side.traits.carries)]),
        row(sides, "Unknown address", |side| match &side.traits.unknown {
            Some(answer) => vec![vec![text("told apart: "), code(answer.status().as_str().to_owned())]],
            None => side.unknown(),
        }),
        row(sides, "Other fields in a body", |side| {
            vec![said(if side.traits.other_fields { "ignored" } else { "refused" })]
        }),
        row(sides, "Paths", |side| {
            vec![said(if side.dialect.lenient { "any case, slash at the end or not" } else { "exact" })]
        }),
        row(sides, "Envelope of failures", Side::envelopes),
        row(sides, "Answers for all paths below", |side| {
            side.dialect.owns.iter().map(|prefix| vec![code(prefix.clone())]).collect()
        }),
    ];
    Table { caption: "What to choose by", columns: heads("", sides), rows }
}

/// Every row, with what its document says of it.
fn operations(sides: &[Side]) -> Table {
    let columns = ["Operation", "Dialect", "Takes", "Answers", "Success carries"];
    let rows = sides.iter().flat_map(|side| {
        side.operations.iter().map(|operation| {
            let statuses = operation.statuses.iter().map(|status| code(status.clone()));
            vec![
                vec![operation.call()],
                vec![said(side.traits.title)],
                vec![operation.takes.clone()],
                vec![listed(statuses)],
                vec![operation.carries.clone()],
            ]
        })
    });
    let columns = columns.map(ToOwned::to_owned).to_vec();
    Table { caption: "Every operation", columns, rows: rows.collect() }
}

/// How each dialect says no: the very bytes.
fn answers(sides: &[Side]) -> Table {
    let refused = |head, error: &CommonError| {
        row(sides, head, |side| vec![shown(&side.dialect.errors.render(error, &HeaderMap::new()))])
    };
    let several = |answers: &[Response<Bytes>]| {
        let mut lines: Cell = answers.iter().map(shown).collect();
        lines.dedup();
        lines
    };
    let busy = CommonError::Busy { retry_after: Duration::from_secs(1) };
    let many = CommonError::TooMany { retry_after: Duration::from_secs(60) };
    let rows = vec![
        row(sides, "Unknown address", Side::unknown),
        row(sides, "Secret that expired, was spent or replaced", |side| several(&side.traits.dead)),
        row(sides, "Secret that never was", |side| several(&side.traits.forged)),
        row(sides, "Good secret of a blocked account", |side| vec![shown(&side.traits.blocked)]),
        refused("Body not declared as JSON", &CommonError::NotJson),
        refused("Body too large", &CommonError::BodyTooLarge),
        refused("Unknown path", &CommonError::NotFound { path: "/nothing".into() }),
        refused("Another method", &CommonError::MethodNotAllowed),
        refused("Too often from one client, with `Retry-After`", &many),
        refused("Too busy, with `Retry-After`", &busy),
        refused("A failure of ours", &CommonError::Failure),
    ];
    Table { caption: "How each says no", columns: heads("", sides), rows }
}

/// What the profiles change, each change once for all dialects that it concerns.
fn profiles(sides: &[Side]) -> Table {
    let mut seen: Vec<Change> = Vec::new();
    for change in sides.iter().flat_map(|side| &side.traits.changes) {
        if !seen.contains(change) {
            seen.push(*change);
        }
    }
    let rows = seen.into_iter().map(|change| {
        let concerned = sides.iter().filter(|side| side.traits.changes.contains(&change));
        vec![
            vec![said(change.what)],
            vec![listed(concerned.map(|side| text(side.traits.title)))],
            vec![said(change.compatible)],
            vec![said(change.hardened)],
            vec![change.setting.map_or_else(|| vec![text("the profile alone")], |key| vec![code(key)])],
        ]
    });
    let columns = ["Change", "Dialect", "`compatible`", "`hardened`", "Decided by"];
    let columns = columns.map(ToOwned::to_owned).to_vec();
    Table { caption: "What the profiles change", columns, rows: rows.collect() }
}

fn heads(first: &str, sides: &[Side]) -> Vec<String> {
    let titles = sides.iter().map(|side| side.traits.title);
    [first].into_iter().chain(titles).map(ToOwned::to_owned).collect()
}

/// Spans with commas between them.
fn listed(spans: impl IntoIterator<Item = Span>) -> Vec<Span> {
    let mut line = Vec::new();
    for span in spans {
        if !line.is_empty() {
            line.push(text(", "));
        }
        line.push(span);
    }
    line
}

/// Status and body of an answer.
fn shown(answer: &Response<Bytes>) -> Vec<Span> {
    let body = String::from_utf8_lossy(answer.body());
    vec![code(answer.status().as_str()), text(" "), code(body)]
}

/// The keys of an answer's body, as `{a, b}`.
fn keys(answer: &Response<Bytes>) -> String {
    let body: Map<String, Value> = serde_json::from_slice(answer.body()).unwrap_or_default();
    let keys: Vec<&str> = body.keys().map(String::as_str).collect();
    format!("{{{}}}", keys.join(", "))
}

/// A text of ours, in which backticks stand around what is code.
pub fn said(words: &str) -> Vec<Span> {
    let parts = words.split('`').enumerate().filter(|(_, part)| !part.is_empty());
    parts.map(|(place, part)| if place % 2 == 0 { text(part) } else { code(part) }).collect()
}

fn text(text: impl Into<String>) -> Span {
    Span::Text(text.into())
}

fn code(text: impl Into<String>) -> Span {
    Span::Code(text.into())
}

fn rules(policy: &Policy) -> String {
    let classes = if policy.four_classes { ", with upper case, lower case, digit and another" } else { "" };
    format!("{} characters or more{classes}; {} bytes at most", policy.min, policy.max_bytes)
}

/// A time in the largest unit that measures it exactly.
pub(crate) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [(86_400, "d"), (3_600, "h"), (60, "min")];
    match units.iter().find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{} {name}", seconds / unit),
        None if time.subsec_millis() > 0 => format!("{} ms", time.as_millis()),
        None => format!("{seconds} s"),
    }
}
