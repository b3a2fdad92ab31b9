//! The secret of a link on its way to the form: it moves from the address bar into a cookie, so that no address, no
//! history and no `Referer` has it while the form is open (R34).

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};
use reset_core::{notation::hex, secret::TicketSecret, ticket::TicketState, time::Timestamp};
use sha2::{Digest, Sha256};

use super::{
    Pages,
    door::{Door, Unread},
    reset::LINK,
    shell::{Visit, cookie},
};

/// The cookie that holds the secret while the form is open, and for how long.
const SECRET: &str = "polyreset-reset";
const SECRET_AGE: u32 = 15 * 60;
/// The cookie that says that a password was set in this browser just now: whoever loads the page again is told so.
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
    /// Another link was opened since the form was.
    Other,
}

/// A secret that waits in the cookie.
pub(super) struct Held<'a> {
    pub(super) door: &'a Door,
    pub(super) secret: TicketSecret,
    /// What the form says so that it sets no password by another link than its own.
    pub(super) tag: String,
}

impl Dead {
    /// Why there is no secret in the cookie.
    pub(super) fn without_cookie(headers: &HeaderMap) -> Self {
        if cookie(headers, DONE).is_some() { Self::Spent } else { Self::Lost }
    }

    /// Why a ticket in this state sets no password.
    pub(super) fn of(state: Option<TicketState>) -> Self {
        match state {
            None => Self::Unknown,
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
        presented: &[(impl AsRef<str>, impl AsRef<str>)],
        now: Timestamp,
    ) -> Arrival {
        let mut arrival = Arrival::Without;
        for (parameter, text) in presented {
            let text = text.as_ref();
            if self.doors.iter().any(|door| door.has_refused((parameter.as_ref(), text))) {
                return Arrival::Dead(Dead::Over);
            }
            for door in self.doors.iter().filter(|door| door.is_for(parameter.as_ref())) {
                let opened =
                    if text.len() > SECRET_MAX { Err(Unread::Unknown) } else { door.open_link(text, now) };
                match opened {
                    Ok(_) => {
                        let mut response = visit.onward(LINK);
                        response.headers_mut().append(header::SET_COOKIE, self.hold(door.dialect, text));
                        return Arrival::Onward(response);
                    }
                    Err(Unread::Expired) => arrival = Arrival::Dead(Dead::Expired),
                    Err(Unread::Unknown) if matches!(arrival, Arrival::Without) => {
                        arrival = Arrival::Dead(Dead::Unknown);
                    }
                    Err(Unread::Unknown) => {}
                }
            }
        }
        arrival
    }

    /// The secret that the cookie holds; nothing where there is no cookie.
    pub(super) fn held(&self, headers: &HeaderMap, now: Timestamp) -> Option<Result<Held<'_>, Dead>> {
        cookie(headers, SECRET).map(|held| self.opened(&held, now))
    }

    fn opened(&self, held: &str, now: Timestamp) -> Result<Held<'_>, Dead> {
        let (dialect, text) = held.split_once('.').ok_or(Dead::Unknown)?;
        let mut reason = Dead::Unknown;
        for door in self.doors.iter().filter(|door| door.dialect == dialect) {
            match door.open_link(text, now) {
                Ok(secret) => return Ok(Held { door, secret, tag: tag(dialect, text) }),
                Err(Unread::Expired) => reason = Dead::Expired,
                Err(Unread::Unknown) => {}
            }
        }
        Err(reason)
    }

    /// The cookie that holds a secret.
    pub(super) fn hold(&self, dialect: &str, secret: &str) -> HeaderValue {
        self.cookie(SECRET, &format!("{dialect}.{secret}"), "/reset", "Strict", SECRET_AGE)
    }

    /// The cookie that says that it is done.
    pub(super) fn remember_done(&self) -> HeaderValue {
        self.cookie(DONE, "1", "/reset", "Strict", SECRET_AGE)
    }

    /// The cookie's end.
    pub(super) fn let_go(&self) -> HeaderValue {
        self.cookie(SECRET, "", "/reset", "Strict", 0)
    }
}

/// What stands for a link's secret in a form: the page is no place for the secret itself.
pub(super) fn tag(dialect: &str, secret: &str) -> String {
    hex(&Sha256::new().chain_update(dialect).chain_update([0]).chain_update(secret).finalize()[..8])
}
