//! Use case: a typed code becomes a token (InsForge's second step), and a link is looked at before it is used.

use std::{error::Error, time::Duration};

use tracing::error;

use crate::{
    Resets,
    account::AccountId,
    budget::Budget,
    email::EmailAddress,
    error::{ExchangeError, StoreError},
    event::{Event, EventKind, Network},
    job::JobId,
    keys::Draw,
    secret::{Scope, SecretFormat, TicketSecret},
    ticket::{Ticket, TicketKind, TicketState},
    time::Timestamp,
};

/// A code that somebody typed, and what it is to become.
pub struct Exchange<'a> {
    /// The dialect that was asked.
    pub dialect: &'static str,
    /// Whose code it is said to be.
    pub email: &'a EmailAddress,
    /// The code.
    pub code: &'a TicketSecret,
    /// Most guesses for one code.
    pub max_attempts: u32,
    /// The form of the token.
    pub format: &'a dyn SecretFormat,
    /// How long the token lives.
    pub lifetime: Duration,
    /// Who asks.
    pub network: Option<Network>,
}

/// The token that took a code's place.
pub struct Exchanged {
    /// The token, to be handed over once.
    pub token: TicketSecret,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// What a link would do, without doing it.
pub struct Inspection {
    /// Where the ticket stands.
    pub state: TicketState,
    /// Where its link is to lead.
    pub redirect_to: Option<String>,
    /// The BCP 47 tag of the owner's language.
    pub locale: Option<String>,
    /// Whether the secret could set the password now: its account is there, not blocked, and the one that it was issued to.
    pub usable: bool,
    /// The stored address of that account, unless it is another one than the secret was mailed to.
    pub email: Option<String>,
}

impl Resets {
    /// Whose address it is, and the dialects in which there is a live code for it; nothing for nobody's and for a
    /// blocked account's.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn codes_of(
        &self,
        email: &EmailAddress,
    ) -> Result<Option<(AccountId, Vec<String>)>, StoreError> {
        let adapters = self.adapters();
        let now = adapters.clock.now();
        let Some(account) = self.reached_by(email, now).await? else { return Ok(None) };
        let dialects = adapters.store.dialects_with_codes(&account.id, now).await?;
        Ok(Some((account.id, dialects)))
    }

    /// Exchanges the account's live code for a token. The guess is taken before the code is compared, and
    /// code and token change places in one transaction.
    ///
    /// # Errors
    /// [`ExchangeError::Invalid`] for every reason that lies with the caller.
    pub async fn exchange(&self, exchange: Exchange<'_>) -> Result<Exchanged, ExchangeError> {
        let Exchange { dialect, email, code, max_attempts, format, lifetime, network } = exchange;
        let adapters = self.adapters();
        let now = adapters.clock.now();
        let account = self.reached_by(email, now).await?;
        // Nobody's code costs a guess as well: by the time of the answer, all wrong ones are alike (R14).
        let nobody = AccountId::new("");
        let guesser = account.as_ref().map_or(&nobody, |account| &account.id);
        let ticket = adapters.store.take_guess(guesser, dialect, TicketKind::Code, max_attempts, now).await?;
        // So does the budget: before anything is compared, and whether or not there is anything to compare (R45, R46).
        let budgets = self.guess_budgets(dialect, email, ticket.is_some());
        if !adapters.store.take(&budgets, now).await? {
            return Err(ExchangeError::Invalid);
        }
        // One row for each guess that is evaluated: the budgets bound how many, and nobody's costs what somebody's does.
        let tried = Event { dialect: dialect.to_owned(), ..Event::new(EventKind::Tried, now) };
        let tried = ticket.as_ref().map_or(tried.clone(), |ticket| tried.about(ticket));
        self.note(&tried.by(network.as_ref())).await;
        let (Some(account), Some(ticket)) = (account, ticket) else { return Err(ExchangeError::Invalid) };
        let mut digests = self.inner.keys.digests(dialect, Scope::Account, &account.id, code);
        let right = digests.any(|digest| digest.matches(&ticket.digest));
        if !right || ticket.epoch != account.epoch || ticket.email != account.email_key() {
            return Err(ExchangeError::Invalid);
        }
        adapters.store.give_back(&budgets, now).await?;
        let id = self.ticket_id();
        let draw = Draw { origin: id.as_str(), account: &account.id, nonce: 0 };
        let (token, digest) = self.inner.keys.draw(dialect, format, Scope::Global, draw);
        let expires_at = now.plus(lifetime);
        let successor = Ticket {
            // No job mails it: it leaves in this very answer.
            job: JobId::new(id.as_str()),
            id,
            kind: format.kind(),
            digest,
            attempts: 0,
            issued_at: now,
            minted_at: now,
            expires_at,
            ..ticket.clone()
        };
        let event = Event::of_ticket(EventKind::Exchanged, &ticket, now).by(network.as_ref());
        if adapters.store.exchange(&ticket.id, &successor, &event).await? {
            Ok(Exchanged { token, expires_at })
        } else {
            Err(ExchangeError::Invalid)
        }
    }

