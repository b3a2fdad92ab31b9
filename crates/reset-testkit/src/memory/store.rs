//! The in-memory store. Every method takes the same lock, so every method is atomic.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use super::{
    budgets::MemoryBudgets,
    comparisons::MemoryComparisons,
    events::{MemoryDisputes, MemoryEvents},
    queue::Queue,
};
use reset_core::{
    account::{Account, AccountId, NewAccount},
    email::EmailAddress,
    error::{AddAccountError, StoreError},
    event::Event,
    hasher::HashForm,
    job::{Job, JobId, Outcome},
    ports::{Accounts, Issued, PasswordChange, Tickets},
    secret::TicketDigest,
    ticket::{Ticket, TicketId, TicketKind, TicketState},
    time::Timestamp,
};

/// Keeps all rows until it is dropped, and fails on demand.
#[derive(Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

/// Which operations of a [`MemoryStore`] fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outage {
    /// None, which is the default.
    #[default]
    None,
    /// All of them, as if the database were down.
    Everything,
    /// All of them, as if another program kept the users table locked.
    Busy,
    /// Only the port method of this name.
    Only(&'static str),
}

#[derive(Default)]
pub(super) struct State {
    outage: Outage,
    accounts: Vec<AccountRow>,
    pub(super) tickets: Vec<Ticket>,
    pub(super) queue: Queue,
    pub(super) budgets: MemoryBudgets,
    pub(super) events: MemoryEvents,
    pub(super) disputes: MemoryDisputes,
    pub(super) comparisons: MemoryComparisons,
    look_ups: usize,
    pub(super) ready_checks: usize,
}

struct AccountRow {
    /// Canonical address; `account.email` holds the address as stored.
    key: String,
    account: Account,
    password_hash: String,
}

impl MemoryStore {
    /// Chooses which operations fail from now on.
    pub fn set_outage(&self, outage: Outage) {
        self.lock().outage = outage;
    }

    /// Stores a hash as another system that shares the table does. Later resets keep the form of this hash.
    pub fn adopt(&self, id: &AccountId, password_hash: &str) {
        if let Some(row) = self.lock().account(id) {
            password_hash.clone_into(&mut row.password_hash);
            row.account.hash_form = HashForm::of(password_hash);
        }
    }

    /// Changes the address of an account, as the host application does.
    pub fn rename(&self, email: &EmailAddress, to: &str) {
        if let Some(row) = self.lock().accounts.iter_mut().find(|row| row.key == email.key()) {
            to.clone_into(&mut row.account.email);
            row.key = to.to_ascii_lowercase();
        }
    }

    /// Sets the locale of an account, as the host application does.
    pub fn speak(&self, email: &EmailAddress, locale: &str) {
        if let Some(row) = self.lock().accounts.iter_mut().find(|row| row.key == email.key()) {
            row.account.locale = Some(locale.to_owned());
        }
    }

    /// Deletes an account, as the host application does.
    pub fn remove(&self, email: &EmailAddress) {
        self.lock().accounts.retain(|row| row.key != email.key());
    }

    /// Returns every ticket, in the order of issue.
    pub fn tickets(&self) -> Vec<Ticket> {
        self.lock().tickets.clone()
    }

    /// Returns every job with its outcome, in the order of the requests. Unfinished jobs have none.
    pub fn jobs(&self) -> Vec<(Job, Option<Outcome>)> {
        self.lock().queue.all()
    }

    /// Returns every event, in the order of recording.
    pub fn events(&self) -> Vec<Event> {
        self.lock().events.all()
    }

    /// Returns how often a ticket was looked up by its digest.
    pub fn look_ups(&self) -> usize {
        self.lock().look_ups
    }

    /// Returns how often accepted jobs were claimed.
    pub fn accepted_claims(&self) -> usize {
        self.lock().queue.accepted_claims
    }

    /// Returns the number of takes from the budget `name`, minus those given back.
    pub fn taken(&self, name: &str) -> usize {
        self.lock().budgets.taken(name)
    }

    /// Ignores poisoning: it would hide the message of the panic that caused it.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn working(&self, operation: &str) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = self.lock();
        match state.outage {
            Outage::None => Ok(state),
            Outage::Only(other) if other != operation => Ok(state),
            Outage::Only(_) | Outage::Everything => Err(StoreError::new("simulated outage")),
            Outage::Busy => Err(StoreError::busy("simulated lock", Duration::from_secs(5))),
        }
    }
}

impl State {
    fn account(&mut self, id: &AccountId) -> Option<&mut AccountRow> {
        self.accounts.iter_mut().find(|row| row.account.id == *id)
    }

