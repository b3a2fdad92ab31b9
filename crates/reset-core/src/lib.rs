//! The domain of polyreset: who may set a new password, by what right, and what happens behind the answer.
//!
//! It knows no HTTP, no SQL, no SMTP and no environment; time and chance come in through ports.
//!
//! # Glossary
//! * An *account* is a row of the users table.
//! * A *ticket* is what we store of the right to set one new password; its *secret* is what we mail. A *code*
//!   is a secret short enough to type, a *token* one for machines.
//! * An *job* is something accepted and still to be done; the *worker* works jobs off.
//! * A *policy* says how a dialect's tickets are made and how their secrets travel.
//! * A *budget* says how often something may be done within some time.
//! * An *event* is what happened to a reset; its *reference* is what people quote.
//! * An *dispute* is the owner's word that a reset was somebody else's.
//!
//! # Map
//! One file a use case: [`request`] (somebody asks), [`deliver`] (the worker's turn), [`exchange`] (a code
//! becomes a token), [`redeem`] (a ticket sets a password), [`dispute`] (the owner says that it was somebody else),
//! [`link`] (an administrator hands a secret over). [`event`] and [`audit`] are what is written down of it. [`ports`] is what they need of the world,
//! [`hasher`] the one port that is implemented here, `memory` the others for tests.

pub mod account;
pub mod audit;
pub mod budget;
mod decoy;
pub mod deliver;
pub mod dispute;
pub mod email;
pub mod encoding;
pub mod error;
pub mod event;
pub mod exchange;
pub mod hasher;
pub mod issue_policy;
pub mod job;
pub mod keys;
pub mod language;
pub mod link;
pub mod mail;
pub mod own_names;
pub mod password;
pub mod ports;
pub mod redeem;
pub mod request;
pub mod secret;
pub mod ticket;
pub mod time;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::Notify;

use crate::{
    audit::Sealer,
    budget::Budgeting,
    encoding::hex,
    error::StoreError,
    issue_policy::IssuePolicies,
    job::{JobId, Reference},
    keys::Keys,
    ports::{Adapters, random},
    ticket::TicketId,
};

/// The use cases over one deployment's adapters. Cheap to clone.
#[derive(Clone)]
pub struct Resets {
    inner: Arc<Inner>,
}

/// What the owner is told of a completed reset (R30). The default tells nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notices {
    /// Whether there is a mail.
    pub owner: bool,
    /// The page of its link, where there is one: `this was not me`. From settings alone (R31).
    pub dispute_page: Option<String>,
}

struct Inner {
    adapters: Adapters,
    keys: Keys,
    policies: Vec<IssuePolicies>,
    budgeting: Budgeting,
    /// What the deployment is called: no password is to be made of it (R56).
    names: Vec<String>,
    notices: Notices,
    sealer: Sealer,
    /// Wakes the worker.
    wake: Notify,
    mail_works: AtomicBool,
    /// Whether the process is about to end.
    draining: AtomicBool,
}

impl Resets {
    /// The use cases, with what the worker mails for each dialect. Nothing is limited but the guesses at one ticket.
    pub fn new(adapters: Adapters, keys: Keys, policies: Vec<IssuePolicies>, notify_owner: bool) -> Self {
        let notices = Notices { owner: notify_owner, dispute_page: None };
        Self::within(Budgeting::default(), adapters, keys, policies, notices)
    }

    /// The use cases, within budgets.
    pub fn within(
        budgeting: Budgeting,
        adapters: Adapters,
        keys: Keys,
        policies: Vec<IssuePolicies>,
        notices: Notices,
    ) -> Self {
        let (wake, mail_works, draining) = (Notify::new(), AtomicBool::new(true), AtomicBool::new(false));
        let (sealer, names) = (Sealer::of(&keys), Vec::new());
        let inner =
            Inner { adapters, keys, policies, budgeting, names, notices, sealer, wake, mail_works, draining };
        Self { inner: Arc::new(inner) }
    }

    /// The same use cases, which know what the deployment is called: its app, its host. Where a policy refuses the most
    /// common passwords, those made of such names are refused as well; the account's own names always are.
    ///
    /// # Panics
    /// When it was cloned before.
    pub fn called(mut self, names: Vec<String>) -> Self {
        Arc::get_mut(&mut self.inner).expect("told before it is shared").names = names;
        self
    }

    /// The adapters.
    pub fn adapters(&self) -> &Adapters {
        &self.inner.adapters
    }

    /// Whether owners are mailed when their password was changed.
    pub fn tells_owners(&self) -> bool {
        self.inner.notices.owner
    }

    /// A reference for one answer.
    pub fn reference(&self) -> Reference {
        Reference::from_random(random(&*self.inner.adapters.entropy))
    }

    /// Answers when the store is ready.
    ///
    /// # Errors
    /// When it is not.
    pub async fn ready(&self) -> Result<(), StoreError> {
        self.inner.adapters.store.ready().await
    }

    /// Whether the last mail, or the last check, got through.
    pub fn mail_works(&self) -> bool {
        self.inner.mail_works.load(Ordering::Relaxed)
    }

    /// Tries whether mail could be sent now, for [`Self::mail_works`].
    pub async fn check_mail(&self) {
        let works = self.inner.adapters.mailer.check().await.is_ok();
        self.set_mail_works(works);
    }

    /// Says from now on that the process is about to end. Requests are served all the same.
    pub fn drain(&self) {
        self.inner.draining.store(true, Ordering::Relaxed);
    }

    /// Whether the process is about to end.
    pub fn is_draining(&self) -> bool {
        self.inner.draining.load(Ordering::Relaxed)
    }

    /// Returns when a job was accepted since the last call.
    pub async fn job_queued(&self) {
        self.inner.wake.notified().await;
    }

    fn set_mail_works(&self, works: bool) {
        self.inner.mail_works.store(works, Ordering::Relaxed);
    }

    fn policies_of(&self, dialect: &str) -> Option<&IssuePolicies> {
        self.inner.policies.iter().find(|policies| policies.dialect == dialect)
    }

    fn new_job_id(&self) -> JobId {
        JobId::new(hex(&random::<16>(&*self.inner.adapters.entropy)))
    }

    fn ticket_id(&self) -> TicketId {
        TicketId::new(hex(&random::<16>(&*self.inner.adapters.entropy)))
    }
}
