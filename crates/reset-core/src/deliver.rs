//! Use case: deliver a job. The worker looks the account up, issues the ticket and sends the mail, after the response
//! to the client has been sent.
//!
//! Every step can be repeated. If a worker is killed, the next attempt at its job finds the ticket, derives the same
//! secret and mails it again. No accepted request is lost, and no row holds a secret.

use std::time::Duration;

use tracing::{error, info, warn};

use crate::{
    Resets,
    account::{Account, AccountId},
    budget::Budget,
    email::EmailAddress,
    error::{MailError, StoreError},
    event::{Event, EventKind},
    issue_policy::{IssuePolicies, IssuePolicy},
    job::{GIVE_UP_AFTER, Job, JobKind, MAX_WORKER_CRASHES, Outcome, backoff},
    keys::Draw,
    mail::{Mail, MailBody},
    ports::{Issued, PasswordReset},
    secret::{Scope, TicketSecret},
    ticket::{HARD_CAP, Ticket, TicketId, TicketState},
    time::Timestamp,
};

/// How long a worker's claim on a job lasts. Longer than the timeout of every mail transport.
pub const LEASE: Duration = Duration::from_secs(120);

/// Maximum age of a secret that a retry mails unchanged. Longer than [`LEASE`], so that after a worker died in
/// mid-send the next one repeats the same secret, a JWT byte for byte. Short enough that a delayed mail does not
/// promise more time than its token has.
const MAX_UNCHANGED_AGE: Duration = Duration::from_secs(180);

/// How long a job is postponed when the mail limit is reached.
const MAIL_LIMIT_DELAY: Duration = Duration::from_secs(60);

/// Maximum draws of a code before the store is considered broken. With 10 live codes out of 10^6, even a second draw
/// is rare.
const MAX_DRAWS: u32 = 16;

/// Stored as the reply of a job that waits because the mail limit is reached.
const MAIL_LIMIT_REPLY: &str = "mails-per-hour";

/// Why no mail is sent.
enum NoMail {
    /// The job ends without a mail.
    Ended(Outcome),
    /// The mail limit is reached; the job is postponed.
    Later,
}

/// The purpose of a ticket.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The worker mails its secret.
    Mail,
    /// An administrator hands over its secret.
    Link,
    /// None: its account does not exist, so it can never be redeemed.
    Decoy,
}

/// A composed mail, and the ticket whose lifetime starts when the mail is accepted: its id, its latest end, and the
/// lifetime.
struct ReadyMail {
    mail: Mail,
    ticket: Option<(TicketId, Timestamp, Duration)>,
}

impl Resets {
    /// Claims up to `limit` due jobs for this worker.
    ///
    /// # Errors
    /// Fails if the store fails.
    pub async fn claim(&self, limit: u32) -> Result<Vec<Job>, StoreError> {
        let now = self.adapters().clock.now();
        self.adapters().store.claim(limit, now, now.plus(LEASE)).await
    }

    /// Runs a job and records its outcome.
    ///
    /// # Errors
    /// Fails if the store fails. The job stays claimed and is due again when its lease ends.
    pub async fn deliver(&self, job: &Job) -> Result<(), StoreError> {
        if job.lost > MAX_WORKER_CRASHES {
            error!(job.id = job.id.as_str(), "job quarantined after {} worker crashes in a row", job.lost);
            return self.finish(job, Outcome::Quarantined, "worker crashes", None).await;
        }
        if self.adapters().clock.now().since(job.created_at) >= GIVE_UP_AFTER {
            return self.finish(job, Outcome::GivenUp, "", None).await;
        }
        let ready = match &job.kind {
            JobKind::Reset { email, redirect_to, .. } => {
                self.prepare(job, email, redirect_to.as_deref()).await?
            }
            JobKind::Notice { account, to } => match self.adapters().store.account(account).await? {
                Some(account) => {
                    let account = Account { email: to.as_str().to_owned(), ..account };
                    let dispute = self.allow_dispute(job, &account.id, to).await?;
                    let body = MailBody::PasswordChanged { dispute };
                    Ok(ReadyMail { mail: compose_mail(job, account, body), ticket: None })
                }
                None => Err(NoMail::Ended(Outcome::NoAccount)),
            },
            JobKind::Webhook { account } => return self.post_webhook(job, account).await,
        };
        match ready {
            Ok(ready) => self.send_mail(job, ready).await,
            Err(NoMail::Ended(outcome)) => self.finish(job, outcome, "", None).await,
            Err(NoMail::Later) => {
                warn!(job.id = job.id.as_str(), "hourly mail limit reached, delivery postponed");
                self.postpone(job, MAIL_LIMIT_DELAY, MAIL_LIMIT_REPLY).await
            }
        }
    }

