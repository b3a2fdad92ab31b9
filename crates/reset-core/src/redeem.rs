//! Use case: redeem a secret to set a new password.
//!
//! The order of the steps matters:
//! 1. the password policy, enforced by the type of the argument;
//! 2. the read-only look-up of the ticket;
//! 3. the password rule that depends on the account;
//! 4. hashing, outside any transaction and never for an unknown secret;
//! 5. one transaction that spends the ticket and applies every change.

use std::time::Duration;

use crate::{
    Resets,
    account::{Account, AccountId, StoredAddress},
    budget::Budget,
    decoy::is_decoy,
    error::{RedeemError, StoreError},
    event::{Event, EventKind, Network},
    job::{Job, JobKind, Reference},
    password::NewPassword,
    ports::PasswordChange,
    secret::TicketSecret,
    ticket::{Ticket, TicketKind, TicketState},
    time::Timestamp,
};

/// How long after a reset the same secret with the same password counts as the same request. A double click repeats a
/// request within a second, and a person whose connection broke within a minute.
const REPEAT_MAX: Duration = Duration::from_secs(60);

impl Resets {
    /// Whether `secret` has set exactly this password within the last minute, so that a repeated request can get the
    /// response of the first. Changes nothing.
    ///
    /// Only the password decides: a second person with the same link, who typed another password, gets `false`.
    ///
    /// # Errors
    /// Those of the store and of the hasher.
    pub async fn has_just_set(
        &self,
        dialect: &'static str,
        secret: &TicketSecret,
        password: NewPassword,
    ) -> Result<bool, RedeemError> {
        let adapters = self.adapters();
        let now = adapters.clock.now();
        let ticket = self.ticket_of_secret(dialect, secret, now).await?;
        let recent = |ticket: &Ticket| ticket.spent_at.is_some_and(|at| now.since(at) <= REPEAT_MAX);
        let ticket = ticket.filter(|ticket| secret.may_be_of(&ticket.account) && recent(ticket));
        let Some(ticket) = ticket else { return Ok(false) };
        let account = self.owner_of(&ticket).await?.filter(|account| !account.blocked);
        let Some(account) = account else { return Ok(false) };
        let Some(stored) = adapters.store.password_hash(&account.id).await? else { return Ok(false) };
        Ok(adapters.hasher.verify(password, &stored).await?)
    }

    /// Sets the password of the account that owns `secret`'s ticket, increments its epoch to end its sessions, and
    /// voids its other tickets. Returns the account as it was before the change. `locale` is the language in which the
    /// client used the secret, as a BCP 47 tag: the notice of the change is in it, unless the account has its own.
    ///
    /// # Errors
    /// On error the ticket is not spent and nothing has changed, with two exceptions: [`RedeemError::OwnName`] counts
    /// as a failed attempt, and after [`RedeemError::Store`] the reset may or may not have been committed.
    pub async fn redeem(
        &self,
        dialect: &'static str,
        secret: &TicketSecret,
        password: NewPassword,
        network: Option<Network>,
        locale: Option<String>,
    ) -> Result<Account, RedeemError> {
        let adapters = self.adapters();
        let now = adapters.clock.now();
        let ticket = self.ticket_within_budget(dialect, secret, now, network.as_ref()).await?;
        let ticket = ticket.filter(|ticket| secret.may_be_of(&ticket.account)).ok_or(RedeemError::Invalid)?;
        let account = self.owner_of(&ticket).await?.ok_or(RedeemError::Invalid)?;
        let dead =
            |why: &str| Event::of_ticket(EventKind::Dead, &ticket, now).by(network.as_ref()).saying(why);
        if account.blocked {
            self.record_event_once(&dead("blocked")).await;
            return Err(RedeemError::Blocked);
        }
        let state = ticket.standing(now);
        if state != TicketState::Live || ticket.epoch != account.epoch {
            let why = if state == TicketState::Live { "password changed" } else { state.name() };
            self.record_event_once(&dead(why)).await;
            return Err(RedeemError::Invalid);
        }
        self.reject_own_names(&password, &account, &ticket, &dead("password contains account names")).await?;
        let password_hash = adapters.hasher.hash(password, account.hash_form.as_ref()).await?;
        let jobs = self.post_reset_jobs(&ticket, &account, locale);
        // Read the clock again: the ticket may have expired during hashing.
        let now = adapters.clock.now();
        let event = Event::of_ticket(EventKind::Done, &ticket, now).by(network.as_ref());
        let change = PasswordChange {
            ticket: &ticket.id,
            account: &account.id,
            password_hash: &password_hash,
            jobs: &jobs,
            event: &event,
            now,
        };
        if !adapters.store.redeem(change).await? {
            return Err(RedeemError::Invalid);
        }
        self.inner.wake.notify_one();
        Ok(account)
    }

