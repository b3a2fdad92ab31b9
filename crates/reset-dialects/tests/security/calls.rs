//! No sequence of requests sets a password without access to the mail (R9).
//!
//! The sequences are seeded: a failure names its seed, and every run repeats the same sequences.

use std::time::Duration;

use http::Method;
use reset_core::budget::{Budgeting, Window};
use reset_testkit::memory::{Memory, SentKind};

use crate::bench::{
    ANN, AttackBench, BOB, DAY, DIALECTS, EXCHANGE, HOUR, INSFORGE, LINK, NEW_PASSWORD, OLD_PASSWORD, PX0,
    Profile, STRAPI, TARGET, WORTHAI, bench_over, settings, text,
};

/// Number of sequences.
const SEQUENCES: u64 = 240;
/// Number of steps in each sequence.
const STEPS: u64 = 150;

/// A seeded random number generator: `SplitMix64`.
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

/// Returns a bench with the default budgets, without which six digits could be guessed.
fn limited(profile: Profile) -> AttackBench {
    const MINUTE: Duration = Duration::from_secs(60);
    let budgeting = Budgeting {
        requests: vec![Window::new(1, MINUTE), Window::new(3, HOUR), Window::new(6, DAY)],
        mails: vec![Window::new(1_000, HOUR)],
        open_guesses: vec![Window::new(5, 10 * MINUTE), Window::new(20, DAY)],
        guesses: vec![Window::new(10, DAY), Window::new(25, 30 * DAY)],
        all_guesses: vec![Window::new(100, DAY)],
    };
    // No limit per client: the attacker has many addresses.
    bench_over(Memory::new(2), profile, settings(profile, &[TARGET]), budgeting)
}

/// An attacker who remembers all responses and makes up secrets.
struct Attacker {
    dice: Dice,
    seen: Vec<String>,
    /// Mailed secrets, if the attacker can read the mail.
    mailed: Vec<String>,
}

impl Attacker {
    /// Returns a mailed secret, a word seen in a response, a random well-formed secret, or a malformed one.
    fn secret(&mut self) -> String {
        let digits = |dice: &mut Dice, count: usize, alphabet: &[u8]| -> String {
            (0..count).map(|_| char::from(alphabet[dice.below(alphabet.len())])).collect()
        };
        if !self.mailed.is_empty() && self.dice.below(2) == 0 {
            return self.mailed[self.mailed.len() - 1].clone();
        }
        // A word that looks like a token is likely to be tried soon.
        let token = self.seen.iter().rev().find(|word| word.len() >= 32);
        if let Some(token) = token.filter(|_| self.dice.below(3) == 0) {
            return token.clone();
        }
        match self.dice.below(10) {
            0..=2 if !self.seen.is_empty() => self.seen[self.dice.below(self.seen.len())].clone(),
            3..=4 => digits(&mut self.dice, 6, b"0123456789"),
            5 => digits(&mut self.dice, 64, b"0123456789abcdef"),
            6 => digits(&mut self.dice, 128, b"0123456789abcdef"),
            7 => digits(&mut self.dice, 13, b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"),
            8 => "eyJhbGciOiJub25lIiwidHlwIjoicHdyZXNldCtqd3QifQ.eyJzdWIiOiIxIn0.".to_owned(),
            _ => self.dice.one_of(&["", "null", "0", "000000", "' OR 1=1 --", ANN]).to_owned(),
        }
    }

    /// Sends one request and remembers the words of the response.
    async fn call(&mut self, bench: &AttackBench) {
        let dialect = &DIALECTS[self.dice.below(4)];
        let email = self.dice.one_of(&[ANN, BOB, "ghost@example.org", "ANN@EXAMPLE.ORG"]);
        let secret = self.secret();
        let password = self.dice.one_of(&[NEW_PASSWORD, "another one A1!", "short", OLD_PASSWORD]);
        let (method, target, body) = match self.dice.below(12) {
            0..=2 => (Method::POST, dialect.trigger.to_owned(), dialect.request_body(email)),
            3..=5 => (Method::POST, dialect.reset.to_owned(), (dialect.body)(&secret, password)),
            6 => (Method::POST, EXCHANGE.to_owned(), format!(r#"{{"email":"{email}","code":"{secret}"}}"#)),
            7 => (Method::GET, format!("{LINK}?token={}", secret.replace(' ', "+")), String::new()),
            // A body of another operation, and then a body of another dialect.
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
        let mut texts: Vec<String> = answer.headers().values().map(|value| format!("{value:?}")).collect();
        texts.push(text(&answer).to_owned());
        let words =
            texts.iter().flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.'));
        for word in words.filter(|word| (6..400).contains(&word.len())) {
            self.remember(word);
        }
    }

    /// Remembers the last hundred distinct words.
    fn remember(&mut self, word: &str) {
        if !self.seen.iter().any(|known| known == word) {
            self.seen.push(word.to_owned());
            let surplus = self.seen.len().saturating_sub(100);
            self.seen.drain(..surplus);
        }
    }
}

/// Runs one sequence and returns whether a password changed. With `reads_mail`, the attacker sees all mails.
async fn changes_a_password(seed: u64, reads_mail: bool) -> bool {
    let bench = limited(Profile::ALL[usize::try_from(seed % 3).unwrap()]);
    bench.account(ANN).await;
    bench.account(BOB).await;
    let before = (bench.hash(ANN).await, bench.hash(BOB).await);
    let mut attacker = Attacker { dice: Dice(seed), seen: Vec::new(), mailed: Vec::new() };
    for _ in 0..STEPS {
        match attacker.dice.below(10) {
            0 => {
                let spans = [Duration::from_secs(1), Duration::from_secs(61), HOUR, DAY];
                bench.memory.clock.advance(spans[attacker.dice.below(4)]);
            }
            1 | 2 => {
                bench.work().await;
                let mails = bench.memory.mailer.take();
                assert!(
                    reads_mail || mails.iter().all(|mail| mail.kind != SentKind::Changed),
                    "sequence {seed}"
                );
                for mail in mails.iter().filter(|_| reads_mail) {
                    attacker.mailed.push(mail.secret.rsplit('=').next().unwrap().to_owned());
                }
            }
            3 => {
                // Meanwhile an administrator blocks or unblocks an account.
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
async fn no_sequence_of_requests_changes_a_password_without_the_mail() {
    for seed in 0..SEQUENCES {
        assert!(
            !changes_a_password(seed, false).await,
            "sequence {seed} of {STEPS} steps changed a password"
        );
    }
}

/// Positive control: with the mails, the same sequences do change passwords.
#[tokio::test]
async fn same_sequences_change_passwords_with_the_mail() {
    let mut changed = 0;
    for seed in 0..30 {
        changed += usize::from(changes_a_password(seed, true).await);
    }
    assert!(changed >= 10, "{changed} of 30");
}

/// Tries the second step of each dialect without a mailed secret.
#[tokio::test]
async fn no_step_works_before_the_one_that_it_follows() {
    for profile in Profile::ALL {
        let bench = limited(profile);
        bench.account(ANN).await;
        for index in [PX0, WORTHAI, STRAPI, INSFORGE] {
            let dialect = &DIALECTS[index];
            for requested in [false, true] {
                if requested {
                    bench.post(dialect.trigger, dialect.request_body(ANN)).await;
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
