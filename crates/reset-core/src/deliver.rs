//! Use case: the worker's turn. Here, behind the answer, the account is looked up, the ticket issued and
//! the mail sent.
//!
//! Every step can be repeated: a worker that is killed leaves a job whose next try finds the ticket,
//! derives the same secret and mails it again. Nothing accepted is lost, and no row holds a secret.

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

/// How long a worker keeps a job to itself. Longer than any mail transport's time-out.
pub const LEASE: Duration = Duration::from_secs(120);

/// How old a secret may be when it is mailed again as it is. Longer than [`LEASE`], so that a worker that died
/// in mid-send is followed by one that repeats the same secret, a JWT byte for byte; short enough that a mail
/// that was held up promises no more time than its token has.
const FRESH: Duration = Duration::from_secs(180);

/// How long a job waits while the deployment mails as much as it may.
const OVER_BUDGET: Duration = Duration::from_secs(60);

/// Draws of a code before the store is declared broken: at 10 live codes of 10^6 even the second is rare.
const DRAWS: u32 = 16;

/// What stands where a mail server's reply would, for a job that waits for room.
const NO_ROOM: &str = "mails-per-hour";

/// Why there is no mail.
enum NoMail {
    /// There will be none.
    Ended(Outcome),
    /// Not yet: as many left within the hour as may.
    Later,
}

/// What a ticket is issued for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Its secret is mailed.
    Mail,
    /// An administrator hands its secret over.
    Link,
    /// Nothing: it never opens anything, for nobody has the account that it is issued to.
    Decoy,
}

/// A mail that is ready, and the ticket whose clock starts when it is accepted.
struct Ready {
    mail: Mail,
    ticket: Option<(TicketId, Timestamp, Duration)>,
}