    /// Finds the ticket of `secret`. For a short, guessable code, one attempt is taken from the dialect's budget
    /// before the look-up and refunded if the code was issued to this account, because re-entering one's own used
    /// code is not a guess. Once the budget is used up, every short code is rejected. Longer secrets are not counted
    /// (R45, R47).
    async fn ticket_within_budget(
        &self,
        dialect: &'static str,
        secret: &TicketSecret,
        now: Timestamp,
        network: Option<&Network>,
    ) -> Result<Option<Ticket>, StoreError> {
        let budget = self.open_guess_budget(dialect).filter(|_| secret.kind() == TicketKind::Code);
        let Some(budget) = budget else { return self.ticket_of_secret(dialect, secret, now).await };
        let (store, budget) = (&self.adapters().store, [budget]);
        if !store.take(&budget, now).await? {
            return Ok(None);
        }
        let ticket = self.ticket_of_secret(dialect, secret, now).await?;
        // Refund only a code issued to this account. A code of another account, or of none, was a guess.
        let own = |ticket: &Ticket| secret.may_be_of(&ticket.account) && !is_decoy(&ticket.account);
        if ticket.as_ref().is_some_and(own) {
            store.give_back(&budget, now).await?;
        } else {
            // The budget limits the number of these events.
            let tried =
                Event { dialect: dialect.to_owned(), ..Event::new(EventKind::Tried, now).by(network) };
            self.record_event(&tried).await;
        }
        Ok(ticket)
    }

    /// Returns the budget for wrong guesses at the dialect's short codes that identify the account on their own;
    /// `None` if they are not limited.
    pub(crate) fn open_guess_budget(&self, dialect: &str) -> Option<Budget> {
        let windows = &self.inner.budgeting.open_guesses;
        (!windows.is_empty()).then(|| Budget::shared(&format!("guesses.{dialect}"), windows))
    }

    /// Creates the jobs that notify the owner and the webhook of the reset.
    fn post_reset_jobs(&self, ticket: &Ticket, account: &Account, locale: Option<String>) -> Vec<Job> {
        let reference = ticket.reference.clone().unwrap_or_else(|| self.reference());
        let to = StoredAddress::new(&account.email);
        let notice = || JobKind::Notice { account: account.id.clone(), to, locale };
        let notice = self.inner.notices.owner.then(notice);
        let notice = notice.map(|kind| self.new_job(&ticket.dialect, kind, &reference));
        notice
            .into_iter()
            .chain(self.session_revocation_jobs(&ticket.dialect, &account.id, &reference))
            .collect()
    }

    /// Creates the jobs that revoke sessions in other systems after a password change.
    pub(crate) fn session_revocation_jobs(
        &self,
        dialect: &str,
        account: &AccountId,
        reference: &Reference,
    ) -> Vec<Job> {
        let webhook = || self.new_job(dialect, JobKind::Webhook { account: account.clone() }, reference);
        self.adapters().webhook.is_some().then(webhook).into_iter().collect()
    }

    pub(crate) fn new_job(&self, dialect: &str, kind: JobKind, reference: &Reference) -> Job {
        let now = self.adapters().clock.now();
        let job = Job::new(self.new_job_id(), reference.clone(), dialect, kind, now);
        Job { turn: self.inner.accepted.next(None), ..job }
    }
}
