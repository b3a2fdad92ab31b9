//! The last step of a delivery: what a reply means for the job, and its record.

use std::time::Duration;

use tracing::{info, warn};

use crate::{
    Resets,
    account::AccountId,
    error::{MailError, StoreError},
    event::{Event, EventKind},
    job::{
        BUSY_WAIT, DOMAIN_WAITS_MOST, GIVE_UP_AFTER, Job, Outcome, UNCONFIRMED_MOST, UNCONFIRMED_WAIT,
        backoff,
    },
    ports::{PasswordReset, Postponement},
    ticket::TicketId,
    time::Timestamp,
};

/// The result of a delivery, to be recorded.
#[derive(Debug)]
pub enum Settlement {
    /// The job is over.
    Finished {
        /// How it ended.
        outcome: Outcome,
        /// The last reply of the mail server or the webhook.
        reply: String,
        /// The ticket whose mail was accepted late, and its new end.
        accepted: Option<(TicketId, Timestamp)>,
    },
    /// The job is retried.
    Postponed {
        /// How long it waits.
        wait: Duration,
        /// The reply, or a word for the reason.
        reply: String,
        /// Whether this was an attempt.
        counts: bool,
        /// Whether the mail may have been accepted although no reply came.
        unconfirmed: bool,
        /// Whether a limit holds back every other mail, too.
        pauses: bool,
    },
}

impl Settlement {
    pub(super) fn finished(outcome: Outcome, reply: impl Into<String>) -> Self {
        Self::Finished { outcome, reply: reply.into(), accepted: None }
    }

    pub(super) fn retry(wait: Duration, reply: impl Into<String>) -> Self {
        Self::Postponed { wait, reply: reply.into(), counts: true, unconfirmed: false, pauses: false }
    }
}

impl Resets {
    /// Posts to the webhook.
    pub(super) async fn post_webhook(&self, job: &Job, account: &AccountId) -> Settlement {
        let Some(webhook) = &self.adapters().webhook else {
            return Settlement::finished(Outcome::Abandoned, "");
        };
        let (id, account, dialect) = (job.id.clone(), account.clone(), job.dialect.clone());
        let reply = webhook.post(&PasswordReset { id, account, dialect, at: job.created_at }).await;
        self.settlement(job, reply, None)
    }

    /// Decides on the reply of the mail server or the webhook.
    pub(super) fn settlement(
        &self,
        job: &Job,
        reply: Result<String, MailError>,
        accepted: Option<(TicketId, Timestamp)>,
    ) -> Settlement {
        let (mut pauses, unconfirmed) = (false, matches!(reply, Err(MailError::Uncertain { .. })));
        let (wait, reply, counts) = match reply {
            Ok(reply) => return Settlement::Finished { outcome: Outcome::Mailed, reply, accepted },
            Err(MailError::Permanent { reply }) => return Settlement::finished(Outcome::Refused, reply),
            Err(MailError::Temporary { reply }) => (backoff(job.attempts), reply, true),
            Err(MailError::Uncertain { reply }) if job.unconfirmed + 1 >= UNCONFIRMED_MOST => {
                return Settlement::finished(Outcome::GivenUp, format!("unconfirmed {reply}"));
            }
            Err(MailError::Uncertain { reply }) => (UNCONFIRMED_WAIT, format!("unconfirmed {reply}"), true),
            Err(MailError::Busy { reply, only_domain }) => {
                pauses = !only_domain;
                // A slow domain can have thousands of mails, which would otherwise all be tried every two seconds.
                let waits = if only_domain { job.claims.clamp(1, DOMAIN_WAITS_MOST) } else { 1 };
                (BUSY_WAIT * waits, reply, false)
            }
        };
        if self.adapters().clock.now().plus(wait).since(job.created_at) >= GIVE_UP_AFTER {
            return Settlement::finished(Outcome::GivenUp, reply);
        }
        Settlement::Postponed { wait, reply, counts, unconfirmed, pauses }
    }

    /// Records the result of a delivery.
    ///
    /// # Errors
    /// Fails if the store fails. The caller repeats it: a mail that was sent must not be sent again.
    pub async fn settle(&self, job: &Job, settlement: &Settlement) -> Result<(), StoreError> {
        match settlement {
            Settlement::Finished { outcome, reply, accepted } => {
                self.finish(job, *outcome, reply, accepted.as_ref()).await
            }
            Settlement::Postponed { wait, reply, counts, unconfirmed, .. } => {
                let now = self.adapters().clock.now();
                let event = Event::of_job(EventKind::PutOff, job, now).saying(job.kind.reply_detail(reply));
                let due_at = now.plus(*wait);
                let delay = Postponement { due_at, reply, counts: *counts, unconfirmed: *unconfirmed };
                // While a limit is reached, many jobs are postponed every minute; recording that would flood the audit
                // log.
                self.adapters().store.postpone(job, delay, counts.then_some(&event)).await?;
                if *counts {
                    warn!(
                        job.id = job.id.as_str(),
                        job.attempts,
                        reply,
                        retry_s = wait.as_secs(),
                        "delivery failed, retry after backoff"
                    );
                }
                Ok(())
            }
        }
    }

    async fn finish(
        &self,
        job: &Job,
        outcome: Outcome,
        reply: &str,
        accepted: Option<&(TicketId, Timestamp)>,
    ) -> Result<(), StoreError> {
        let accepted = accepted.map(|(ticket, end)| (ticket, *end));
        let now = self.adapters().clock.now();
        let (kind, detail) = match outcome {
            Outcome::Mailed => (EventKind::Mailed, reply.to_owned()),
            outcome => (EventKind::Ended, format!("{} {reply}", outcome.name()).trim_end().to_owned()),
        };
        let event = Event::of_job(kind, job, now).saying(job.kind.reply_detail(&detail));
        let event = if outcome == Outcome::NoAccount { self.bounded(event, job.network) } else { event };
        self.adapters().store.finish(&job.id, outcome, reply, accepted, &event).await?;
        info!(
            job.id = job.id.as_str(),
            job.reference = job.reference.as_str(),
            job.attempts,
            dialect.name = job.dialect,
            reply,
            "job {}",
            outcome.name()
        );
        Ok(())
    }
}
