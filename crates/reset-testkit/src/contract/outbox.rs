//! The contract of [`Outbox`](reset_core::ports::Outbox), and of jobs that may crash their workers.

use std::{sync::Arc, time::Duration};

use super::{at, claim_any, done, happened, job, until};
use reset_core::{
    event::{Event, EventKind},
    job::{Job, JobId, Outcome, RETRY_RETENTION, SUSPECT_CRASHES},
    ports::{Backlog, Queued, Store},
};

async fn queued(store: &Arc<dyn Store>) -> Vec<Queued> {
    done(store.queued(100).await)
}

/// Pushes a job and finishes it with `outcome`.
async fn ended(store: &Arc<dyn Store>, id: &str, outcome: Outcome) {
    done(store.push(&job(id, id)).await);
    done(store.finish(&JobId::new(id), outcome, "550 5.7.1", None, &happened(at(1))).await);
}

async fn retry(store: &Arc<dyn Store>, id: &str) -> bool {
    let retried = Event::new(EventKind::Retried, at(100));
    done(store.retry(&JobId::new(id), &JobId::new(format!("{id} again")), &retried).await)
}

pub async fn queued_lists_waiting_jobs_and_jobs_that_owe_a_mail(store: Arc<dyn Store>) {
    for (id, outcome) in
        [("mailed", Outcome::Mailed), ("refused", Outcome::Refused), ("no-account", Outcome::NoAccount)]
    {
        ended(&store, id, outcome).await;
    }
    done(store.push(&job("waiting", "ann")).await);
    let shown = queued(&store).await;
    assert_eq!(shown.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["refused", "waiting"]);
    let refused = &shown[0];
    assert_eq!((refused.kind, refused.outcome.as_deref()), ("reset", Some("refused")));
    assert_eq!(refused.reply.as_deref(), Some("550 5.7.1"));
    assert_eq!((shown[1].taken, shown[1].attempts, shown[1].outcome.as_ref()), (false, 0, None));
    assert_eq!(done(store.queued(1).await).len(), 1);
}

pub async fn the_backlog_counts_waiting_and_claimed_jobs_and_has_an_age(store: Arc<dyn Store>) {
    assert_eq!(done(store.backlog().await), Backlog::default());
    ended(&store, "mailed", Outcome::Mailed).await;
    ended(&store, "refused", Outcome::Refused).await;
    assert_eq!(done(store.backlog().await).waiting, 0);
    for (id, created_at) in [("one", at(30)), ("two", at(20)), ("three", at(40))] {
        done(store.push(&Job { created_at, ..job(id, id) }).await);
    }
    done(claim_any(&store, 1, at(50), at(110)).await);
    assert_eq!(done(store.backlog().await), Backlog { waiting: 3, oldest: Some(at(20)) });
}

pub async fn a_waiting_job_is_retried_at_once_and_a_claimed_one_is_retried_already(store: Arc<dyn Store>) {
    done(store.push(&job("one", "ann")).await);
    let claimed = done(claim_any(&store, 1, at(0), at(60)).await).remove(0);
    assert!(retry(&store, "one").await, "a worker has claimed it");
    assert!(done(store.trace(&claimed.reference).await).is_empty(), "nothing was done");
    done(store.postpone(&claimed, until(at(900)), Some(&happened(at(0)))).await);
    assert!(done(claim_any(&store, 1, at(100), at(160)).await).is_empty());
    assert!(retry(&store, "one").await);
    assert_eq!(done(claim_any(&store, 1, at(100), at(160)).await).len(), 1);
    assert!(!retry(&store, "unknown").await);
}

