//! Races between replicas.

use std::{collections::HashSet, sync::Arc};

use reset_core::{
    job::{JobId, Outcome},
    ports::{Issued, PasswordChange, Store},
    ticket::TicketKind,
};
use tokio::task::JoinSet;

use reset_testkit::contract::claim_any;

use super::{DIALECT, Server, account, at, event_at, job, on_each_server, ticket};

on_each_server! {
    one_of_two_hundred_concurrent_redemptions_succeeds,
    claimed_job_is_not_claimed_again_before_its_lease_expires,
    limit_of_live_codes_holds_across_replicas,
    limit_of_guesses_holds_across_replicas,
    redemption_never_succeeds_after_a_block,
    concurrent_issues_for_one_account_leave_one_live_ticket,
}

async fn one_of_two_hundred_concurrent_redemptions_succeeds(server: Server) {
    let Some(fresh) = server.fresh().await else { return };
    let stores = fresh.stores(4).await;
    let ann = account(&stores[0], "ann").await;
    let one = ticket(&ann, "one");
    assert_eq!(stores[0].issue(&one, None, &event_at(at(0))).await.unwrap(), Issued::Live);
    let mut all = JoinSet::new();
    for number in 0..200 {
        let (store, one) = (stores[number % stores.len()].clone(), one.clone());
        all.spawn(async move {
            let password_hash = format!("hash {number}");
            let notice = job(&format!("notice{number}"));
            let redemption = PasswordChange {
                ticket: &one.id,
                account: &one.account,
                password_hash: &password_hash,
                jobs: &[notice],
                event: &event_at(at(1)),
                now: at(1),
            };
            store.redeem(redemption).await.unwrap().then_some(password_hash)
        });
    }
    let succeeded: Vec<String> = all.join_all().await.into_iter().flatten().collect();
    assert_eq!(succeeded.len(), 1);
    assert_eq!(stores[1].password_hash(&ann.id).await.unwrap().as_ref(), succeeded.first());
    assert_eq!(stores[1].account(&ann.id).await.unwrap().unwrap().epoch, ann.epoch + 1);
    assert_eq!(claim_any(&stores[1], 300, at(1), at(60)).await.unwrap().len(), 1, "one notice");
}

/// Three workers, one of which stops before it has finished its jobs.
async fn claimed_job_is_not_claimed_again_before_its_lease_expires(server: Server) {
    let Some(fresh) = server.fresh().await else { return };
    let stores = fresh.stores(3).await;
    for number in 0..60 {
        stores[0].push(&job(&format!("job{number}"))).await.unwrap();
    }
    let worker = |store: Arc<dyn Store>, stops_after: usize| async move {
        let (mut claimed, mut finished) = (Vec::new(), 0);
        for _ in 0..100 {
            for job in claim_any(&store, 4, at(0), at(60)).await.unwrap() {
                claimed.push(job.id.as_str().to_owned());
                if claimed.len() <= stops_after {
                    store.finish(&job.id, Outcome::Mailed, "250", None, &event_at(at(1))).await.unwrap();
                    finished += 1;
                }
            }
            if claimed.len() > stops_after {
                break;
            }
        }
        (claimed, finished)
    };
    let (one, two, three) = tokio::join!(
        tokio::spawn(worker(stores[0].clone(), usize::MAX)),
        tokio::spawn(worker(stores[1].clone(), usize::MAX)),
        tokio::spawn(worker(stores[2].clone(), 6)),
    );
    let all = [one.unwrap(), two.unwrap(), three.unwrap()];
    let finished: usize = all.iter().map(|(_, finished)| finished).sum();
    let claimed: Vec<&String> = all.iter().flat_map(|(claimed, _)| claimed).collect();
    assert_eq!(claimed.len(), 60, "no job was claimed twice before its lease expired");
    assert_eq!(claimed.iter().collect::<HashSet<_>>().len(), 60);
    assert!(finished < 60, "the third worker stopped with unfinished jobs");
    let unfinished = claim_any(&stores[0], 100, at(60), at(120)).await.unwrap();
    assert_eq!(unfinished.len(), 60 - finished);
    assert!(unfinished.iter().all(|job| job.attempts == 2));
}

