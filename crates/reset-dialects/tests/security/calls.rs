//! No sequence of requests sets a password without access to the mail (R9).
//!
//! The sequences are seeded: a failure names its seed, and every run repeats the same sequences.

use std::{collections::BTreeSet, time::Duration};

use http::Method;
use reset_core::budget::{Budgeting, Window};
use reset_http::client::{MailedSecret, Step};
use reset_testkit::memory::{Memory, SentKind};
use serde_json::{Map, Value, json};

use crate::{
    attacked::AttackedDialect,
    bench::{
        ANN, AttackBench, BOB, DAY, HOUR, NEW_PASSWORD, OLD_PASSWORD, Profile, TARGET, bench_over, dialects,
        text,
    },
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

    fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
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
        ..Budgeting::default()
    };
    // No limit per client: the attacker has many addresses.
    bench_over(Memory::new(2), || dialects(profile, &[TARGET]), budgeting)
}

/// An attacker who remembers all responses and makes up secrets.
struct Attacker {
    dice: Dice,
    seen: Vec<String>,
    /// Mailed secrets, if the attacker can read the mail.
    mailed: Vec<String>,
    /// A well-formed secret of every dialect.
    forged: Vec<String>,
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
        match self.dice.below(11) {
            0..=2 if !self.seen.is_empty() => self.seen[self.dice.below(self.seen.len())].clone(),
            3..=4 => digits(&mut self.dice, 6, b"0123456789"),
            5 => digits(&mut self.dice, 64, b"0123456789abcdef"),
            6 => digits(&mut self.dice, 128, b"0123456789abcdef"),
            7 => digits(&mut self.dice, 13, b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"),
            8 => self.dice.pick(&self.forged).clone(),
            9 => "eyJhbGciOiJub25lIiwidHlwIjoicHdyZXNldCtqd3QifQ.eyJzdWIiOiIxIn0.".to_owned(),
            _ => self.dice.one_of(&["", "null", "0", "000000", "' OR 1=1 --", ANN]).to_owned(),
        }
    }

    /// Sends one request and remembers the words of the response.
    async fn call(&mut self, bench: &AttackBench) {
        let dialect = self.dice.pick(&bench.dialects);
        let other = self.dice.pick(&bench.dialects);
        let email = self.dice.one_of(&[ANN, BOB, "ghost@example.org", "ANN@EXAMPLE.ORG"]);
        let secret = self.secret();
        let password = self.dice.one_of(&[NEW_PASSWORD, "another one A1!", "short", OLD_PASSWORD]);
        let redeem = dialect.client.redeem_with(&secret, password);
        let exchanges: Vec<Step> =
            bench.dialects.iter().filter_map(|any| any.client.exchange_of(email, &secret)).collect();
        let (method, target, body) = match self.dice.below(12) {
            0..=2 => {
                let Step { path, body, .. } = dialect.request(email);
                (Method::POST, path, body)
            }
            6 if !exchanges.is_empty() => {
                let Step { path, body, .. } = self.dice.pick(&exchanges).clone();
                (Method::POST, path, body)
            }
            // Any path of any dialect, with the secret in every parameter that may carry one.
            7 => {
                let (path, _) = self.dice.pick(&other.dialect.rows);
                let value = secret.replace(' ', "+");
                let names = parameters(&bench.dialects);
                let query: Vec<String> = names.iter().map(|name| format!("{name}={value}")).collect();
                (Method::GET, format!("{path}?{}", query.join("&")), String::new())
            }
            // A body of another operation, and then a body of another dialect.
            8 if !exchanges.is_empty() => {
                (Method::POST, self.dice.pick(&exchanges).path.clone(), redeem.body)
            }
            9 => (Method::POST, redeem.path, other.client.redeem_with(&secret, password).body),
            10 => (Method::POST, redeem.path, every_field(&bench.dialects, email, &secret, password)),
            11 => {
                let method =
                    self.dice.pick(&[Method::GET, Method::HEAD, Method::PUT, Method::DELETE]).clone();
                (method, redeem.path, redeem.body)
            }
            _ => (Method::POST, redeem.path, redeem.body),
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

/// Returns the parameters in which links carry secrets.
fn parameters(dialects: &[AttackedDialect]) -> BTreeSet<&'static str> {
    let mailed = dialects.iter().flat_map(|dialect| match dialect.client.mailed {
        MailedSecret::Code => &[][..],
        MailedSecret::Link { parameters } => parameters,
    });
    mailed.copied().chain(["token"]).collect()
}

/// Returns a body with the fields of every dialect.
fn every_field(dialects: &[AttackedDialect], email: &str, secret: &str, password: &str) -> String {
    let mut all = Map::from_iter([("id".to_owned(), json!(1)), ("email".to_owned(), json!(email))]);
    for dialect in dialects {
        let body = dialect.client.redeem_with(secret, password).body;
        all.extend(serde_json::from_str::<Map<String, Value>>(&body).unwrap());
    }
    Value::from(all).to_string()
}

/// Returns the secret of a mail of any dialect: that of the link with the most parameters, or the code.
fn secret_in(dialects: &[AttackedDialect], mailed: &str) -> String {
    let of_links = dialects
        .iter()
        .filter_map(|dialect| Some((dialect.client.secret.len(), dialect.client.secret_in(mailed)?)));
    of_links.max().map_or_else(|| mailed.rsplit('=').next().unwrap().to_owned(), |(_, secret)| secret)
}

/// Runs one sequence and returns whether a password changed. With `reads_mail`, the attacker sees all mails.
async fn changes_a_password(seed: u64, reads_mail: bool) -> bool {
    let bench = limited(Profile::ALL[usize::try_from(seed).unwrap() % Profile::ALL.len()]);
    bench.account(ANN).await;
    bench.account(BOB).await;
    let before = (bench.hash(ANN).await, bench.hash(BOB).await);
    let forged = bench.dialects.iter().map(|dialect| dialect.client.forged.clone()).collect();
    let mut attacker = Attacker { dice: Dice(seed), seen: Vec::new(), mailed: Vec::new(), forged };
    for _ in 0..STEPS {
        match attacker.dice.below(10) {
            0 => {
                let spans = [Duration::from_secs(1), Duration::from_secs(61), HOUR, DAY];
                bench.memory.clock.advance(*attacker.dice.pick(&spans));
            }
            1 | 2 => {
                bench.work().await;
                let mails = bench.memory.mailer.take();
                assert!(
                    reads_mail || mails.iter().all(|mail| mail.kind != SentKind::Changed),
                    "sequence {seed}"
                );
                for mail in mails.iter().filter(|_| reads_mail) {
                    attacker.mailed.push(secret_in(&bench.dialects, &mail.secret));
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
        for dialect in &bench.dialects {
            for requested in [false, true] {
                if requested {
                    bench.request(dialect, ANN).await;
                    bench.work().await;
                }
                let forged = dialect.client.forged.as_str();
                for secret in ["", ANN, "1", "000000", "undefined", &"0".repeat(64), &"0".repeat(128), forged]
                {
                    let answer = bench.reset(dialect, secret, NEW_PASSWORD).await;
                    assert!(answer.status().as_u16() >= 400, "{} {secret}", dialect.name());
                }
            }
        }
        assert!(bench.logs_in(ANN, OLD_PASSWORD).await);
    }
}
