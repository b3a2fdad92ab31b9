//! Moves the secret of a link from the address bar into a cookie, so that neither the URL, the browser history nor a
//! `Referer` header contains it while the form is open (R34).

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};
use reset_core::{encoding::hex, secret::TicketSecret, ticket::TicketState, time::Timestamp};
use sha2::{Digest, Sha256};

use reset_http::redemption::{ParseError, Redemption};

use super::{
    Pages,
    cookies::{cookie, cookies, is_tag},
    shell::Visit,
};

/// Prefix of the cookies that hold the secrets of open forms; the tag of the secret follows. Every secret has its own
/// cookie, so that the forms of several tabs do not overwrite each other's secret.
const SECRET_COOKIE: &str = "polyreset-reset-";
/// `Max-Age` of these cookies in seconds.
const SECRET_COOKIE_AGE: u32 = 15 * 60;
/// Maximum number of these cookies per browser. The browser sends all of them with each request.
const SECRET_COOKIES_MAX: usize = 4;
/// Cookie with the tag of the secret that set a password last. If its page is reloaded, the message says that the
/// link was used, not that cookies are missing.
const DONE_COOKIE: &str = "polyreset-done";
/// Path of these cookies below the public URL.
const PATH: &str = "/reset";
/// Maximum length of a secret in a cookie. A worthai token has about 400 characters.
const SECRET_MAX: usize = 2048;

/// Why a link cannot set a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeadLink {
    /// No dialect issued the secret.
    Unknown,
    /// The secret has expired.
    Expired,
    /// The secret was already used.
    Spent,
    /// A newer secret or another reset replaced it.
    Void,
    /// Expired, used or replaced: the dialect does not say which, or the ticket has been purged.
    Ended,
    /// The browser did not send the cookie.
    CookieMissing,
    /// This browser has set the password with it.
    Done,
}

/// A secret read from its cookie, and the redemption that it belongs to.
pub(super) struct HeldSecret<'a> {
    pub(super) redemption: &'a Redemption,
    pub(super) secret: TicketSecret,
}

impl DeadLink {
    /// Returns the reason why a ticket in this state sets no password; `None` is a purged ticket.
    pub(super) fn from_state(state: Option<TicketState>) -> Self {
        match state {
            // The secret is genuine, but its ticket has been purged.
            None => Self::Ended,
            Some(TicketState::Expired) => Self::Expired,
            Some(TicketState::Spent) => Self::Spent,
            // A live ticket is rejected if its account has changed since it was issued.
            Some(TicketState::Void | TicketState::Live) => Self::Void,
        }
    }
}

/// What the query of a request contains.
pub(super) enum LinkQuery {
    /// A valid secret. The response stores it in a cookie and makes the browser load the form.
    Secret(Response<Bytes>),
    /// An invalid secret, or the marker of a link that its dialect has rejected.
    Dead(DeadLink),
    /// No secret.
    Absent,
}

impl Pages {
    /// Returns the reason why the secret with this tag has no cookie.
    pub(super) fn without_cookie(&self, headers: &HeaderMap, tag: &str) -> DeadLink {
        if self.has_used(headers, tag) { DeadLink::Done } else { DeadLink::CookieMissing }
    }

    /// Whether this browser has set a password with the secret of this tag.
    pub(super) fn has_used(&self, headers: &HeaderMap, tag: &str) -> bool {
        let done = cookie(headers, &self.cookie_name(DONE_COOKIE, PATH));
        !tag.is_empty() && done.as_deref() == Some(tag)
    }

    /// Looks for the secret of a link in the query. A valid secret moves into a cookie.
    pub(super) fn take_secret_from_query(
        &self,
        visit: &Visit<'_>,
        headers: &HeaderMap,
        presented: &[(impl AsRef<str>, impl AsRef<str>)],
        now: Timestamp,
    ) -> LinkQuery {
        let mut outcome = LinkQuery::Absent;
        for (parameter, text) in presented {
            let text = text.as_ref();
            if self.redemptions.iter().any(|redemption| redemption.has_refused((parameter.as_ref(), text))) {
                return LinkQuery::Dead(DeadLink::Ended);
            }
            for redemption in
                self.redemptions.iter().filter(|redemption| redemption.uses_parameter(parameter.as_ref()))
            {
                let (text, parsed) = parse_pasted(redemption, text, now);
                match parsed {
                    Ok(_) => {
                        let tag = link_tag(redemption.dialect, text);
                        let mut response = visit.refresh_to(&form_url(&tag));
                        let secret = self.secret_cookie(&tag, redemption.dialect, text);
                        for cookie in self.evicted_cookies(headers, &tag).into_iter().chain([secret]) {
                            response.headers_mut().append(header::SET_COOKIE, cookie);
                        }
                        return LinkQuery::Secret(response);
                    }
                    Err(ParseError::Expired) => outcome = LinkQuery::Dead(DeadLink::Expired),
                    Err(ParseError::Unknown) if matches!(outcome, LinkQuery::Absent) => {
                        outcome = LinkQuery::Dead(DeadLink::Unknown);
                    }
                    Err(ParseError::Unknown) => {}
                }
            }
        }
        outcome
    }

