//! Compares responses in everything but their time: status, header names and values, body.
//!
//! Each part of a response is compared separately, by how often each value occurs in either class. A value that occurs
//! now and then in both classes is therefore no difference, but a value that only some accounts get is one.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{client::Reply, statistics::Verdict};

/// Occurrences in one class only that count as a difference. By chance, this happens once in 128 times.
const OFTEN: usize = 8;
/// Number of standard errors between two shares that counts as a difference, as in `statistics`.
const ALARM: f64 = 4.5;
/// Maximum length of a reported value, in characters.
const VALUE_MAX: usize = 160;

/// Comparison of the bytes of two classes of responses.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Bytes {
    /// Number of responses for known and for unknown addresses.
    pub(crate) known: usize,
    pub(crate) unknown: usize,
    /// Each status with its number of occurrences for known and unknown addresses.
    pub(crate) statuses: Vec<(String, usize, usize)>,
    /// Parts that differ in nearly every response, such as a reference: compared by length.
    pub(crate) by_length: Vec<String>,
    pub(crate) differences: Vec<Difference>,
    pub(crate) verdict: Verdict,
}

/// A value whose frequency differs between the classes.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Difference {
    /// `status`, `connection` (whether the request was retried), `headers` (their names in order), `body`, or the name of a
    /// header.
    pub(crate) part: String,
    /// The value, without addresses.
    pub(crate) value: String,
    /// Number of occurrences for known and for unknown addresses.
    pub(crate) known: usize,
    pub(crate) unknown: usize,
    /// Whether the difference is significant.
    pub(crate) certain: bool,
}

/// The values of each part, with their number of occurrences for unknown and known addresses.
type Counts = BTreeMap<String, BTreeMap<String, [usize; 2]>>;

/// Collects responses and compares them at the end.
#[derive(Default)]
pub(crate) struct Responses {
    counts: Counts,
    responses: [usize; 2],
}

impl Responses {
    /// Adds the reply to a request for `email`.
    pub(crate) fn add(&mut self, known: bool, email: &str, reply: &Reply) {
        let Reply { response, retried, .. } = reply;
        self.responses[usize::from(known)] += 1;
        let names: Vec<&str> = response.headers.iter().map(|(name, _)| name.as_str()).collect();
        self.count(known, "status", response.status.to_string());
        self.count(known, "connection", if *retried { "retried" } else { "first attempt" }.to_owned());
        self.count(known, "headers", names.join(" "));
        for (name, value) in response.headers.iter().filter(|(name, _)| name != "date") {
            self.count(known, name, value.replace(email, "<address>"));
        }
        self.count(known, "body", response.body.replace(email, "<address>"));
    }

    fn count(&mut self, known: bool, part: &str, value: String) {
        let values = self.counts.entry(part.to_owned()).or_default();
        values.entry(value).or_default()[usize::from(known)] += 1;
    }

    /// Compares the two classes.
    pub(crate) fn compare(self) -> Bytes {
        let [unknown, known] = self.responses;
        let (mut differences, mut by_length) = (Vec::new(), Vec::new());
        let statuses = self.counts.get("status").into_iter().flatten();
        let statuses =
            statuses.map(|(status, [unknown, known])| (status.clone(), *known, *unknown)).collect();
        for (part, mut values) in self.counts {
            let total: usize = values.values().flatten().sum();
            if values.len() > 2 && 2 * values.len() > total {
                values = lengths(values);
                by_length.push(part.clone());
            }
            let differing = values.into_iter().filter_map(|(value, [by_unknown, by_known])| {
                let certain = judge(by_known, known, by_unknown, unknown)?;
                let (part, value) = (part.clone(), without_addresses(&value));
                Some(Difference { part, value, known: by_known, unknown: by_unknown, certain })
            });
            differences.extend(differing);
        }
        let verdict = match differences.iter().map(|difference| difference.certain).max() {
            Some(true) => Verdict::Different,
            Some(false) => Verdict::Inconclusive,
            None if known == 0 || unknown == 0 => Verdict::Inconclusive,
            None => Verdict::Equivalent,
        };
        Bytes { known, unknown, statuses, by_length, differences, verdict }
    }
}

/// Groups the counts by the length of the values.
fn lengths(values: BTreeMap<String, [usize; 2]>) -> BTreeMap<String, [usize; 2]> {
    let mut lengths: BTreeMap<String, [usize; 2]> = BTreeMap::new();
    for (value, [unknown, known]) in values {
        let counts = lengths.entry(format!("{} bytes", value.len())).or_default();
        counts[0] += unknown;
        counts[1] += known;
    }
    lengths
}

