//! IssuePolicies: how one dialect's tickets are made, how long they live, and how their secrets travel.

use std::{sync::Arc, time::Duration};

use zeroize::Zeroizing;

use crate::{
    mail::MailBody,
    secret::{Scope, SecretFormat},
    ticket::TicketKind,
};

/// How one kind of ticket of one dialect is made and mailed.
#[derive(Clone)]
pub struct IssuePolicy {
    /// The form of the secret.
    pub format: Arc<dyn SecretFormat>,
    /// What the secret has to be distinct from.
    pub scope: Scope,
    /// How long a ticket lives.
    pub lifetime: Duration,
    /// How the secret travels.
    pub delivery: Delivery,
}

impl IssuePolicy {
    /// Whether its secrets are codes that alone find their ticket, so that two accounts' may meet (R11).
    pub(crate) fn is_code_for_all(&self) -> bool {
        self.scope == Scope::Global && self.format.kind() != TicketKind::Token
    }
}

/// How a secret travels by mail.
#[derive(Clone)]
pub enum Delivery {
    /// As a code to type.
    Code,
    /// At the end of a link.
    Link {
        /// The page to open; it may have a query already. From settings alone (R31).
        page: String,
        /// Name of the query parameter that carries the secret.
        parameter: &'static str,
    },
    /// At the end of a link to a page that leads on to the target of the ask; where it named none, of one to another
    /// page, which sets the password itself.
    LinkViaRedirect {
        /// The page that leads on.
        page: String,
        /// The page for asks without a target.
        otherwise: String,
        /// Name of the query parameter that carries the secret.
        parameter: &'static str,
    },
}

impl Delivery {
    /// What the mail says of a ticket with the target `redirect_to`. Secrets are ASCII letters, digits, `.`, `-` and
    /// `_`: no escaping is needed.
    pub(crate) fn body(
        &self,
        text: Zeroizing<String>,
        lifetime: Duration,
        redirect_to: Option<&str>,
    ) -> MailBody {
        let (page, parameter) = match self {
            Self::Code => return MailBody::ResetCode { code: text, lifetime },
            Self::Link { page, parameter } => (page, parameter),
            Self::LinkViaRedirect { page, parameter, .. } if redirect_to.is_some() => (page, parameter),
            Self::LinkViaRedirect { otherwise, parameter, .. } => (otherwise, parameter),
        };
        let joint = if page.contains('?') { '&' } else { '?' };
        let url = Zeroizing::new(format!("{page}{joint}{parameter}={}", text.as_str()));
        MailBody::ResetLink { url, lifetime }
    }

    /// Whether it leads on to a target: what is typed does not.
    pub(crate) fn leads_on(&self) -> bool {
        !matches!(self, Self::Code)
    }
}

/// What the worker mails for one dialect.
#[derive(Clone)]
pub struct IssuePolicies {
    /// Name of the dialect.
    pub dialect: &'static str,
    /// What is mailed as a rule.
    pub primary: IssuePolicy,
    /// What is mailed instead while too many guessable codes are live (px0, security.md B3), or too many wrong ones
    /// were tried (px0 and InsForge, B3 and B4).
    pub fallback: Option<FallbackPolicy>,
}

/// When a dialect's guessable codes are mailed no more for a while, and what is mailed then.
#[derive(Clone)]
pub struct FallbackPolicy {
    /// Most live tickets of the primary kind; `None` where each guess names its account, so that their number does not
    /// matter.
    pub max_live: Option<u64>,
    /// What is mailed beyond that, and while the budgets of wrong guesses have no room.
    pub policy: IssuePolicy,
}

impl IssuePolicies {
    /// The policy for tickets of `kind`, if the dialect mails any.
    pub(crate) fn of(&self, kind: TicketKind) -> Option<&IssuePolicy> {
        let fallback = self.fallback.as_ref().map(|fallback| &fallback.policy);
        [Some(&self.primary), fallback].into_iter().flatten().find(|policy| policy.format.kind() == kind)
    }
}
