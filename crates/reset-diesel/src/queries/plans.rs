//! The statements whose cost must not grow with what waits, for tests of their plans.

use diesel::{debug_query, prelude::*, query_builder::QueryFragment};

use super::{
    super::engine::{Backend, DIGEST_LITERAL, schema::tickets, skip_locked},
    claim::{due, in_turn, oldest},
    issue::{live_of_kind, open_with},
    stage::{ACCEPTED, POSTPONED, READY},
    statements::live_with_id,
    tickets::ended,
};

/// Returns each statement with its values written out, under a name, and the last column by which an index must find its
/// rows.
pub(in super::super) fn statements() -> Vec<(&'static str, &'static str, String)> {
    vec![
        ("accepted jobs in turn", "stage", text(&skip_locked!(in_turn(ACCEPTED, 64)))),
        ("ready jobs in turn", "stage", text(&skip_locked!(in_turn(READY, 64)))),
        ("postponed jobs that are due", "due_at", text(&skip_locked!(due(POSTPONED, 100, 64)))),
        ("oldest accepted job", "stage", text(&oldest(ACCEPTED).limit(1))),
        ("tickets to purge", "expires_at", text(&ended(50_000).limit(500))),
        ("live ticket of an id", "id", text(&live_with_id("t5", 0).select(tickets::id))),
        ("open tickets of digests", "digest", text(&open_with("px0", &DIGESTS))),
        ("live codes of a dialect", "expires_at", text(&live_of_kind("px0", "code", 99_990, 10))),
    ]
}

/// A digest that no ticket has.
const DIGEST: [u8; 32] = [7; 32];
const DIGESTS: [&[u8]; 1] = [&DIGEST];

/// Returns the SQL of a query whose values are numbers, plain texts and [`DIGEST`].
fn text<Q: QueryFragment<Backend>>(query: &Q) -> String
where
    for<'a> diesel::query_builder::DebugQuery<'a, Q, Backend>: std::fmt::Display,
{
    let text = debug_query::<Backend, _>(query).to_string();
    let (sql, values) = text.split_once(" -- binds: [").expect("the query has values");
    let digest = format!("{DIGEST:?}");
    let values =
        values.trim_end_matches(']').replace(digest.trim_end_matches(']'), DIGEST_LITERAL).replace('"', "'");
    // A list is an array on PostgreSQL, and single values elsewhere.
    let written = |value: &str| match value.trim_end_matches(']').strip_prefix('[') {
        Some(only) => format!("ARRAY[{only}]"),
        None => value.trim_end_matches(']').to_owned(),
    };
    let values: Vec<String> = values.split(", ").map(written).collect();
    // PostgreSQL numbers its parameters, and no query here has ten of them.
    let numbered = |sql: String, (index, value): (usize, &String)| {
        let parameter = format!("${}", index + 1);
        if sql.contains(&parameter) {
            sql.replacen(&parameter, value, 1)
        } else {
            sql.replacen('?', value, 1)
        }
    };
    values.iter().enumerate().fold(sql.to_owned(), numbered)
}
