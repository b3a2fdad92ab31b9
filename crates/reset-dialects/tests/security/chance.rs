//! Codes cannot be guessed better than evenly, and no two that are live are the same (R1, R11).

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use reset_core::{
    Resets,
    account::AccountId,
    issue_policy::{Delivery, IssuePolicies, IssuePolicy},
    keys::Keys,
    request::{Disclosure, ResetRequest},
    secret::{Scope, SecretFormat, Seed, SixDigits, TicketSecret},
    ticket::TicketKind,
};
use reset_testkit::memory::Memory;

use crate::bench::{AttackBench, OLD_PASSWORD, Profile, address, bench, root};

/// How far the digits of so many codes are from even, as chi-square of nine degrees of freedom.
fn unevenness(mint: fn(&Seed) -> String) -> f64 {
    const CODES: u32 = 60_000;
    let (keys, nobody) = (Keys::new(&root()), AccountId::new("1"));
    let mut seen = [0.0_f64; 10];
    for nonce in 0..CODES {
        for digit in mint(&keys.seed("px0", TicketKind::Code, "job", &nobody, nonce)).bytes() {
            seen[usize::from(digit - b'0')] += 1.0;
        }
    }
    let expected = f64::from(CODES) * 6.0 / 10.0;
    seen.iter().map(|seen| (seen - expected).powi(2) / expected).sum()
}

#[test]
fn digits_are_even_and_the_same_count_shows_the_usual_mistake() {
    // Exceeded once in a million times by chance.
    const BOUND: f64 = 45.0;
    let ours = unevenness(|seed| SixDigits.mint(seed).reveal().to_owned());
    assert!(ours < BOUND, "{ours}");
    // A byte modulo ten: 0 to 5 come a little more often.
    let biased = unevenness(|seed| {
        let mut bytes = [0; 6];
        seed.fill(&mut bytes);
        bytes.iter().map(|byte| char::from(b'0' + byte % 10)).collect()
    });
    assert!(biased > BOUND, "{biased}");
}

/// One hundred codes and no more.
struct Hundred;

impl SecretFormat for Hundred {
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
async fn of_a_hundred_codes_sixty_are_live_at_once_and_each_opens_its_own_account() {
    let policy = IssuePolicy {
        format: Arc::new(Hundred),
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
        let ask = ResetRequest {
            dialect: "px0",
            email: Some(address(&email)),
            redirect_to: None,
            locale: None,
            network: None,
            reference: bench.resets.reference(),
            disclosure: Disclosure::Never,
        };
        bench.resets.request(ask).await.unwrap();
        let mail = bench.mails().await.remove(0);
        assert!(codes.insert((mail.secret.clone(), email)), "{}", mail.secret);
    }
    let different: BTreeSet<&String> = codes.iter().map(|(code, _)| code).collect();
    assert_eq!(different.len(), 60);
    for (code, email) in &codes {
        let secret = TicketSecret::new(TicketKind::Code, code.clone());
        let password = crate::bench::password("another one");
        let account = bench.resets.redeem("px0", &secret, password, None).await;
        assert_eq!(account.ok().unwrap().email, *email);
        assert!(!bench.logs_in(email, OLD_PASSWORD).await);
    }
}