/// Returns `None` if a value with `one` of `ones` and `other` of `others` occurrences is no difference, and otherwise
/// whether the difference is significant.
fn judge(one: usize, ones: usize, other: usize, others: usize) -> Option<bool> {
    if one == 0 || other == 0 {
        return Some(one.max(other) >= OFTEN);
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
    let share = |part: usize, whole: usize| part as f64 / whole as f64;
    let (of_all, inverse) = (share(one + other, ones + others), share(1, ones) + share(1, others));
    let error = (of_all * (1.0 - of_all) * inverse).sqrt();
    ((share(one, ones) - share(other, others)).abs() > ALARM * error).then_some(true)
}

/// Returns the value as one line without addresses, in whatever case the server wrote them.
fn without_addresses(value: &str) -> String {
    let separator = |sign: char| sign.is_whitespace() || "\"'<>,;:()[]{}\\=&?/".contains(sign);
    let mut shown = String::new();
    for part in value.split_inclusive(separator) {
        let word = part.trim_end_matches(separator);
        if word.contains('@') || word.to_ascii_lowercase().contains("%40") {
            shown.push_str("<an address>");
            shown.push_str(&part[word.len()..]);
        } else {
            shown.push_str(part);
        }
    }
    let shown: String = shown.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).collect();
    match shown.char_indices().nth(VALUE_MAX) {
        Some((end, _)) => format!("{}…", &shown[..end]),
        None => shown,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::http::RawResponse;

    /// Compares a hundred responses of each class.
    fn compare(reply: impl Fn(bool, usize) -> Reply) -> Bytes {
        let mut responses = Responses::default();
        for turn in 0..100 {
            for known in [true, false] {
                let email = if known { "alice@example.com" } else { "zelda@example.com" };
                responses.add(known, email, &reply(known, turn));
            }
        }
        responses.compare()
    }

    fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let response = RawResponse { status, headers, body: body.to_owned() };
        Reply { response, retried: false, took: Duration::ZERO }
    }

    #[test]
    fn dates_references_and_the_address_itself_are_not_differences() {
        let found = compare(|known, turn| {
            let number = 1000 + 2 * turn + usize::from(known);
            let email = if known { "alice@example.com" } else { "zelda@example.com" };
            let headers =
                [("date", &*format!("{known} {turn}")), ("x-reset-reference", &*format!("R{number}"))];
            response(200, &headers, &format!("sent to {email}"))
        });
        assert_eq!((found.verdict, found.differences.len()), (Verdict::Equivalent, 0), "{found:?}");
        assert_eq!(found.by_length, ["x-reset-reference"]);
        assert_eq!(found.statuses, [("200".to_owned(), 100, 100)]);
    }

    #[test]
    fn every_differing_part_is_listed_without_addresses() {
        for (part, known) in [
            ("status", response(404, &[("a", "1")], "x")),
            ("connection", Reply { retried: true, ..response(200, &[("a", "1")], "x") }),
            ("headers", response(200, &[("a", "1"), ("b", "1")], "x")),
            ("a", response(200, &[("a", "2")], "x")),
            ("body", response(200, &[("a", "1")], "mail to ALICE@example.com; alice%40example.com")),
        ] {
            let found = compare(
                |is_known, _| if is_known { known.clone() } else { response(200, &[("a", "1")], "x") },
            );
            assert_eq!(found.verdict, Verdict::Different, "{part}");
            assert!(found.differences.iter().any(|difference| difference.part == part), "{found:?}");
            assert!(!format!("{found:?}").to_lowercase().contains("alice"), "{found:?}");
        }
    }

    #[test]
    fn different_length_is_found_if_every_value_is_unique() {
        let found = compare(|known, turn| {
            let reference = if known { format!("K{turn:07}") } else { format!("U{turn:08}") };
            response(200, &[("reference", &reference)], "")
        });
        assert_eq!((found.verdict, found.by_length.len()), (Verdict::Different, 1), "{found:?}");
    }

    #[test]
    fn different_response_for_some_accounts_is_significant_but_a_single_failure_is_not() {
        let some = compare(|known, turn| response(if known && turn % 10 == 0 { 403 } else { 200 }, &[], ""));
        assert_eq!(some.verdict, Verdict::Different, "{some:?}");
        let once = compare(|known, turn| response(if known && turn == 50 { 503 } else { 200 }, &[], ""));
        assert_eq!((once.verdict, once.differences.len()), (Verdict::Inconclusive, 1), "{once:?}");
        let both = compare(|_, turn| response(if turn % 10 == 0 { 503 } else { 200 }, &[], ""));
        assert_eq!(both.verdict, Verdict::Equivalent, "{both:?}");
        let more = compare(|known, turn| {
            response(if turn % if known { 2 } else { 20 } == 0 { 503 } else { 200 }, &[], "")
        });
        assert_eq!(more.verdict, Verdict::Different, "{more:?}");
    }
}
