//! Use case: deliver a job whose address has no account, as a decoy.
//!
//! Issuing a ticket and composing a mail takes time, and the worker shares the machine with the next request: from
//! its response time an attacker could tell whether the previous address has an account (R14). The worker therefore
//! does the same work for an unknown address. The secret is discarded, and the mail is composed but not sent (R19).
//!
//! The ticket is live like any other, but it belongs to no account, so nothing can redeem it. It counts where tickets are
//! counted, and takes the guesses at codes of its address: otherwise the number of live codes, or the work for a wrong
//! guess, would show which addresses have accounts.

use crate::{
    Resets,
    account::{Account, AccountId},
    email::EmailAddress,
    error::StoreError,
    issue::Purpose,
    issue_policy::IssuePolicies,
    job::Job,
    keys::Keys,
    mail::compose_mail,
    ticket::Ticket,
};

/// Recipient of decoy mails: an address that cannot exist (RFC 2606).
const DECOY_ADDRESS: &str = "nobody@nowhere.invalid";

/// Prefix of the account ids of decoy tickets.
const DECOY_PREFIX: &str = "nobody/";

/// Returns whether this is the account id of a decoy ticket.
pub(crate) fn is_decoy(account: &AccountId) -> bool {
    account.as_str().starts_with(DECOY_PREFIX)
}

impl Keys {
    /// Returns the id that stands for the missing account of an address. The address cannot be derived from it.
    pub(crate) fn decoy_id(&self, email: &EmailAddress) -> AccountId {
        AccountId::new(format!("{DECOY_PREFIX}{}", self.address_tag(email).as_str()))
    }
}

impl Resets {
    /// Returns the account that a ticket was issued to. A decoy's ticket has none, and its id is not looked up: another
    /// system's users table may reject it, such as a table whose keys are UUIDs.
    pub(crate) async fn owner_of(&self, ticket: &Ticket) -> Result<Option<Account>, StoreError> {
        if is_decoy(&ticket.account) {
            return Ok(None);
        }
        self.adapters().store.account(&ticket.account).await
    }

    /// Does the work of a delivery for an address without an account. The ticket that it stores can never be
    /// redeemed.
    pub(crate) async fn prepare_decoy(
        &self,
        job: &Job,
        email: &EmailAddress,
        policies: &IssuePolicies,
        redirect_to: Option<&str>,
    ) -> Result<(), StoreError> {
        let (store, mailer) = (&self.adapters().store, &self.adapters().mailer);
        let decoy = Account {
            id: self.inner.keys.decoy_id(email),
            email: DECOY_ADDRESS.to_owned(),
            username: None,
            name: None,
            locale: None,
            confirmed: true,
            blocked: false,
            hash_form: None,
            document_id: None,
            epoch: 0,
            created_at: job.created_at,
            updated_at: job.created_at,
        };
        let ticket = store.ticket_of(&job.id).await?;
        self.take_mail_budget("nobody").await?;
        // After a crash the ticket already exists. That this attempt takes from the budget again does not matter.
        if ticket.is_some() {
            return Ok(());
        }
        let issued = self.issue(job, &decoy, policies, redirect_to, Purpose::Decoy).await?;
        let Some(ticket) = issued else { return Ok(()) };
        let Some((policy, secret)) = self.secret_of(&ticket, &decoy, policies) else { return Ok(()) };
        let text = policy.format.seal(&secret, &ticket);
        let body = policy.delivery.body(text, policy.lifetime, &ticket);
        mailer.prepare_decoy(&compose_mail(job, decoy, body)).await;
        Ok(())
    }
}
