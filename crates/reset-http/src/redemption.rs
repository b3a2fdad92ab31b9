//! How each dialect's secrets reach the hosted page, and which password policy then applies.

use std::sync::Arc;

use reset_core::{
    password::Policy,
    secret::{SecretFormat, TicketSecret},
    time::Timestamp,
};
use zeroize::Zeroizing;

/// Parses a presented secret and checks its tag or signature, before any database query.
pub type ParseSecret = Arc<dyn Fn(&str, Timestamp) -> Result<TicketSecret, ParseError> + Send + Sync>;

/// Why a secret could not be parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// Not a secret of this dialect.
    Unknown,
    /// The secret carries its own expiry time, and has expired.
    Expired,
}

/// One way to redeem a dialect's secrets on the hosted page.
#[derive(Clone)]
pub struct Redemption {
    /// Name of the dialect.
    pub dialect: &'static str,
    /// Its password policy.
    pub policy: Policy,
    /// What the user presents: a link or a code.
    pub kind: RedemptionKind,
}

/// What the user presents: a link or a code.
#[derive(Clone)]
pub enum RedemptionKind {
    /// A secret in the query of a link.
    Link {
        /// Name of the query parameter that carries it.
        parameter: &'static str,
        /// Parses the secret and checks its tag or signature.
        parse: ParseSecret,
        /// Name and value of a query parameter that replaces the secret when the dialect itself has rejected the link.
        refused: Option<(&'static str, &'static str)>,
    },
    /// A code that sets a password directly.
    Code(ParseSecret),
    /// A code that must be exchanged for a token first.
    Exchange {
        /// Parses the code.
        parse: ParseSecret,
        /// Maximum number of guesses per code.
        max_attempts: u32,
        /// Format of the token.
        format: Arc<dyn SecretFormat>,
        /// Lifetime of the token.
        lifetime: std::time::Duration,
    },
}

impl Redemption {
    /// Parses the secret of a link.
    ///
    /// # Errors
    /// [`ParseError::Unknown`] for a redemption by code. Otherwise the error of the dialect's parser.
    pub fn parse_link(&self, text: &str, now: Timestamp) -> Result<TicketSecret, ParseError> {
        match &self.kind {
            RedemptionKind::Link { parse, .. } => parse(text, now),
            RedemptionKind::Code(_) | RedemptionKind::Exchange { .. } => Err(ParseError::Unknown),
        }
    }

    /// Whether its links carry the secret in the query parameter `name`.
    pub fn uses_parameter(&self, name: &str) -> bool {
        matches!(&self.kind, RedemptionKind::Link { parameter, .. } if *parameter == name)
    }

    /// Whether this query parameter marks a link that the dialect has rejected.
    pub fn has_refused(&self, pair: (&str, &str)) -> bool {
        matches!(&self.kind, RedemptionKind::Link { refused: Some(refused), .. } if *refused == pair)
    }

    /// Parses a code.
    pub fn parse_code(&self, text: &str, now: Timestamp) -> Option<TicketSecret> {
        match &self.kind {
            RedemptionKind::Link { .. } => None,
            RedemptionKind::Code(parse) | RedemptionKind::Exchange { parse, .. } => parse(text, now).ok(),
        }
    }

    /// Whether users redeem it with a code.
    pub fn takes_codes(&self) -> bool {
        !matches!(self.kind, RedemptionKind::Link { .. })
    }
}

/// Normalizes a typed code: removes spaces and hyphens and, in a code of six characters, replaces O by 0, I and L by 1
/// (as Crockford's Base32 does) and full-width digits by ASCII digits.
pub fn normalize_code(typed: &str) -> Zeroizing<String> {
    let plain: Zeroizing<String> =
        Zeroizing::new(typed.chars().filter(|c| !c.is_whitespace() && !"-‐‑–—".contains(*c)).collect());
    if plain.chars().count() != 6 {
        return plain;
    }
    let digit = |c: char| match c {
        'o' | 'O' => '0',
        'i' | 'I' | 'l' | 'L' => '1',
        // Japanese and Chinese keyboards produce full-width digits.
        '\u{FF10}'..='\u{FF19}' => char::from_digit(u32::from(c) - 0xFF10, 10).unwrap_or(c),
        other => other,
    };
    Zeroizing::new(plain.chars().map(digit).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_codes_are_normalized() {
        for (typed, normalized) in [
            ("012345", "012345"),
            (" 012 345 ", "012345"),
            ("012-345", "012345"),
            ("O12345", "012345"),
            ("oi2l45", "012145"),
            ("０１２３４５", "012345"),
            ("ABCD-EFGH-JKMN-P", "ABCDEFGHJKMNP"),
            ("", ""),
        ] {
            assert_eq!(*normalize_code(typed), normalized, "{typed}");
        }
    }
}
