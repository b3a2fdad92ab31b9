//! The secret of a link on its way to the form: it moves from the address bar into a cookie, so that no address, no
//! history and no `Referer` has it while the form is open (R34).

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};
use reset_core::{encoding::hex, secret::TicketSecret, ticket::TicketState, time::Timestamp};
use sha2::{Digest, Sha256};

use reset_http::redemption::{ParseError, Redemption};

use super::{
    Pages,
    shell::{Visit, cookie, cookies},
};

/// The cookie that holds a secret while its form is open, with the tag at its end, and for how long. Each has its own, so
/// that the forms of several tabs do not take one another's place.
const SECRET: &str = "polyreset-reset-";
const SECRET_AGE: u32 = 15 * 60;
/// Most secrets that wait in a browser at a time: their cookies all come with each request.
const SECRETS: usize = 4;
/// The cookie that has the tag of the secret that set a password just now: whoever loads its page again is told so.
const DONE: &str = "polyreset-done";
/// Longest secret that is taken into a cookie: a token of worthai's has about 400 characters.
const SECRET_MAX: usize = 2048;

/// Why there is no form for a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dead {
    /// It is none of ours.
    Unknown,
    /// Its time is over.
    Expired,
    /// It has set a password.
    Spent,
    /// A newer one or another reset took its place.
    Void,
    /// One of these, as its dialect says.
    Over,
    /// The browser has not brought it.
    Lost,
}

/// A secret that waits in the cookie.
pub(super) struct Held<'a> {
    pub(super) redemption: &'a Redemption,
    pub(super) secret: TicketSecret,
}

impl Dead {
    /// Why no cookie has the secret of this tag.
    pub(super) fn without_cookie(headers: &HeaderMap, tag: &str) -> Self {
        let done = cookie(headers, DONE);
        if !tag.is_empty() && done.as_deref() == Some(tag) { Self::Spent } else { Self::Lost }
    }

    /// Why a ticket in this state sets no password.
    pub(super) fn of(state: Option<TicketState>) -> Self {
        match state {
            // One of ours, and forgotten since.
            None => Self::Over,
            Some(TicketState::Expired) => Self::Expired,
            Some(TicketState::Spent) => Self::Spent,
            // Live and refused all the same: the account is another one since.
            Some(TicketState::Void | TicketState::Live) => Self::Void,
        }
    }
}

/// What a query brings.
pub(super) enum Arrival {
    /// A secret of ours: the answer that sends its bearer on.
    Onward(Response<Bytes>),
    /// Something in the place of a secret.
    Dead(Dead),
    /// No secret.
    Without,
}

impl Pages {
    /// A visitor who comes by a link.
    pub(super) fn arrive(
        &self,
        visit: &Visit<'_>,
        headers: &HeaderMap,
        presented: &[(impl AsRef<str>, impl AsRef<str>)],
        now: Timestamp,
    ) -> Arrival {
        let mut arrival = Arrival::Without;
        for (parameter, text) in presented {
            let text = text.as_ref();
            if self.redemptions.iter().any(|redemption| redemption.has_refused((parameter.as_ref(), text))) {
                return Arrival::Dead(Dead::Over);
            }
            for redemption in
                self.redemptions.iter().filter(|redemption| redemption.is_for(parameter.as_ref()))
            {
                let opened = if text.len() > SECRET_MAX {
                    Err(ParseError::Unknown)
                } else {
                    redemption.parse_link(text, now)
                };
                match opened {
                    Ok(_) => {
                        let tag = tag(redemption.dialect, text);
                        let mut response = visit.onward(&onward(&tag));
                        let held = self.hold(&tag, redemption.dialect, text);
                        for cookie in self.crowded_out(headers, &tag).into_iter().chain([held]) {
                            response.headers_mut().append(header::SET_COOKIE, cookie);
                        }
                        return Arrival::Onward(response);
                    }
                    Err(ParseError::Expired) => arrival = Arrival::Dead(Dead::Expired),
                    Err(ParseError::Unknown) if matches!(arrival, Arrival::Without) => {
                        arrival = Arrival::Dead(Dead::Unknown);
                    }
                    Err(ParseError::Unknown) => {}
                }
            }
        }
        arrival
    }

    /// The secret of this tag, which a cookie holds; nothing where there is no such cookie.
    pub(super) fn held(
        &self,
        headers: &HeaderMap,
        tag: &str,
        now: Timestamp,
    ) -> Option<Result<Held<'_>, Dead>> {
        let held = cookie(headers, &format!("{SECRET}{tag}"))?;
        // The cookie has to be what its name says: another site of our domain may have set it.
        let whole = held.split_once('.').filter(|(dialect, text)| self::tag(dialect, text) == tag);
        let Some((dialect, text)) = whole else { return Some(Err(Dead::Unknown)) };
        Some(self.opened(dialect, text, now))
    }

    fn opened(&self, dialect: &str, text: &str, now: Timestamp) -> Result<Held<'_>, Dead> {
        let mut reason = Dead::Unknown;
        for redemption in self.redemptions.iter().filter(|redemption| redemption.dialect == dialect) {
            match redemption.parse_link(text, now) {
                Ok(secret) => return Ok(Held { redemption, secret }),
                Err(ParseError::Expired) => reason = Dead::Expired,
                Err(ParseError::Unknown) => {}
            }
        }
        Err(reason)
    }

    /// The cookie that holds a secret.
    pub(super) fn hold(&self, tag: &str, dialect: &str, secret: &str) -> HeaderValue {
        let (name, value) = (format!("{SECRET}{tag}"), format!("{dialect}.{secret}"));
        self.cookie(&name, &value, "/reset", "Strict", SECRET_AGE)
    }

    /// The cookie's end.
    pub(super) fn let_go(&self, tag: &str) -> HeaderValue {
        self.cookie(&format!("{SECRET}{tag}"), "", "/reset", "Strict", 0)
    }

    /// The ends of the cookies that are too many once there is one more. Browsers send the oldest first.
    fn crowded_out(&self, headers: &HeaderMap, tag: &str) -> Vec<HeaderValue> {
        let tags = cookies(headers).filter_map(|(name, _)| name.strip_prefix(SECRET));
        let tags: Vec<&str> = tags.filter(|other| *other != tag && is_tag(other)).collect();
        let most = tags.len().saturating_sub(SECRETS - 1);
        tags.into_iter().take(most).map(|tag| self.let_go(tag)).collect()
    }

    /// The cookie that says that the secret of this tag has done its work.
    pub(super) fn remember_done(&self, tag: &str) -> HeaderValue {
        self.cookie(DONE, tag, "/reset", "Strict", SECRET_AGE)
    }
}

/// Where a visitor goes on without the secret. The query says which cookie is expected there.
pub(super) fn onward(tag: &str) -> String {
    format!("reset?by=link&link={tag}")
}

/// What stands for a link's secret in an address and in a form: they are no place for the secret itself.
pub(super) fn tag(dialect: &str, secret: &str) -> String {
    hex(&Sha256::new().chain_update(dialect).chain_update([0]).chain_update(secret).finalize()[..8])
}

/// Whether this could be a tag, and so a part of a cookie's name.
pub(super) fn is_tag(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
