//! Passwords that are made of names: refused after the look-up, counted against the ticket, ten times (R17, R56).

use reset_core::{
    account::Account,
    error::RedeemError,
    password::{NewPassword, PASSWORD_MAX, Policy},
    secret::TicketSecret,
    ticket::TicketState,
};

use crate::world::{World, code, world};

fn strict(text: &str) -> NewPassword {
    Policy { min: 8, four_classes: false, refuse_common: true, max_bytes: PASSWORD_MAX }.accept(text).unwrap()
}

async fn set(
    world: &World,
    dialect: &'static str,
    secret: &TicketSecret,
    text: &str,
) -> Result<Account, RedeemError> {
    world.resets.redeem(dialect, secret, strict(text), None).await
}

#[tokio::test]
async fn a_password_made_of_the_address_is_refused_and_the_ticket_stays_live() {
    let world = world();
    world.account("annabel.smith@example.org").await;
    for dialect in ["code", "link"] {
        let mail = world.mailed(dialect, "annabel.smith@example.org").await;
        let secret = if dialect == "code" { code(&mail.secret) } else { world.token(&mail) };
        for text in ["Annabel.Smith", "annabel2024!", "annabel.smith@example.org"] {
            assert!(matches!(set(&world, dialect, &secret, text).await, Err(RedeemError::OwnName)), "{text}");
        }
        assert_eq!(world.hash_of("annabel.smith@example.org").await, "old");
        assert_eq!(world.memory.store.tickets().last().unwrap().attempts, 3);
    }
    let mail = world.mailed("link", "annabel.smith@example.org").await;
    set(&world, "link", &world.token(&mail), "a lamp for annabel").await.unwrap();
}

#[tokio::test]
async fn what_the_deployment_is_called_is_refused_where_it_was_told() {
    let world = world();
    world.account("ann@example.org").await;
    let mail = world.mailed("code", "ann@example.org").await;
    let world = world.called("Acme Bank");
    let refused = set(&world, "code", &code(&mail.secret), "AcmeBank1!").await;
    assert!(matches!(refused, Err(RedeemError::OwnName)));
    set(&world, "code", &code(&mail.secret), "Another1!").await.unwrap();
}

#[tokio::test]
async fn a_policy_without_a_list_refuses_no_names() {
    let world = world();
    world.account("annabel@example.org").await;
    let mail = world.mailed("code", "annabel@example.org").await;
    world.resets.redeem("code", &code(&mail.secret), crate::password("annabel!1"), None).await.unwrap();
}

#[tokio::test]
async fn the_tenth_refusal_ends_the_ticket_and_nothing_else() {
    let world = world();
    world.account("annabel@example.org").await;
    let mail = world.mailed("link", "annabel@example.org").await;
    let secret = world.token(&mail);
    for _ in 0..10 {
        assert!(matches!(set(&world, "link", &secret, "annabel!1").await, Err(RedeemError::OwnName)));
    }
    let inspected = world.resets.inspect("link", &secret, None).await.unwrap().unwrap();
    assert_eq!(inspected.state, TicketState::Void);
    for text in ["annabel!1", "a good password"] {
        assert!(matches!(set(&world, "link", &secret, text).await, Err(RedeemError::Invalid)), "{text}");
    }
    let next = world.mailed("link", "annabel@example.org").await;
    set(&world, "link", &world.token(&next), "a good password").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_parallel_refusals_ten_are_told() {
    let world = std::sync::Arc::new(world());
    world.account("annabel@example.org").await;
    let mail = world.mailed("link", "annabel@example.org").await;
    let all: Vec<_> = (0..50)
        .map(|_| {
            let (world, secret) = (world.clone(), world.token(&mail));
            tokio::spawn(async move { set(&world, "link", &secret, "annabel!1").await })
        })
        .collect();
    let mut told = 0;
    for one in all {
        match one.await.unwrap() {
            Err(RedeemError::OwnName) => told += 1,
            Err(RedeemError::Invalid) => {}
            other => panic!("{:?}", other.map(drop)),
        }
    }
    assert_eq!(told, 10);
}

#[tokio::test]
async fn a_wrong_secret_says_nothing_about_names() {
    let world = world();
    world.account("annabel@example.org").await;
    let mail = world.mailed("code", "annabel@example.org").await;
    let wrong = code(if mail.secret == "000000" { "000001" } else { "000000" });
    assert!(matches!(set(&world, "code", &wrong, "annabel!1").await, Err(RedeemError::Invalid)));
    assert_eq!(world.memory.store.tickets()[0].attempts, 0);
}