    /// What a guess at the code of an address costs: one of the address's own, over all its codes, and one of the
    /// dialect's where there is a code to guess at. Where there is none, another row takes the dialect's place, so that
    /// strangers cannot spend the dialect's by guessing at nobody, and nothing takes longer or shorter (R14).
    pub(crate) fn guess_budgets(&self, dialect: &str, email: &EmailAddress, evaluated: bool) -> Vec<Budget> {
        let budgeting = &self.inner.budgeting;
        let mut budgets = Vec::new();
        if !budgeting.guesses.is_empty() {
            let scope = format!("guesses.{dialect}");
            budgets.extend(Budget::of_address(&self.inner.keys, &scope, email, &budgeting.guesses));
        }
        if !budgeting.all_guesses.is_empty() {
            let whose = if evaluated { "all" } else { "nobody" };
            budgets.push(Budget::shared(&format!("guesses.{dialect}.{whose}"), &budgeting.all_guesses));
        }
        budgets
    }

    /// Looks at the ticket of a token without changing anything: a scanner may do so a hundred times (R32). That it was
    /// looked at is written down, if that can be done.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn inspect(
        &self,
        dialect: &'static str,
        secret: &TicketSecret,
        network: Option<Network>,
    ) -> Result<Option<Inspection>, StoreError> {
        let now = self.adapters().clock.now();
        let Some(ticket) = self.ticket_of_secret(dialect, secret, now).await? else { return Ok(None) };
        let state = ticket.standing(now);
        let event =
            Event::of_ticket(EventKind::Opened, &ticket, now).by(network.as_ref()).saying(state.name());
        self.note_once(&event).await;
        let account = self.adapters().store.account(&ticket.account).await?;
        let fits = account.as_ref().filter(|account| ticket.epoch == account.epoch && !account.blocked);
        let usable = state == TicketState::Live && fits.is_some();
        let same = fits.filter(|account| usable && ticket.email == account.email_key());
        let email = same.map(|account| account.email.clone());
        let locale = account.and_then(|account| account.locale);
        Ok(Some(Inspection { state, redirect_to: ticket.redirect_to, locale, usable, email }))
    }

    /// Writes an event down that nobody's answer depends on.
    pub(crate) async fn note(&self, event: &Event) {
        if let Err(error) = self.adapters().store.record(event).await {
            error!(error = &error as &dyn Error, "an event could not be written down");
        }
    }

    /// The same for what may come a thousand times.
    pub(crate) async fn note_once(&self, event: &Event) {
        if let Err(error) = self.adapters().store.record_once(event).await {
            error!(error = &error as &dyn Error, "an event could not be written down");
        }
    }

    /// The ticket that a secret of global scope opens, whatever its state. It was stored under one of the roots that
    /// are listed. Where a code reads like another one that was made under another root, it opens neither (R11).
    pub(crate) async fn ticket_of_secret(
        &self,
        dialect: &'static str,
        secret: &TicketSecret,
        now: Timestamp,
    ) -> Result<Option<Ticket>, StoreError> {
        // The digest of a global secret covers no account.
        let nobody = AccountId::new("");
        let live = |ticket: &Ticket| ticket.state(now) == TicketState::Live;
        let mut found: Option<Ticket> = None;
        for digest in self.inner.keys.digests(dialect, Scope::Global, &nobody, secret) {
            let Some(ticket) = self.adapters().store.ticket_with(dialect, &digest, now).await? else {
                continue;
            };
            if secret.kind() == TicketKind::Token {
                // Two of those never meet.
                return Ok(Some(ticket));
            }
            match &found {
                Some(other) if live(other) && live(&ticket) => return Ok(None),
                Some(other) if live(other) => {}
                _ => found = Some(ticket),
            }
        }
        Ok(found)
    }

    /// Whether a code that was drawn reads like a live one of another account that was made under an earlier root: the
    /// store compares digests, and these differ (R11).
    pub(crate) async fn reads_like_another(
        &self,
        dialect: &str,
        secret: &TicketSecret,
        account: &AccountId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let nobody = AccountId::new("");
        for digest in self.inner.keys.digests(dialect, Scope::Global, &nobody, secret).skip(1) {
            let other = self.adapters().store.ticket_with(dialect, &digest, now).await?;
            if other.is_some_and(|other| other.account != *account && other.state(now) == TicketState::Live) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
