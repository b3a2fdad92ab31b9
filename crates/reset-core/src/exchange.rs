//! Use case: exchange a typed code for a token (InsForge's second step), and inspect a link without using it.

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

/// The parameters of [`Resets::exchange`]: a typed code and the token to issue for it.
pub struct Exchange<'a> {
    /// The dialect of the request.
    pub dialect: &'static str,
    /// The address that the code was mailed to, as the client claims.
    pub email: &'a EmailAddress,
    /// The code.
    pub code: &'a TicketSecret,
    /// Maximum attempts per code.
    pub max_attempts: u32,
    /// The format of the token.
    pub format: &'a dyn SecretFormat,
    /// The lifetime of the token.
    pub lifetime: Duration,
    /// The client's network, for the audit events.
    pub network: Option<Network>,
}

/// The token that a code was exchanged for.
pub struct Exchanged {
    /// The token, returned to the client once.
    pub token: TicketSecret,
    /// When it expires.
    pub expires_at: Timestamp,
}

/// The state of a link, found without using it.
pub struct Inspection {
    /// The state of the ticket.
    pub state: TicketState,
    /// Where the link leads after the page, if the client named a target.
    pub redirect_to: Option<String>,
    /// The BCP 47 tag of the owner's language.
    pub locale: Option<String>,
    /// Whether the secret could set the password now: the ticket is live, and its account exists, is not blocked and
    /// has not changed its password since.
    pub usable: bool,
    /// The stored address of the account, if the secret is usable and the account still has the address at issue.
    pub email: Option<String>,
}

impl Resets {
    /// Returns the id of the account that an address reaches, or one that no account has for an unknown address and a
    /// blocked account. For secrets that must belong to the account of an address.
    ///
    /// # Errors
    /// Fails if the store fails.
    pub async fn account_id_of(&self, email: &EmailAddress) -> Result<AccountId, StoreError> {
        let account = self.resettable_account(email, self.adapters().clock.now()).await?;
        Ok(account.map_or_else(|| self.inner.keys.decoy_id(email), |account| account.id))
    }

