//! Use case: deliver a job. The worker looks the account up, issues the ticket and sends the mail, after the response
//! to the client has been sent.
//!
//! A delivery has three steps, which the worker runs at different speeds: [`prepare`](Resets::prepare) at the speed of
//! the database, [`send`](Resets::send) at the speed of the mail server, and [`settle`](Resets::settle), which records
//! the result. A decoy ends with the first step and takes no sending slot.
//!
//! Every step can be repeated. If a worker is killed, the next attempt at its job finds the ticket, derives the same
//! secret and mails it again. No accepted request is lost, and no row holds a secret.

mod settlement;

use std::time::Duration;

use tracing::{error, warn};

pub use self::settlement::Settlement;
use crate::{
    Resets,
    account::Account,
    email::EmailAddress,
    error::StoreError,
    issue::Purpose,
    job::{GIVE_UP_AFTER, Job, JobId, JobKind, MAX_WORKER_CRASHES, Outcome, backoff},
    mail::{Mail, MailBody, compose_mail},
    ticket::{HARD_CAP, TicketId, TicketState},
    time::Timestamp,
};

/// How long a worker's claim on a job lasts unless it is renewed. Short, so that the jobs of a worker that died go on
/// soon; several times the interval of renewals, so that a slow commit loses no lease.
pub const LEASE: Duration = Duration::from_secs(15);

/// Maximum age of a secret that a retry mails unchanged. Longer than [`LEASE`], so that after a worker died in
/// mid-send the next one repeats the same secret, a JWT byte for byte. Short enough that a delayed mail does not
/// promise more time than its token has.
const MAX_UNCHANGED_AGE: Duration = Duration::from_secs(180);

/// Up to how much later than its ticket a mail is accepted without moving the ticket's end. Shorter than anybody takes to
/// open a mail; almost every delivery is, and spares a write.
const AT_ONCE: Duration = Duration::from_secs(5);

/// How long a job is postponed when the mail limit is reached.
const MAIL_LIMIT_DELAY: Duration = Duration::from_secs(60);

/// Stored as the reply of a job that waits because the mail limit is reached.
const MAIL_LIMIT_REPLY: &str = "mails-per-hour";

/// The state of a job after its preparation.
pub enum Prepared {
    /// Its mail waits to be sent.
    Mail(Box<ReadyMail>),
    /// Nothing is to be sent. The result waits to be recorded.
    Settled(Settlement),
}

/// A composed mail, and the ticket whose lifetime starts when the mail is accepted.
pub struct ReadyMail {
    mail: Mail,
    ticket: Option<TicketClock>,
}

/// When the ticket of a mail ends.
struct TicketClock {
    ticket: TicketId,
    minted_at: Timestamp,
    /// The latest end that it may have.
    latest: Timestamp,
    lifetime: Duration,
}

impl TicketClock {
    /// Returns the ticket and its new end after its mail was accepted, unless that was at once.
    fn accepted(&self, now: Timestamp) -> Option<(TicketId, Timestamp)> {
        let late = now.since(self.minted_at) >= AT_ONCE;
        late.then(|| (self.ticket.clone(), now.plus(self.lifetime).min(self.latest)))
    }
}

/// Why no mail is sent.
enum NoMail {
    /// The job ends without a mail.
    Ended(Outcome),
    /// The mail limit is reached; the job is postponed.
    Later,
}

impl Resets {
    /// Claims up to `limit` accepted jobs for this worker.
    ///
    /// # Errors
    /// Fails if the store fails.
    pub async fn claim_accepted(&self, limit: u32) -> Result<Vec<Job>, StoreError> {
        let now = self.adapters().clock.now();
        let jobs = self.adapters().store.claim_accepted(limit, now, now.plus(LEASE)).await?;
        for job in &jobs {
            self.inner.accepted.reached(job.turn);
        }
        Ok(jobs)
    }

