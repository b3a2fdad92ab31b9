//! Signs messages with DKIM (RFC 6376), for deployments whose mail server does not.
//!
//! RSA and Ed25519 (RFC 8463), `relaxed/relaxed`, with the cryptography of the TLS library. lettre's own signing needs the
//! crate `rsa`, which `deny.toml` bans (RUSTSEC-2023-0071), and `mail-auth` needs a DNS resolver.

use std::{fmt::Write, sync::Arc};

use base64::{Engine, prelude::BASE64_STANDARD};
use ring::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// The signed fields. Each is listed once more than it occurs, so that no further one can be added to a signed message.
const FIELDS: [&str; 10] = [
    "from",
    "to",
    "cc",
    "subject",
    "date",
    "reply-to",
    "message-id",
    "mime-version",
    "content-type",
    "auto-submitted",
];
/// Most characters of a signature in one line of its header.
const LINE: usize = 70;

/// Signs messages for one domain. Cheap to clone. Deliberately not `Debug`: it holds a private key.
#[derive(Clone)]
pub struct DkimSigner {
    key: Arc<SigningKey>,
    domain: String,
    selector: String,
}

enum SigningKey {
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// A key or a name of DKIM is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadDkim {
    /// The key is not a private key in PEM, or not one that can sign.
    #[error("an RSA key of 2048 to 4096 bits or an Ed25519 key in PEM, PKCS#8 or PKCS#1")]
    Key,
    /// The domain is not a name in ASCII.
    #[error("a domain in ASCII such as example.com")]
    Domain,
    /// The selector is not a name in ASCII.
    #[error("a selector of letters, digits, hyphens and dots such as polyreset")]
    Selector,
}

impl DkimSigner {
    /// Reads the private key from PEM. `<selector>._domainkey.<domain>` is the DNS name of the public key.
    ///
    /// # Errors
    /// Returns the [`BadDkim`] that names what is wrong.
    pub fn new(pem: &str, domain: &str, selector: &str) -> Result<Self, BadDkim> {
        let is_name = |name: &str| {
            name.len() <= 253
                && name.split('.').all(|label| {
                    (1..=63).contains(&label.len())
                        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
                })
        };
        if !is_name(domain) {
            return Err(BadDkim::Domain);
        }
        if !is_name(selector) {
            return Err(BadDkim::Selector);
        }
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| BadDkim::Key)?;
        let key = match &key {
            PrivateKeyDer::Pkcs1(der) => {
                RsaKeyPair::from_der(der.secret_pkcs1_der()).ok().map(SigningKey::Rsa)
            }
            PrivateKeyDer::Pkcs8(der) => {
                let der = der.secret_pkcs8_der();
                // OpenSSL writes Ed25519 keys without their public half, which the strict form requires.
                let ed25519 =
                    || Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok().map(SigningKey::Ed25519);
                RsaKeyPair::from_pkcs8(der).ok().map(SigningKey::Rsa).or_else(ed25519)
            }
            _ => None,
        };
        let (domain, selector) = (domain.to_ascii_lowercase(), selector.to_owned());
        Ok(Self { key: Arc::new(key.ok_or(BadDkim::Key)?), domain, selector })
    }

    /// Returns the message with a `DKIM-Signature` in front of its other fields. The message is ASCII with CRLF.
    pub(crate) fn sign(&self, message: Vec<u8>) -> Vec<u8> {
        let text = String::from_utf8(message).expect("composed messages are ASCII");
        let (head, body) = text.split_once("\r\n\r\n").expect("composed messages have fields and a body");
        let fields = fields(head);
        let mut names = String::new();
        let mut signed = String::new();
        for name in FIELDS {
            // Of several fields with one name, the last is signed first (5.4.2).
            for (_, field) in fields.iter().rev().filter(|(known, _)| known == name) {
                signed.push_str(&relaxed_field(name, field));
                signed.push_str("\r\n");
                names.push_str(name);
                names.push(':');
            }
            names.push_str(name);
            names.push(':');
        }
        names.pop();
        let algorithm = match &*self.key {
            SigningKey::Rsa(_) => "rsa-sha256",
            SigningKey::Ed25519(_) => "ed25519-sha256",
        };
        let body_hash = BASE64_STANDARD.encode(Sha256::digest(relaxed_body(body)));
        let mut value = format!(
            "v=1; a={algorithm}; c=relaxed/relaxed;\r\n d={}; s={};\r\n h={};\r\n bh={body_hash};\r\n b=",
            self.domain,
            self.selector,
            folded(&names, ':')
        );
        signed.push_str(&relaxed_field("dkim-signature", &value));
        let signature = BASE64_STANDARD.encode(self.signature(signed.as_bytes()));
        for (number, line) in signature.as_bytes().chunks(LINE).enumerate() {
            let gap = if number == 0 { "" } else { "\r\n " };
            let _ = write!(value, "{gap}{}", String::from_utf8_lossy(line));
        }
        format!("DKIM-Signature: {value}\r\n{text}").into_bytes()
    }

    fn signature(&self, signed: &[u8]) -> Vec<u8> {
        match &*self.key {
            SigningKey::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed, &mut signature)
                    .expect("the buffer has the length of the modulus");
                signature
            }
            // RFC 8463, 3: the signature is over the hash.
            SigningKey::Ed25519(key) => key.sign(&Sha256::digest(signed)).as_ref().to_vec(),
        }
    }
}