    /// Exchanges the account's live code for a token. The attempt is counted before the code is compared, and one
    /// transaction replaces the code by the token.
    ///
    /// # Errors
    /// [`ExchangeError::Invalid`] for every reason that the client could cause; [`ExchangeError::Busy`] if the store is in
    /// use for too long; [`ExchangeError::Store`] if it fails.
    pub async fn exchange(&self, exchange: Exchange<'_>) -> Result<Exchanged, ExchangeError> {
        let Exchange { dialect, email, code, max_attempts, format, lifetime, network } = exchange;
        let adapters = self.adapters();
        let now = adapters.clock.now();
        let account = self.resettable_account(email, now).await?;
        // The code of an unknown address is its decoy's, which counts attempts like any other (R14).
        let decoy = self.inner.keys.decoy_id(email);
        let guesser = account.as_ref().map_or(&decoy, |account| &account.id);
        let ticket = adapters.store.take_guess(guesser, dialect, TicketKind::Code, max_attempts, now).await?;
        // Take from the budgets before anything is compared, whether or not there is a code to compare (R45, R46). The
        // guess is recorded in the same commit, whether or not they had room.
        let budgets = self.guess_budgets(dialect, email, account.is_some() && ticket.is_some());
        let tried = Event { dialect: dialect.to_owned(), ..Event::new(EventKind::Tried, now) };
        let tried = ticket.as_ref().map_or(tried.clone(), |ticket| tried.about(ticket));
        // A decoy's ticket names no account.
        let owner = tried.account.clone().filter(|_| account.is_some());
        let tried = Event { account: owner, ..tried.by(network.as_ref()) };
        let tried = self.bounded(tried, network.as_ref().and_then(Network::block));
        if !adapters.store.take_and_record(&budgets, &tried).await? {
            return Err(ExchangeError::Invalid);
        }
        let (Some(account), Some(ticket)) = (account, ticket) else { return Err(ExchangeError::Invalid) };
        let mut digests = self.inner.keys.digests(dialect, Scope::Account, &account.id, code);
        let correct = digests.any(|digest| digest.matches(&ticket.digest));
        if !correct || ticket.epoch != account.epoch || ticket.email != account.email_key() {
            return Err(ExchangeError::Invalid);
        }
        adapters.store.give_back(&budgets, now).await?;
        let id = self.new_ticket_id();
        let draw = Draw { origin: id.as_str(), account: &account.id, nonce: 0 };
        let (token, digest) = self.inner.keys.draw(dialect, format, Scope::Global, draw);
        let expires_at = now.plus(lifetime);
        let successor = Ticket {
            // No job mails this token: it is returned in this response.
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

    /// Returns the budgets that one guess at the code of an address takes from: the address's own budget, over all
    /// its codes, and the dialect's. If there is no code to guess (`evaluated` is false), a separate budget replaces
    /// the dialect's, so that an attacker cannot use up the dialect's budget with unknown addresses, and the same
    /// number of rows is written (R14).
    pub(crate) fn guess_budgets(&self, dialect: &str, email: &EmailAddress, evaluated: bool) -> Vec<Budget> {
        let budgeting = &self.inner.budgeting;
        let mut budgets = Vec::new();
        if !budgeting.guesses.is_empty() {
            let scope = format!("guesses.{dialect}");
            budgets.extend(Budget::of_address(&self.inner.keys, &scope, email, &budgeting.guesses));
        }
        if !budgeting.all_guesses.is_empty() {
            let target = if evaluated { "all" } else { "nobody" };
            budgets.push(Budget::shared(&format!("guesses.{dialect}.{target}"), &budgeting.all_guesses));
        }
        budgets
    }

    /// Inspects the ticket of a token without changing it, so that link scanners do no harm (R32). The visit is
    /// recorded as an event, once per state; failure to record it is only logged.
    ///
    /// # Errors
    /// Fails if the store fails.
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
        self.record_event_once(&event).await;
        let account = self.owner_of(&ticket).await?;
        let fits = account.as_ref().filter(|account| ticket.epoch == account.epoch && !account.blocked);
        let usable = state == TicketState::Live && fits.is_some();
        let same = fits.filter(|account| usable && ticket.email == account.email_key());
        let email = same.map(|account| account.email.clone());
        let locale = account.and_then(|account| account.locale);
        Ok(Some(Inspection { state, redirect_to: ticket.redirect_to, locale, usable, email }))
    }

    /// Records an event on which no response depends. A failure is only logged.
    pub(crate) async fn record_event(&self, event: &Event) {
        if let Err(error) = self.adapters().store.record(event).await {
            error!(error = &error as &dyn Error, "failed to record an event");
        }
    }

    /// As [`Self::record_event`], for events that a client can repeat: each is recorded once.
    pub(crate) async fn record_event_once(&self, event: &Event) {
        if let Err(error) = self.adapters().store.record_once(event).await {
            error!(error = &error as &dyn Error, "failed to record an event");
        }
    }

    /// Finds the ticket of a secret of global scope, in any state and under any of the configured roots. If a code
    /// matches live tickets under two roots, it redeems neither (R11).
    pub(crate) async fn ticket_of_secret(
        &self,
        dialect: &'static str,
        secret: &TicketSecret,
        now: Timestamp,
    ) -> Result<Option<Ticket>, StoreError> {
        // The digest of a global secret covers no account.
        let no_account = AccountId::new("");
        let live = |ticket: &Ticket| ticket.state(now) == TicketState::Live;
        let mut found: Option<Ticket> = None;
        for digest in self.inner.keys.digests(dialect, Scope::Global, &no_account, secret) {
            let Some(ticket) = self.adapters().store.ticket_with(dialect, &digest, now).await? else {
                continue;
            };
            if secret.kind() == TicketKind::Token {
                // Tokens are long enough never to collide.
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

    /// Returns whether a drawn code equals a live code that another account got under a previous root. The store
    /// cannot detect that, because it compares digests, and these differ (R11).
    pub(crate) async fn collides_under_previous_root(
        &self,
        dialect: &str,
        secret: &TicketSecret,
        account: &AccountId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let no_account = AccountId::new("");
        for digest in self.inner.keys.digests(dialect, Scope::Global, &no_account, secret).skip(1) {
            let other = self.adapters().store.ticket_with(dialect, &digest, now).await?;
            if other.is_some_and(|other| other.account != *account && other.state(now) == TicketState::Live) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