    pub(super) fn has_account(&mut self, id: &AccountId) -> bool {
        self.account(id).is_some()
    }

    pub(super) fn set_password(&mut self, id: &AccountId, password_hash: &str, now: Timestamp) {
        if let Some(row) = self.account(id) {
            password_hash.clone_into(&mut row.password_hash);
            row.account.epoch += 1;
            row.account.updated_at = now;
        }
    }

    pub(super) fn ticket(&mut self, id: &TicketId) -> Option<&mut Ticket> {
        self.tickets.iter_mut().find(|ticket| ticket.id == *id)
    }

    /// Returns when the oldest job or ticket was created, or the oldest password reset.
    pub(super) fn oldest_work(&self) -> Option<Timestamp> {
        let jobs = self.queue.all().into_iter().map(|(job, _)| job.created_at);
        let tickets = self.tickets.iter().map(|ticket| ticket.issued_at);
        let reset = self.accounts.iter().map(|row| &row.account).filter(|account| account.epoch > 0);
        jobs.chain(tickets).chain(reset.map(|account| account.updated_at)).min()
    }

    /// Fails if the job has issued a ticket already.
    fn reserve(&self, job: &JobId) -> Result<(), StoreError> {
        if self.tickets.iter().any(|ticket| ticket.job == *job) {
            return Err(StoreError::new("the job has issued a ticket already"));
        }
        Ok(())
    }

    /// Voids the selected tickets that are neither spent nor void. Expired tickets are included, so that restarting
    /// their clock cannot revive them.
    pub(super) fn void(&mut self, now: Timestamp, which: impl Fn(&Ticket) -> bool) {
        for ticket in self.tickets.iter_mut().filter(|ticket| is_open(ticket) && which(ticket)) {
            ticket.voided_at = Some(now);
        }
    }
}

pub(super) fn is_open(ticket: &Ticket) -> bool {
    ticket.spent_at.is_none() && ticket.voided_at.is_none()
}

pub(super) fn is_live(ticket: &Ticket, now: Timestamp) -> bool {
    ticket.state(now) == TicketState::Live
}

#[async_trait]
impl Accounts for MemoryStore {
    async fn account_by_email(&self, email: &EmailAddress) -> Result<Option<Account>, StoreError> {
        let state = self.working("account_by_email")?;
        Ok(state.accounts.iter().find(|row| row.key == email.key()).map(|row| row.account.clone()))
    }

    async fn account(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        Ok(self.working("account")?.account(id).map(|row| row.account.clone()))
    }

    async fn password_hash(&self, id: &AccountId) -> Result<Option<String>, StoreError> {
        Ok(self.working("password_hash")?.account(id).map(|row| row.password_hash.clone()))
    }

    async fn add_account(
        &self,
        email: &EmailAddress,
        account: NewAccount,
    ) -> Result<AccountId, AddAccountError> {
        let mut state = self.working("add_account")?;
        if state.accounts.iter().any(|row| row.key == email.key()) {
            return Err(AddAccountError::Taken);
        }
        let id = AccountId::new((state.accounts.len() + 1).to_string());
        let NewAccount { email: stored, username, name, locale, password_hash, created_at } = account;
        let account = Account {
            id: id.clone(),
            email: stored,
            username,
            name,
            locale,
            confirmed: true,
            blocked: false,
            hash_form: None,
            document_id: None,
            epoch: 0,
            created_at,
            updated_at: created_at,
        };
        state.accounts.push(AccountRow { key: email.key().to_owned(), account, password_hash });
        Ok(id)
    }

    async fn set_blocked(
        &self,
        email: &EmailAddress,
        blocked: bool,
        event: &Event,
    ) -> Result<bool, StoreError> {
        let now = event.at;
        let mut state = self.working("set_blocked")?;
        let Some(row) = state.accounts.iter_mut().find(|row| row.key == email.key()) else {
            return Ok(false);
        };
        row.account.blocked = blocked;
        row.account.updated_at = now;
        let id = row.account.id.clone();
        if blocked {
            state.void(now, |ticket| ticket.account == id);
        }
        state.events.write(event.clone().of(&id));
        Ok(true)
    }
}

