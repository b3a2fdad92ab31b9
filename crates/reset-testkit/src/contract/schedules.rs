//! The invariants of a ticket's life under random schedules ([`crate::model`]).

use std::sync::Arc;

use reset_core::ports::Store;

use crate::model::random_schedules;

pub async fn random_schedules_keep_what_must_hold(store: Arc<dyn Store>) {
    random_schedules(store, 7, 3, 40).await;
}