    /// Claims up to `limit` jobs whose mail can be sent, of which up to `retries` are old ones.
    ///
    /// # Errors
    /// Fails if the store fails.
    pub async fn claim_ready(&self, limit: u32, retries: u32) -> Result<Vec<Job>, StoreError> {
        let now = self.adapters().clock.now();
        let jobs = self.adapters().store.claim_ready(limit, retries, now, now.plus(LEASE)).await?;
        for job in &jobs {
            self.inner.ready.reached(job.turn);
        }
        Ok(jobs)
    }

    /// Claims a job that may crash its worker, to be run alone.
    ///
    /// # Errors
    /// Fails if the store fails.
    pub async fn claim_suspect(&self) -> Result<Option<Job>, StoreError> {
        let now = self.adapters().clock.now();
        self.adapters().store.claim_suspect(now, now.plus(LEASE)).await
    }

    /// Claims up to `limit` jobs of any kind, for a caller that [delivers](Self::deliver) them one by one.
    ///
    /// # Errors
    /// Fails if the store fails.
    pub async fn claim(&self, limit: u32) -> Result<Vec<Job>, StoreError> {
        self.adapters().store.reclaim(self.adapters().clock.now()).await?;
        let mut jobs = self.claim_accepted(limit).await?;
        let left = limit.saturating_sub(u32::try_from(jobs.len()).unwrap_or(u32::MAX));
        if left > 0 {
            jobs.extend(self.claim_ready(left, left).await?);
        }
        if jobs.is_empty() {
            jobs.extend(self.claim_suspect().await?);
        }
        jobs.sort_by_key(|job| job.seq);
        Ok(jobs)
    }

    /// Renews the leases of claimed jobs.
    ///
    /// # Errors
    /// Fails if the store fails.
    pub async fn renew(&self, jobs: &[JobId]) -> Result<(), StoreError> {
        let now = self.adapters().clock.now();
        self.adapters().store.renew(jobs, now.plus(LEASE)).await
    }

    /// Runs a job and records its outcome.
    ///
    /// # Errors
    /// Fails if the store fails. The job stays claimed and is due again when its lease ends.
    pub async fn deliver(&self, job: &Job) -> Result<(), StoreError> {
        let settlement = match self.prepare(job).await? {
            Prepared::Mail(ready) => self.send(job, &ready).await,
            Prepared::Settled(settlement) => settlement,
        };
        self.settle(job, &settlement).await
    }

    /// Does everything up to the mail: looks the account up, issues the ticket and composes the mail. Posts webhooks.
    ///
    /// # Errors
    /// Fails if the store fails.
    pub async fn prepare(&self, job: &Job) -> Result<Prepared, StoreError> {
        let settled = |settlement| Ok(Prepared::Settled(settlement));
        if job.lost > MAX_WORKER_CRASHES {
            error!(job.id = job.id.as_str(), "job quarantined after {} worker crashes in a row", job.lost);
            return settled(Settlement::finished(Outcome::Quarantined, "worker crashes"));
        }
        if self.adapters().clock.now().since(job.created_at) >= GIVE_UP_AFTER {
            return settled(Settlement::finished(Outcome::GivenUp, ""));
        }
        let ready = match &job.kind {
            JobKind::Reset { email, redirect_to, .. } => {
                self.prepare_reset(job, email, redirect_to.as_deref()).await?
            }
            JobKind::Notice { account, to, .. } => match self.adapters().store.account(account).await? {
                Some(account) => {
                    let account = Account { email: to.as_str().to_owned(), ..account };
                    let dispute = self.allow_dispute(job, &account.id, to).await?;
                    let body = MailBody::PasswordChanged { dispute };
                    Ok(ReadyMail { mail: compose_mail(job, account, body), ticket: None })
                }
                None => Err(NoMail::Ended(Outcome::NoAccount)),
            },
            JobKind::Webhook { account } => return settled(self.post_webhook(job, account).await),
        };
        match ready {
            Ok(ready) => Ok(Prepared::Mail(Box::new(ready))),
            Err(NoMail::Ended(outcome)) => settled(Settlement::finished(outcome, "")),
            Err(NoMail::Later) => {
                warn!(job.id = job.id.as_str(), "hourly mail limit reached, delivery postponed");
                let (wait, reply) = (MAIL_LIMIT_DELAY, MAIL_LIMIT_REPLY.to_owned());
                let (counts, unconfirmed, pauses) = (false, false, true);
                settled(Settlement::Postponed { wait, reply, counts, unconfirmed, pauses })
            }
        }
    }

