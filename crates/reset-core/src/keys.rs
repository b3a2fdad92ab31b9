//! Keys: everything secret in a deployment is derived from one root, each use under a label of its own.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    account::AccountId,
    secret::{Scope, Seed, Shape, TicketDigest, TicketSecret},
    ticket::TicketKind,
};

/// Fewest bytes of a root key (interface.md, `secret`).
pub const ROOT_MIN: usize = 32;

/// A key for HMAC-SHA-256. It is wiped when dropped, and cannot be printed.
#[derive(Clone)]
pub struct Key(Zeroizing<Vec<u8>>);

/// The root key is shorter than [`ROOT_MIN`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the secret is shorter than {ROOT_MIN} bytes")]
pub struct ShortKey;

impl Key {
    /// The root key of a deployment.
    ///
    /// # Errors
    /// [`ShortKey`] under [`ROOT_MIN`] bytes.
    pub fn root(bytes: &[u8]) -> Result<Self, ShortKey> {
        if bytes.len() < ROOT_MIN { Err(ShortKey) } else { Ok(Self::shared(bytes)) }
    }

    /// A key that another system knows as well, such as a JWT secret; its length is the caller's to judge.
    pub fn shared(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    /// A key for one use. Equal labels give equal keys, different labels unrelated ones (SP 800-108 with
    /// one block).
    pub fn derive(&self, label: &str) -> Self {
        Self::shared(&self.tag(&[b"polyreset/v1/derive", label.as_bytes()])[..])
    }

    /// Keyed tag over `parts`. Each part is preceded by its length, so no two lists of parts collide.
    pub fn tag(&self, parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        Zeroizing::new(mac.finalize().into_bytes().into())
    }

    /// The raw bytes, for a library that keys its own MAC.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The keys of the domain itself; dialects derive theirs from the same root.
#[derive(Clone)]
pub struct Keys {
    /// Turns (errand, account, nonce) into a secret.
    pub(crate) secrets: Key,
    /// Turns a secret into the digest that is stored.
    pub(crate) digests: Key,
    /// Turns an address into the name of its budgets.
    pub(crate) budgets: Key,
    /// Turns an address into the tag that events name it by.
    pub(crate) events: Key,
    /// Seals events.
    pub(crate) seals: Key,
    /// Tags the links of notices.
    pub(crate) objections: Key,
}

/// What one secret is derived from, beside the dialect and its shape.
#[derive(Clone, Copy)]
pub(crate) struct Draw<'a> {
    /// The errand that mails it, or the ticket itself where it leaves in an answer.
    pub(crate) origin: &'a str,
    /// Whose it is.
    pub(crate) account: &'a AccountId,
    /// Which draw it is; counts up after a collision.
    pub(crate) nonce: u32,
}

impl Keys {
    /// Derives the domain's keys from the deployment's root.
    pub fn new(root: &Key) -> Self {
        Self {
            secrets: root.derive("secrets"),
            digests: root.derive("digests"),
            budgets: root.derive("budgets"),
            events: root.derive("events"),
            seals: root.derive("seals"),
            objections: root.derive("objections"),
        }
    }

    /// Digest of `secret` for a dialect's ticket; with [`Scope::Account`] it covers the account too.
    pub fn digest(
        &self,
        dialect: &str,
        scope: Scope,
        account: &AccountId,
        secret: &TicketSecret,
    ) -> TicketDigest {
        let account = if scope == Scope::Account { account.as_str() } else { "" };
        let parts = [dialect, secret.kind().name(), account, secret.reveal()].map(str::as_bytes);
        TicketDigest::from_bytes(*self.digests.tag(&parts))
    }

    /// The secret of one draw and its digest. Equal draws give equal secrets: a retry mails the same one.
    pub(crate) fn draw(
        &self,
        dialect: &str,
        shape: &dyn Shape,
        scope: Scope,
        draw: Draw<'_>,
    ) -> (TicketSecret, TicketDigest) {
        let secret = shape.mint(&self.seed(dialect, shape.kind(), draw.origin, draw.account, draw.nonce));
        let digest = self.digest(dialect, scope, draw.account, &secret);
        (secret, digest)
    }

    /// The seed of one ticket's secret. Equal tickets give equal seeds: a retry mails the same secret.
    pub fn seed(
        &self,
        dialect: &str,
        kind: TicketKind,
        errand: &str,
        account: &AccountId,
        nonce: u32,
    ) -> Seed {
        let nonce = nonce.to_be_bytes();
        let [dialect, kind, errand, account] =
            [dialect, kind.name(), errand, account.as_str()].map(str::as_bytes);
        Seed(Key::shared(&self.secrets.tag(&[dialect, kind, errand, account, &nonce])[..]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cannot_be_shifted_into_one_another() {
        let key = Key::shared(b"k");
        assert_ne!(key.tag(&[b"ab", b"c"]), key.tag(&[b"a", b"bc"]));
        assert_ne!(key.tag(&[b"ab"]), key.tag(&[b"ab", b""]));
    }

    #[test]
    fn each_label_has_a_key_of_its_own_and_keeps_it() {
        let root = Key::root(&[7; 32]).unwrap();
        assert_eq!(root.derive("a").as_bytes(), root.derive("a").as_bytes());
        assert_ne!(root.derive("a").as_bytes(), root.derive("b").as_bytes());
    }

    #[test]
    fn a_short_root_is_refused() {
        assert!(Key::root(&[7; 31]).is_err());
    }
}
