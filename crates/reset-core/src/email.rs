//! Addresses, parsed once at the door and compared in one canonical form.
//!
//! The grammar is tighter than RFC 5321 on purpose (security.md R20-R22): one dot-atom ASCII local part,
//! one domain with a dot. Case is folded for ASCII only: Unicode case rules would let `mıke` meet `mike`
//! (CVE-2019-19844).

use std::fmt;

use thiserror::Error;

/// Longest local part in bytes (RFC 5321, 4.5.3.1.1).
const LOCAL_MAX: usize = 64;
/// Longest address in bytes (RFC 5321, 4.5.3.1.3, less the angle brackets).
const ADDRESS_MAX: usize = 254;

/// One mail address in canonical form: ASCII-lower local part, A-label domain in lower case.
///
/// Two addresses are the same account exactly when their keys are equal, byte for byte.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress {
    key: String,
}

/// The text is not one address that polyreset accepts. Which rule failed is nobody's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not an address that can be served")]
pub struct InvalidEmail;

impl EmailAddress {
    /// Reads one address; nothing is trimmed, unquoted or otherwise mended.
    ///
    /// # Errors
    /// [`InvalidEmail`] for everything else: lists, display names, quoted or routed local parts, address
    /// literals, domains without a dot, look-alike code points that a mapping would fold onto ASCII.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        if text.len() > ADDRESS_MAX {
            return Err(InvalidEmail);
        }
        let (local, domain) = text.split_once('@').ok_or(InvalidEmail)?;
        if !is_local_part(local) {
            return Err(InvalidEmail);
        }
        let domain = canonical_domain(domain).ok_or(InvalidEmail)?;
        let key = format!("{}@{domain}", local.to_ascii_lowercase());
        if key.len() > ADDRESS_MAX { Err(InvalidEmail) } else { Ok(Self { key }) }
    }

    /// The canonical form: what is compared, stored and indexed.
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// Prints the type alone: addresses never reach a log (R70).
impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress")
    }
}

/// A dot-atom, less what mail software has been fooled with: a leading `-` (options), `%` and `!`
/// (routing), `=?` (encoded words), `/` (paths).
fn is_local_part(local: &str) -> bool {
    let atom = |byte: u8| byte.is_ascii_alphanumeric() || b"#$&'*+-=?^_`{|}~".contains(&byte);
    !local.is_empty()
        && local.len() <= LOCAL_MAX
        && !local.starts_with('-')
        && !local.contains("=?")
        && local.split('.').all(|part| !part.is_empty() && part.bytes().all(atom))
}

/// The domain as lower-case A-labels, or nothing when it is not a plain host name.
fn canonical_domain(domain: &str) -> Option<String> {
    let ascii = if domain.is_ascii() { domain.to_ascii_lowercase() } else { a_labels(domain)? };
    let labels: Vec<&str> = ascii.split('.').collect();
    let plain = |label: &&str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let numeric_end = labels.last().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    let decodes =
        !labels.iter().any(|label| label.starts_with("xn--")) || idna::domain_to_unicode(&ascii).1.is_ok();
    (labels.len() >= 2 && labels.iter().all(plain) && !numeric_end && decodes).then_some(ascii)
}

/// Converts a Unicode domain, and refuses every input that the conversion had to map: U+212A would become
/// `k`, U+FF0E a dot, and a stranger's address somebody else's (R21).
fn a_labels(domain: &str) -> Option<String> {
    let ascii = idna::domain_to_ascii_strict(domain).ok()?;
    let (back, sound) = idna::domain_to_unicode(&ascii);
    (sound.is_ok() && back == domain.to_ascii_lowercase()).then_some(ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Option<String> {
        EmailAddress::parse(text).ok().map(|email| email.key)
    }

    #[test]
    fn ordinary_addresses_fold_ascii_case_and_nothing_else() {
        assert_eq!(key("Jo.Doe+Tag@Example.ORG").as_deref(), Some("jo.doe+tag@example.org"));
        assert_eq!(key("a+b'--@b.com").as_deref(), Some("a+b'--@b.com"));
        assert_eq!(key("a@faß.de").as_deref(), Some("a@xn--fa-hia.de"));
        assert_eq!(key("a@gmaıl.com").as_deref(), Some("a@xn--gmal-nza.com"));
        assert_eq!(key("a@xn--gmal-nza.com").as_deref(), Some("a@xn--gmal-nza.com"));
    }

    /// The vectors of security.md section F.
    #[test]
    fn addresses_that_libraries_accept_and_we_must_not_are_refused() {
        let long_local = format!("{}@b.com", "a".repeat(65));
        let long_domain = format!("a@{}.com", "b".repeat(300));
        let refused = [
            r#""a@evil.com x"@b.com"#,
            r#""a b"@b.com"#,
            "a@[127.0.0.1]",
            "a@127.0.0.1",
            "a@localhost",
            "=?utf-8?q?a?=@b.com",
            "mıke@example.org",
            "a%evil.com@b.com",
            "-oQ/tmp@b.com",
            "a@b.com,c@evil.com",
            "a@b.com;c@evil.com",
            "a@b.com\r\nBcc: c@evil.com",
            "a@b.com\n",
            "a\r\n@b.com",
            " a@b.com",
            "a@b.com ",
            "a\0@b.com",
            "a@b\0.com",
            "<a@b.com>",
            "a@b..com",
            "a@.b.com",
            "a@b.com.",
            ".a@b.com",
            "a.@b.com",
            "a..b@b.com",
            "@evil.com:a@b.com",
            "a@b.com@evil.com",
            "a@b.com>\r\nRCPT TO:<x@evil.com",
            "a@-b.com",
            "a@b-.com",
            "a@b_c.com",
            "a@xn--test-.example.com",
            "a",
            "@",
            "@b.com",
            "a@",
            "",
            &long_local,
            &long_domain,
        ];
        for text in refused {
            assert_eq!(key(text), None, "{text:?}");
        }
    }

    #[test]
    fn look_alikes_never_meet_their_ascii_twin() {
        for (sign, twin) in [
            ('\u{212A}', "k"),
            ('\u{0130}', "i"),
            ('ı', "i"),
            ('ſ', "s"),
            ('℀', "a/c"),
            ('ﬀ', "ff"),
            ('ｇ', "g"),
            ('。', "."),
        ] {
            for (odd, plain) in [
                (format!("x{sign}y@example.org"), format!("x{twin}y@example.org")),
                (format!("x@a{sign}b.org"), format!("x@a{twin}b.org")),
            ] {
                let (odd_key, plain_key) = (key(&odd), key(&plain));
                assert!(odd_key.is_none() || odd_key != plain_key, "{odd} met {plain}");
            }
        }
    }

    #[test]
    fn an_address_cannot_be_printed() {
        let email = EmailAddress::parse("canary@example.org").unwrap();
        assert_eq!(format!("{email:?}"), "EmailAddress");
    }
}