impl Resets {
    /// Takes up to `limit` due jobs for this worker.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn claim(&self, limit: u32) -> Result<Vec<Job>, StoreError> {
        let now = self.adapters().clock.now();
        self.adapters().store.claim(limit, now, now.plus(LEASE)).await
    }

    /// Does what a job asks for and records how it went.
    ///
    /// # Errors
    /// When the store fails: the job stays taken, and is due again when its lease ends.
    pub async fn deliver(&self, job: &Job) -> Result<(), StoreError> {
        if job.lost > MAX_WORKER_CRASHES {
            error!(job.id = job.id.as_str(), "a job is set aside: workers were lost over it");
            return self.end(job, Outcome::Quarantined, "workers lost", None).await;
        }
        if self.adapters().clock.now().since(job.created_at) >= GIVE_UP_AFTER {
            return self.end(job, Outcome::GivenUp, "", None).await;
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
                    Ok(Ready { mail: letter(job, account, body), ticket: None })
                }
                None => Err(NoMail::Ended(Outcome::NoAccount)),
            },
            JobKind::Webhook { account } => return self.tell(job, account).await,
        };
        match ready {
            Ok(ready) => self.post(job, ready).await,
            Err(NoMail::Ended(outcome)) => self.end(job, outcome, "", None).await,
            Err(NoMail::Later) => {
                warn!(job.id = job.id.as_str(), "as many mails have left as may: this one waits");
                self.put_off(job, OVER_BUDGET, NO_ROOM).await
            }
        }
    }

    /// Puts a job back whose delivery could not be recorded, so that it does not wait for the end of its
    /// lease, and those behind it neither. If the mail had left, it leaves again with the same secret.
    ///
    /// # Errors
    /// When the store fails still; then the lease ends by itself.
    pub async fn put_back(&self, job: &Job) -> Result<(), StoreError> {
        self.put_off(job, backoff(job.attempts), "not recorded").await
    }

    /// Has a job tried again after `wait`.
    async fn put_off(&self, job: &Job, wait: Duration, reply: &str) -> Result<(), StoreError> {
        let now = self.adapters().clock.now();
        let event = Event::of_job(EventKind::PutOff, job, now).saying(job.kind.saying(reply));
        // A thousand jobs may wait for room, minute by minute: that is no news.
        let event = (reply != NO_ROOM).then_some(&event);
        self.adapters().store.postpone(&job.id, job.attempts, now.plus(wait), reply, event).await
    }

    /// Everything before the mail: the account, the ticket, the secret. `Err` says why there is no mail.
    async fn prepare(
        &self,
        job: &Job,
        email: &EmailAddress,
        redirect_to: Option<&str>,
    ) -> Result<Result<Ready, NoMail>, StoreError> {
        let ended = |outcome| Ok(Err(NoMail::Ended(outcome)));
        let Some(policies) = self.policies_of(&job.dialect) else { return ended(Outcome::Abandoned) };
        let adapters = self.adapters();
        let Some(account) = self.reached_by(email, adapters.clock.now()).await? else {
            self.prepare_decoy(job, policies, redirect_to).await?;
            return ended(Outcome::NoAccount);
        };
        let ticket = match adapters.store.ticket_of(&job.id).await? {
            Some(ticket) => Some(ticket),
            None if !self.may_mail("all").await? => return Ok(Err(NoMail::Later)),
            None => self.issue(job, &account, policies, redirect_to, Purpose::Mail).await?,
        };
        let Some(mut ticket) = ticket else { return ended(Outcome::Superseded) };
        let now = adapters.clock.now();
        match ticket.state(now) {
            TicketState::Spent | TicketState::Void => return ended(Outcome::Superseded),
            TicketState::Live | TicketState::Expired => {}
        }
        let Some((policy, secret)) = self.secret_of(&ticket, &account, policies) else {
            self.ask_again(job).await?;
            return ended(Outcome::Superseded);
        };
        if now.since(ticket.minted_at) > FRESH.min(policy.lifetime / 2) {
            (ticket.minted_at, ticket.expires_at) = (now, ticket.end_of(now, policy.lifetime));
            adapters.store.restart_clock(&ticket.id, ticket.minted_at, ticket.expires_at).await?;
        }
        let text = policy.format.seal(&secret, &ticket);
        let body = policy.delivery.body(text, policy.lifetime, ticket.redirect_to.as_deref());
        // To the stored address; or to the mailbox of a dispute, which was stored when the reset was.
        let account = if account.email_key() == email.key() {
            account
        } else {
            Account { email: email.key().to_owned(), ..account }
        };
        let clock = (ticket.id, ticket.issued_at.plus(HARD_CAP), policy.lifetime);
        Ok(Ok(Ready { mail: letter(job, account, body), ticket: Some(clock) }))
    }

    /// Whether one more reset mail may leave. Its tries count once, and notices never: the owner is told whatever
    /// strangers ask for.
    pub(crate) async fn may_mail(&self, to: &str) -> Result<bool, StoreError> {
        let windows = &self.inner.budgeting.mails;
        if windows.is_empty() {
            return Ok(true);
        }
        let (adapters, mails) = (self.adapters(), Budget::shared(&format!("mails.{to}"), windows));
        adapters.store.take(&[mails], adapters.clock.now()).await
    }

    /// The secret of a ticket that was issued before. Nothing when the world has changed meanwhile: the
    /// address is another account's, the kind is no longer mailed, the key is another one.
    pub(crate) fn secret_of<'a>(
        &self,
        ticket: &Ticket,
        account: &Account,
        policies: &'a IssuePolicies,
    ) -> Option<(&'a IssuePolicy, TicketSecret)> {
        let policy = policies.of(ticket.kind)?;
        let draw = Draw { origin: ticket.job.as_str(), account: &account.id, nonce: ticket.nonce };
        let (keys, stored) = (&self.inner.keys, &ticket.digest);
        let secret = keys.drawn(&ticket.dialect, &*policy.format, policy.scope, draw, stored)?;
        (ticket.account == account.id).then_some((policy, secret))
    }

    /// Puts a new job in the place of one whose ticket has become useless.
    async fn ask_again(&self, job: &Job) -> Result<(), StoreError> {
        let again = Job { id: self.new_job_id(), seq: 0, attempts: 0, ..job.clone() };
        self.adapters().store.push(&again).await?;
        self.inner.wake.notify_one();
        Ok(())
    }

    /// Whether the budgets of wrong guesses at the dialect's primary codes, those for `email`, have no room.
    async fn are_frozen(
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

    /// Issues the job's ticket; nothing when a later ask was served already.
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
            && self.are_frozen(policies, email, now).await?
        {
            // Codes open nothing now, and somebody is guessing at them: the owner gets what cannot be guessed (R47,
            // R50).
            (policy, fallback) = (&other.policy, None);
        }
        for nonce in 0..DRAWS {
            let draw = Draw { origin: job.id.as_str(), account: &account.id, nonce };
            let (secret, digest) =
                self.inner.keys.draw(policies.dialect, &*policy.format, policy.scope, draw);
            if policy.is_code_for_all()
                && self.reads_like_another(policies.dialect, &secret, &account.id, now).await?
            {
                continue;
            }
            let ticket = Ticket {
                id: self.ticket_id(),
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
                redirect_to: redirect_to.filter(|_| policy.delivery.leads_on()).map(ToOwned::to_owned),
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
        Err(StoreError::new(format!("{DRAWS} draws of a secret collided with live ones")))
    }

    /// Sends, and records the reply.
    async fn post(&self, job: &Job, ready: Ready) -> Result<(), StoreError> {
        let sent = self.adapters().mailer.send(&ready.mail).await;
        if !matches!(sent, Err(MailError::Busy { .. })) {
            self.set_mail_works(!matches!(sent, Err(MailError::Temporary { .. })));
        }
        let now = self.adapters().clock.now();
        let accepted =
            ready.ticket.map(|(ticket, latest, lifetime)| (ticket, now.plus(lifetime).min(latest)));
        self.record(job, sent, accepted).await
    }

    /// Tells the webhook.
    async fn tell(&self, job: &Job, account: &AccountId) -> Result<(), StoreError> {
        let Some(webhook) = &self.adapters().webhook else {
            return self.end(job, Outcome::Abandoned, "", None).await;
        };
        let (id, account, dialect) = (job.id.clone(), account.clone(), job.dialect.clone());
        let told = webhook.post(&PasswordReset { id, account, dialect, at: job.created_at }).await;
        self.record(job, told, None).await
    }

    /// Records the reply: the end of the job, or when to try again.
    async fn record(
        &self,
        job: &Job,
        reply: Result<String, MailError>,
        accepted: Option<(TicketId, Timestamp)>,
    ) -> Result<(), StoreError> {
        let now = self.adapters().clock.now();
        match reply {
            Ok(reply) => self.end(job, Outcome::Mailed, &reply, accepted).await,
            Err(MailError::Permanent { reply }) => self.end(job, Outcome::Refused, &reply, None).await,
            Err(MailError::Temporary { reply } | MailError::Busy { reply }) => {
                let wait = backoff(job.attempts);
                if now.plus(wait).since(job.created_at) >= GIVE_UP_AFTER {
                    return self.end(job, Outcome::GivenUp, &reply, None).await;
                }
                warn!(job.id = job.id.as_str(), job.attempts, reply, "delivery put off");
                self.put_off(job, wait, &reply).await
            }
        }
    }

    async fn end(
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
        let event = Event::of_job(kind, job, now).saying(job.kind.saying(&detail));
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

pub(crate) fn letter(job: &Job, account: Account, body: MailBody) -> Mail {
    let Account { email, name, locale, .. } = account;
    let asked = if let JobKind::Reset { locale, .. } = &job.kind { locale.clone() } else { None };
    let (locale, dialect) = (locale.or(asked), job.dialect.clone());
    Mail { to: email, name, locale, dialect, message_id: job.id.as_str().to_owned(), body }
}
