//! Whether answers differ in anything but their time: status, header names and values, body.
//!
//! Each part of an answer is compared by itself, as often as each of its values came to either class. So an answer that
//! now and then is another one for everybody is no difference, and one that is another for some accounts is.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{client::Answer, statistics::Verdict};

/// A value that one class alone got so often is a difference: by chance it happens once in 128 times.
const OFTEN: usize = 8;
/// So many standard errors between two shares are a difference (D3).
const ALARM: f64 = 4.5;
/// Longest value that is shown.
const SHOWN: usize = 160;

/// What the answers of the two classes have in common, and what not.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Bytes {
    /// Answers to known and to unknown addresses.
    pub(crate) known: usize,
    pub(crate) unknown: usize,
    /// How often each status came: status, known, unknown.
    pub(crate) statuses: Vec<(String, usize, usize)>,
    /// Parts that are another one in nearly every answer, such as a reference: compared by length.
    pub(crate) by_length: Vec<String>,
    pub(crate) differences: Vec<Difference>,
    pub(crate) verdict: Verdict,
}

/// A value that the classes did not get alike.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Difference {
    /// `status`, `answered` (or the connection broke first), `headers` (their names in order), `body`, or the name of a
    /// header.
    pub(crate) part: String,
    /// What it was, addresses left out.
    pub(crate) value: String,
    /// How often known and unknown addresses got it.
    pub(crate) known: usize,
    pub(crate) unknown: usize,
    /// Whether it is too often to be chance.
    pub(crate) certain: bool,
}

/// The values of each part, and how often unknown and known addresses got them.
type Counts = BTreeMap<String, BTreeMap<String, [usize; 2]>>;

/// Gathers answers and compares them in the end.
#[derive(Default)]
pub(crate) struct Gathered {
    counts: Counts,
    answers: [usize; 2],
}

impl Gathered {
    /// Takes an answer in that was given for `email`.
    pub(crate) fn add(&mut self, known: bool, email: &str, answer: &Answer) {
        self.answers[usize::from(known)] += 1;
        let names: Vec<&str> = answer.headers.iter().map(|(name, _)| name.as_str()).collect();
        self.count(known, "status", answer.status.to_string());
        self.count(known, "answered", if answer.again { "when asked again" } else { "at once" }.to_owned());
        self.count(known, "headers", names.join(" "));
        for (name, value) in answer.headers.iter().filter(|(name, _)| name != "date") {
            self.count(known, name, value.replace(email, "<address>"));
        }
        self.count(known, "body", answer.body.replace(email, "<address>"));
    }

    fn count(&mut self, known: bool, part: &str, value: String) {
        let values = self.counts.entry(part.to_owned()).or_default();
        values.entry(value).or_default()[usize::from(known)] += 1;
    }

