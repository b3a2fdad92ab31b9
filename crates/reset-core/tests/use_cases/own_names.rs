//! Passwords made of account or deployment names are rejected after the ticket lookup, up to ten times per ticket (R17,
//! R56).

use reset_core::{
    account::Account,
    error::RedeemError,
    password::{NewPassword, PASSWORD_MAX, Policy},
    secret::TicketSecret,
    ticket::TicketState,
};

use crate::bench::{UseCaseBench, bench, code};

fn strict(text: &str) -> NewPassword {
    Policy { min: 8, four_classes: false, refuse_common: true, max_bytes: PASSWORD_MAX }.accept(text).unwrap()
}

async fn set(
    bench: &UseCaseBench,
    dialect: &'static str,
    secret: &TicketSecret,
    text: &str,
) -> Result<Account, RedeemError> {
    bench.resets.redeem(dialect, secret, strict(text), None, None).await
}

#[tokio::test]
async fn a_password_made_of_the_address_is_rejected_and_the_ticket_stays_live() {
    let bench = bench();
    bench.account("annabel.smith@example.org").await;
    for dialect in ["code", "link"] {
        let mail = bench.reset_mail(dialect, "annabel.smith@example.org").await;
        let secret = if dialect == "code" { code(&mail.secret) } else { bench.token(&mail) };
        for text in ["Annabel.Smith", "annabel2024!", "annabel.smith@example.org"] {
            assert!(matches!(set(&bench, dialect, &secret, text).await, Err(RedeemError::OwnName)), "{text}");
        }
        assert_eq!(bench.hash_of("annabel.smith@example.org").await, "old");
        assert_eq!(bench.memory.store.tickets().last().unwrap().attempts, 3);
    }
    let mail = bench.reset_mail("link", "annabel.smith@example.org").await;
    set(&bench, "link", &bench.token(&mail), "a lamp for annabel").await.unwrap();
}

#[tokio::test]
async fn a_password_made_of_the_deployments_name_is_rejected() {
    let bench = bench();
    bench.account("ann@example.org").await;
    let mail = bench.reset_mail("code", "ann@example.org").await;
    let bench = bench.called("Acme Bank");
    let rejection = set(&bench, "code", &code(&mail.secret), "AcmeBank1!").await;
    assert!(matches!(rejection, Err(RedeemError::OwnName)));
    set(&bench, "code", &code(&mail.secret), "Another1!").await.unwrap();
}

#[tokio::test]
async fn a_policy_without_the_common_password_list_allows_names() {
    let bench = bench();
    bench.account("annabel@example.org").await;
    let mail = bench.reset_mail("code", "annabel@example.org").await;
    bench.resets.redeem("code", &code(&mail.secret), crate::password("annabel!1"), None, None).await.unwrap();
}

#[tokio::test]
async fn the_tenth_rejection_voids_the_ticket_only() {
    let bench = bench();
    bench.account("annabel@example.org").await;
    let mail = bench.reset_mail("link", "annabel@example.org").await;
    let secret = bench.token(&mail);
    for _ in 0..10 {
        assert!(matches!(set(&bench, "link", &secret, "annabel!1").await, Err(RedeemError::OwnName)));
    }
    let inspected = bench.resets.inspect("link", &secret, None).await.unwrap().unwrap();
    assert_eq!(inspected.state, TicketState::Void);
    for text in ["annabel!1", "a good password"] {
        assert!(matches!(set(&bench, "link", &secret, text).await, Err(RedeemError::Invalid)), "{text}");
    }
    let next = bench.reset_mail("link", "annabel@example.org").await;
    set(&bench, "link", &bench.token(&next), "a good password").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_of_fifty_parallel_rejections_are_reported_as_own_names() {
    let bench = std::sync::Arc::new(bench());
    bench.account("annabel@example.org").await;
    let mail = bench.reset_mail("link", "annabel@example.org").await;
    let all: Vec<_> = (0..50)
        .map(|_| {
            let (bench, secret) = (bench.clone(), bench.token(&mail));
            tokio::spawn(async move { set(&bench, "link", &secret, "annabel!1").await })
        })
        .collect();
    let mut rejected = 0;
    for one in all {
        match one.await.unwrap() {
            Err(RedeemError::OwnName) => rejected += 1,
            Err(RedeemError::Invalid) => {}
            other => panic!("{:?}", other.map(drop)),
        }
    }
    assert_eq!(rejected, 10);
}

#[tokio::test]
async fn a_wrong_secret_reveals_nothing_about_names() {
    let bench = bench();
    bench.account("annabel@example.org").await;
    let mail = bench.reset_mail("code", "annabel@example.org").await;
    let wrong = code(if mail.secret == "000000" { "000001" } else { "000000" });
    assert!(matches!(set(&bench, "code", &wrong, "annabel!1").await, Err(RedeemError::Invalid)));
    assert_eq!(bench.memory.store.tickets()[0].attempts, 0);
}
