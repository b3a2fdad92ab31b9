//! Another secret, with overlap: what is out stays valid as long as the secret that it was made under is listed (R76).

use std::time::Duration;

use reset_core::{
    audit::{Sealer, verify},
    budget::{Budgeting, Window},
    dispute::DisputeLinkState,
    error::{ExchangeError, RedeemError},
    keys::{Key, Keyring, Keys},
    memory::{Outage, Refusal, SentKind, SentMail},
    ports::Events as _,
};

use crate::world::{MINUTE, World, code, world, world_within};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// One ticket of each sort, all of them made under root 9.
struct Out {
    code: SentMail,
    pair: SentMail,
    link: SentMail,
    exchanged: reset_core::secret::TicketSecret,
}

async fn out(world: &World) -> Out {
    for email in ["code", "pair", "link", "token"] {
        world.account(&format!("{email}@example.org")).await;
    }
    let exchanged = world.mailed("pair", "token@example.org").await;
    Out {
        code: world.mailed("code", "code@example.org").await,
        pair: world.mailed("pair", "pair@example.org").await,
        link: world.mailed("link", "link@example.org").await,
        exchanged: world.exchange("token@example.org", &code(&exchanged.secret)).await.unwrap(),
    }
}

#[tokio::test]
async fn every_ticket_that_is_out_sets_a_password_under_the_next_secrets() {
    for roots in [&[8, 9][..], &[7, 8, 9], &[6, 7, 8, 9]] {
        let world = world();
        let out = out(&world).await;
        let world = world.under(roots, Budgeting::default());
        world.redeem("code", &code(&out.code.secret)).await.unwrap();
        world.redeem("link", &world.token(&out.link)).await.unwrap();
        world.redeem("pair", &out.exchanged).await.unwrap();
        let token = world.exchange("pair@example.org", &code(&out.pair.secret)).await.unwrap();
        world.redeem("pair", &token).await.unwrap();
        for email in ["code", "pair", "link", "token"] {
            assert_ne!(world.hash_of(&format!("{email}@example.org")).await, "old");
        }
    }
}

#[tokio::test]
async fn a_ticket_under_a_secret_that_is_not_listed_is_like_one_that_never_was() {
    let world = world();
    let out = out(&world).await;
    let link = world.token(&out.link);
    let world = world.under(&[8, 7], Budgeting::default());
    for (dialect, secret) in [("code", &code(&out.code.secret)), ("link", &link), ("pair", &out.exchanged)] {
        assert!(matches!(world.redeem(dialect, secret).await, Err(RedeemError::Invalid)), "{dialect}");
    }
    let exchanged = world.exchange("pair@example.org", &code(&out.pair.secret)).await;
    assert!(matches!(exchanged, Err(ExchangeError::Invalid)));
    assert!(world.resets.inspect("link", &link, None).await.unwrap().is_none());
}

#[tokio::test]
async fn a_mail_that_is_sent_again_after_a_rotation_carries_the_same_secret() {
    for dialect in ["code", "pair", "link"] {
        let world = world();
        world.account("ann@example.org").await;
        world.ask(dialect, "ann@example.org").await;
        // The mail left, and the process was stopped before it could say so.
        let job = world.resets.claim(1).await.unwrap().remove(0);
        world.memory.store.set_outage(Outage::Only("finish"));
        assert!(world.resets.deliver(&job).await.is_err());
        world.memory.store.set_outage(Outage::None);
        let world = world.under(&[8, 9], Budgeting::default());
        world.memory.clock.advance(3 * MINUTE);
        world.worker().await;
        let mails = world.memory.mailer.take();
        assert_eq!((mails.len(), &mails[0].message_id), (2, &mails[1].message_id), "{dialect}");
        assert_eq!(world.memory.store.tickets().len(), 1, "{dialect}");
        // A token's tag is made anew; the ticket is the same, and both open it.
        let first = mails[0].secret.len() - if dialect == "link" { 16 } else { 0 };
        assert_eq!(mails[0].secret[..first], mails[1].secret[..first], "{dialect}");
        match dialect {
            "code" => world.redeem(dialect, &code(&mails[0].secret)).await.unwrap(),
            "pair" => drop(world.exchange("ann@example.org", &code(&mails[0].secret)).await.unwrap()),
            _ => world.redeem(dialect, &world.token(&mails[0])).await.unwrap(),
        }
    }
}

#[tokio::test]
async fn a_mail_that_waited_over_the_end_of_the_overlap_carries_a_new_secret() {
    let world = world();
    world.account("ann@example.org").await;
    world.memory.mailer.refuse_next(1, Refusal::Temporary);
    world.ask("link", "ann@example.org").await;
    world.worker().await;
    let world = world.under(&[8, 7], Budgeting::default());
    world.memory.clock.advance(MINUTE);
    world.worker().await;
    let mail = world.memory.mailer.take().remove(0);
    world.redeem("link", &world.token(&mail)).await.unwrap();
}