async fn limit_of_live_codes_holds_across_replicas(server: Server) {
    let Some(fresh) = server.fresh().await else { return };
    let stores = fresh.stores(4).await;
    let mut all = JoinSet::new();
    for number in 0..24 {
        let owner = account(&stores[0], &format!("user{number}")).await;
        let (store, ticket) = (stores[number % 4].clone(), ticket(&owner, &format!("t{number}")));
        all.spawn(async move { store.issue(&ticket, Some(10), &event_at(at(0))).await.unwrap() });
    }
    let issued = all.join_all().await;
    assert_eq!(issued.iter().filter(|issued| **issued == Issued::Live).count(), 10);
    assert_eq!(issued.iter().filter(|issued| **issued == Issued::LimitReached).count(), 14);
}

async fn limit_of_guesses_holds_across_replicas(server: Server) {
    let Some(fresh) = server.fresh().await else { return };
    let stores = fresh.stores(4).await;
    let ann = account(&stores[0], "ann").await;
    stores[0].issue(&ticket(&ann, "one"), None, &event_at(at(0))).await.unwrap();
    let mut all = JoinSet::new();
    for number in 0..60 {
        let (store, id) = (stores[number % 4].clone(), ann.id.clone());
        all.spawn(async move { store.take_guess(&id, DIALECT, TicketKind::Code, 3, at(1)).await.unwrap() });
    }
    let mut attempts: Vec<u32> = all.join_all().await.into_iter().flatten().map(|one| one.attempts).collect();
    attempts.sort_unstable();
    assert_eq!(attempts, [1, 2, 3]);
}

async fn redemption_never_succeeds_after_a_block(server: Server) {
    let Some(fresh) = server.fresh().await else { return };
    let stores = fresh.stores(2).await;
    for number in 0..20 {
        let owner = account(&stores[0], &format!("user{number}")).await;
        let one = ticket(&owner, &format!("t{number}"));
        stores[0].issue(&one, None, &event_at(at(0))).await.unwrap();
        let email = reset_core::email::EmailAddress::parse(&owner.email).unwrap();
        let event = event_at(at(1));
        let redemption = PasswordChange {
            ticket: &one.id,
            account: &one.account,
            password_hash: "new",
            jobs: &[],
            event: &event,
            now: at(1),
        };
        let (blocked, redeemed) =
            tokio::join!(stores[0].set_blocked(&email, true, &event), stores[1].redeem(redemption));
        assert!(blocked.unwrap());
        let after = stores[0].account(&owner.id).await.unwrap().unwrap();
        assert!(after.blocked);
        assert_eq!(after.epoch, i64::from(redeemed.unwrap()), "a redemption succeeded only before the block");
    }
}

/// Workers issue tickets for one account at the same time. None fails, and the ticket of the last request stays live.
async fn concurrent_issues_for_one_account_leave_one_live_ticket(server: Server) {
    let Some(fresh) = server.fresh().await else { return };
    let stores = fresh.stores(4).await;
    let ann = account(&stores[0], "ann").await;
    let mut all = JoinSet::new();
    for seq in 1..=12 {
        let mut one = ticket(&ann, &format!("t{seq}"));
        one.job_seq = seq;
        let store = stores[usize::try_from(seq).unwrap() % 4].clone();
        all.spawn(async move { store.issue(&one, None, &event_at(at(0))).await.unwrap() });
    }
    all.join_all().await;
    let mut live = Vec::new();
    for seq in 1..=12 {
        let found = stores[0].ticket_of(&JobId::new(format!("t{seq}"))).await.unwrap();
        live.extend(found.filter(|one| one.voided_at.is_none()).map(|one| one.job_seq));
    }
    assert_eq!(live, [12]);
}
