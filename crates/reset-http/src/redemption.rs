//! Doors: how the secrets of each dialect come to the page, and what it asks of a new password.

use std::sync::Arc;

use reset_core::{
    password::Policy,
    secret::{SecretFormat, TicketSecret},
    time::Timestamp,
};

/// Reads what somebody presents, before any query.
pub type ParseSecret = Arc<dyn Fn(&str, Timestamp) -> Result<TicketSecret, ParseError> + Send + Sync>;

/// Why nothing was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// It is none of the dialect's secrets.
    Unknown,
    /// It says itself that its time is over.
    Expired,
}

/// One way in.
#[derive(Clone)]
pub struct Redemption {
    /// Name of the dialect.
    pub dialect: &'static str,
    /// Its rules for a new password.
    pub policy: Policy,
    /// What is presented, and how.
    pub kind: RedemptionKind,
}

/// What is presented, and how.
#[derive(Clone)]
pub enum RedemptionKind {
    /// A secret at the end of a link.
    Link {
        /// Name of the query parameter that carries it.
        parameter: &'static str,
        /// Reads it: its tag or signature is judged before any query.
        parse: ParseSecret,
        /// What the query says instead where the dialect has judged the link before, and it is good no more.
        refused: Option<(&'static str, &'static str)>,
    },
    /// A code to type, which sets a password as it is.
    Code(ParseSecret),
    /// A code to type, which becomes a token first.
    Exchange {
        /// Reads it.
        parse: ParseSecret,
        /// Most guesses for one code.
        max_attempts: u32,
        /// The form of the token.
        format: Arc<dyn SecretFormat>,
        /// How long the token lives.
        lifetime: std::time::Duration,
    },
}

impl Redemption {
    /// Reads a secret that came by a link.
    pub fn parse_link(&self, text: &str, now: Timestamp) -> Result<TicketSecret, ParseError> {
        match &self.kind {
            RedemptionKind::Link { parse, .. } => parse(text, now),
            RedemptionKind::Code(_) | RedemptionKind::Exchange { .. } => Err(ParseError::Unknown),
        }
    }

    /// Whether its links carry the secret as `parameter`.
    pub fn is_for(&self, parameter: &str) -> bool {
        matches!(&self.kind, RedemptionKind::Link { parameter: own, .. } if *own == parameter)
    }

    /// Whether this pair of a query says that one of its links is good no more.
    pub fn has_refused(&self, pair: (&str, &str)) -> bool {
        matches!(&self.kind, RedemptionKind::Link { refused: Some(refused), .. } if *refused == pair)
    }

    /// Reads a code.
    pub fn parse_code(&self, text: &str, now: Timestamp) -> Option<TicketSecret> {
        match &self.kind {
            RedemptionKind::Link { .. } => None,
            RedemptionKind::Code(parse) | RedemptionKind::Exchange { parse, .. } => parse(text, now).ok(),
        }
    }

    /// Whether it takes codes.
    pub fn takes_codes(&self) -> bool {
        !matches!(self.kind, RedemptionKind::Link { .. })
    }
}

/// A code as it was meant: people type spaces and hyphens, and O for 0 or I for 1 (Crockford's readings). What is
/// left of six digits is digits.
pub fn as_meant(typed: &str) -> String {
    let plain: String = typed.chars().filter(|c| !c.is_whitespace() && !"-‐‑–—".contains(*c)).collect();
    if plain.chars().count() != 6 {
        return plain;
    }
    let digit = |c: char| match c {
        'o' | 'O' => '0',
        'i' | 'I' | 'l' | 'L' => '1',
        // Full-width digits, as Japanese and Chinese keyboards write them.
        '\u{FF10}'..='\u{FF19}' => char::from_digit(u32::from(c) - 0xFF10, 10).unwrap_or(c),
        other => other,
    };
    plain.chars().map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_it_was_meant() {
        for (typed, meant) in [
            ("012345", "012345"),
            (" 012 345 ", "012345"),
            ("012-345", "012345"),
            ("O12345", "012345"),
            ("oi2l45", "012145"),
            ("０１２３４５", "012345"),
            ("ABCD-EFGH-JKMN-P", "ABCDEFGHJKMNP"),
            ("", ""),
        ] {
            assert_eq!(as_meant(typed), meant, "{typed}");
        }
    }
}