pub async fn a_retried_job_that_owes_a_mail_starts_over(store: Arc<dyn Store>) {
    for (id, outcome) in
        [("refused", Outcome::Refused), ("quarantined", Outcome::Quarantined), ("given-up", Outcome::GivenUp)]
    {
        ended(&store, id, outcome).await;
        let quarantined = u64::from(outcome == Outcome::Quarantined);
        assert_eq!(done(store.quarantined().await), quarantined, "{id}");
        assert!(retry(&store, id).await);
        assert_eq!(done(store.quarantined().await), 0, "{id}");
        assert!(!retry(&store, id).await, "it has a new id now");
        let again = done(claim_any(&store, 1, at(100), at(160)).await);
        assert_eq!(again[0].id.as_str(), format!("{id} again"));
        assert_eq!((again[0].created_at, again[0].attempts, again[0].lost), (at(100), 1, 0));
        assert_eq!(again[0].kind, job(id, id).kind);
        assert_eq!(again[0].reference, job(id, id).reference);
        let event = done(store.trace(&again[0].reference).await).pop().expect("an event");
        assert_eq!((event.kind, event.job.as_ref()), (EventKind::Retried, Some(&again[0].id)));
    }
}

pub async fn a_completed_job_is_not_retried(store: Arc<dyn Store>) {
    ended(&store, "mailed", Outcome::Mailed).await;
    assert!(!retry(&store, "mailed").await);
    assert!(done(claim_any(&store, 10, at(200), at(260)).await).is_empty());
}

pub async fn clear_removes_finished_jobs_and_waiting_ones_only_on_request(store: Arc<dyn Store>) {
    ended(&store, "ended", Outcome::Quarantined).await;
    done(store.push(&job("claimed", "ann")).await);
    done(claim_any(&store, 1, at(0), at(60)).await);
    done(store.push(&job("waiting", "bob")).await);
    done(store.push(&job("waiting-too", "cleo")).await);
    assert_eq!(done(store.clear(false, 100).await), 1);
    assert_eq!(queued(&store).await.len(), 3);
    assert_eq!(done(store.clear(true, 1).await), 1, "up to the limit");
    assert_eq!(done(store.clear(true, 100).await), 1);
    assert_eq!(queued(&store).await[0].id.as_str(), "claimed");
}

pub async fn lost_workers_are_counted_until_one_postpones_the_job(store: Arc<dyn Store>) {
    done(store.push(&job("one", "ann")).await);
    let mut now = 0;
    let claim = async |now: i64| done(claim_any(&store, 1, at(now), at(now + 60)).await).remove(0);
    for expected in 0..3 {
        assert_eq!(claim(now).await.lost, expected);
        now += 60;
    }
    let last = claim(now).await;
    assert_eq!(last.lost, 3);
    done(store.postpone(&last, until(at(now)), Some(&happened(at(now)))).await);
    assert_eq!(claim(now).await.lost, 0, "the worker returned it");
    done(store.release(at(now)).await);
    assert_eq!(claim(now).await.lost, 1, "its process was killed");
}

pub async fn a_job_suspected_of_crashing_workers_is_claimed_alone_and_last(store: Arc<dyn Store>) {
    done(store.push(&job("poison", "ann")).await);
    let mut now = 0;
    for _ in 0..=SUSPECT_CRASHES {
        assert_eq!(done(claim_any(&store, 1, at(now), at(now + 60)).await).len(), 1);
        now += 60;
    }
    for name in ["bob", "cleo"] {
        done(store.push(&job(name, name)).await);
    }
    let claimed = async |now: i64| {
        let claimed = done(claim_any(&store, 10, at(now), at(now + 60)).await);
        claimed.into_iter().map(|job| job.id.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(claimed(now).await, ["bob", "cleo"]);
    assert_eq!(claimed(now).await, ["poison"]);
}

pub async fn jobs_that_owe_a_mail_are_kept_longer(store: Arc<dyn Store>) {
    ended(&store, "refused", Outcome::Refused).await;
    ended(&store, "mailed", Outcome::Mailed).await;
    done(store.purge(at(2)).await);
    assert_eq!(queued(&store).await.len(), 1);
    // The mailed job was purged, so its id can be reused.
    done(store.push(&job("mailed", "ann")).await);
    done(store.purge(at(2).plus(RETRY_RETENTION).plus(Duration::from_secs(1))).await);
    assert_eq!(queued(&store).await.iter().filter(|one| one.outcome.is_some()).count(), 0);
}
