//! Use case: request a password reset.
//!
//! The response never depends on whether the account exists: the request only appends a job to the outbox, and the
//! worker looks the account up later. Known and unknown addresses therefore cost the same work and return the same
//! bytes (R13-R15). px0's contract requires a 404 for unknown addresses; callers opt in with
//! [`Disclosure::AsContracted`].
//!
//! Requests for one address are rate limited across all dialects, whether or not the address has an account. A
//! request over the limit gets the usual response, queues no job and sends no mail; links and codes from earlier
//! requests stay valid (R6, R14, R16).

use crate::{
    Resets,
    budget::Budget,
    email::EmailAddress,
    error::RequestError,
    event::{Event, EventKind, Network},
    job::{Job, JobKind, Reference},
    time::Timestamp,
    turns::NetworkBlock,
};

/// Whether the response may reveal that an account exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disclosure {
    /// The response reveals nothing.
    Never,
    /// The dialect's contract requires it (px0: 404 `user not found`), so often per network and in all as
    /// [`Budgeting`](crate::budget::Budgeting) allows; then as [`Self::Never`]. Blocked accounts look unknown.
    AsContracted,
}

/// A reset request.
pub struct ResetRequest {
    /// The dialect of the request.
    pub dialect: &'static str,
    /// The address; `None` if the client's input is not an address that could have an account here.
    pub email: Option<EmailAddress>,
    /// Where the link leads, already checked against the allow-list.
    pub redirect_to: Option<String>,
    /// The client's preferred language, as a BCP 47 tag.
    pub locale: Option<String>,
    /// The client's network, for the audit events.
    pub network: Option<Network>,
    /// The reference that the response will carry.
    pub reference: Reference,
    /// Whether the response may reveal that an account exists.
    pub disclosure: Disclosure,
}

impl Resets {
    /// Accepts a reset request. When this returns `Ok`, the job is durable.
    ///
    /// Over the rate limit it also returns `Ok`; then no job is queued.
    ///
    /// # Errors
    /// [`RequestError::Unknown`] only under [`Disclosure::AsContracted`]; [`RequestError::Busy`] if its mail would be
    /// late or the store is in use for too long; [`RequestError::Store`] if the job could not be stored.
    pub async fn request(&self, request: ResetRequest) -> Result<(), RequestError> {
        let ResetRequest { dialect, email, redirect_to, locale, network, reference, disclosure } = request;
        let adapters = self.adapters();
        let (now, block) = (adapters.clock.now(), network.as_ref().and_then(Network::block));
        if let Some(retry_after) = self.overloaded(block, now) {
            return Err(RequestError::Busy { retry_after });
        }
        let Some(email) = email else {
            return match disclosure {
                Disclosure::Never => Ok(()),
                Disclosure::AsContracted => Err(RequestError::Unknown),
            };
        };
        if disclosure == Disclosure::AsContracted && self.may_disclose(block, now).await? {
            // The owner gets the normal response even while a dispute is open, and so does the dispute's mailbox.
            let account = adapters.store.account_by_email(&email).await?;
            let known = account.is_some_and(|account| !account.blocked)
                || self.resettable_account(&email, now).await?.is_some();
            if !known {
                return Err(RequestError::Unknown);
            }
        }
        let budgets = self.request_budget(&email);
        let address = Some(self.inner.keys.address_tag(&email));
        let kind = JobKind::Reset { email, redirect_to, locale };
        let job = Job::new(self.new_job_id(), reference, dialect, kind, now);
        let job = Job { network: block, turn: self.inner.accepted.next(block), ..job };
        let event = Event { address, ..Event::of_job(EventKind::Accepted, &job, now).by(network.as_ref()) };
        let event = self.bounded(event, block);
        if adapters.store.push_within(&job, &budgets, &event).await? {
            self.inner.wake.notify_one();
        }
        Ok(())
    }

    /// Takes one from the budgets of disclosures. Over them, an unknown address gets the response of a known one, and its
    /// account is not looked up. Counted before the look-up, so that known and unknown addresses count alike (R13).
    async fn may_disclose(
        &self,
        network: Option<NetworkBlock>,
        now: Timestamp,
    ) -> Result<bool, RequestError> {
        let (budgeting, mut budgets) = (&self.inner.budgeting, Vec::new());
        if !budgeting.disclosures.is_empty() {
            budgets.push(Budget::shared("disclosures", &budgeting.disclosures));
        }
        if let Some(network) = network.filter(|_| !budgeting.disclosures_per_network.is_empty()) {
            let name = format!("disclosures/{:x}", network.number());
            budgets.push(Budget::shared(&name, &budgeting.disclosures_per_network));
        }
        Ok(budgets.is_empty() || self.adapters().store.take(&budgets, now).await?)
    }

    /// Returns the budgets that limit the requests for one address.
    fn request_budget(&self, email: &EmailAddress) -> Vec<Budget> {
        let windows = &self.inner.budgeting.requests;
        if windows.is_empty() {
            return Vec::new();
        }
        Budget::of_address(&self.inner.keys, "requests", email, windows)
    }
}