    /// Leaves a prepared mail to whichever worker has a free sending slot first.
    ///
    /// # Errors
    /// Fails if the store fails.
    pub async fn queue_for_sending(&self, job: &Job) -> Result<(), StoreError> {
        self.adapters().store.make_ready(job, self.inner.ready.next(job.network)).await
    }

    /// Requeues a job that could not be prepared.
    ///
    /// # Errors
    /// Fails if the store still fails; then the job is due again when its lease ends.
    pub async fn put_back(&self, job: &Job) -> Result<(), StoreError> {
        self.settle(job, &Settlement::retry(backoff(job.attempts), "not recorded")).await
    }

    /// Finds the account, issues the ticket and derives the secret.
    async fn prepare_reset(
        &self,
        job: &Job,
        email: &EmailAddress,
        redirect_to: Option<&str>,
    ) -> Result<Result<ReadyMail, NoMail>, StoreError> {
        let ended = |outcome| Ok(Err(NoMail::Ended(outcome)));
        let Some(policies) = self.policies_of(&job.dialect) else { return ended(Outcome::Abandoned) };
        let adapters = self.adapters();
        let Some(account) = self.resettable_account(email, adapters.clock.now()).await? else {
            self.prepare_decoy(job, email, policies, redirect_to).await?;
            return ended(Outcome::NoAccount);
        };
        let ticket = match adapters.store.ticket_of(&job.id).await? {
            Some(ticket) => Some(ticket),
            None if !self.take_mail_budget("all").await? => return Ok(Err(NoMail::Later)),
            None => self.issue(job, &account, policies, redirect_to, Purpose::Mail).await?,
        };
        let Some(mut ticket) = ticket else { return ended(Outcome::Superseded) };
        let now = adapters.clock.now();
        match ticket.state(now) {
            TicketState::Spent | TicketState::Void => return ended(Outcome::Superseded),
            TicketState::Live | TicketState::Expired => {}
        }
        let Some((policy, secret)) = self.secret_of(&ticket, &account, policies) else {
            self.requeue(job).await?;
            return ended(Outcome::Superseded);
        };
        if now.since(ticket.minted_at) > MAX_UNCHANGED_AGE.min(policy.lifetime / 2) {
            (ticket.minted_at, ticket.expires_at) = (now, ticket.end_of(now, policy.lifetime));
            adapters.store.restart_clock(&ticket.id, ticket.minted_at, ticket.expires_at).await?;
        }
        let text = policy.format.seal(&secret, &ticket);
        let body = policy.delivery.body(text, policy.lifetime, &ticket);
        // The mail goes to the stored address, or to the mailbox of a dispute, which was stored at the time of the
        // reset.
        let account = if account.email_key() == email.key() {
            account
        } else {
            Account { email: email.key().to_owned(), ..account }
        };
        let (latest, lifetime) = (ticket.issued_at.plus(HARD_CAP), policy.lifetime);
        let clock = TicketClock { ticket: ticket.id, minted_at: ticket.minted_at, latest, lifetime };
        Ok(Ok(ReadyMail { mail: compose_mail(job, account, body), ticket: Some(clock) }))
    }

    /// Sends the mail.
    pub async fn send(&self, job: &Job, ready: &ReadyMail) -> Settlement {
        let sent = self.adapters().mailer.send(&ready.mail).await;
        let now = self.adapters().clock.now();
        let accepted = ready.ticket.as_ref().and_then(|clock| clock.accepted(now));
        self.settlement(job, sent, accepted)
    }
}
