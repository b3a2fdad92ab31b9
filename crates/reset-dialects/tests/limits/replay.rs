//! A simulated day of an attack against the default limits. The attacker knows every account's address, sees every
//! response and sends each request from a new network.

use std::collections::BTreeMap;

use crate::bench::{DAY, LimitsBench, MINUTE, OLD_PASSWORD, bench};

const PX0: &str = "/v1/auth/password-reset";
const INSFORGE: &str = "/api/auth/email";
const VICTIMS: u32 = 12;

struct Attack {
    bench: LimitsBench,
    requests: u32,
    /// Correct guesses. The guesses are chosen so that there are none.
    hits: u32,
}

impl Attack {
    /// Posts from a new client address, alternating between IPv4 and IPv6.
    async fn post(&mut self, path: &str, body: &str) -> u16 {
        self.requests += 1;
        let number = self.requests;
        let client = if number.is_multiple_of(2) {
            format!("2001:db8:{:x}:{:x}::1", number >> 12, number & 0xFFF)
        } else {
            format!("{}.{}.{}.7", 11 + (number >> 16), (number >> 8) & 0xFF, number & 0xFF)
        };
        self.bench.post(&client, path, body).await
    }

    async fn minute(&mut self, minute: u32) {
        let victim = format!("victim{}@example.org", minute % VICTIMS);
        let request = format!(r#"{{"email":"{victim}"}}"#);
        // Only the first request for an address in a minute has an effect, so the dialects take turns in being first.
        let mut paths = [
            format!("{INSFORGE}/send-reset-password"),
            format!("{PX0}/trigger"),
            "/auth/forgot-password".into(),
        ];
        paths.rotate_left((minute / VICTIMS % 3) as usize);
        for path in paths {
            self.post(&path, &request).await;
        }
        for guess in 0..3 {
            let number = (minute * 7_919 + guess * 104_729) % 1_000_000;
            let code = format!(r#"{{"code":"{number:06}","new_password":"NewSecretPassword123!"}}"#);
            self.hits += u32::from(self.post(&format!("{PX0}/reset"), &code).await == 200);
            let code = format!(r#"{{"email":"{victim}","code":"{number:06}"}}"#);
            let exchanged = self.post(&format!("{INSFORGE}/exchange-reset-password-token"), &code).await;
            self.hits += u32::from(exchanged == 200);
        }
    }
}

#[tokio::test]
async fn budgets_hold_through_a_day_of_attack_and_long_codes_are_still_mailed() {
    let bench = bench();
    for victim in 0..VICTIMS {
        bench.account(&format!("victim{victim}@example.org")).await;
    }
    let mut attack = Attack { bench, requests: 0, hits: 0 };
    let mut mails: BTreeMap<String, u32> = BTreeMap::new();
    let mut last_long = None;
    for minute in 0..24 * 60 {
        attack.minute(minute).await;
        for mail in attack.bench.mails().await {
            *mails.entry(mail.to.clone()).or_default() += 1;
            if mail.secret.len() == 16 {
                last_long = Some((mail, minute));
            }
        }
        attack.bench.memory.clock.advance(MINUTE);
    }
    let store = &attack.bench.memory.store;
    assert!(attack.requests > 12_000, "{}", attack.requests);
    assert_eq!(attack.hits, 0, "a guess hit by chance: choose other guesses");
    // The attack must be strong enough to exhaust the budgets.
    assert_eq!(store.look_ups(), 20, "evaluated at px0");
    let (own, all) = (10 * VICTIMS as usize, store.taken("guesses.insforge.all"));
    assert!((1..=own.min(100)).contains(&all), "{all} evaluated at InsForge");
    assert_eq!(mails.len(), VICTIMS as usize);
    assert!(mails.values().all(|mails| *mails <= 6), "{mails:?}");
    for victim in 0..VICTIMS {
        assert!(attack.bench.logs_in(&format!("victim{victim}@example.org"), OLD_PASSWORD).await);
    }
    assert!(last_long.is_some(), "long codes are mailed while short ones are rejected");
    println!("requests {}, evaluated px0 20, insforge {all}, mails {mails:?}", attack.requests);
}

/// At the peak of the attack, the budget is exhausted and the attacker has just used up the minute's only reset
/// request for the owner's address.
#[tokio::test]
async fn owner_can_reset_with_the_mailed_code_and_with_links_during_an_attack() {
    let mut attack = Attack { bench: bench(), requests: 0, hits: 0 };
    for name in ["victim0", "other"] {
        attack.bench.account(&format!("{name}@example.org")).await;
    }
    for minute in 0..5 {
        for guess in 0..50 {
            let code = format!(r#"{{"code":"{guess:06}","new_password":"NewSecretPassword123!"}}"#);
            attack.post(&format!("{PX0}/reset"), &code).await;
        }
        attack.bench.memory.clock.advance(MINUTE / 4 * (minute % 2));
    }
    // The attacker requests a reset; the owner can use the mailed code.
    assert_eq!(attack.post(&format!("{PX0}/trigger"), r#"{"email":"victim0@example.org"}"#).await, 200);
    assert_eq!(attack.post(&format!("{PX0}/trigger"), r#"{"email":"victim0@example.org"}"#).await, 200);
    let mails = attack.bench.mails().await;
    assert_eq!((mails.len(), mails[0].secret.len()), (1, 16));
    let code = format!(r#"{{"code":"{}","new_password":"NewSecretPassword123!"}}"#, mails[0].secret);
    assert_eq!(attack.bench.post("203.0.113.1", &format!("{PX0}/reset"), &code).await, 200);
    assert!(attack.bench.logs_in("victim0@example.org", "NewSecretPassword123!").await);

    assert_eq!(attack.post("/auth/forgot-password", r#"{"email":"other@example.org"}"#).await, 200);
    let mails = attack.bench.mails().await;
    let code = mails[0].secret.rsplit('=').next().unwrap();
    let body =
        format!(r#"{{"code":"{code}","password":"a new password","passwordConfirmation":"a new password"}}"#);
    assert_eq!(attack.bench.post("203.0.113.1", "/auth/reset-password", &body).await, 200);
    attack.bench.memory.clock.advance(DAY);
}
