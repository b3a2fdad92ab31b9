//! Generates unusual requests from a grammar of HTTP and of the served routes, and damages some of them.
//!
//! A seed and a number determine each request, so that a difference can be reproduced. No secret is valid and no
//! address has an account, so that no request influences the response to another.
//!
//! * `target`: paths and queries. `head`: methods, versions and headers. `body`: JSON, forms and other bytes, whole or
//!   in chunks. `damage`: flipped, lost and duplicated bytes.

mod body;
mod damage;
mod head;
mod target;

use std::sync::Arc;

use reset_http::{
    client::{MailedSecret, Step},
    route::Dialect,
};

use crate::clients;

/// A pseudorandom number generator (splitmix64), deterministic on every machine.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Returns a generator that starts from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns the next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `end`, which must not be 0.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).expect("a small number");
        usize::try_from(self.number() % end).expect("below a usize")
    }

    /// Returns true with a probability of `percent`.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Returns one of `choices`.
    pub fn pick<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }
}

/// A served method and path that requests are generated for.
#[derive(Clone, Debug)]
pub struct Row {
    /// Name of the dialect.
    pub dialect: String,
    /// Method.
    pub method: String,
    /// Path.
    pub path: String,
    /// The request of the dialect's client to this path.
    step: Option<Step>,
    /// The field of a reset request that names a page, for dialects that have one.
    redirect: Option<&'static str>,
    /// Secrets that no dialect has issued.
    forged: Arc<ForgedSecrets>,
}

/// Well-formed secrets of every dialect that were never issued.
#[derive(Debug, Default)]
struct ForgedSecrets {
    /// The values of placeholders in a body.
    values: Vec<String>,
    /// The queries of mailed links.
    queries: Vec<String>,
}

/// Returns every method of every path of `dialects`.
pub fn rows(dialects: &[Dialect]) -> Vec<Row> {
    let mut forged = ForgedSecrets::default();
    for client in dialects.iter().filter_map(|dialect| dialect.client.as_ref()) {
        let values: Vec<&str> = client.forged.split('/').collect();
        if let MailedSecret::Link { parameters } = client.mailed {
            let pairs: Vec<String> =
                parameters.iter().zip(&values).map(|(name, value)| format!("{name}={value}")).collect();
            forged.queries.push(format!("?{}", pairs.join("&")));
        }
        forged.values.extend(values.into_iter().map(ToOwned::to_owned));
    }
    let forged = Arc::new(forged);
    let mut rows = Vec::new();
    for dialect in dialects {
        let client = dialect.client.as_ref();
        for (path, endpoints) in &dialect.rows {
            let step = client.and_then(|client| clients::steps(client).find(|step| step.path == *path));
            rows.extend(endpoints.iter().map(|endpoint| Row {
                dialect: dialect.name.to_owned(),
                method: endpoint.method.to_string(),
                path: path.clone(),
                step: step.cloned(),
                redirect: client.and_then(|client| client.redirect),
                forged: forged.clone(),
            }));
        }
    }
    rows
}

/// Bytes to send over one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Each part is sent after the response to the previous one. A part may hold pipelined requests.
    pub parts: Vec<Vec<u8>>,
    /// Index of the row that the first request was generated for.
    pub row: usize,
    /// Whether bytes were damaged; then the first request may not match its row.
    pub damaged: bool,
}

/// Generates the probe with this `number` in the run of `seed`.
pub fn probe(seed: u64, number: usize, rows: &[Row]) -> Probe {
    let number = u64::try_from(number).expect("a small number");
    let mut random = Random::new(seed ^ Random::new(number).number());
    let row = random.below(rows.len());
    let mut first = request(&mut random, &rows[row]);
    let damaged = random.chance(30);
    if damaged {
        damage::damage(&mut random, &mut first);
    }
    let mut parts = vec![first];
    if random.chance(15) {
        let other = random.below(rows.len());
        let second = request(&mut random, &rows[other]);
        if random.chance(50) {
            parts.push(second);
        } else {
            parts[0].extend(second);
        }
    }
    Probe { parts, row, damaged }
}

/// Generates a request for `row`, possibly with oddities.
fn request(random: &mut Random, row: &Row) -> Vec<u8> {
    // Half of the requests have few oddities. Otherwise nearly all would fail at the first of many.
    let odd = if random.chance(50) { 2 } else { 14 };
    let bytes = body::body(random, row, odd);
    let target = target::target(random, row, odd);
    head::request(random, row, &target, &bytes, odd)
}
