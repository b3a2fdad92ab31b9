//! The password-reset engine: reset requests, tickets, mail jobs, and the transaction that sets the new password.
//!
//! The crate contains no HTTP, SQL or SMTP and reads no environment variables. Time and randomness come in through
//! [`ports`].
//!
//! # Glossary
//! * **Account**: a row of the users table ([`account`]).
//! * **Ticket**: the stored right of one account to set one new password ([`ticket`]). The store keeps a digest of
//!   its secret, never the secret.
//! * **Secret**: the value that redeems a ticket ([`secret`]). A *code* is a secret short enough to type; a *token*
//!   is a secret for machines, in a link or in a response.
//! * **Dialect**: one of the reset APIs that polyreset speaks, such as px0 or InsForge. Each ticket belongs to one
//!   dialect.
//! * **Issue policy**: how a dialect's tickets are issued: secret format, lifetime, and delivery as a code or a link
//!   ([`issue_policy`]).
//! * **Job**: a unit of background work, accepted and durable: mail a secret, mail a notice, or post a webhook
//!   ([`job`]). The *outbox* is the queue of jobs; the *worker* claims them and delivers them.
//! * **Budget**: a limit on how often something may happen within a sliding time window ([`budget`]).
//! * **Event**: an audit record of one step of a reset ([`event`]). The events form a sealed chain ([`audit`]).
//! * **Reference**: the short text that identifies a reset in support requests and in the events.
//! * **Dispute**: the owner's "this wasn't me" after a reset. It invalidates the new password ([`dispute`]).
//! * **Decoy**: the work that the worker does for an address without an account, so that both cases cost the same
//!   time.
//! * **Epoch**: the account's count of password changes. A new epoch ends all sessions and tickets of earlier ones.
//!
//! # Map
//! There is one file per use case, each with methods of [`Resets`]:
//! * [`request`]: a client requests a reset; a job is queued.
//! * [`deliver`]: the worker claims a job, issues a ticket and mails its secret.
//! * [`exchange`]: a client exchanges a code for a token, or inspects a link without using it.
//! * [`redeem`]: a client sets the new password with a secret.
//! * [`dispute`]: the owner reports that a reset was not theirs.
//! * [`link`]: an administrator issues a secret without mail.
//! * [`readiness`]: whether requests can be served, and whether mail can be sent.
//!
//! [`dry_run`] runs these use cases without an effect, to compare their results with those of another system.
//!
//! [`ports`] holds the traits that adapters implement: the store, the mailer, the webhook, the password hasher, the
//! clock and the source of randomness. [`hasher`] is the one port that this crate implements itself.
//!
//! # Example
//! The two halves of a reset request: the HTTP handler queues a job, and the worker delivers it.
//! ```
//! use reset_core::{
//!     Resets,
//!     email::EmailAddress,
//!     error::{RequestError, StoreError},
//!     request::{Disclosure, ResetRequest},
//! };
//!
//! async fn forgot_password(resets: &Resets, typed: &str) -> Result<(), RequestError> {
//!     let request = ResetRequest {
//!         dialect: "px0",
//!         email: EmailAddress::parse(typed).ok(),
//!         redirect_to: None,
//!         locale: Some("de-CH".to_owned()),
//!         network: None,
//!         reference: resets.reference(),
//!         disclosure: Disclosure::Never,
//!     };
//!     resets.request(request).await
//! }
//!
//! async fn worker(resets: &Resets) -> Result<(), StoreError> {
//!     loop {
//!         for job in resets.claim(10).await? {
//!             resets.deliver(&job).await?;
//!         }
//!         resets.job_queued().await;
//!     }
//! }
//! ```

pub mod account;
pub mod audit;
pub mod budget;
pub mod client_events;
mod decoy;
pub mod deliver;
pub mod dispute;
pub mod dry_run;
pub mod email;
pub mod encoding;
pub mod error;
pub mod event;
pub mod exchange;
pub mod hasher;
mod issue;
pub mod issue_policy;
pub mod job;
pub mod keys;
pub mod language;
pub mod link;
pub mod mail;
pub mod overload;
pub mod own_names;
pub mod password;
pub mod ports;
pub mod readiness;
pub mod redeem;
pub mod request;
pub mod secret;
pub mod ticket;
pub mod time;
pub mod turns;

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;

use crate::{
    audit::Sealer,
    budget::Budgeting,
    client_events::ClientEvents,
    encoding::hex,
    issue_policy::IssuePolicies,
    job::{JobId, Reference},
    keys::Keys,
    overload::Overload,
    ports::{Adapters, random},
    readiness::Readiness,
    ticket::TicketId,
    turns::Turns,
};

/// The use cases of one deployment, over its adapters. Cheap to clone.
#[derive(Clone)]
pub struct Resets {
    inner: Arc<Inner>,
}

