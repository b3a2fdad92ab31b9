//! The stages of a job, as the column `stage` numbers them.

/// Accepted: its address was not looked up yet.
pub(super) const ACCEPTED: i16 = 0;
/// Ready: its mail waits for a sending slot.
pub(super) const READY: i16 = 1;
/// Postponed until `due_at`.
pub(super) const POSTPONED: i16 = 2;
/// Suspected of crashing its workers.
pub(super) const SUSPECT: i16 = 3;
/// Claimed from [`ACCEPTED`]; `due_at` is the end of the lease.
pub(super) const RESOLVING: i16 = 4;
/// Claimed from another stage; `due_at` is the end of the lease.
pub(super) const SENDING: i16 = 5;

/// The first stage of claimed jobs; those after it are claimed as well.
pub(super) const FIRST_CLAIMED: i16 = RESOLVING;

/// The stages of claimed jobs, each with the stage that an expired lease returns a job to.
pub(super) const CLAIMED: [(i16, i16); 2] = [(RESOLVING, ACCEPTED), (SENDING, READY)];