    /// Reads the secret with this tag from its cookie. Returns `None` if there is no such cookie.
    pub(super) fn held_secret(
        &self,
        headers: &HeaderMap,
        tag: &str,
        now: Timestamp,
    ) -> Option<Result<HeldSecret<'_>, DeadLink>> {
        let value = cookie(headers, &self.cookie_name(&format!("{SECRET_COOKIE}{tag}"), PATH))?;
        // Check the value against the tag: another site on the same domain may have set the cookie.
        let genuine = value.split_once('.').filter(|(dialect, text)| link_tag(dialect, text) == tag);
        let Some((dialect, text)) = genuine else { return Some(Err(DeadLink::Unknown)) };
        Some(self.parse_held(dialect, text, now))
    }

    fn parse_held(&self, dialect: &str, text: &str, now: Timestamp) -> Result<HeldSecret<'_>, DeadLink> {
        let mut reason = DeadLink::Unknown;
        for redemption in self.redemptions.iter().filter(|redemption| redemption.dialect == dialect) {
            match redemption.parse_link(text, now) {
                Ok(secret) => return Ok(HeldSecret { redemption, secret }),
                Err(ParseError::Expired) => reason = DeadLink::Expired,
                Err(ParseError::Unknown) => {}
            }
        }
        Err(reason)
    }

    /// Builds the cookie that holds a secret.
    pub(super) fn secret_cookie(&self, tag: &str, dialect: &str, secret: &str) -> HeaderValue {
        let (name, value) = (format!("{SECRET_COOKIE}{tag}"), format!("{dialect}.{secret}"));
        self.cookie(&name, &value, PATH, "Strict", SECRET_COOKIE_AGE)
    }

    /// Builds the cookie that deletes the secret cookie with this tag.
    pub(super) fn expired_cookie(&self, tag: &str) -> HeaderValue {
        self.cookie(&format!("{SECRET_COOKIE}{tag}"), "", PATH, "Strict", 0)
    }

    /// Builds the cookies that delete the oldest secret cookies, so that one more fits within the maximum. Browsers
    /// send the oldest cookie first.
    fn evicted_cookies(&self, headers: &HeaderMap, tag: &str) -> Vec<HeaderValue> {
        let start = self.cookie_name(SECRET_COOKIE, PATH);
        let tags = cookies(headers).filter_map(|(name, _)| name.strip_prefix(start.as_str()));
        let tags: Vec<&str> = tags.filter(|other| *other != tag && is_tag(other)).collect();
        let excess = tags.len().saturating_sub(SECRET_COOKIES_MAX - 1);
        tags.into_iter().take(excess).map(|tag| self.expired_cookie(tag)).collect()
    }

    /// Builds the cookie that records that the secret with this tag has set a password.
    pub(super) fn done_cookie(&self, tag: &str) -> HeaderValue {
        self.cookie(DONE_COOKIE, tag, PATH, "Strict", SECRET_COOKIE_AGE)
    }
}

/// Parses the secret of a link as people paste it: if it is none, once more without the punctuation that a chat or a text
/// left behind it, such as `.` or `)`. No secret ends in such a character.
fn parse_pasted<'a>(
    redemption: &Redemption,
    text: &'a str,
    now: Timestamp,
) -> (&'a str, Result<TicketSecret, ParseError>) {
    let clean = text.trim_end_matches(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_');
    let parse = |text: &str| {
        if text.len() > SECRET_MAX { Err(ParseError::Unknown) } else { redemption.parse_link(text, now) }
    };
    match parse(text) {
        Err(ParseError::Unknown) if clean.len() < text.len() => (clean, parse(clean)),
        parsed => (text, parsed),
    }
}

/// Returns the URL of the form for the secret with this tag. It names the cookie that the form needs, not the secret.
pub(super) fn form_url(tag: &str) -> String {
    format!("reset?by=link&link={tag}")
}

/// Returns the tag that identifies a link's secret in URLs and forms, which must not contain the secret itself: a
/// truncated SHA-256 digest of 16 hexadecimal digits.
pub(super) fn link_tag(dialect: &str, secret: &str) -> String {
    hex(&Sha256::new().chain_update(dialect).chain_update([0]).chain_update(secret).finalize()[..8])
}
