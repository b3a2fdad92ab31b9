//! Recipes: how one dialect's tickets are made, how long they live, and how their secrets travel.

use std::{sync::Arc, time::Duration};

use zeroize::Zeroizing;

use crate::{
    mail::MailBody,
    secret::{Scope, Shape},
    ticket::TicketKind,
};

/// How one kind of ticket of one dialect is made and mailed.
#[derive(Clone)]
pub struct Recipe {
    /// The form of the secret.
    pub shape: Arc<dyn Shape>,
    /// What the secret has to be distinct from.
    pub scope: Scope,
    /// How long a ticket lives.
    pub life: Duration,
    /// How the secret travels.
    pub carriage: Carriage,
}

impl Recipe {
    /// Whether its secrets are codes that alone find their ticket, so that two accounts' may meet (R11).
    pub(crate) fn is_code_for_all(&self) -> bool {
        self.scope == Scope::Global && self.shape.kind() != TicketKind::Token
    }
}

/// How a secret travels by mail.
#[derive(Clone)]
pub enum Carriage {
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
    LinkOnward {
        /// The page that leads on.
        page: String,
        /// The page for asks without a target.
        otherwise: String,
        /// Name of the query parameter that carries the secret.
        parameter: &'static str,
    },
}

impl Carriage {
    /// What the mail says of a ticket with the target `redirect_to`. Secrets are ASCII letters, digits, `.`, `-` and
    /// `_`: no escaping is needed.
    pub(crate) fn body(
        &self,
        text: Zeroizing<String>,
        life: Duration,
        redirect_to: Option<&str>,
    ) -> MailBody {
        let (page, parameter) = match self {
            Self::Code => return MailBody::ResetCode { code: text, life },
            Self::Link { page, parameter } => (page, parameter),
            Self::LinkOnward { page, parameter, .. } if redirect_to.is_some() => (page, parameter),
            Self::LinkOnward { otherwise, parameter, .. } => (otherwise, parameter),
        };
        let joint = if page.contains('?') { '&' } else { '?' };
        let url = Zeroizing::new(format!("{page}{joint}{parameter}={}", text.as_str()));
        MailBody::ResetLink { url, life }
    }

    /// Whether it leads on to a target: what is typed does not.
    pub(crate) fn leads_on(&self) -> bool {
        !matches!(self, Self::Code)
    }
}

/// What the worker mails for one dialect.
#[derive(Clone)]
pub struct Recipes {
    /// Name of the dialect.
    pub dialect: &'static str,
    /// What is mailed as a rule.
    pub usual: Recipe,
    /// What is mailed instead while too many guessable codes are live (px0, security.md B3), or too many wrong ones
    /// were tried (px0 and InsForge, B3 and B4).
    pub crowded: Option<Crowded>,
}

/// When a dialect's guessable codes are mailed no more for a while, and what is mailed then.
#[derive(Clone)]
pub struct Crowded {
    /// Most live tickets of the usual kind; `None` where each guess names its account, so that their number does not
    /// matter.
    pub most_live: Option<u64>,
    /// What is mailed beyond that, and while the budgets of wrong guesses have no room.
    pub recipe: Recipe,
}

impl Recipes {
    /// The recipe for tickets of `kind`, if the dialect mails any.
    pub(crate) fn of(&self, kind: TicketKind) -> Option<&Recipe> {
        let crowded = self.crowded.as_ref().map(|crowded| &crowded.recipe);
        [Some(&self.usual), crowded].into_iter().flatten().find(|recipe| recipe.shape.kind() == kind)
    }
}