#[tokio::test]
async fn no_new_code_reads_like_one_that_is_out_under_an_earlier_secret() {
    let world = world();
    let mut mails = Vec::new();
    for email in ["a@example.org", "b@example.org", "c@example.org"] {
        world.account(email).await;
        mails.push((email, world.mailed("tiny", email).await));
    }
    let world = world.under(&[8, 9], Budgeting::default());
    world.account("d@example.org").await;
    mails.push(("d@example.org", world.mailed("tiny", "d@example.org").await));
    let mut codes: Vec<&str> = mails.iter().map(|(_, mail)| mail.secret.as_str()).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["000000", "000001", "000002", "000003"]);
    for (email, mail) in &mails {
        let account =
            world.resets.redeem("tiny", &code(&mail.secret), crate::password("a new password"), None).await;
        assert_eq!(account.unwrap().email, *email);
    }
}

/// Two processes that did not know of each other's secret, as between the steps of a rotation done wrongly.
#[tokio::test]
async fn a_code_that_two_accounts_have_under_two_secrets_opens_neither() {
    let mut world = world();
    let mut codes = Vec::new();
    for (root, emails) in [(9, ["a", "b", "c", "d"]), (8, ["e", "f", "g", "h"])] {
        world = world.under(&[root], Budgeting::default());
        for email in emails {
            let email = format!("{email}@example.org");
            world.account(&email).await;
            codes.push(world.mailed("tiny", &email).await.secret);
        }
    }
    let world = world.under(&[8, 9], Budgeting::default());
    for secret in &codes {
        assert!(matches!(world.redeem("tiny", &code(secret)).await, Err(RedeemError::Invalid)));
    }
    let world = world.under(&[8], Budgeting::default());
    for secret in &codes[4..] {
        world.redeem("tiny", &code(secret)).await.unwrap();
    }
}

#[tokio::test]
async fn no_count_begins_anew_with_another_secret_nor_with_the_end_of_the_overlap() {
    let budgeting = || Budgeting {
        asks: vec![Window::new(3, DAY)],
        guesses: vec![Window::new(6, 30 * DAY)],
        ..Budgeting::default()
    };
    let wrong = |mail: &SentMail| code(if mail.secret == "000000" { "000001" } else { "000000" });
    let world = world_within(budgeting());
    world.account("ann@example.org").await;
    let mail = world.mailed("pair", "ann@example.org").await;
    for _ in 0..3 {
        assert!(world.exchange("ann@example.org", &wrong(&mail)).await.is_err());
    }
    let world = world.under(&[8, 9], budgeting());
    let mail = world.mailed("pair", "ann@example.org").await;
    for _ in 0..3 {
        assert!(world.exchange("ann@example.org", &wrong(&mail)).await.is_err());
    }
    assert_eq!(world.mailed("pair", "ann@example.org").await.kind, SentKind::Link, "six were wrong");
    world.ask("pair", "ann@example.org").await;
    world.worker().await;
    assert_eq!(world.memory.mailer.take(), [], "the fourth within a day");
    // What was counted since the rotation counts still when the old secret is no longer listed.
    let world = world.under(&[8], budgeting());
    world.memory.clock.advance(DAY);
    let mail = world.mailed("pair", "ann@example.org").await;
    assert_eq!(mail.kind, SentKind::Code, "three were wrong");
    for _ in 0..3 {
        assert!(world.exchange("ann@example.org", &wrong(&mail)).await.is_err());
    }
    let kind = world.mailed("pair", "ann@example.org").await.kind;
    assert_eq!(kind, SentKind::Link, "three and three");
}

#[tokio::test]
async fn the_link_of_a_notice_and_the_seals_of_events_outlive_a_rotation() {
    let world = world();
    world.account("ann@example.org").await;
    let mail = world.mailed("code", "ann@example.org").await;
    world.redeem("code", &code(&mail.secret)).await.unwrap();
    world.worker().await;
    let notice = world.memory.mailer.take().remove(0).secret;
    let token = notice.rsplit('=').next().unwrap();
    world.resets.seal_events().await.unwrap();
    let world = world.under(&[8, 7], Budgeting::default());
    assert_eq!(world.resets.dispute_link_state(token).await.unwrap(), DisputeLinkState::Invalid);
    let world = world.under(&[8, 9], Budgeting::default());
    assert_eq!(world.resets.dispute_link_state(token).await.unwrap(), DisputeLinkState::Usable);
    world.resets.open_dispute(token, None).await.unwrap();
    world.resets.seal_events().await.unwrap();
    for (roots, holds) in [(&[8, 9][..], true), (&[8], false), (&[9], false)] {
        let mut roots = roots.iter().map(|root| Key::root(&[*root; 32]).unwrap());
        let keys = Keys::rotated(&Keyring::new(roots.next().unwrap(), roots));
        let verified = verify(&*world.memory.store, &Sealer::of(&keys), None).await.unwrap();
        assert_eq!(verified.is_ok(), holds, "{verified:?}");
    }
    // The overlap is over: the chain goes on, but what is sealed under the earlier secret can be neither followed nor
    // forgotten until it is listed again.
    let world = world.under(&[8], Budgeting::default());
    world.mailed("link", "ann@example.org").await;
    assert!(world.resets.seal_events().await.unwrap() > 0);
    world.memory.clock.advance(MINUTE);
    let now = world.resets.adapters().clock.now();
    assert!(world.resets.forget_events(now).await.is_err());
    let world = world.under(&[8, 9], Budgeting::default());
    world.resets.forget_events(now).await.unwrap();
    assert!(world.memory.store.sealed(0, 100).await.unwrap().is_empty());
}