/// How the owner is notified of a completed reset (R30). The default sends no notice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notices {
    /// Whether the owner gets a mail.
    pub owner: bool,
    /// The page behind the mail's "this wasn't me" link; `None` omits the link. It comes from settings only (R31).
    pub dispute_page: Option<String>,
}

struct Inner {
    adapters: Adapters,
    keys: Keys,
    policies: Vec<IssuePolicies>,
    budgeting: Budgeting,
    /// Names of the deployment. Passwords made of them are rejected (R56).
    names: Vec<String>,
    notices: Notices,
    /// Whether a reset ends the account's sessions, so that pages may say so.
    ends_sessions: bool,
    sealer: Sealer,
    /// Notifies the worker of queued jobs.
    wake: Notify,
    /// Turns of accepted jobs, and of jobs that are ready to be sent.
    accepted: Turns,
    ready: Turns,
    overload: Overload,
    client_events: ClientEvents,
    readiness: Readiness,
}

impl Resets {
    /// Creates the use cases with the issue policies of each dialect and without budgets. The attempts per code stay
    /// limited.
    pub fn new(adapters: Adapters, keys: Keys, policies: Vec<IssuePolicies>, notify_owner: bool) -> Self {
        let notices = Notices { owner: notify_owner, dispute_page: None };
        Self::within(Budgeting::default(), adapters, keys, policies, notices)
    }

    /// Creates the use cases with budgets.
    pub fn within(
        budgeting: Budgeting,
        adapters: Adapters,
        keys: Keys,
        policies: Vec<IssuePolicies>,
        notices: Notices,
    ) -> Self {
        let (wake, readiness) = (Notify::new(), Readiness::default());
        let (sealer, names) = (Sealer::of(&keys), Vec::new());
        let (accepted, ready) = (Turns::default(), Turns::default());
        let inner = Inner {
            adapters,
            keys,
            policies,
            budgeting,
            names,
            notices,
            ends_sessions: true,
            sealer,
            wake,
            accepted,
            ready,
            overload: Overload::default(),
            client_events: ClientEvents::default(),
            readiness,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Sets the names of the deployment, such as its app and its host. A policy that rejects common passwords also
    /// rejects those made of these names or of the account's own.
    ///
    /// # Panics
    /// Panics if a clone of `self` exists.
    pub fn called(mut self, names: Vec<String>) -> Self {
        Arc::get_mut(&mut self.inner).expect("names are set before the use cases are cloned").names = names;
        self
    }

    /// Sets whether a reset ends the account's sessions. Default: it does.
    ///
    /// # Panics
    /// Panics if a clone of `self` exists.
    #[must_use]
    pub fn ending_sessions(mut self, ends: bool) -> Self {
        let inner = Arc::get_mut(&mut self.inner).expect("set before the use cases are cloned");
        inner.ends_sessions = ends;
        self
    }

    /// Returns whether a reset ends the account's sessions.
    pub fn ends_sessions(&self) -> bool {
        self.inner.ends_sessions
    }

    /// Returns the adapters.
    pub fn adapters(&self) -> &Adapters {
        &self.inner.adapters
    }

    /// Returns whether owners get a mail after their password was changed.
    pub fn tells_owners(&self) -> bool {
        self.inner.notices.owner
    }

    /// Returns how long an address must wait after a reset request before the next one sends a mail; zero if there is no
    /// such wait.
    pub fn request_spacing(&self) -> Duration {
        let single = self.inner.budgeting.requests.iter().filter(|window| window.count == 1);
        single.map(|window| window.span).max().unwrap_or_default()
    }

    /// Creates a random reference for one response.
    pub fn reference(&self) -> Reference {
        Reference::from_random(random(&*self.inner.adapters.entropy))
    }

    /// Waits until a job is queued; returns at once if one was queued since the last call.
    pub async fn job_queued(&self) {
        self.inner.wake.notified().await;
    }

    fn policies_of(&self, dialect: &str) -> Option<&IssuePolicies> {
        self.inner.policies.iter().find(|policies| policies.dialect == dialect)
    }

    fn new_job_id(&self) -> JobId {
        JobId::new(self.new_id())
    }

    fn new_ticket_id(&self) -> TicketId {
        TicketId::new(self.new_id())
    }

    /// Returns an id of 32 hexadecimal digits: 48 bits of time in milliseconds, as in a UUID of version 7, and 80 random
    /// ones. Ids are not secret. Because they ascend, new rows share the last pages of an index instead of changing a
    /// random page each.
    fn new_id(&self) -> String {
        let mut id = random::<16>(&*self.inner.adapters.entropy);
        id[..6].copy_from_slice(&self.inner.adapters.clock.now().as_millis().to_be_bytes()[2..]);
        hex(&id)
    }
}
