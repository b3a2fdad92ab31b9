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
};

/// Whether the response may reveal that an account exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disclosure {
    /// The response reveals nothing.
    Never,
    /// The dialect's contract requires it (px0: 404 `user not found`). Blocked accounts look unknown.
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
    /// late; [`RequestError::Store`] if the job could not be stored.
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
        if disclosure == Disclosure::AsContracted {
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
        if adapters.store.push_within(&job, &budgets, &event).await? {
            self.inner.wake.notify_one();
        }
        Ok(())
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
