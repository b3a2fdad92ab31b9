//! Use case: a ticket sets a new password.
//!
//! The order is the rule (security.md C2): the password's own rules come first, as the type of the argument;
//! then the look-up, a read; then the one rule that needs the account; then the hash, outside any transaction
//! and never for a secret that does not exist; then one transaction that spends the ticket and changes
//! everything at once.

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

impl Resets {
    /// Sets the password of the account whose ticket `secret` opens, ends the account's sessions by its epoch
    /// and voids all its other tickets. Returns the account as it was read before the change.
    ///
    /// # Errors
    /// On every error the ticket is unspent and nothing changed, after [`RedeemError::OwnName`] but for a count; but
    /// for [`RedeemError::Store`], after which it may be that everything did.
    pub async fn redeem(
        &self,
        dialect: &'static str,
        secret: &TicketSecret,
        password: NewPassword,
        network: Option<Network>,
    ) -> Result<Account, RedeemError> {
        let adapters = self.adapters();
        let now = adapters.clock.now();
        let ticket = self.ticket_within_budget(dialect, secret, now, network.as_ref()).await?;
        let ticket = ticket.filter(|ticket| secret.may_be_of(&ticket.account)).ok_or(RedeemError::Invalid)?;
        let account = adapters.store.account(&ticket.account).await?.ok_or(RedeemError::Invalid)?;
        let dead =
            |why: &str| Event::of_ticket(EventKind::Dead, &ticket, now).by(network.as_ref()).saying(why);
        if account.blocked {
            self.note_once(&dead("blocked")).await;
            return Err(RedeemError::Blocked);
        }
        let state = ticket.standing(now);
        if state != TicketState::Live || ticket.epoch != account.epoch {
            let why = if state == TicketState::Live { "password changed" } else { state.name() };
            self.note_once(&dead(why)).await;
            return Err(RedeemError::Invalid);
        }
        self.refuse_own_names(&password, &account, &ticket, &dead("made of names")).await?;
        let password_hash = adapters.hasher.hash(password, account.hash_form.as_ref()).await?;
        let jobs = self.post_reset_jobs(&ticket, &account);
        // The time of the spend, not of the look-up: hashing may have outlasted the ticket.
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

    /// The ticket that `secret` opens. A code that is short enough to be guessed is not looked up before a guess was
    /// taken from the dialect's budget, and costs nothing if it finds any ticket: who types a used code once more
    /// guesses nothing. While the budget is spent, no short code finds anything; longer secrets are never counted
    /// (R45, R47, security.md B3).
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
        // Only who has had this code himself guesses nothing: somebody else's, or nobody's, was guessed.
        let own = |ticket: &Ticket| secret.may_be_of(&ticket.account) && !is_decoy(&ticket.account);
        if ticket.as_ref().is_some_and(own) {
            store.give_back(&budget, now).await?;
        } else {
            // The budget bounds how many of these there are.
            let tried =
                Event { dialect: dialect.to_owned(), ..Event::new(EventKind::Tried, now).by(network) };
            self.note(&tried).await;
        }
        Ok(ticket)
    }

    /// Wrong guesses at a dialect's short codes that name their account by themselves, where they are limited.
    pub(crate) fn open_guess_budget(&self, dialect: &str) -> Option<Budget> {
        let windows = &self.inner.budgeting.open_guesses;
        (!windows.is_empty()).then(|| Budget::shared(&format!("guesses.{dialect}"), windows))
    }

    /// Who is to be told of it.
    fn post_reset_jobs(&self, ticket: &Ticket, account: &Account) -> Vec<Job> {
        let reference = ticket.reference.clone().unwrap_or_else(|| self.reference());
        let notice =
            || JobKind::Notice { account: account.id.clone(), to: StoredAddress::new(&account.email) };
        let notice = self.inner.notices.owner.then(notice);
        let notice = notice.map(|kind| self.new_job(&ticket.dialect, kind, &reference));
        notice
            .into_iter()
            .chain(self.session_revocation_jobs(&ticket.dialect, &account.id, &reference))
            .collect()
    }

    /// What ends sessions elsewhere, once a password is another one.
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
        Job {
            id: self.new_job_id(),
            seq: 0,
            reference: reference.clone(),
            dialect: dialect.to_owned(),
            kind,
            created_at: self.adapters().clock.now(),
            attempts: 0,
            lost: 0,
        }
    }
}
