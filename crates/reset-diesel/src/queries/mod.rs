//! The ports, implemented with Diesel. This source is compiled once for each engine.
//!
//! Every engine mounts this module next to a module `engine`, which defines the connection (`Db`), the store
//! (`EngineStore`), the tables (`schema`) and everything that differs, such as row locks. The queries do not use
//! `RETURNING`, because MariaDB's UPDATE does not support it: they update, check the number of rows, and select.
//!
//! Every write may run concurrently with others (READ COMMITTED, many replicas). Locks are taken in the order account,
//! ticket, guesses; budgets are locked by name before a job is inserted. A transaction that fails on a duplicate value
//! or a deadlock is retried from its start, so a write must itself read everything that it decides on.

pub(super) mod accounts;
pub(super) mod budgets;
mod claim;
mod disputes;
mod events;
mod foreign_users;
mod groups;
pub(super) mod jobs;
mod outbox;
mod own_users;
#[cfg(test)]
pub(super) mod plans;
pub(super) mod rows;
mod stage;
pub(super) mod statements;
pub(super) mod tickets;
pub(super) mod users;
pub(super) mod versions;

use async_trait::async_trait;
use reset_core::{error::StoreError, ports::Store, time::Timestamp};

use super::engine::{self, EngineStore};
use crate::fault::DatabaseFault;

/// Maximum number of rows that [`Store::purge`] deletes in one transaction, so that other tasks can run in between.
pub(super) const PURGE_STEP: u16 = 500;

#[async_trait]
impl Store for EngineStore {
    async fn ready(&self) -> Result<(), StoreError> {
        // A query alone would succeed although no write can: full queue, another process's lock, failed disk, standby.
        self.write(engine::check_writable).await?;
        let newest = versions::newest();
        if self.read(move |db| versions::is_applied(db, &newest)).await? {
            Ok(())
        } else {
            Err(DatabaseFault::Rejected("migrations are pending: run the migrate command").into())
        }
    }

    async fn purge(&self, before: Timestamp) -> Result<(), StoreError> {
        let before = before.as_millis();
        for purge in [tickets::purge, jobs::purge, budgets::purge, disputes::purge] {
            while self.write(move |db| purge(db, before, PURGE_STEP)).await? == usize::from(PURGE_STEP) {}
        }
        Ok(())
    }
}
