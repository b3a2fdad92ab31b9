//! Codes are uniformly distributed, and no two live codes are equal (R1, R11).

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use reset_core::{
    Resets,
    account::AccountId,
    budget::Budgeting,
    issue_policy::{Delivery, IssuePolicies, IssuePolicy},
    keys::Keys,
    request::{Disclosure, ResetRequest},
    secret::{Scope, SecretFormat, Seed, SixDigits, TicketSecret},
    ticket::TicketKind,
};
use reset_testkit::memory::Memory;

use crate::bench::{
    ANN, AttackBench, OLD_PASSWORD, Profile, TARGET, address, attacked, bench, bench_over, dialects, root,
};

/// Returns the chi-square statistic, with nine degrees of freedom, of the digits of 60,000 codes.
fn chi_square(mint: fn(&Seed) -> String) -> f64 {
    const CODES: u32 = 60_000;
    let (keys, account) = (Keys::new(&root()), AccountId::new("1"));
    let mut counts = [0.0_f64; 10];
    for nonce in 0..CODES {
        for digit in mint(&keys.seed("px0", TicketKind::Code, "job", &account, nonce)).bytes() {
            counts[usize::from(digit - b'0')] += 1.0;
        }
    }
    let expected = f64::from(CODES) * 6.0 / 10.0;
    counts.iter().map(|count| (count - expected).powi(2) / expected).sum()
}

#[test]
fn digits_are_uniform_and_modulo_bias_is_detected() {
    // A uniform distribution exceeds this once in a million runs.
    const BOUND: f64 = 45.0;
    let actual = chi_square(|seed| SixDigits.mint(seed).reveal().to_owned());
    assert!(actual < BOUND, "{actual}");
    // A byte modulo ten: 0 to 5 are slightly more frequent.
    let biased = chi_square(|seed| {
        let mut bytes = [0; 6];
        seed.fill(&mut bytes);
        bytes.iter().map(|byte| char::from(b'0' + byte % 10)).collect()
    });
    assert!(biased > BOUND, "{biased}");
}

/// A code is as short as its contract wants. Everything else is too long to guess (R1).
#[tokio::test]
async fn tokens_of_each_dialect_have_at_least_128_bits_that_differ_each_time() {
    let mut tokens = 0;
    for profile in Profile::ALL {
        for dialect in &attacked(profile) {
            let mut drawn: Vec<String> = Vec::new();
            for _ in 0..2 {
                let memory = Memory::new(drawn.len() as u64);
                let bench = bench_over(memory, || dialects(profile, &[TARGET]), Budgeting::default());
                bench.account(ANN).await;
                drawn.push(bench.secret(dialect, ANN).await);
            }
            if drawn[0].len() <= 16 {
                continue;
            }
            tokens += 1;
            // A digit of a token has six bits at most, and one in 16 of two random ones are equal.
            let differ = drawn[0].bytes().zip(drawn[1].bytes()).filter(|(one, other)| one != other).count();
            assert!(
                differ >= 128 / 6,
                "{profile:?} {}: {differ} of {} differ",
                dialect.name(),
                drawn[0].len()
            );
        }
    }
    assert!(tokens >= 9, "{tokens}");
}

/// A format with only one hundred different codes.
struct HundredCodes;

impl SecretFormat for HundredCodes {
    fn kind(&self) -> TicketKind {
        TicketKind::Code
    }

    fn mint(&self, seed: &Seed) -> TicketSecret {
        let mut byte = [0];
        seed.fill(&mut byte);
        TicketSecret::new(TicketKind::Code, format!("{:06}", byte[0] % 100))
    }
}

#[tokio::test]
async fn sixty_live_codes_out_of_a_hundred_are_unique_and_each_resets_its_own_account() {
    let policy = IssuePolicy {
        format: Arc::new(HundredCodes),
        scope: Scope::Global,
        lifetime: Duration::from_secs(900),
        delivery: Delivery::Code,
    };
    let policies = vec![IssuePolicies { dialect: "px0", primary: policy, fallback: None }];
    let memory = Memory::new(8);
    let resets = Resets::new(memory.adapters(), Keys::new(&root()), policies, false);
    let bench = AttackBench { memory, resets, ..bench(Profile::Compatible) };
    let mut codes = BTreeSet::new();
    for number in 0..60 {
        let email = format!("user{number}@example.org");
        bench.account(&email).await;
        let request = ResetRequest {
            dialect: "px0",
            email: Some(address(&email)),
            redirect_to: None,
            locale: None,
            network: None,
            reference: bench.resets.reference(),
            disclosure: Disclosure::Never,
        };
        bench.resets.request(request).await.unwrap();
        let mail = bench.mails().await.remove(0);
        assert!(codes.insert((mail.secret.clone(), email)), "{}", mail.secret);
    }
    let distinct: BTreeSet<&String> = codes.iter().map(|(code, _)| code).collect();
    assert_eq!(distinct.len(), 60);
    for (code, email) in &codes {
        let secret = TicketSecret::new(TicketKind::Code, code.clone());
        let password = crate::bench::password("another one");
        let account = bench.resets.redeem("px0", &secret, password, None, None).await;
        assert_eq!(account.ok().unwrap().email, *email);
        assert!(!bench.logs_in(email, OLD_PASSWORD).await);
    }
}