#[async_trait]
impl Tickets for MemoryStore {
    async fn issue(
        &self,
        ticket: &Ticket,
        max_live: Option<u64>,
        event: &Event,
    ) -> Result<Issued, StoreError> {
        let mut state = self.working("issue")?;
        let now = ticket.issued_at;
        let same_owner = |other: &Ticket| other.account == ticket.account && other.dialect == ticket.dialect;
        let same_digest = |other: &Ticket| other.dialect == ticket.dialect && other.digest == ticket.digest;
        if state.tickets.iter().any(|other| same_owner(other) && other.job_seq > ticket.job_seq) {
            return Ok(Issued::Superseded);
        }
        if state.tickets.iter().any(|other| same_digest(other) && is_live(other, now)) {
            return Ok(Issued::Collision);
        }
        let counts = |other: &&Ticket| {
            (&other.dialect, other.kind) == (&ticket.dialect, ticket.kind) && other.account != ticket.account
        };
        let live = state.tickets.iter().filter(counts).filter(|other| is_live(other, now)).count() as u64;
        if max_live.is_some_and(|max| live >= max) {
            return Ok(Issued::LimitReached);
        }
        state.reserve(&ticket.job)?;
        state.void(now, |other| same_owner(other) || same_digest(other));
        state.tickets.push(ticket.clone());
        state.events.write(event.clone());
        Ok(Issued::Live)
    }

    async fn ticket_of(&self, job: &JobId) -> Result<Option<Ticket>, StoreError> {
        Ok(self.working("ticket_of")?.tickets.iter().find(|ticket| ticket.job == *job).cloned())
    }

    async fn ticket_with(
        &self,
        dialect: &str,
        digest: &TicketDigest,
        now: Timestamp,
    ) -> Result<Option<Ticket>, StoreError> {
        let mut state = self.working("ticket_with")?;
        state.look_ups += 1;
        let found =
            state.tickets.iter().filter(|ticket| ticket.dialect == dialect && ticket.digest == *digest);
        Ok(found.max_by_key(|ticket| is_live(ticket, now)).cloned())
    }

    async fn restart_clock(
        &self,
        ticket: &TicketId,
        minted_at: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut state = self.working("restart_clock")?;
        if let Some(ticket) = state.ticket(ticket).filter(|ticket| is_open(ticket)) {
            (ticket.minted_at, ticket.expires_at) = (minted_at, expires_at);
        }
        Ok(())
    }

    async fn take_guess(
        &self,
        account: &AccountId,
        dialect: &str,
        kind: TicketKind,
        max: u32,
        now: Timestamp,
    ) -> Result<Option<Ticket>, StoreError> {
        let mut state = self.working("take_guess")?;
        let ticket = state.tickets.iter_mut().find(|ticket| {
            ticket.account == *account
                && ticket.dialect == dialect
                && ticket.kind == kind
                && ticket.attempts < max
                && is_live(ticket, now)
        });
        Ok(ticket.map(|ticket| {
            ticket.attempts += 1;
            ticket.clone()
        }))
    }

    async fn exchange(&self, spent: &TicketId, token: &Ticket, event: &Event) -> Result<bool, StoreError> {
        let now = event.at;
        let mut state = self.working("exchange")?;
        if !state.ticket(spent).is_some_and(|code| is_live(code, now)) {
            return Ok(false);
        }
        state.reserve(&token.job)?;
        state.ticket(spent).expect("found above, under the same lock").spent_at = Some(now);
        state.tickets.push(token.clone());
        state.events.write(event.clone());
        Ok(true)
    }

    async fn void_tickets(&self, account: Option<&AccountId>, event: &Event) -> Result<u64, StoreError> {
        let now = event.at;
        let mut state = self.working("void_tickets")?;
        let selected = |ticket: &Ticket| account.is_none_or(|account| ticket.account == *account);
        let live =
            state.tickets.iter().filter(|ticket| selected(ticket) && is_live(ticket, now)).count() as u64;
        state.void(now, selected);
        state.events.write(event.clone().saying(live.to_string()));
        Ok(live)
    }

    async fn redeem(&self, change: PasswordChange<'_>) -> Result<bool, StoreError> {
        let PasswordChange { ticket: ticket_id, account, password_hash, jobs, event, now } = change;
        let mut state = self.working("redeem")?;
        let Some(ticket) = state.ticket(ticket_id).cloned() else { return Ok(false) };
        let Some(row) = state.account(account) else { return Ok(false) };
        let same_owner =
            ticket.account == *account && ticket.epoch == row.account.epoch && ticket.email == row.key;
        if !is_live(&ticket, now) || row.account.blocked || !same_owner {
            return Ok(false);
        }
        for job in jobs {
            state.queue.push(job)?;
        }
        state.set_password(account, password_hash, now);
        state.ticket(ticket_id).expect("found above, under the same lock").spent_at = Some(now);
        state.void(now, |other| other.account == *account);
        if state.disputes.close(account, Some(&ticket.email)) > 0 {
            state.disputes.end_links(account, Some(&ticket.email), now);
        }
        state.events.write(event.clone());
        Ok(true)
    }
}
