//! Secret rotation: tickets stay valid while the secret they were issued under is listed as previous (R76).

use std::time::Duration;

use reset_core::{
    audit::{Sealer, verify},
    budget::{Budgeting, Window},
    dispute::DisputeLinkState,
    error::{ExchangeError, RedeemError},
    keys::{HmacKey, Keyring, Keys},
    ports::Events as _,
};
use reset_testkit::memory::{MailRefusal, Outage, SentKind, SentMail};

use crate::bench::{MINUTE, UseCaseBench, bench, bench_within, code};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// One ticket of each kind, issued under root 9.
struct IssuedTickets {
    code: SentMail,
    pair: SentMail,
    link: SentMail,
    exchanged: reset_core::secret::TicketSecret,
}

async fn issued(bench: &UseCaseBench) -> IssuedTickets {
    for email in ["code", "pair", "link", "token"] {
        bench.account(&format!("{email}@example.org")).await;
    }
    let exchanged = bench.reset_mail("pair", "token@example.org").await;
    IssuedTickets {
        code: bench.reset_mail("code", "code@example.org").await,
        pair: bench.reset_mail("pair", "pair@example.org").await,
        link: bench.reset_mail("link", "link@example.org").await,
        exchanged: bench.exchange("token@example.org", &code(&exchanged.secret)).await.unwrap(),
    }
}

#[tokio::test]
async fn every_issued_ticket_sets_a_password_under_the_next_secrets() {
    for roots in [&[8, 9][..], &[7, 8, 9], &[6, 7, 8, 9]] {
        let bench = bench();
        let issued = issued(&bench).await;
        let bench = bench.under(roots, Budgeting::default());
        bench.redeem("code", &code(&issued.code.secret)).await.unwrap();
        bench.redeem("link", &bench.token(&issued.link)).await.unwrap();
        bench.redeem("pair", &issued.exchanged).await.unwrap();
        let token = bench.exchange("pair@example.org", &code(&issued.pair.secret)).await.unwrap();
        bench.redeem("pair", &token).await.unwrap();
        for email in ["code", "pair", "link", "token"] {
            assert_ne!(bench.hash_of(&format!("{email}@example.org")).await, "old");
        }
    }
}

#[tokio::test]
async fn a_ticket_under_an_unlisted_secret_is_invalid() {
    let bench = bench();
    let issued = issued(&bench).await;
    let link = bench.token(&issued.link);
    let bench = bench.under(&[8, 7], Budgeting::default());
    for (dialect, secret) in
        [("code", &code(&issued.code.secret)), ("link", &link), ("pair", &issued.exchanged)]
    {
        assert!(matches!(bench.redeem(dialect, secret).await, Err(RedeemError::Invalid)), "{dialect}");
    }
    let exchanged = bench.exchange("pair@example.org", &code(&issued.pair.secret)).await;
    assert!(matches!(exchanged, Err(ExchangeError::Invalid)));
    assert!(bench.resets.inspect("link", &link, None).await.unwrap().is_none());
}

#[tokio::test]
async fn a_mail_resent_after_a_rotation_carries_the_same_secret() {
    for dialect in ["code", "pair", "link"] {
        let bench = bench();
        bench.account("ann@example.org").await;
        bench.request(dialect, "ann@example.org").await;
        // The process is killed after sending the mail and before recording it.
        let job = bench.resets.claim(1).await.unwrap().remove(0);
        bench.memory.store.set_outage(Outage::Only("finish"));
        assert!(bench.resets.deliver(&job).await.is_err());
        bench.memory.store.set_outage(Outage::None);
        let bench = bench.under(&[8, 9], Budgeting::default());
        bench.memory.clock.advance(3 * MINUTE);
        bench.run_worker().await;
        let mails = bench.memory.mailer.take();
        assert_eq!((mails.len(), &mails[0].message_id), (2, &mails[1].message_id), "{dialect}");
        assert_eq!(bench.memory.store.tickets().len(), 1, "{dialect}");
        // The tag of a token is computed under the new secret. The ticket is the same, and both tokens redeem it.
        let first = mails[0].secret.len() - if dialect == "link" { 16 } else { 0 };
        assert_eq!(mails[0].secret[..first], mails[1].secret[..first], "{dialect}");
        match dialect {
            "code" => bench.redeem(dialect, &code(&mails[0].secret)).await.unwrap(),
            "pair" => drop(bench.exchange("ann@example.org", &code(&mails[0].secret)).await.unwrap()),
            _ => bench.redeem(dialect, &bench.token(&mails[0])).await.unwrap(),
        }
    }
}

#[tokio::test]
async fn a_mail_that_waited_past_the_overlap_carries_a_new_secret() {
    let bench = bench();
    bench.account("ann@example.org").await;
    bench.memory.mailer.refuse_next(1, MailRefusal::Temporary);
    bench.request("link", "ann@example.org").await;
    bench.run_worker().await;
    let bench = bench.under(&[8, 7], Budgeting::default());
    bench.memory.clock.advance(MINUTE);
    bench.run_worker().await;
    let mail = bench.memory.mailer.take().remove(0);
    bench.redeem("link", &bench.token(&mail)).await.unwrap();
}

