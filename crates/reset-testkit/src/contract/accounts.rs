//! The contract of [`Accounts`](reset_core::ports::Accounts) and of an empty store.

use std::sync::Arc;

use super::{account, address, at, claim_any, done, happened, issued, newcomer, state, ticket};
use reset_core::{
    account::AccountId, email::EmailAddress, error::AddAccountError, ports::Store, ticket::Ticket,
    ticket::TicketState,
};

pub async fn a_fresh_store_is_ready_and_empty(store: Arc<dyn Store>) {
    done(store.ready().await);
    assert!(done(store.account_by_email(&address("ann")).await).is_none());
    assert_eq!(done(store.backlog().await).waiting, 0);
    assert_eq!(done(claim_any(&store, 10, at(0), at(60)).await), []);
}

pub async fn an_account_is_found_by_its_canonical_address_and_by_its_id(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    account(&store, "bob").await;
    let uppercase = EmailAddress::parse("ANN@EXAMPLE.ORG").expect("a valid address");
    assert!(done(store.account_by_email(&uppercase).await) == Some(ann.clone()));
    assert!(done(store.account(&ann.id).await) == Some(ann.clone()));
    assert_eq!(done(store.password_hash(&ann.id).await).as_deref(), Some("the first hash"));
    assert_eq!(
        (ann.username.as_deref(), ann.name.as_deref(), ann.locale.as_deref()),
        (Some("user name"), None, Some("de-CH"))
    );
    assert!(ann.confirmed && !ann.blocked && ann.epoch == 0);
    assert_eq!((ann.created_at, ann.updated_at), (at(0), at(0)));
}

pub async fn the_address_is_stored_as_written(store: Arc<dyn Store>) {
    let written = "Ann.O'Hara@Example.ORG";
    let email = EmailAddress::parse(written).expect("a valid address");
    let id = store.add_account(&email, newcomer(written)).await.expect("an address that is not taken");
    assert_eq!(done(store.account(&id).await).expect("the account").email, written);
}

pub async fn a_second_account_with_the_same_address_is_rejected(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let same_address = EmailAddress::parse("Ann@Example.org").expect("a valid address");
    let rejected = store.add_account(&same_address, newcomer("Ann@Example.org")).await;
    assert!(matches!(rejected, Err(AddAccountError::Taken)));
    assert!(done(store.account_by_email(&same_address).await) == Some(ann));
}

pub async fn twenty_parallel_sign_ups_with_one_address_create_one_account(store: Arc<dyn Store>) {
    let all: Vec<_> = (0..20)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.add_account(&address("ann"), newcomer("ann@example.org")).await })
        })
        .collect();
    let (mut created, mut taken) = (0, 0);
    for one in all {
        match one.await.expect("the task does not panic") {
            Ok(_) => created += 1,
            Err(AddAccountError::Taken) => taken += 1,
            Err(AddAccountError::Store(error)) => panic!("{error}"),
        }
    }
    assert_eq!((created, taken), (1, 19));
}

pub async fn an_unknown_or_malformed_id_is_not_found(store: Arc<dyn Store>) {
    account(&store, "ann").await;
    for id in ["", "0", "99", "-1", "01", "+1", " 1", "1.0", "1 OR 1=1", "99999999999999999999", "é"] {
        assert!(done(store.account(&AccountId::new(id)).await).is_none(), "{id:?}");
        assert_eq!(done(store.password_hash(&AccountId::new(id)).await), None, "{id:?}");
    }
}

pub async fn blocking_an_account_voids_only_its_own_tickets(store: Arc<dyn Store>) {
    let (ann, bob) = (account(&store, "ann").await, account(&store, "bob").await);
    let one = issued(&store, ticket(&ann, "one")).await;
    let other = issued(&store, Ticket { dialect: "other".to_owned(), ..ticket(&ann, "other") }).await;
    let bobs = issued(&store, ticket(&bob, "bobs")).await;
    assert!(done(store.set_blocked(&address("ann"), true, &happened(at(5))).await));
    let ann = done(store.account(&ann.id).await).expect("ann");
    assert!(ann.blocked && ann.updated_at == at(5) && ann.created_at == at(0));
    assert!(!done(store.account(&bob.id).await).expect("bob").blocked);
    assert_eq!(state(&store, &one, at(5)).await, TicketState::Void);
    assert_eq!(state(&store, &other, at(5)).await, TicketState::Void);
    assert_eq!(state(&store, &bobs, at(5)).await, TicketState::Live);
    assert!(!done(store.set_blocked(&address("nobody"), true, &happened(at(5))).await));
}

pub async fn unblocking_revives_no_ticket(store: Arc<dyn Store>) {
    let ann = account(&store, "ann").await;
    let one = issued(&store, ticket(&ann, "one")).await;
    done(store.set_blocked(&address("ann"), true, &happened(at(5))).await);
    assert!(done(store.set_blocked(&address("ann"), false, &happened(at(6))).await));
    assert!(!done(store.account(&ann.id).await).expect("ann").blocked);
    assert_eq!(state(&store, &one, at(6)).await, TicketState::Void);
}