    /// Requeues a job whose delivery could not be recorded, so that neither it nor the jobs behind it wait for the
    /// end of its lease. If its mail was already sent, the next attempt sends it again with the same secret.
    ///
    /// # Errors
    /// Fails if the store still fails; then the job is due again when its lease ends.
    pub async fn put_back(&self, job: &Job) -> Result<(), StoreError> {
        self.postpone(job, backoff(job.attempts), "not recorded").await
    }

    /// Postpones a job by `wait`.
    async fn postpone(&self, job: &Job, wait: Duration, reply: &str) -> Result<(), StoreError> {
        let now = self.adapters().clock.now();
        let event = Event::of_job(EventKind::PutOff, job, now).saying(job.kind.reply_detail(reply));
        // While the mail limit is reached, many jobs are postponed every minute; recording that would flood the audit
        // log.
        let event = (reply != MAIL_LIMIT_REPLY).then_some(&event);
        self.adapters().store.postpone(&job.id, job.attempts, now.plus(wait), reply, event).await
    }

    /// Prepares the mail: finds the account, issues the ticket and derives the secret.
    async fn prepare(
        &self,
        job: &Job,
        email: &EmailAddress,
        redirect_to: Option<&str>,
    ) -> Result<Result<ReadyMail, NoMail>, StoreError> {
        let ended = |outcome| Ok(Err(NoMail::Ended(outcome)));
        let Some(policies) = self.policies_of(&job.dialect) else { return ended(Outcome::Abandoned) };
        let adapters = self.adapters();
        let Some(account) = self.resettable_account(email, adapters.clock.now()).await? else {
            self.prepare_decoy(job, policies, redirect_to).await?;
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
        let clock = (ticket.id, ticket.issued_at.plus(HARD_CAP), policy.lifetime);
        Ok(Ok(ReadyMail { mail: compose_mail(job, account, body), ticket: Some(clock) }))
    }

    /// Takes one from the mail budget and returns whether there was room. A mail counts once, however often it is
    /// retried. Notices do not count: owners are notified however many resets an attacker requests.
    pub(crate) async fn take_mail_budget(&self, to: &str) -> Result<bool, StoreError> {
        let windows = &self.inner.budgeting.mails;
        if windows.is_empty() {
            return Ok(true);
        }
        let (adapters, mails) = (self.adapters(), Budget::shared(&format!("mails.{to}"), windows));
        adapters.store.take(&[mails], adapters.clock.now()).await
    }

    /// Derives the secret of a ticket. Returns `None` if that is no longer possible: the address now belongs to
    /// another account, the dialect no longer mails this kind, or the key is no longer configured.
    pub(crate) fn secret_of<'a>(
        &self,
        ticket: &Ticket,
        account: &Account,
        policies: &'a IssuePolicies,
    ) -> Option<(&'a IssuePolicy, TicketSecret)> {
        let policy = policies.of(ticket.kind)?;
        let draw = Draw { origin: ticket.job.as_str(), account: &account.id, nonce: ticket.nonce };
        let (keys, digest) = (&self.inner.keys, &ticket.digest);
        let secret = keys.redraw(&ticket.dialect, &*policy.format, policy.scope, draw, digest)?;
        (ticket.account == account.id).then_some((policy, secret))
    }

    /// Queues a new job in place of one whose ticket has become useless.
    async fn requeue(&self, job: &Job) -> Result<(), StoreError> {
        let again = Job { id: self.new_job_id(), seq: 0, attempts: 0, ..job.clone() };
        self.adapters().store.push(&again).await?;
        self.inner.wake.notify_one();
        Ok(())
    }

