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
mod comparisons;
mod disputes;
pub(super) mod events;
mod finish_jobs;
pub(super) mod foreign_users;
mod groups;
pub(super) mod issue;
pub(super) mod jobs;
mod lookups;
mod lost_events;
mod outbox;
mod own_users;
pub(super) mod password_write;
#[cfg(test)]
pub(super) mod plans;
mod probe;
pub(super) mod rows;
mod seals;
mod stage;
pub(super) mod statements;
pub(super) mod tickets;
pub(super) mod users;
pub(super) mod versions;

use async_trait::async_trait;
use diesel::{dsl::sql, prelude::*, sql_types::Bool};
use reset_core::{error::StoreError, ports::Store, time::Timestamp};

use super::engine::{self, Db, EngineStore, schema};
use crate::fault::DatabaseFault;

/// Maximum number of rows that [`Store::purge`] deletes in one transaction, so that other tasks can run in between.
pub(super) const PURGE_STEP: u16 = 500;

#[async_trait]
impl Store for EngineStore {
    async fn ready(&self) -> Result<(), StoreError> {
        engine::check_place(self)?;
        let newest = versions::newest();
        if !self.read(move |db| versions::is_applied(db, &newest)).await? {
            return Err(DatabaseFault::Rejected("migrations are pending: run the migrate command").into());
        }
        // Nothing but a committed change shows that writes work: queries and empty transactions also succeed on a full
        // or failed disk, on a read-only file system and on a standby.
        self.write(|db| {
            engine::check_writable(db)?;
            probe::write(db)
        })
        .await
    }

    async fn quarantined(&self) -> Result<u64, StoreError> {
        let query = |db: &mut Db| {
            // A literal, because not every planner uses a partial index for a parameter.
            schema::jobs::table.filter(sql::<Bool>("outcome = 'quarantined'")).count().get_result::<i64>(db)
        };
        Ok(u64::try_from(self.read(query).await?).unwrap_or_default())
    }

    async fn purge(&self, before: Timestamp) -> Result<(), StoreError> {
        let before = before.as_millis();
        for purge in [tickets::purge, jobs::purge, budgets::purge, disputes::purge] {
            while self.write(move |db| purge(db, before, PURGE_STEP)).await? == usize::from(PURGE_STEP) {}
        }
        Ok(())
    }
}
