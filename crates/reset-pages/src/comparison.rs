//! Compares the dialects, for developers who choose one.
//!
//! The tables are derived from the rows, issue policies, errors and OpenAPI documents. [`Traits`] holds the rest,
//! declared in each dialect's folder. `GET /dialects` shows the tables as a page, and `cargo xtask dialects` writes
//! them into `docs/dialects.md#side-by-side`.

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

use self::operations::{Operation, read_operations};
use reset_http::{
    common_error::CommonError,
    route::Dialect,
    traits::{Change, Traits, span},
};

/// A piece of text in one line of a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Span {
    /// Prose.
    Text(String),
    /// Text used verbatim on the wire or in settings.
    Code(String),
}

/// The lines of a cell.
pub type Cell = Vec<Vec<Span>>;

/// A table. The first cell of each row is its heading.
pub struct Table {
    /// Title of the table.
    pub caption: &'static str,
    /// Column headings. The first one stands above the row headings.
    pub columns: Vec<String>,
    /// Rows, each with one cell per column heading.
    pub rows: Vec<Vec<Cell>>,
}

/// Builds the comparison of those `dialects` that have traits; the service endpoints and the hosted pages have none.
pub fn tables(dialects: &[Dialect]) -> Vec<Table> {
    let sides: Vec<Side> = dialects.iter().filter_map(Side::of).collect();
    vec![overview(&sides), operations(&sides), error_responses(&sides), profiles(&sides)]
}

/// One side of the comparison: a dialect with its traits, operations and issue policies.
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
        Some(Self {
            dialect,
            traits,
            operations: read_operations(dialect),
            policies: policies.flatten().collect(),
        })
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
        let delivery = |delivery: &Delivery| match delivery {
            Delivery::Code => vec![text(", typed by the user")],
            Delivery::Link { parameter, .. } | Delivery::LinkViaRedirect { parameter, .. } => {
                vec![text(", in a link: "), code(format!("?{parameter}="))]
            }
            Delivery::LinkTemplate { .. } => {
                vec![text(", in a link with "), code("{uid}"), text(" and "), code("{token}")]
            }
        };
        let mailed =
            self.traits.forms.iter().zip(&self.policies).enumerate().map(|(index, (form, policy))| {
                let mut line = said(&format!("{}{form}", if index > 0 { "or " } else { "" }));
                line.extend(delivery(&policy.delivery));
                line
            });
        let mut secrets: Cell = mailed.collect();
        if let Some((form, _)) = self.traits.exchanged {
            // The secret of the primary policy is the one that is exchanged.
            secrets.insert(1, said(&format!("then {form}")));
        }
        secrets
    }

    fn lifetimes(&self) -> Cell {
        let mut mailed: Vec<String> = self.policies.iter().map(|policy| span(policy.lifetime)).collect();
        mailed.dedup();
        let mailed = mailed.into_iter().enumerate();
        let mut lifetimes: Cell = mailed
            .map(|(index, lifetime)| vec![text(format!("{}{lifetime}", if index > 0 { "or " } else { "" }))])
            .collect();
        if let Some((_, lifetime)) = self.traits.exchanged {
            lifetimes.insert(1, vec![text(format!("then {}", span(lifetime)))]);
        }
        lifetimes
    }

    /// Returns the status of an accepted reset request.
    fn accepted_status(&self) -> &str {
        let (_, id) = self.traits.steps[0];
        self.operation(id).statuses.first().map_or("", String::as_str)
    }

    /// Returns the distinct key sets of the error bodies.
    fn envelopes(&self) -> Cell {
        let failure = self.dialect.errors.render(&CommonError::Failure, &HeaderMap::new());
        let mut envelopes: Cell =
            [&failure, &self.traits.blocked].into_iter().map(|response| vec![code(keys(response))]).collect();
        envelopes.dedup();
        envelopes
    }

    fn unknown(&self) -> Cell {
        match &self.traits.unknown {
            Some(response) => vec![status_and_body(response)],
            None => vec![vec![text("same as for a known address: "), code(self.accepted_status())]],
        }
    }
}

/// Builds a row with a heading and one cell per dialect.
fn row<'a>(sides: &[Side<'a>], head: &str, cell: impl Fn(&Side<'a>) -> Cell) -> Vec<Cell> {
    [vec![said(head)]].into_iter().chain(sides.iter().map(cell)).collect()
}

/// Builds the table of the main differences.
fn overview(sides: &[Side]) -> Table {
    let rows = vec![
        row(sides, "Choose it for", |side| vec![said(side.traits.suits)]),
        row(sides, "Steps", Side::steps),
        row(sides, "Mailed secret", Side::secrets),
        row(sides, "Lifetime", Side::lifetimes),
        row(sides, "Protection against guessing", |side| vec![said(&side.traits.guesses)]),
        row(sides, "Password policy", |side| vec![said(&describe_policy(&side.traits.policy))]),
        row(sides, "Data in a successful response", |side| vec![said(&side.traits.carries)]),
        row(sides, "Unknown address", |side| match &side.traits.unknown {
            Some(response) => vec![vec![text("disclosed: "), code(response.status().as_str().to_owned())]],
            None => side.unknown(),
        }),
        row(sides, "Unknown fields in a body", |side| {
            vec![said(if side.traits.other_fields { "ignored" } else { "rejected" })]
        }),
        row(sides, "Paths", |side| {
            vec![said(if side.dialect.lenient {
                "case-insensitive, optional trailing slash"
            } else {
                "exact"
            })]
        }),
        row(sides, "Keys of error bodies", Side::envelopes),
        row(sides, "Owns all paths below", |side| {
            side.dialect.owns.iter().map(|prefix| vec![code(prefix.clone())]).collect()
        }),
    ];
    Table { caption: "Overview", columns: headings("", sides), rows }
}

