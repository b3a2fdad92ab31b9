//! Use case: the worker's turn for an address without an account.
//!
//! A ticket, a secret and a mail cost time, and what the worker does shares the machine with whoever asks next: by the
//! time of his own answer he could tell what became of the last ask (R14). So all of it is done for nobody as well. The
//! ticket is void before anybody else can see it, the secret is thrown away, and the mail is handed to nobody (R19).

use crate::{
    Resets,
    account::{Account, AccountId},
    deliver::{Purpose, letter},
    error::StoreError,
    issue_policy::IssuePolicies,
    job::Job,
};

/// Whom a mail to nobody is to: an address that cannot exist (RFC 2606).
const NOWHERE: &str = "nobody@nowhere.invalid";

/// What the keys of accounts that do not exist begin with.
const NOBODY: &str = "nobody/";

/// Whether a ticket of this account was issued for nobody.
pub(crate) fn is_decoy(account: &AccountId) -> bool {
    account.as_str().starts_with(NOBODY)
}

impl Resets {
    /// Does for an address without an account what is done for one with, and leaves nothing that opens anything.
    pub(crate) async fn prepare_decoy(
        &self,
        job: &Job,
        policies: &IssuePolicies,
        redirect_to: Option<&str>,
    ) -> Result<(), StoreError> {
        let (store, mailer) = (&self.adapters().store, &self.adapters().mailer);
        let nobody = Account {
            // No account has this key, and no other job of the same address: nothing of it is ever in another's way.
            id: AccountId::new(format!("{NOBODY}{}", job.id.as_str())),
            email: NOWHERE.to_owned(),
            username: None,
            name: None,
            locale: None,
            confirmed: true,
            blocked: false,
            hash_form: None,
            epoch: 0,
            created_at: job.created_at,
            updated_at: job.created_at,
        };
        let ticket = store.ticket_of(&job.id).await?;
        self.may_mail("nobody").await?;
        // After a crash the ticket is there already; one mail more or less is no matter then.
        if ticket.is_some() {
            return Ok(());
        }
        let issued = self.issue(job, &nobody, policies, redirect_to, Purpose::Decoy).await?;
        let Some(ticket) = issued else { return Ok(()) };
        let Some((policy, secret)) = self.secret_of(&ticket, &nobody, policies) else { return Ok(()) };
        let text = policy.format.seal(&secret, &ticket);
        let body = policy.delivery.body(text, policy.lifetime, ticket.redirect_to.as_deref());
        mailer.prepare_decoy(&letter(job, nobody, body)).await;
        Ok(())
    }
}
