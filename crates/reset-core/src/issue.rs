//! Part of the use case [`deliver`](crate::deliver): issues the ticket of a job and derives its secret.

use crate::{
    Resets,
    account::Account,
    budget::Budget,
    email::EmailAddress,
    error::StoreError,
    event::{Event, EventKind},
    issue_policy::{IssuePolicies, IssuePolicy},
    job::{Job, JobKind},
    keys::Draw,
    ports::Issued,
    secret::{Scope, TicketSecret},
    ticket::Ticket,
    time::Timestamp,
};

/// Maximum draws of a code before the store is considered broken. With 10 live codes out of 10^6, even a second draw
/// is rare.
const MAX_DRAWS: u32 = 16;

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

impl Resets {
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
    pub(crate) async fn requeue(&self, job: &Job) -> Result<(), StoreError> {
        let again = Job::new(
            self.new_job_id(),
            job.reference.clone(),
            &job.dialect,
            job.kind.clone(),
            job.created_at,
        );
        let again = Job { network: job.network, turn: self.inner.accepted.next(job.network), ..again };
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
                voided_at: None,
            };
            let kind = if purpose == Purpose::Link { EventKind::Linked } else { EventKind::Matched };
            let event = Event::of_ticket(kind, &ticket, now).saying(ticket.kind.name());
            let event = if purpose == Purpose::Decoy { event.skipped() } else { event };
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
}
