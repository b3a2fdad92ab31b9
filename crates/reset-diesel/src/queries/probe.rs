//! The write of the readiness check.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    sync::LazyLock,
};

use diesel::{insert_into, prelude::*, update};

use super::super::engine::{Db, schema::probes};

/// Number of rows. With a single row, the checks of all servers would wait for each other, and conflict on a cluster
/// with several writable nodes.
const SLOTS: u64 = 64;

/// The row of this process. Chosen at random, because containers often share their process id and host name.
static SLOT: LazyLock<i64> = LazyLock::new(|| {
    let slot = RandomState::new().build_hasher().finish() % SLOTS;
    i64::try_from(slot).expect("a slot is small")
});

/// Changes a row, so that the commit must reach the disk. If two processes add the same row, the second one fails on the
/// primary key, and its retry finds the row.
pub(super) fn write(db: &mut Db) -> QueryResult<()> {
    let changed = update(probes::table.find(*SLOT)).set(probes::writes.eq(probes::writes + 1)).execute(db)?;
    if changed == 0 {
        insert_into(probes::table).values((probes::slot.eq(*SLOT), probes::writes.eq(1))).execute(db)?;
    }
    Ok(())
}
