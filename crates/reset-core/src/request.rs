//! Use case: somebody asks for a reset.
//!
//! The answer leaves before any account is looked up: one job is written, whoever asked. So known and
//! unknown addresses cost the same work and give the same bytes (R13-R15). px0's contract demands otherwise;
//! that is an argument, [`Disclosure`], and never a dialect peeking into the store.
//!
//! An address may be asked for only so often, over all dialects, whether or not it has an account. Beyond that the
//! answer is the usual one, no job is written and nothing is mailed: what the owner asked for before stays valid
//! (R6, R14, R16).

use crate::{
    Resets,
    budget::Budget,
    email::EmailAddress,
    error::RequestError,
    event::{Event, EventKind, Network},
    job::{Job, JobKind, Reference},
};

/// Whether the answer may tell if an account exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disclosure {
    /// It may not.
    Never,
    /// The contract says that it does (px0: 404 `user not found`). Blocked accounts look unknown.
    AsContracted,
}

/// One request for a reset.
pub struct ResetRequest {
    /// The dialect that was asked.
    pub dialect: &'static str,
    /// The address, or nothing when what was typed is no address that could have an account here.
    pub email: Option<EmailAddress>,
    /// Where the link is to lead, already checked against the allow-list.
    pub redirect_to: Option<String>,
    /// The language that the client asked for, as a BCP 47 tag.
    pub locale: Option<String>,
    /// Who asks.
    pub network: Option<Network>,
    /// The reference that the answer will carry.
    pub reference: Reference,
    /// Whether the answer may tell if an account exists.
    pub disclosure: Disclosure,
}

impl Resets {
    /// Accepts a request: when this returns, the job survives the process. An address that was asked for too often
    /// is accepted alike, and nothing comes of it.
    ///
    /// # Errors
    /// [`RequestError::Unknown`] under [`Disclosure::AsContracted`]; [`RequestError::Store`] when nothing
    /// was accepted.
    pub async fn request(&self, ask: ResetRequest) -> Result<(), RequestError> {
        let ResetRequest { dialect, email, redirect_to, locale, network, reference, disclosure } = ask;
        let adapters = self.adapters();
        let Some(email) = email else {
            return match disclosure {
                Disclosure::Never => Ok(()),
                Disclosure::AsContracted => Err(RequestError::Unknown),
            };
        };
        if disclosure == Disclosure::AsContracted {
            // Whose address it is gets the usual answer, dispute or not; and so does the mailbox of a dispute.
            let account = adapters.store.account_by_email(&email).await?;
            let known = account.is_some_and(|account| !account.blocked)
                || self.reached_by(&email, adapters.clock.now()).await?.is_some();
            if !known {
                return Err(RequestError::Unknown);
            }
        }
        let now = adapters.clock.now();
        let asks = self.request_budget(&email);
        let address = Some(self.inner.keys.address_tag(&email));
        let job = Job {
            id: self.new_job_id(),
            seq: 0,
            reference,
            dialect: dialect.to_owned(),
            kind: JobKind::Reset { email, redirect_to, locale },
            created_at: now,
            attempts: 0,
            lost: 0,
        };
        let event = Event { address, ..Event::of_job(EventKind::Accepted, &job, now).by(network.as_ref()) };
        if adapters.store.push_within(&job, &asks, &event).await? {
            self.inner.wake.notify_one();
        }
        Ok(())
    }

    /// How often an address may be asked for.
    fn request_budget(&self, email: &EmailAddress) -> Vec<Budget> {
        let windows = &self.inner.budgeting.requests;
        if windows.is_empty() {
            return Vec::new();
        }
        Budget::of_address(&self.inner.keys, "requests", email, windows)
    }
}