#[tokio::test]
async fn no_new_code_equals_a_live_code_of_an_earlier_secret() {
    let bench = bench();
    let mut mails = Vec::new();
    for email in ["a@example.org", "b@example.org", "c@example.org"] {
        bench.account(email).await;
        mails.push((email, bench.reset_mail("tiny", email).await));
    }
    let bench = bench.under(&[8, 9], Budgeting::default());
    bench.account("d@example.org").await;
    mails.push(("d@example.org", bench.reset_mail("tiny", "d@example.org").await));
    let mut codes: Vec<&str> = mails.iter().map(|(_, mail)| mail.secret.as_str()).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["000000", "000001", "000002", "000003"]);
    for (email, mail) in &mails {
        let account = bench
            .resets
            .redeem("tiny", &code(&mail.secret), crate::password("a new password"), None, None)
            .await;
        assert_eq!(account.unwrap().email, *email);
    }
}

/// Two processes issue codes under different secrets, as in a rotation with its steps in the wrong order.
#[tokio::test]
async fn a_code_issued_to_two_accounts_under_two_secrets_redeems_neither() {
    let mut bench = bench();
    let mut codes = Vec::new();
    for (root, emails) in [(9, ["a", "b", "c", "d"]), (8, ["e", "f", "g", "h"])] {
        bench = bench.under(&[root], Budgeting::default());
        for email in emails {
            let email = format!("{email}@example.org");
            bench.account(&email).await;
            codes.push(bench.reset_mail("tiny", &email).await.secret);
        }
    }
    let bench = bench.under(&[8, 9], Budgeting::default());
    for secret in &codes {
        assert!(matches!(bench.redeem("tiny", &code(secret)).await, Err(RedeemError::Invalid)));
    }
    let bench = bench.under(&[8], Budgeting::default());
    for secret in &codes[4..] {
        bench.redeem("tiny", &code(secret)).await.unwrap();
    }
}

#[tokio::test]
async fn request_and_guess_counts_survive_a_rotation_and_the_end_of_the_overlap() {
    let budgeting = || Budgeting {
        requests: vec![Window::new(3, DAY)],
        guesses: vec![Window::new(6, 30 * DAY)],
        ..Budgeting::default()
    };
    let wrong = |mail: &SentMail| code(if mail.secret == "000000" { "000001" } else { "000000" });
    let bench = bench_within(budgeting());
    bench.account("ann@example.org").await;
    let mail = bench.reset_mail("pair", "ann@example.org").await;
    for _ in 0..3 {
        assert!(bench.exchange("ann@example.org", &wrong(&mail)).await.is_err());
    }
    let bench = bench.under(&[8, 9], budgeting());
    let mail = bench.reset_mail("pair", "ann@example.org").await;
    for _ in 0..3 {
        assert!(bench.exchange("ann@example.org", &wrong(&mail)).await.is_err());
    }
    assert_eq!(
        bench.reset_mail("pair", "ann@example.org").await.kind,
        SentKind::Link,
        "six wrong guesses exhaust the budget"
    );
    bench.request("pair", "ann@example.org").await;
    bench.run_worker().await;
    assert_eq!(bench.memory.mailer.take(), [], "the fourth request within a day sends no mail");
    // Guesses counted since the rotation still count when the old secret is no longer listed.
    let bench = bench.under(&[8], budgeting());
    bench.memory.clock.advance(DAY);
    let mail = bench.reset_mail("pair", "ann@example.org").await;
    assert_eq!(mail.kind, SentKind::Code, "three wrong guesses are counted");
    for _ in 0..3 {
        assert!(bench.exchange("ann@example.org", &wrong(&mail)).await.is_err());
    }
    let kind = bench.reset_mail("pair", "ann@example.org").await.kind;
    assert_eq!(kind, SentKind::Link, "six wrong guesses are counted");
}

#[tokio::test]
async fn dispute_links_and_event_seals_survive_a_rotation() {
    let bench = bench();
    bench.account("ann@example.org").await;
    let mail = bench.reset_mail("code", "ann@example.org").await;
    bench.redeem("code", &code(&mail.secret)).await.unwrap();
    bench.run_worker().await;
    let notice = bench.memory.mailer.take().remove(0).secret;
    let token = notice.rsplit('=').next().unwrap();
    bench.resets.seal_events().await.unwrap();
    let bench = bench.under(&[8, 7], Budgeting::default());
    assert_eq!(bench.resets.dispute_link_state(token).await.unwrap(), DisputeLinkState::Invalid);
    let bench = bench.under(&[8, 9], Budgeting::default());
    assert_eq!(bench.resets.dispute_link_state(token).await.unwrap(), DisputeLinkState::Usable);
    bench.resets.open_dispute(token, None).await.unwrap();
    bench.resets.seal_events().await.unwrap();
    for (roots, verifies) in [(&[8, 9][..], true), (&[8], false), (&[9], false)] {
        let mut roots = roots.iter().map(|root| HmacKey::root(&[*root; 32]).unwrap());
        let keys = Keys::rotated(&Keyring::new(roots.next().unwrap(), roots));
        let verified = verify(&*bench.memory.store, &Sealer::of(&keys), None).await.unwrap();
        assert_eq!(verified.is_ok(), verifies, "{verified:?}");
    }
    // After the overlap the chain continues, but events sealed under the earlier secret can be neither verified nor
    // deleted until that secret is listed again.
    let bench = bench.under(&[8], Budgeting::default());
    bench.reset_mail("link", "ann@example.org").await;
    assert!(bench.resets.seal_events().await.unwrap() > 0);
    bench.memory.clock.advance(MINUTE);
    let now = bench.resets.adapters().clock.now();
    assert!(bench.resets.forget_events(now).await.is_err());
    let bench = bench.under(&[8, 9], Budgeting::default());
    bench.resets.forget_events(now).await.unwrap();
    assert!(bench.memory.store.sealed(0, 100).await.unwrap().is_empty());
}
