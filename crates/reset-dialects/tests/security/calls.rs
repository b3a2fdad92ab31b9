//! No sequence of calls sets a password unless somebody reads the mail (R9).
//!
//! Seeded: a failure names its sequence, and the next run repeats it.

use std::time::Duration;

use http::Method;
use reset_core::budget::{Budgeting, Window};
use reset_testkit::memory::{Memory, SentKind};

use crate::bench::{
    ANN, AttackBench, BOB, DAY, DIALECTS, EXCHANGE, HOUR, INSFORGE, LINK, NEW_PASSWORD, OLD_PASSWORD, PX0,
    Profile, STRAPI, TARGET, WORTHAI, over, settings, text,
};

/// Sequences, and calls in each.
const SEQUENCES: u64 = 240;
const CALLS: u64 = 150;

/// A stream of numbers that belongs to a seed: `SplitMix64`.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % u64::try_from(bound).unwrap()).unwrap()
    }

    fn one_of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }
}

/// The limits as a deployment has them by default: six digits are guessable without.
fn limited(profile: Profile) -> AttackBench {
    const MINUTE: Duration = Duration::from_secs(60);
    let budgeting = Budgeting {
        requests: vec![Window::new(1, MINUTE), Window::new(3, HOUR), Window::new(6, DAY)],
        mails: vec![Window::new(1_000, HOUR)],
        open_guesses: vec![Window::new(5, 10 * MINUTE), Window::new(20, DAY)],
        guesses: vec![Window::new(10, DAY), Window::new(25, 30 * DAY)],
        all_guesses: vec![Window::new(100, DAY)],
    };
    // No limit of one client: the attacker has many addresses.
    over(Memory::new(2), profile, settings(profile, &[TARGET]), budgeting)
}

/// What the attacker has: all that he was ever answered, and what he makes up.
struct Attacker {
    dice: Dice,
    heard: Vec<String>,
    /// What was mailed, where he reads the mail.
    mailed: Vec<String>,
}

