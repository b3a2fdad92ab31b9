//! Use case: an administrator issues a code or link without mail and hands it over personally.
//!
//! This is for an owner who has lost access to the mailbox and whom the administrator can identify. The administrator
//! chooses nothing but the account: the ticket has its dialect's usual lifetime and rules, and the event log records
//! who issued it (R75).

use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    Resets,
    email::EmailAddress,
    error::StoreError,
    issue::Purpose,
    job::{Job, JobKind, Outcome, Reference},
    mail::MailBody,
    time::Timestamp,
};

/// A secret to hand over. It is shown once and never stored.
pub struct HandedOver {
    /// The code, or the link.
    pub secret: Zeroizing<String>,
    /// When it expires.
    pub expires_at: Timestamp,
    /// The reference to pass to the `trace` command.
    pub reference: Reference,
}

/// Why no secret was issued.
#[derive(Debug, Error)]
pub enum LinkError {
    /// No account has the address, or the account is blocked.
    #[error("no account with this address can reset its password")]
    Unknown,
    /// The dialect issues no tickets in this deployment.
    #[error("this dialect is not enabled")]
    NoDialect,
    /// A later request was served concurrently.
    #[error("another reset was requested at the same moment; try again")]
    Superseded,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Resets {
    /// Issues a ticket for the account with this address and returns its secret. Earlier tickets of the account in
    /// the dialect become void, as after a request by the owner. Rate limits do not apply.
    ///
    /// # Errors
    /// Returns [`LinkError`]; then no ticket was issued.
    pub async fn link(
        &self,
        dialect: &str,
        email: &EmailAddress,
        redirect_to: Option<&str>,
    ) -> Result<HandedOver, LinkError> {
        let policies = self.policies_of(dialect).ok_or(LinkError::NoDialect)?;
        let adapters = self.adapters();
        let account = adapters.store.account_by_email(email).await?;
        let account = account.filter(|account| !account.blocked).ok_or(LinkError::Unknown)?;
        let now = adapters.clock.now();
        let kind = JobKind::Reset {
            email: email.clone(),
            redirect_to: redirect_to.map(ToOwned::to_owned),
            locale: None,
        };
        let mut job = Job::new(self.new_job_id(), self.reference(), policies.dialect, kind, now);
        // Store the job as already finished, so that no worker mails it.
        job.seq = adapters.store.push_done(&job, Outcome::HandedOver, now).await?;
        let issued = self.issue(&job, &account, policies, redirect_to, Purpose::Link).await?;
        let ticket = issued.ok_or(LinkError::Superseded)?;
        let (policy, secret) = self
            .secret_of(&ticket, &account, policies)
            .ok_or_else(|| StoreError::new("the secret of the ticket just issued cannot be derived"))?;
        let text = policy.format.seal(&secret, &ticket);
        let secret = match policy.delivery.body(text, policy.lifetime, &ticket) {
            MailBody::ResetCode { code, .. } => code,
            MailBody::ResetLink { url, .. } => url,
            MailBody::PasswordChanged { .. } => unreachable!("an issue policy never produces a notice"),
        };
        Ok(HandedOver { secret, expires_at: ticket.expires_at, reference: job.reference })
    }
}