/// Builds the table of all operations, with the details from the OpenAPI document.
fn operations(sides: &[Side]) -> Table {
    let columns = ["Operation", "Dialect", "Parameters", "Statuses", "Fields on success"];
    let rows = sides.iter().flat_map(|side| {
        side.operations.iter().map(|operation| {
            let statuses = operation.statuses.iter().map(|status| code(status.clone()));
            vec![
                vec![operation.call()],
                vec![said(side.traits.title)],
                vec![operation.takes.clone()],
                vec![comma_separated(statuses)],
                vec![operation.carries.clone()],
            ]
        })
    });
    let columns = columns.map(ToOwned::to_owned).to_vec();
    Table { caption: "Operations", columns, rows: rows.collect() }
}

/// Builds the table of error responses, byte for byte.
fn error_responses(sides: &[Side]) -> Table {
    let common = |head, error: &CommonError| {
        row(sides, head, |side| vec![status_and_body(&side.dialect.errors.render(error, &HeaderMap::new()))])
    };
    let distinct = |responses: &[Response<Bytes>]| {
        let mut lines: Cell = responses.iter().map(status_and_body).collect();
        lines.dedup();
        lines
    };
    let busy = CommonError::Busy { retry_after: Duration::from_secs(1) };
    let many = CommonError::TooMany { retry_after: Duration::from_secs(60) };
    let rows = vec![
        row(sides, "Unknown address", Side::unknown),
        row(sides, "Expired, used or replaced secret", |side| distinct(&side.traits.dead)),
        row(sides, "Secret that was never issued", |side| distinct(&side.traits.forged)),
        row(sides, "Valid secret of a blocked account", |side| vec![status_and_body(&side.traits.blocked)]),
        common(
            "Body not declared as JSON",
            &CommonError::UnsupportedMediaType { content_type: "text/plain".into() },
        ),
        common("Body too large", &CommonError::BodyTooLarge),
        common("Unknown path", &CommonError::NotFound { path: "/nothing".into(), query: None }),
        common("Method not allowed", &CommonError::MethodNotAllowed { method: "PUT".into() }),
        common("Client over its rate limit, with `Retry-After`", &many),
        common("Server busy, with `Retry-After`", &busy),
        common("Internal error", &CommonError::Failure),
    ];
    Table { caption: "Error responses", columns: headings("", sides), rows }
}

/// Builds the table of the differences between the profiles, one row per change, with all dialects that it affects.
fn profiles(sides: &[Side]) -> Table {
    let mut seen: Vec<Change> = Vec::new();
    for change in sides.iter().flat_map(|side| &side.traits.changes) {
        if !seen.contains(change) {
            seen.push(*change);
        }
    }
    let rows = seen.into_iter().map(|change| {
        let affected = sides.iter().filter(|side| side.traits.changes.contains(&change));
        vec![
            vec![said(change.what)],
            vec![comma_separated(affected.map(|side| text(side.traits.title)))],
            vec![said(change.compatible)],
            vec![said(change.hardened)],
            vec![change.setting.map_or_else(|| vec![text("only the profile")], |key| vec![code(key)])],
        ]
    });
    let columns = ["Setting", "Dialect", "`compatible`", "`hardened`", "Override with"];
    let columns = columns.map(ToOwned::to_owned).to_vec();
    Table { caption: "Differences between the profiles", columns, rows: rows.collect() }
}

fn headings(first: &str, sides: &[Side]) -> Vec<String> {
    let titles = sides.iter().map(|side| side.traits.title);
    [first].into_iter().chain(titles).map(ToOwned::to_owned).collect()
}

/// Joins spans with commas.
fn comma_separated(spans: impl IntoIterator<Item = Span>) -> Vec<Span> {
    let mut line = Vec::new();
    for span in spans {
        if !line.is_empty() {
            line.push(text(", "));
        }
        line.push(span);
    }
    line
}

/// Returns the status and the body of a response.
fn status_and_body(response: &Response<Bytes>) -> Vec<Span> {
    let body = String::from_utf8_lossy(response.body());
    vec![code(response.status().as_str()), text(" "), code(body)]
}

/// Returns the keys of a response's JSON body, as `{a, b}`.
fn keys(response: &Response<Bytes>) -> String {
    let body: Map<String, Value> = serde_json::from_slice(response.body()).unwrap_or_default();
    let keys: Vec<&str> = body.keys().map(String::as_str).collect();
    format!("{{{}}}", keys.join(", "))
}

/// Parses a text in which code stands between backticks.
pub fn said(words: &str) -> Vec<Span> {
    let parts = words.split('`').enumerate().filter(|(_, part)| !part.is_empty());
    parts.map(|(index, part)| if index % 2 == 0 { text(part) } else { code(part) }).collect()
}

fn text(text: impl Into<String>) -> Span {
    Span::Text(text.into())
}

fn code(text: impl Into<String>) -> Span {
    Span::Code(text.into())
}

/// Describes a password policy.
fn describe_policy(policy: &Policy) -> String {
    let classes = if policy.four_classes {
        " with an uppercase letter, a lowercase letter, a digit and another character"
    } else {
        ""
    };
    format!("at least {} characters{classes}; at most {} bytes", policy.min, policy.max_bytes)
}
