//! Issue policies: the format, lifetime and delivery of one dialect's tickets.

use std::{sync::Arc, time::Duration};

use zeroize::Zeroizing;

use crate::{
    encoding::base64_url,
    mail::MailBody,
    secret::{Scope, SecretFormat},
    ticket::{Ticket, TicketKind},
};

/// How one dialect issues and mails one kind of ticket.
#[derive(Clone)]
pub struct IssuePolicy {
    /// The format of the secret.
    pub format: Arc<dyn SecretFormat>,
    /// The scope in which secrets are unique.
    pub scope: Scope,
    /// The lifetime of a ticket.
    pub lifetime: Duration,
    /// How the secret is mailed.
    pub delivery: Delivery,
}

impl IssuePolicy {
    /// Returns whether its secrets are codes that identify the ticket on their own, so that codes of two accounts can
    /// collide (R11).
    pub(crate) fn is_global_code(&self) -> bool {
        self.scope == Scope::Global && self.format.kind() != TicketKind::Token
    }
}

/// How a secret is presented in the mail.
#[derive(Clone)]
pub enum Delivery {
    /// As a code to type.
    Code,
    /// As the query parameter of a link.
    Link {
        /// The page to open; its URL can already have a query. It comes from settings only (R31).
        page: String,
        /// Name of the query parameter that carries the secret.
        parameter: &'static str,
    },
    /// As the query parameter of a link to a page that redirects to the request's target. A request without a target
    /// gets a link to another page, which sets the password itself.
    LinkViaRedirect {
        /// The page that redirects to the target.
        page: String,
        /// The page for requests without a target.
        otherwise: String,
        /// Name of the query parameter that carries the secret.
        parameter: &'static str,
    },
    /// As a link that names the account, too.
    LinkTemplate {
        /// The URL, in which `{uid}` stands for the account id in URL-safe Base64 and `{token}` for the secret. It
        /// comes from settings only (R31).
        url: String,
    },
}

impl Delivery {
    /// Composes the body of the mail for `ticket`, whose secret is `text`. Secrets consist of ASCII letters, digits,
    /// `.`, `-` and `_`, so the URL needs no escaping.
    pub(crate) fn body(&self, text: Zeroizing<String>, lifetime: Duration, ticket: &Ticket) -> MailBody {
        let (page, parameter) = match self {
            Self::Code => return MailBody::ResetCode { code: text, lifetime },
            Self::LinkTemplate { url } => {
                let uid = base64_url(ticket.account.as_str().as_bytes());
                let url = Zeroizing::new(url.replace("{uid}", &uid).replace("{token}", &text));
                return MailBody::ResetLink { url, lifetime };
            }
            Self::Link { page, parameter } => (page, parameter),
            Self::LinkViaRedirect { page, parameter, .. } if ticket.redirect_to.is_some() => {
                (page, parameter)
            }
            Self::LinkViaRedirect { otherwise, parameter, .. } => (otherwise, parameter),
        };
        let url = Zeroizing::new(format!("{page}{}{parameter}={}", separator(page), text.as_str()));
        MailBody::ResetLink { url, lifetime }
    }

    /// Returns whether the mail can carry a redirect target; a typed code and a template cannot.
    pub(crate) fn carries_redirect(&self) -> bool {
        !matches!(self, Self::Code | Self::LinkTemplate { .. })
    }
}

/// Returns the character between the URL of a page and a further parameter. A page with a fragment has a router that reads
/// its parameters there.
pub fn separator(page: &str) -> char {
    let read = page.split_once('#').map_or(page, |(_, route)| route);
    if read.contains('?') { '&' } else { '?' }
}

/// The issue policies of one dialect.
#[derive(Clone)]
pub struct IssuePolicies {
    /// Name of the dialect.
    pub dialect: &'static str,
    /// The policy that normally applies.
    pub primary: IssuePolicy,
    /// The policy that applies instead while too many guessable codes are live (px0), or after too many wrong guesses
    /// (px0 and InsForge).
    pub fallback: Option<FallbackPolicy>,
}

/// When a dialect temporarily stops mailing guessable codes, and the policy that then applies.
#[derive(Clone)]
pub struct FallbackPolicy {
    /// Maximum live tickets of the primary kind. `None` if each guess names its account, because then their number
    /// does not matter.
    pub max_live: Option<u64>,
    /// The policy beyond that limit, and while a budget of wrong guesses is used up.
    pub policy: IssuePolicy,
}

impl IssuePolicies {
    /// Returns the policy for tickets of `kind`, if the dialect issues such tickets.
    pub(crate) fn of(&self, kind: TicketKind) -> Option<&IssuePolicy> {
        let fallback = self.fallback.as_ref().map(|fallback| &fallback.policy);
        [Some(&self.primary), fallback].into_iter().flatten().find(|policy| policy.format.kind() == kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_follows_the_query_of_the_page_or_of_its_route() {
        for (page, expected) in [
            ("https://a.org/reset", '?'),
            ("https://a.org/reset?lang=de", '&'),
            ("https://a.org/#/reset", '?'),
            ("https://a.org/?lang=de#/reset", '?'),
            ("https://a.org/#/reset?lang=de", '&'),
            ("myapp://reset", '?'),
        ] {
            assert_eq!(separator(page), expected, "{page}");
        }
    }
}
