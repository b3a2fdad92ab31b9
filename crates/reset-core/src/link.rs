//! Use case: an administrator makes a secret and hands it over himself, without mail.
//!
//! For the person whose mailbox is gone, and whom the administrator knows. He starts a reset and chooses nothing: the
//! ticket is one like all others, with its dialect's lifetime and rules, and written down as his doing (R75).

use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    Resets,
    deliver::Purpose,
    email::EmailAddress,
    error::StoreError,
    job::{Job, JobKind, Outcome, Reference},
    mail::MailBody,
    time::Timestamp,
};

/// A secret to hand over. It is shown once and stored nowhere.
pub struct HandedOver {
    /// The code, or the link.
    pub secret: Zeroizing<String>,
    /// When it ends.
    pub expires_at: Timestamp,
    /// What `trace` is asked with.
    pub reference: Reference,
}

/// Why no secret was made.
#[derive(Debug, Error)]
pub enum LinkError {
    /// No account has the address, or it is blocked.
    #[error("no account that could reset has this address")]
    Unknown,
    /// The dialect mails nothing here.
    #[error("this dialect is not served here")]
    NoDialect,
    /// Somebody asked in the same moment.
    #[error("a reset was asked for in the same moment; try again")]
    Superseded,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Resets {
    /// Issues a ticket for the account with this address and returns its secret. Earlier ones in the dialect are void,
    /// as if the owner had asked. Limits on asking do not apply.
    ///
    /// # Errors
    /// [`LinkError`]; nothing was issued then.
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
        let mut job = Job {
            id: self.new_job_id(),
            seq: 0,
            reference: self.reference(),
            dialect: policies.dialect.to_owned(),
            kind: JobKind::Reset {
                email: email.clone(),
                redirect_to: redirect_to.map(ToOwned::to_owned),
                locale: None,
            },
            created_at: now,
            attempts: 0,
            lost: 0,
        };
        // It is done as soon as it is accepted, so that no worker mails it.
        job.seq = adapters.store.push_done(&job, Outcome::HandedOver, now).await?;
        let issued = self.issue(&job, &account, policies, redirect_to, Purpose::Link).await?;
        let ticket = issued.ok_or(LinkError::Superseded)?;
        let (policy, secret) = self
            .secret_of(&ticket, &account, policies)
            .ok_or_else(|| StoreError::new("the ticket that was just issued is another one"))?;
        let text = policy.format.seal(&secret, &ticket);
        let secret = match policy.delivery.body(text, policy.lifetime, ticket.redirect_to.as_deref()) {
            MailBody::ResetCode { code, .. } => code,
            MailBody::ResetLink { url, .. } => url,
            MailBody::PasswordChanged { .. } => unreachable!("no policy carries a notice"),
        };
        Ok(HandedOver { secret, expires_at: ticket.expires_at, reference: job.reference })
    }
}
