//! Requests that nobody would write: made up from a grammar of HTTP and of our rows, then damaged.
//!
//! Everything follows from a seed and a number, so that a difference can be sent again. No secret is ever a
//! valid one and no address has an account, so that no request changes what another one is answered.
//!
//! * `target`: paths and what surrounds them. `head`: methods, versions and headers. `body`: JSON and what is
//!   none, whole or in chunks. `damage`: bytes flipped, lost, doubled.

mod body;
mod damage;
mod head;
mod target;

/// A small generator of numbers, splitmix64: enough for variety, and the same on every machine.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers that follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which must not be 0.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).expect("a small number");
        usize::try_from(self.number() % end).expect("below a usize")
    }

    /// True this many times of a hundred.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of `choices`.
    pub fn pick<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }
}

/// A method of a path that is served: what the requests are made for.
#[derive(Clone, Debug)]
pub struct Row {
    /// Name of the dialect.
    pub dialect: String,
    /// Its method.
    pub method: String,
    /// Its path.
    pub path: String,
}

/// What is sent on one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Each part is sent when the one before is answered; a part may hold several requests, back to back.
    pub parts: Vec<Vec<u8>>,
    /// The row that the first request was made for.
    pub row: usize,
    /// Whether bytes were damaged: then it need not be what the row was to be asked.
    pub damaged: bool,
}

/// The probe with this `number` in the run of `seed`.
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

/// A request for `row`, more or less.
fn request(random: &mut Random, row: &Row) -> Vec<u8> {
    // Half of the requests have at most one oddity each, or nearly all would fail at the first of many.
    let odd = if random.chance(50) { 2 } else { 14 };
    let bytes = body::body(random, row, odd);
    let target = target::target(random, row, odd);
    head::request(random, row, &target, &bytes, odd)
}