/// Returns the fields of a header with their lower-case names; values are still folded.
fn fields(head: &str) -> Vec<(String, &str)> {
    let mut fields = Vec::new();
    let mut start = 0;
    let ends = head.match_indices("\r\n").map(|(at, _)| at).chain([head.len()]);
    for end in ends {
        if head[end..].starts_with("\r\n ") || head[end..].starts_with("\r\n\t") {
            continue;
        }
        if let Some((name, value)) = head[start..end].split_once(':') {
            fields.push((name.trim_end().to_ascii_lowercase(), value));
        }
        start = (end + 2).min(head.len());
    }
    fields
}

/// Returns a field in the form "relaxed" (3.4.2): unfolded, with single spaces.
fn relaxed_field(name: &str, value: &str) -> String {
    let value: Vec<&str> = value.split(['\r', '\n', ' ', '\t']).filter(|word| !word.is_empty()).collect();
    format!("{name}:{}", value.join(" "))
}

/// Returns a body in the form "relaxed" (3.4.4): with single spaces, without spaces at the ends of lines and without empty
/// lines at its end.
fn relaxed_body(body: &str) -> String {
    let mut relaxed = String::with_capacity(body.len());
    for line in body.split("\r\n") {
        let mut space = false;
        for character in line.trim_end_matches([' ', '\t']).chars() {
            match character {
                ' ' | '\t' => space = true,
                other => {
                    if std::mem::take(&mut space) {
                        relaxed.push(' ');
                    }
                    relaxed.push(other);
                }
            }
        }
        relaxed.push_str("\r\n");
    }
    let content = relaxed.trim_end_matches("\r\n").len();
    relaxed.truncate(content);
    if content > 0 {
        relaxed.push_str("\r\n");
    }
    relaxed
}

/// Folds a list after its separators into lines of at most [`LINE`] characters.
fn folded(list: &str, separator: char) -> String {
    let (mut folded, mut used) = (String::with_capacity(list.len() + 8), 0);
    for item in list.split_inclusive(separator) {
        if used > 0 && used + item.len() > LINE {
            folded.push_str("\r\n  ");
            used = 0;
        }
        folded.push_str(item);
        used += item.len();
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 6376, 3.4.5.
    #[test]
    fn relaxed_forms_match_the_examples_of_the_standard() {
        let found = fields("A: X\r\nB : Y\t\r\n\tZ  ");
        let relaxed: Vec<_> = found.iter().map(|(name, value)| relaxed_field(name, value)).collect();
        assert_eq!(relaxed, ["a:X", "b:Y Z"]);
        assert_eq!(relaxed_body(" C \r\nD \t E\r\n\r\n\r\n"), " C\r\nD E\r\n");
        assert_eq!(relaxed_body(""), "");
        assert_eq!(relaxed_body("\r\n\r\n"), "");
        assert_eq!(relaxed_body("a"), "a\r\n");
    }

    #[test]
    fn invalid_key_domain_and_selector_are_told_apart() {
        let pem = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap().serialize_pem();
        let error = |pem: &str, domain, selector| DkimSigner::new(pem, domain, selector).err();
        assert_eq!(error(&pem, "example.com", "s1"), None);
        assert_eq!(error("no key", "example.com", "s1"), Some(BadDkim::Key));
        let elliptic = rcgen::KeyPair::generate().unwrap().serialize_pem();
        assert_eq!(error(&elliptic, "example.com", "s1"), Some(BadDkim::Key));
        for domain in ["", "exa mple.com", "example..com", "a;d=b.com", "bücher.example"] {
            assert_eq!(error(&pem, domain, "s1"), Some(BadDkim::Domain), "{domain}");
        }
        for selector in ["", "a b", "s1;"] {
            assert_eq!(error(&pem, "example.com", selector), Some(BadDkim::Selector), "{selector}");
        }
    }
}
