//! Secrets that meet the ticket of a decoy.

use reset_core::error::RedeemError;
use reset_testkit::memory::Outage;

use super::bench::{bench, code};

/// The users table of another system may reject the id of a decoy, such as one whose keys are UUIDs. The outage stands
/// for that table.
#[tokio::test]
async fn a_secret_of_a_decoy_is_invalid_without_a_look_up_of_its_account() {
    let bench = bench();
    bench.request("code", "ghost@example.org").await;
    bench.request("link", "ghost@example.org").await;
    bench.run_worker().await;
    let decoys = bench.memory.mailer.decoys_prepared();
    assert_eq!((decoys.len(), bench.memory.store.tickets().len()), (2, 2));
    bench.memory.store.set_outage(Outage::Only("account"));
    let guess = bench.redeem("code", &code(&decoys[0].secret)).await;
    assert!(matches!(guess, Err(RedeemError::Invalid)), "a wrong code like any other");
    let token = bench.token(&decoys[1]);
    assert!(matches!(bench.redeem("link", &token).await, Err(RedeemError::Invalid)));
}