impl Attacker {
    /// A secret: heard, of the right form, of a form somewhere near, or none.
    fn secret(&mut self) -> String {
        let digits = |dice: &mut Dice, count: usize, alphabet: &[u8]| -> String {
            (0..count).map(|_| char::from(alphabet[dice.below(alphabet.len())])).collect()
        };
        if !self.mailed.is_empty() && self.dice.below(2) == 0 {
            return self.mailed[self.mailed.len() - 1].clone();
        }
        // What looks like a token is tried soon.
        let token = self.heard.iter().rev().find(|word| word.len() >= 32);
        if let Some(token) = token.filter(|_| self.dice.below(3) == 0) {
            return token.clone();
        }
        match self.dice.below(10) {
            0..=2 if !self.heard.is_empty() => self.heard[self.dice.below(self.heard.len())].clone(),
            3..=4 => digits(&mut self.dice, 6, b"0123456789"),
            5 => digits(&mut self.dice, 64, b"0123456789abcdef"),
            6 => digits(&mut self.dice, 128, b"0123456789abcdef"),
            7 => digits(&mut self.dice, 13, b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"),
            8 => "eyJhbGciOiJub25lIiwidHlwIjoicHdyZXNldCtqd3QifQ.eyJzdWIiOiIxIn0.".to_owned(),
            _ => self.dice.one_of(&["", "null", "0", "000000", "' OR 1=1 --", ANN]).to_owned(),
        }
    }

    /// One call of his, and what he remembers of the answer.
    async fn call(&mut self, bench: &AttackBench) {
        let dialect = &DIALECTS[self.dice.below(4)];
        let email = self.dice.one_of(&[ANN, BOB, "ghost@example.org", "ANN@EXAMPLE.ORG"]);
        let secret = self.secret();
        let password = self.dice.one_of(&[NEW_PASSWORD, "another one A1!", "short", OLD_PASSWORD]);
        let (method, target, body) = match self.dice.below(12) {
            0..=2 => (Method::POST, dialect.ask.to_owned(), dialect.request_body(email)),
            3..=5 => (Method::POST, dialect.reset.to_owned(), (dialect.body)(&secret, password)),
            6 => (Method::POST, EXCHANGE.to_owned(), format!(r#"{{"email":"{email}","code":"{secret}"}}"#)),
            7 => (Method::GET, format!("{LINK}?token={}", secret.replace(' ', "+")), String::new()),
            // The second step without the first, and fields of one dialect at another's redemption.
            8 => (Method::POST, EXCHANGE.to_owned(), (dialect.body)(&secret, password)),
            9 => {
                let others = &DIALECTS[self.dice.below(4)];
                (Method::POST, dialect.reset.to_owned(), (others.body)(&secret, password))
            }
            10 => {
                let all = format!(
                    r#"{{"code":"{secret}","otp":"{secret}","reset_token":"{secret}","password":"{password}","newPassword":"{password}","new_password":"{password}","email":"{email}","id":1}}"#
                );
                (Method::POST, dialect.reset.to_owned(), all)
            }
            _ => {
                let method =
                    [Method::GET, Method::HEAD, Method::PUT, Method::DELETE][self.dice.below(4)].clone();
                (method, dialect.reset.to_owned(), (dialect.body)(&secret, password))
            }
        };
        let Ok(uri) = target.parse::<http::Uri>() else { return };
        let answer = bench.send(&method, &uri.to_string(), &[], body).await;
        let mut said: Vec<String> = answer.headers().values().map(|value| format!("{value:?}")).collect();
        said.push(text(&answer).to_owned());
        let words = said.iter().flat_map(|said| said.split(|c: char| !c.is_ascii_alphanumeric() && c != '.'));
        for word in words.filter(|word| (6..400).contains(&word.len())) {
            self.hear(word);
        }
    }

    /// Remembers the last hundred things that he heard, each once.
    fn hear(&mut self, word: &str) {
        if !self.heard.iter().any(|known| known == word) {
            self.heard.push(word.to_owned());
            let surplus = self.heard.len().saturating_sub(100);
            self.heard.drain(..surplus);
        }
    }
}

/// Runs one sequence. A `reader` sees the mails as well.
async fn changed(seed: u64, reader: bool) -> bool {
    let bench = limited(Profile::ALL[usize::try_from(seed % 3).unwrap()]);
    bench.account(ANN).await;
    bench.account(BOB).await;
    let before = (bench.hash(ANN).await, bench.hash(BOB).await);
    let mut attacker = Attacker { dice: Dice(seed), heard: Vec::new(), mailed: Vec::new() };
    for _ in 0..CALLS {
        match attacker.dice.below(10) {
            0 => {
                let spans = [Duration::from_secs(1), Duration::from_secs(61), HOUR, DAY];
                bench.memory.clock.advance(spans[attacker.dice.below(4)]);
            }
            1 | 2 => {
                bench.work().await;
                let mails = bench.memory.mailer.take();
                assert!(reader || mails.iter().all(|mail| mail.kind != SentKind::Changed), "sequence {seed}");
                for mail in mails.iter().filter(|_| reader) {
                    attacker.mailed.push(mail.secret.rsplit('=').next().unwrap().to_owned());
                }
            }
            3 => {
                // What a shop's staff does meanwhile.
                let email = attacker.dice.one_of(&[ANN, BOB]);
                let blocked = attacker.dice.below(10) == 0;
                bench.block(email, blocked).await;
            }
            _ => attacker.call(&bench).await,
        }
    }
    (bench.hash(ANN).await, bench.hash(BOB).await) != before
}

#[tokio::test]
async fn no_sequence_of_calls_without_the_mail_changes_a_password() {
    for seed in 0..SEQUENCES {
        assert!(!changed(seed, false).await, "sequence {seed} of {CALLS} calls changed a password");
    }
}

/// That the sequences above could have done it.
#[tokio::test]
async fn the_same_sequences_by_somebody_who_reads_the_mail_change_passwords() {
    let mut done = 0;
    for seed in 0..30 {
        done += usize::from(changed(seed, true).await);
    }
    assert!(done >= 10, "{done} of 30");
}

/// Each step of each dialect without the one before it.
#[tokio::test]
async fn a_step_cannot_be_taken_before_the_one_that_it_follows() {
    for profile in Profile::ALL {
        let bench = limited(profile);
        bench.account(ANN).await;
        for place in [PX0, WORTHAI, STRAPI, INSFORGE] {
            let dialect = &DIALECTS[place];
            for asked in [false, true] {
                if asked {
                    bench.post(dialect.ask, dialect.request_body(ANN)).await;
                    bench.work().await;
                }
                for secret in ["", ANN, "1", "000000", "undefined", &"0".repeat(64), &"0".repeat(128)] {
                    let answer = bench.reset(dialect, secret, NEW_PASSWORD).await;
                    assert!(answer.status().as_u16() >= 400, "{} {secret}", dialect.name);
                }
            }
        }
        assert!(bench.logs_in(ANN, OLD_PASSWORD).await);
    }
}
