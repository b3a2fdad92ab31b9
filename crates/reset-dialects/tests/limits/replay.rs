//! A simulated day of an attack against the default limits. The attacker knows every account's address, sees every
//! response and sends each request from a new network.

use std::collections::BTreeMap;

use reset_http::client::{Client, MailedSecret, Step};

use crate::bench::{
    DAY, LimitsBench, MINUTE, NEW_PASSWORD, OLD_PASSWORD, bench, is_success, mails_open_codes,
};

const VICTIMS: usize = 12;

struct Attack {
    bench: LimitsBench,
    clients: Vec<Client>,
    requests: usize,
    /// Correct guesses. The guesses are chosen so that there are none.
    hits: usize,
}

impl Attack {
    fn new(bench: LimitsBench) -> Self {
        let clients = bench.clients().cloned().collect();
        Self { bench, clients, requests: 0, hits: 0 }
    }

    /// Sends a request from a new client address, alternating between IPv4 and IPv6.
    async fn send(&mut self, step: &Step) -> u16 {
        self.requests += 1;
        let number = self.requests;
        let client = if number.is_multiple_of(2) {
            format!("2001:{:x}:{:x}::1", number >> 12, number & 0xFFF)
        } else {
            format!("{}.{}.{}.7", 11 + (number >> 16), (number >> 8) & 0xFF, number & 0xFF)
        };
        self.bench.status(&client, step).await
    }

    async fn minute(&mut self, minute: usize) {
        let victim = format!("victim{}@example.org", minute % VICTIMS);
        let mut clients = self.clients.clone();
        // Only the first request for an address in a minute has an effect, so the dialects take turns in being first:
        // at every victim, and from one victim to the next.
        let turns = clients.len();
        clients.rotate_left((minute / VICTIMS + minute % VICTIMS) % turns);
        for client in &clients {
            self.send(&client.request_for(&victim)).await;
        }
        clients.retain(|client| client.mailed == MailedSecret::Code);
        for guess in 0..3 {
            let number = format!("{:06}", (minute * 7_919 + guess * 104_729) % 1_000_000);
            for client in &clients {
                let exchange = client.exchange_of(&victim, &number);
                let guess = exchange.unwrap_or_else(|| client.redeem_with(&number, NEW_PASSWORD));
                self.hits += usize::from(is_success(self.send(&guess).await));
            }
        }
    }
}

#[tokio::test]
async fn budgets_hold_through_a_day_of_attack_and_long_codes_are_still_mailed() {
    let bench = bench();
    for victim in 0..VICTIMS {
        bench.account(&format!("victim{victim}@example.org")).await;
    }
    let mut attack = Attack::new(bench);
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
    let open = attack.clients.iter().filter(|client| mails_open_codes(client)).count();
    assert_eq!(store.look_ups(), 20 * open, "evaluated at dialects whose codes identify the account");
    for client in attack.clients.iter().filter(|client| client.exchange.is_some()) {
        let all = store.taken(&format!("guesses.{}.all", client.dialect));
        assert!((1..=100).contains(&all), "{all} evaluated at {}", client.dialect);
        println!("evaluated at {}: {all}", client.dialect);
    }
    assert_eq!(mails.len(), VICTIMS);
    assert!(mails.values().all(|mails| *mails <= 6), "{mails:?}");
    for victim in 0..VICTIMS {
        assert!(attack.bench.logs_in(&format!("victim{victim}@example.org"), OLD_PASSWORD).await);
    }
    assert!(last_long.is_some(), "long codes are mailed while short ones are rejected");
    println!("requests {}, open codes evaluated {}, mails {mails:?}", attack.requests, store.look_ups());
}

/// At the peak of the attack, the budget is exhausted and the attacker has just used up the minute's only reset
/// request for the owner's address.
#[tokio::test]
async fn owner_can_reset_with_the_mailed_code_and_with_links_during_an_attack() {
    const OWNER: &str = "203.0.113.1";
    let mut attack = Attack::new(bench());
    let px0 = attack.bench.client("px0").clone();
    attack.bench.account("victim0@example.org").await;
    for minute in 0..5 {
        for guess in 0..50 {
            attack.send(&px0.redeem_with(&format!("{guess:06}"), NEW_PASSWORD)).await;
        }
        attack.bench.memory.clock.advance(MINUTE / 4 * (minute % 2));
    }
    // The attacker requests a reset; the owner can use the mailed code.
    let request = px0.request_for("victim0@example.org");
    assert_eq!((attack.send(&request).await, attack.send(&request).await), (200, 200));
    let mails = attack.bench.mails().await;
    assert_eq!((mails.len(), mails[0].secret.len()), (1, 16));
    let code = px0.redeem_with(&mails[0].secret, NEW_PASSWORD);
    assert_eq!(attack.bench.status(OWNER, &code).await, 200);
    assert!(attack.bench.logs_in("victim0@example.org", NEW_PASSWORD).await);

    let links = attack.clients.clone().into_iter().filter(|client| client.mailed != MailedSecret::Code);
    for client in links {
        let owner = format!("{}@example.org", client.dialect);
        attack.bench.account(&owner).await;
        assert!(is_success(attack.send(&client.request_for(&owner)).await), "{}", client.dialect);
        let mails = attack.bench.mails().await;
        let secret = mails.iter().find_map(|mail| client.secret_in(&mail.secret)).unwrap();
        let (status, answer) = attack.bench.step(OWNER, &client.redeem_with(&secret, NEW_PASSWORD)).await;
        assert!(is_success(status), "{} {answer}", client.dialect);
        assert!(attack.bench.logs_in(&owner, NEW_PASSWORD).await, "{}", client.dialect);
    }
    attack.bench.memory.clock.advance(DAY);
}