    /// Returns whether the budget of wrong guesses at the dialect's primary codes is used up, for `email` where it is
    /// counted per address.
    async fn guesses_are_used_up(
        &self,
        policies: &IssuePolicies,
        email: &EmailAddress,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let budgets = match policies.primary.scope {
            Scope::Global => self.open_guess_budget(policies.dialect).into_iter().collect(),
            Scope::Account => self.guess_budgets(policies.dialect, email, true),
        };
        for budget in &budgets {
            if !self.adapters().store.has_room(budget, now).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Issues the job's ticket. Returns `None` if a later request was served already.
    pub(crate) async fn issue(
        &self,
        job: &Job,
        account: &Account,
        policies: &IssuePolicies,
        redirect_to: Option<&str>,
        purpose: Purpose,
    ) -> Result<Option<Ticket>, StoreError> {
        let adapters = self.adapters();
        let now = adapters.clock.now();
        let (mut policy, mut fallback) = (&policies.primary, policies.fallback.as_ref());
        if let (Some(other), JobKind::Reset { email, .. }) = (fallback, &job.kind)
            && self.guesses_are_used_up(policies, email, now).await?
        {
            // An attacker is guessing codes, and codes are rejected for now. Send a secret that cannot be guessed
            // (R47, R50).
            (policy, fallback) = (&other.policy, None);
        }
        for nonce in 0..MAX_DRAWS {
            let draw = Draw { origin: job.id.as_str(), account: &account.id, nonce };
            let (secret, digest) =
                self.inner.keys.draw(policies.dialect, &*policy.format, policy.scope, draw);
            if policy.is_global_code()
                && self.collides_under_previous_root(policies.dialect, &secret, &account.id, now).await?
            {
                continue;
            }
            let ticket = Ticket {
                id: self.new_ticket_id(),
                account: account.id.clone(),
                dialect: policies.dialect.to_owned(),
                kind: policy.format.kind(),
                digest,
                email: account.email_key(),
                epoch: account.epoch,
                reference: Some(job.reference.clone()),
                job: job.id.clone(),
                job_seq: job.seq,
                nonce,
                redirect_to: redirect_to
                    .filter(|_| policy.delivery.carries_redirect())
                    .map(ToOwned::to_owned),
                attempts: 0,
                issued_at: now,
                minted_at: now,
                expires_at: now.plus(policy.lifetime),
                spent_at: None,
                voided_at: (purpose == Purpose::Decoy).then_some(now),
            };
            let kind = if purpose == Purpose::Link { EventKind::Linked } else { EventKind::Matched };
            let event = Event::of_ticket(kind, &ticket, now).saying(ticket.kind.name());
            let max_live = fallback.and_then(|fallback| fallback.max_live);
            match adapters.store.issue(&ticket, max_live, &event).await? {
                Issued::Live => return Ok(Some(ticket)),
                Issued::Superseded => return Ok(None),
                Issued::Collision => {}
                Issued::LimitReached => policy = fallback.take().map_or(policy, |fallback| &fallback.policy),
            }
        }
        Err(StoreError::new(format!("{MAX_DRAWS} secrets drawn in a row collided with live ones")))
    }

    /// Sends the mail and records the reply.
    async fn send_mail(&self, job: &Job, ready: ReadyMail) -> Result<(), StoreError> {
        let sent = self.adapters().mailer.send(&ready.mail).await;
        if !matches!(sent, Err(MailError::Busy { .. })) {
            self.set_mail_works(!matches!(sent, Err(MailError::Temporary { .. })));
        }
        let now = self.adapters().clock.now();
        let accepted =
            ready.ticket.map(|(ticket, latest, lifetime)| (ticket, now.plus(lifetime).min(latest)));
        self.record_reply(job, sent, accepted).await
    }

    /// Posts to the webhook and records the reply.
    async fn post_webhook(&self, job: &Job, account: &AccountId) -> Result<(), StoreError> {
        let Some(webhook) = &self.adapters().webhook else {
            return self.finish(job, Outcome::Abandoned, "", None).await;
        };
        let (id, account, dialect) = (job.id.clone(), account.clone(), job.dialect.clone());
        let reply = webhook.post(&PasswordReset { id, account, dialect, at: job.created_at }).await;
        self.record_reply(job, reply, None).await
    }

    /// Finishes the job or postpones it for a retry, depending on the reply.
    async fn record_reply(
        &self,
        job: &Job,
        reply: Result<String, MailError>,
        accepted: Option<(TicketId, Timestamp)>,
    ) -> Result<(), StoreError> {
        let now = self.adapters().clock.now();
        match reply {
            Ok(reply) => self.finish(job, Outcome::Mailed, &reply, accepted).await,
            Err(MailError::Permanent { reply }) => self.finish(job, Outcome::Refused, &reply, None).await,
            Err(
                MailError::Temporary { reply } | MailError::Uncertain { reply } | MailError::Busy { reply },
            ) => {
                let wait = backoff(job.attempts);
                if now.plus(wait).since(job.created_at) >= GIVE_UP_AFTER {
                    return self.finish(job, Outcome::GivenUp, &reply, None).await;
                }
                warn!(job.id = job.id.as_str(), job.attempts, reply, "delivery failed, retry after backoff");
                self.postpone(job, wait, &reply).await
            }
        }
    }

    async fn finish(
        &self,
        job: &Job,
        outcome: Outcome,
        reply: &str,
        accepted: Option<(TicketId, Timestamp)>,
    ) -> Result<(), StoreError> {
        let accepted = accepted.as_ref().map(|(ticket, end)| (ticket, *end));
        let now = self.adapters().clock.now();
        let (kind, detail) = match outcome {
            Outcome::Mailed => (EventKind::Mailed, reply.to_owned()),
            outcome => (EventKind::Ended, format!("{} {reply}", outcome.name()).trim_end().to_owned()),
        };
        let event = Event::of_job(kind, job, now).saying(job.kind.reply_detail(&detail));
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

pub(crate) fn compose_mail(job: &Job, account: Account, body: MailBody) -> Mail {
    let Account { email, name, locale, .. } = account;
    let requested = if let JobKind::Reset { locale, .. } = &job.kind { locale.clone() } else { None };
    let (locale, dialect) = (locale.or(requested), job.dialect.clone());
    Mail { to: email, name, locale, dialect, message_id: job.id.as_str().to_owned(), body }
}
