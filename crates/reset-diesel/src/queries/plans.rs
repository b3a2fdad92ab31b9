//! The statements whose cost must not grow with what waits, for tests of their plans.

use diesel::{debug_query, prelude::*, query_builder::QueryFragment};

use super::{
    super::engine::{
        Backend, DIGEST_LITERAL, locked,
        schema::{jobs, tickets},
        skip_locked,
    },
    claim::{due, in_turn, oldest},
    groups::{unfinished, unfinished_with_id},
    issue::{live_of_kind, open_with, owned_by},
    lookups::tickets_of,
    stage::{ACCEPTED, POSTPONED, READY},
    statements::live_with_id,
    tickets::ended,
};
use crate::tests::plans::PlannedStatement;

/// Returns the statements.
pub(in super::super) fn statements() -> Vec<PlannedStatement> {
    let in_order = |name, column, sql| PlannedStatement { name, column, sorts: false, sql };
    let sorted = |name, column, sql| PlannedStatement { name, column, sorts: true, sql };
    vec![
        in_order("accepted jobs in turn", "stage", text(&skip_locked!(in_turn(ACCEPTED, 64)))),
        in_order("ready jobs in turn", "stage", text(&skip_locked!(in_turn(READY, 64)))),
        in_order("postponed jobs that are due", "due_at", text(&skip_locked!(due(POSTPONED, 100, 64)))),
        in_order("oldest accepted job", "stage", text(&oldest(ACCEPTED).limit(1))),
        sorted("unfinished jobs of ids", "id", text(&locked!(unfinished(&["job5", "job6"])))),
        in_order("unfinished job of an id", "id", text(&unfinished_with_id("job5").select(jobs::id))),
        in_order("tickets to purge", "expires_at", text(&ended(50_000).limit(500))),
        in_order("live ticket of an id", "id", text(&live_with_id("t5", 0).select(tickets::id))),
        in_order("tickets of jobs", "job", text(&tickets_of(&["job5", "job6"]).select(tickets::id))),
        sorted("tickets of accounts", "account", text(&locked!(owned_by("px0", &["a5", "a6"])))),
        in_order("open tickets of digests", "digest", text(&open_with("px0", &DIGESTS))),
        in_order("live codes of a dialect", "expires_at", text(&live_of_kind("px0", "code", 99_990, 10))),
    ]
}

/// A digest that no ticket has.
const DIGEST: [u8; 32] = [7; 32];
const DIGESTS: [&[u8]; 2] = [&DIGEST, &DIGEST];

/// Returns the SQL of a query whose values are numbers, plain texts and [`DIGEST`].
fn text<Q: QueryFragment<Backend>>(query: &Q) -> String
where
    for<'a> diesel::query_builder::DebugQuery<'a, Q, Backend>: std::fmt::Display,
{
    let text = debug_query::<Backend, _>(query).to_string();
    let (sql, values) = text.split_once(" -- binds: [").expect("the query has values");
    let digest = format!("{DIGEST:?}");
    let values = values.strip_suffix(']').expect("the list ends");
    let values: Vec<String> = split(&values.replace(&digest, DIGEST_LITERAL).replace('"', "'")).collect();
    // A list is an array on PostgreSQL, and single values elsewhere.
    let written = |value: String| match value.strip_prefix('[') {
        Some(list) => format!("ARRAY[{list}"),
        None => value,
    };
    let values: Vec<String> = values.into_iter().map(written).collect();
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

/// Splits a list at its commas, but not inside brackets.
fn split(list: &str) -> impl Iterator<Item = String> {
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for sign in list.chars() {
        match sign {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        match (sign, depth) {
            (',', 0) => parts.push(String::new()),
            _ => parts.last_mut().expect("there is one").push(sign),
        }
    }
    parts.into_iter().map(|part| part.trim().to_owned())
}
