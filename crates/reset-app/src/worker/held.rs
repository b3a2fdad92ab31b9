//! The jobs that this process has claimed and not finished, whose leases it renews.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use reset_core::job::{Job, JobId};

/// The jobs in progress.
#[derive(Debug, Default)]
pub(super) struct Held(Mutex<HashSet<JobId>>);

/// A job in progress. When it is dropped, also by a panic, its lease is no longer renewed.
pub(super) struct HeldJob {
    pub(super) job: Job,
    held: Arc<Held>,
}

impl Held {
    /// Adds a claimed job.
    pub(super) fn add(self: &Arc<Self>, job: Job) -> HeldJob {
        self.lock().insert(job.id.clone());
        HeldJob { job, held: self.clone() }
    }

    /// Returns the jobs in progress.
    pub(super) fn jobs(&self) -> Vec<JobId> {
        self.lock().iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<JobId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for HeldJob {
    fn drop(&mut self) {
        self.held.lock().remove(&self.job.id);
    }
}
