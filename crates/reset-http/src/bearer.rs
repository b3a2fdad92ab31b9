//! The token that a listener for operators requires (RFC 6750).

use http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A token that every request must present, stored as a digest.
#[derive(Clone)]
pub struct BearerToken([u8; 32]);

impl BearerToken {
    /// Requires this token.
    pub fn new(token: &str) -> Self {
        Self(digest(token.as_bytes()))
    }

    /// Whether the request has exactly one `Authorization` header, and it is `Bearer` with this token. The comparison
    /// takes the same time wherever the tokens differ, and whatever their lengths.
    pub(crate) fn is_in(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return false };
        let Some((scheme, token)) = value.as_bytes().split_at_checked(b"bearer ".len()) else { return false };
        scheme.eq_ignore_ascii_case(b"bearer ") && bool::from(digest(token).ct_eq(&self.0))
    }
}

fn digest(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(values: &[&str]) -> bool {
        let token = BearerToken::new("dG9rZW4tb2YtdGVzdHM");
        let headers = values.iter().map(|value| (header::AUTHORIZATION, value.parse().unwrap()));
        token.is_in(&headers.collect())
    }

    #[test]
    fn one_header_with_exactly_the_token_is_accepted() {
        for scheme in ["Bearer", "bearer", "BEARER"] {
            assert!(accepts(&[&format!("{scheme} dG9rZW4tb2YtdGVzdHM")]), "{scheme}");
        }
        for values in [
            &[][..],
            &[""],
            &["Bearer"],
            &["Bearer "],
            &["dG9rZW4tb2YtdGVzdHM"],
            &["Basic dG9rZW4tb2YtdGVzdHM"],
            &["Bearer dG9rZW4tb2YtdGVzdHN"],
            &["Bearer dG9rZW4tb2YtdGVzdHM="],
            &["Bearer dG9rZW4tb2YtdGVzdH"],
            &["Bearer  dG9rZW4tb2YtdGVzdHM"],
            &["Bearer dG9rZW4tb2YtdGVzdHM, Bearer dG9rZW4tb2YtdGVzdHM"],
            &["Bearer DG9RZW4TB2YTDGVZDHM"],
            &["Bearer dG9rZW4tb2YtdGVzdHM", "Bearer dG9rZW4tb2YtdGVzdHM"],
            &["Bearer x", "Bearer dG9rZW4tb2YtdGVzdHM"],
        ] {
            assert!(!accepts(values), "{values:?}");
        }
    }
}