    /// Compares.
    pub(crate) fn compare(self) -> Bytes {
        let [unknown, known] = self.answers;
        let (mut differences, mut by_length) = (Vec::new(), Vec::new());
        let statuses = self.counts.get("status").into_iter().flatten();
        let statuses =
            statuses.map(|(status, [unknown, known])| (status.clone(), *known, *unknown)).collect();
        for (part, mut values) in self.counts {
            let got: usize = values.values().flatten().sum();
            if values.len() > 2 && 2 * values.len() > got {
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

/// The same counts by the values' lengths.
fn lengths(values: BTreeMap<String, [usize; 2]>) -> BTreeMap<String, [usize; 2]> {
    let mut lengths: BTreeMap<String, [usize; 2]> = BTreeMap::new();
    for (value, [unknown, known]) in values {
        let counts = lengths.entry(format!("{} bytes", value.len())).or_default();
        counts[0] += unknown;
        counts[1] += known;
    }
    lengths
}

/// Whether a value is a difference, and whether it is a certain one: `one` of `ones` got it, and `other` of `others`.
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

/// The value as it may be shown: no address, whatever case the server gave it, and no more than a line.
fn without_addresses(value: &str) -> String {
    let apart = |sign: char| sign.is_whitespace() || "\"'<>,;:()[]{}\\=&?/".contains(sign);
    let mut shown = String::new();
    for piece in value.split_inclusive(apart) {
        let word = piece.trim_end_matches(apart);
        if word.contains('@') || word.to_ascii_lowercase().contains("%40") {
            shown.push_str("<an address>");
            shown.push_str(&piece[word.len()..]);
        } else {
            shown.push_str(piece);
        }
    }
    let shown: String = shown.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).collect();
    match shown.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &shown[..end]),
        None => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hundred answers for each class.
    fn compare(answer: impl Fn(bool, usize) -> Answer) -> Bytes {
        let mut gathered = Gathered::default();
        for turn in 0..100 {
            for known in [true, false] {
                let email = if known { "alice@example.com" } else { "zelda@example.com" };
                gathered.add(known, email, &answer(known, turn));
            }
        }
        gathered.compare()
    }

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Answer { status, headers, body: body.to_owned(), again: false }
    }

    #[test]
    fn dates_references_and_the_address_itself_are_no_differences() {
        let found = compare(|known, turn| {
            let number = 1000 + 2 * turn + usize::from(known);
            let email = if known { "alice@example.com" } else { "zelda@example.com" };
            let headers =
                [("date", &*format!("{known} {turn}")), ("x-reset-reference", &*format!("R{number}"))];
            answer(200, &headers, &format!("sent to {email}"))
        });
        assert_eq!((found.verdict, found.differences.len()), (Verdict::Equivalent, 0), "{found:?}");
        assert_eq!(found.by_length, ["x-reset-reference"]);
        assert_eq!(found.statuses, [("200".to_owned(), 100, 100)]);
    }

    #[test]
    fn every_part_that_differs_is_listed_and_no_address_with_it() {
        for (part, known) in [
            ("status", answer(404, &[("a", "1")], "x")),
            ("answered", Answer { again: true, ..answer(200, &[("a", "1")], "x") }),
            ("headers", answer(200, &[("a", "1"), ("b", "1")], "x")),
            ("a", answer(200, &[("a", "2")], "x")),
            ("body", answer(200, &[("a", "1")], "mail to ALICE@example.com; alice%40example.com")),
        ] {
            let found =
                compare(|is_known, _| if is_known { known.clone() } else { answer(200, &[("a", "1")], "x") });
            assert_eq!(found.verdict, Verdict::Different, "{part}");
            assert!(found.differences.iter().any(|difference| difference.part == part), "{found:?}");
            assert!(!format!("{found:?}").to_lowercase().contains("alice"), "{found:?}");
        }
    }

    #[test]
    fn a_length_that_differs_is_found_where_every_value_is_another() {
        let found = compare(|known, turn| {
            let reference = if known { format!("K{turn:07}") } else { format!("U{turn:08}") };
            answer(200, &[("reference", &reference)], "")
        });
        assert_eq!((found.verdict, found.by_length.len()), (Verdict::Different, 1), "{found:?}");
    }

    #[test]
    fn some_accounts_that_get_another_answer_are_a_difference_and_a_single_failure_is_none_yet() {
        let some = compare(|known, turn| answer(if known && turn % 10 == 0 { 403 } else { 200 }, &[], ""));
        assert_eq!(some.verdict, Verdict::Different, "{some:?}");
        let once = compare(|known, turn| answer(if known && turn == 50 { 503 } else { 200 }, &[], ""));
        assert_eq!((once.verdict, once.differences.len()), (Verdict::Inconclusive, 1), "{once:?}");
        let both = compare(|_, turn| answer(if turn % 10 == 0 { 503 } else { 200 }, &[], ""));
        assert_eq!(both.verdict, Verdict::Equivalent, "{both:?}");
        let more = compare(|known, turn| {
            answer(if turn % if known { 2 } else { 20 } == 0 { 503 } else { 200 }, &[], "")
        });
        assert_eq!(more.verdict, Verdict::Different, "{more:?}");
    }
}
