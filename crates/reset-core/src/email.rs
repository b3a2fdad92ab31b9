//! Mail addresses, parsed once at the edge and compared in one canonical form.
//!
//! The grammar is stricter than RFC 5321 on purpose (R20-R22): one dot-atom ASCII local part and one domain with a
//! dot. Only ASCII letters are folded to lower case: Unicode case rules would equate `mıke` and `mike`
//! (CVE-2019-19844).

use std::fmt;

use thiserror::Error;

/// Maximum length of a local part in bytes (RFC 5321, 4.5.3.1.1).
const LOCAL_MAX: usize = 64;
/// Maximum length of an address in bytes (RFC 5321, 4.5.3.1.3, without the angle brackets).
pub const ADDRESS_MAX: usize = 254;

/// A mail address in canonical form: the local part with ASCII letters in lower case, the domain as A-labels in lower
/// case.
///
/// Two addresses belong to the same account if and only if their keys are equal byte for byte.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress {
    key: String,
}

/// The text is not an address that polyreset accepts. The error does not say which rule failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not an address that can be served")]
pub struct InvalidEmail;

impl EmailAddress {
    /// Parses one address. Nothing is trimmed, unquoted or repaired.
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

    /// Returns the canonical form, which is compared, stored and indexed.
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// Prints the type only: addresses must never reach a log (R70).
impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress")
    }
}

/// Returns whether this is a dot-atom without the constructs that have misled mail software: a leading `-` (options),
/// `%` and `!` (routing), `=?` (encoded words), `/` (paths).
fn is_local_part(local: &str) -> bool {
    let atom = |byte: u8| byte.is_ascii_alphanumeric() || b"#$&'*+-=?^_`{|}~".contains(&byte);
    !local.is_empty()
        && local.len() <= LOCAL_MAX
        && !local.starts_with('-')
        && !local.contains("=?")
        && local.split('.').all(|part| !part.is_empty() && part.bytes().all(atom))
}

/// Returns the domain as lower-case A-labels; `None` if it is not a plain host name.
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

/// Converts a Unicode domain to A-labels and rejects every input that the conversion had to map. Otherwise U+212A
/// would become `k` and U+FF0E a dot, and an attacker's address could become another user's (R21).
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
    fn parsing_folds_ascii_case_only() {
        assert_eq!(key("Jo.Doe+Tag@Example.ORG").as_deref(), Some("jo.doe+tag@example.org"));
        assert_eq!(key("a+b'--@b.com").as_deref(), Some("a+b'--@b.com"));
        assert_eq!(key("a@faß.de").as_deref(), Some("a@xn--fa-hia.de"));
        assert_eq!(key("a@gmaıl.com").as_deref(), Some("a@xn--gmal-nza.com"));
        assert_eq!(key("a@xn--gmal-nza.com").as_deref(), Some("a@xn--gmal-nza.com"));
    }

    /// Malformed or ambiguous addresses (R20-R22).
    #[test]
    fn malformed_and_ambiguous_addresses_are_rejected() {
        let long_local = format!("{}@b.com", "a".repeat(65));
        let long_domain = format!("a@{}.com", "b".repeat(300));
        let rejected = [
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
        for text in rejected {
            assert_eq!(key(text), None, "{text:?}");
        }
    }

    #[test]
    fn look_alike_never_equals_its_ascii_counterpart() {
        for (sign, ascii) in [
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
                (format!("x{sign}y@example.org"), format!("x{ascii}y@example.org")),
                (format!("x@a{sign}b.org"), format!("x@a{ascii}b.org")),
            ] {
                let (odd_key, plain_key) = (key(&odd), key(&plain));
                assert!(odd_key.is_none() || odd_key != plain_key, "{odd} equals {plain}");
            }
        }
    }

    #[test]
    fn debug_output_hides_the_address() {
        let email = EmailAddress::parse("canary@example.org").unwrap();
        assert_eq!(format!("{email:?}"), "EmailAddress");
    }
}
