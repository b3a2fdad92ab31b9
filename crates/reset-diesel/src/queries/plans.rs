//! The statements whose cost must not grow with what waits, for tests of their plans.

use diesel::{debug_query, prelude::*, query_builder::QueryFragment};

use super::{
    super::engine::{Backend, skip_locked},
    claim::{due, in_turn, oldest},
    stage::{ACCEPTED, POSTPONED, READY},
    tickets::ended,
};

/// Returns each statement with its values written out, under a name.
pub(in super::super) fn statements() -> Vec<(&'static str, String)> {
    vec![
        ("accepted jobs in turn", text(&skip_locked!(in_turn(ACCEPTED, 64)))),
        ("ready jobs in turn", text(&skip_locked!(in_turn(READY, 64)))),
        ("postponed jobs that are due", text(&skip_locked!(due(POSTPONED, 50_000, 64)))),
        ("oldest accepted job", text(&oldest(ACCEPTED).limit(1))),
        ("tickets to purge", text(&ended(50_000).limit(500))),
    ]
}

/// Returns the SQL of a query whose values are all numbers.
fn text<Q: QueryFragment<Backend>>(query: &Q) -> String
where
    for<'a> diesel::query_builder::DebugQuery<'a, Q, Backend>: std::fmt::Display,
{
    let text = debug_query::<Backend, _>(query).to_string();
    let (sql, values) = text.split_once(" -- binds: [").expect("the query has values");
    let values: Vec<&str> = values.trim_end_matches(']').split(", ").collect();
    // PostgreSQL numbers its parameters, and no query here has ten of them.
    let numbered = |sql: String, (index, value): (usize, &&str)| {
        let parameter = format!("${}", index + 1);
        if sql.contains(&parameter) {
            sql.replacen(&parameter, value, 1)
        } else {
            sql.replacen('?', value, 1)
        }
    };
    values.iter().enumerate().fold(sql.to_owned(), numbered)
}
