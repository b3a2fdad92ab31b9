//! The ports in terms of Diesel: one source, compiled once for each engine.
//!
//! Every engine mounts this module beside a module `engine`, which has the connection (`Db`), the store (`EngineStore`),
//! the tables (`schema`) and whatever differs: how a row is locked, and who may count. What a statement returns is
//! never relied on, for MariaDB's UPDATE returns nothing: update, look at the count, select.
//!
//! Think of each write as one of several at once (READ COMMITTED, many replicas). Locks are taken in the order
//! account, ticket, guesses, and budgets by their names before a job; a transaction that meets another one on a unique value, or in a deadlock, is run
//! again from its start, so what a write decides it must look up itself.

pub(super) mod accounts;
pub(super) mod budgets;
mod disputes;
mod events;
mod foreign_users;
pub(super) mod jobs;
mod outbox;
mod own_users;
pub(super) mod rows;
pub(super) mod tickets;
pub(super) mod users;
pub(super) mod versions;

use async_trait::async_trait;
use reset_core::{error::StoreError, ports::Store, time::Timestamp};

use super::engine::{self, EngineStore};
use crate::fault::DatabaseFault;

/// Rows that [`Store::purge`] deletes at a time, so that other jobs get their turn in between.
pub(super) const PURGE_STEP: u16 = 500;

#[async_trait]
impl Store for EngineStore {
    async fn ready(&self) -> Result<(), StoreError> {
        // Looking up would go on while nothing can be written: full queue, foreign lock, dead disk, standby.
        self.write(engine::could_write).await?;
        let newest = versions::newest();
        if self.read(move |db| versions::is_applied(db, &newest)).await? {
            Ok(())
        } else {
            Err(DatabaseFault::Refused("migrations are pending").into())
        }
    }

    async fn purge(&self, before: Timestamp) -> Result<(), StoreError> {
        let before = before.as_millis();
        for forget in [tickets::forget, jobs::forget, budgets::forget, disputes::forget] {
            while self.write(move |db| forget(db, before, PURGE_STEP)).await? == usize::from(PURGE_STEP) {}
        }
        Ok(())
    }
}
