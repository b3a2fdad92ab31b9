//! Key derivation: every key of a deployment is derived from one root, under a separate label per use.

use std::collections::BTreeSet;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    account::AccountId,
    secret::{Scope, SecretFormat, Seed, TicketDigest, TicketSecret},
    ticket::TicketKind,
};

/// Minimum length of a root key in bytes (setting `reset.secret`, `docs/settings.md`).
pub const ROOT_MIN: usize = 32;

/// Minimum number of distinct values among the bytes of a secret. 32 random bytes have 30 of them on average, and fewer
/// than 8 never in practice; a placeholder such as `5e5e5e…` has one.
pub const DISTINCT_MIN: usize = 8;

/// Whether the bytes of a secret are as varied as random ones, unlike those of a placeholder.
pub fn is_varied(bytes: &[u8]) -> bool {
    bytes.iter().collect::<BTreeSet<_>>().len() >= DISTINCT_MIN
}

/// A key for HMAC-SHA-256. Wiped when dropped; cannot be printed.
#[derive(Clone)]
pub struct HmacKey(Zeroizing<Vec<u8>>);

/// The root key is shorter than [`ROOT_MIN`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the secret is shorter than {ROOT_MIN} bytes")]
pub struct ShortKey;

impl HmacKey {
    /// Creates the root key of a deployment.
    ///
    /// # Errors
    /// [`ShortKey`] if `bytes` is shorter than [`ROOT_MIN`].
    pub fn root(bytes: &[u8]) -> Result<Self, ShortKey> {
        if bytes.len() < ROOT_MIN { Err(ShortKey) } else { Ok(Self::shared(bytes)) }
    }

    /// Creates a key that another system shares, such as a JWT secret. The caller checks its length.
    pub fn shared(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    /// Derives the key for one use. Equal labels give equal keys, different labels independent ones (NIST SP 800-108
    /// with one block).
    pub fn derive(&self, label: &str) -> Self {
        Self::shared(&self.tag(&[b"polyreset/v1/derive", label.as_bytes()])[..])
    }

    /// Computes the keyed tag over `parts`. Each part is preceded by its length, so different lists of parts have
    /// different inputs.
    pub fn tag(&self, parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        Zeroizing::new(mac.finalize().into_bytes().into())
    }

    /// Returns the raw bytes, for a library that computes its own MAC.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The current key and the previous ones. New values are made with the current key; values made with any of them are
/// accepted (R76).
#[derive(Clone)]
pub struct Keyring {
    /// Never empty.
    keys: Vec<HmacKey>,
}

impl Keyring {
    /// Creates a key ring of `current` and the `previous` keys, newest first.
    pub fn new(current: HmacKey, previous: impl IntoIterator<Item = HmacKey>) -> Self {
        let mut keys = vec![current];
        keys.extend(previous);
        Self { keys }
    }

    /// Returns the key that new values are made with.
    pub fn current(&self) -> &HmacKey {
        &self.keys[0]
    }

    /// Returns every key, the current one first.
    pub fn all(&self) -> &[HmacKey] {
        &self.keys
    }

    /// Derives each key for one use; see [`HmacKey::derive`].
    pub fn derive(&self, label: &str) -> Self {
        Self { keys: self.keys.iter().map(|key| key.derive(label)).collect() }
    }
}

impl From<HmacKey> for Keyring {
    fn from(key: HmacKey) -> Self {
        Self::new(key, [])
    }
}

/// The engine's own keys. Dialects derive theirs from the same roots.
#[derive(Clone)]
pub struct Keys {
    /// One set per root, the current one first. Never empty.
    sets: Vec<KeySet>,
}

/// The keys derived from one root.
#[derive(Clone)]
pub(crate) struct KeySet {
    /// Derives a secret from job, account and nonce.
    secrets: HmacKey,
    /// Computes the stored digest of a secret.
    digests: HmacKey,
    /// Computes the tag that names an address's budgets.
    budgets: HmacKey,
    /// Computes the tag that stands for an address in events.
    pub(crate) events: HmacKey,
    /// Seals events.
    pub(crate) seals: HmacKey,
    /// Tags the links of notices.
    pub(crate) disputes: HmacKey,
}

/// The inputs from which a secret is derived, besides the dialect and the format.
#[derive(Clone, Copy)]
pub(crate) struct Draw<'a> {
    /// The id of the job that mails the secret, or of the ticket if the secret is returned in a response.
    pub(crate) origin: &'a str,
    /// The account of the ticket.
    pub(crate) account: &'a AccountId,
    /// The number of the draw, incremented after a collision.
    pub(crate) nonce: u32,
}

impl KeySet {
    fn new(root: &HmacKey) -> Self {
        Self {
            secrets: root.derive("secrets"),
            digests: root.derive("digests"),
            budgets: root.derive("budgets"),
            events: root.derive("events"),
            seals: root.derive("seals"),
            disputes: root.derive("disputes"),
        }
    }

    fn digest(
        &self,
        dialect: &str,
        scope: Scope,
        account: &AccountId,
        secret: &TicketSecret,
    ) -> TicketDigest {
        let account = if scope == Scope::Account { account.as_str() } else { "" };
        let parts = [dialect, secret.kind().name(), account, secret.proof()].map(str::as_bytes);
        TicketDigest::from_bytes(*self.digests.tag(&parts))
    }

    fn seed(&self, dialect: &str, kind: TicketKind, draw: Draw<'_>) -> Seed {
        let nonce = draw.nonce.to_be_bytes();
        let [dialect, kind, origin, account] =
            [dialect, kind.name(), draw.origin, draw.account.as_str()].map(str::as_bytes);
        Seed(HmacKey::shared(&self.secrets.tag(&[dialect, kind, origin, account, &nonce])[..]))
    }

    fn draw(
        &self,
        dialect: &str,
        format: &dyn SecretFormat,
        scope: Scope,
        draw: Draw<'_>,
    ) -> (TicketSecret, TicketDigest) {
        let secret = format.mint(&self.seed(dialect, format.kind(), draw));
        let digest = self.digest(dialect, scope, draw.account, &secret);
        (secret, digest)
    }
}

impl Keys {
    /// Derives the keys from the only root of a deployment.
    pub fn new(root: &HmacKey) -> Self {
        Self { sets: vec![KeySet::new(root)] }
    }

    /// Derives the keys from the current root and the previous ones.
    pub fn rotated(roots: &Keyring) -> Self {
        Self { sets: roots.all().iter().map(KeySet::new).collect() }
    }

    /// Computes the digest of `secret` for a dialect's ticket. With [`Scope::Account`] it covers the account too.
    pub fn digest(
        &self,
        dialect: &str,
        scope: Scope,
        account: &AccountId,
        secret: &TicketSecret,
    ) -> TicketDigest {
        self.sets[0].digest(dialect, scope, account, secret)
    }

    /// Computes the digest of `secret` under each root, the current one first, because a live ticket can have been
    /// stored under any of them.
    pub(crate) fn digests(
        &self,
        dialect: &str,
        scope: Scope,
        account: &AccountId,
        secret: &TicketSecret,
    ) -> impl Iterator<Item = TicketDigest> {
        self.sets.iter().map(move |set| set.digest(dialect, scope, account, secret))
    }

    /// Derives the secret of a draw and its digest. Equal draws give equal secrets, so a retry mails the same one.
    pub(crate) fn draw(
        &self,
        dialect: &str,
        format: &dyn SecretFormat,
        scope: Scope,
        draw: Draw<'_>,
    ) -> (TicketSecret, TicketDigest) {
        self.sets[0].draw(dialect, format, scope, draw)
    }

    /// Derives the secret of an earlier draw again, under the root that produced the `stored` digest. Returns `None`
    /// if that root is no longer configured.
    pub(crate) fn redraw(
        &self,
        dialect: &str,
        format: &dyn SecretFormat,
        scope: Scope,
        draw: Draw<'_>,
        stored: &TicketDigest,
    ) -> Option<TicketSecret> {
        let draws = self.sets.iter().map(|set| set.draw(dialect, format, scope, draw));
        draws.into_iter().find_map(|(secret, digest)| digest.matches(stored).then_some(secret))
    }

    /// Derives the seed of a ticket's secret. Equal inputs give equal seeds, so a retry mails the same secret.
    pub fn seed(&self, dialect: &str, kind: TicketKind, job: &str, account: &AccountId, nonce: u32) -> Seed {
        self.sets[0].seed(dialect, kind, Draw { origin: job, account, nonce })
    }

    /// Returns the keys derived from the current root.
    pub(crate) fn current(&self) -> &KeySet {
        &self.sets[0]
    }

    /// Returns the keys derived from each root, the current one first.
    pub(crate) fn all(&self) -> &[KeySet] {
        &self.sets
    }

    /// Computes the tag that stands for `parts` in the name of a budget, under each root, the current one first.
    pub(crate) fn budget_tags(&self, parts: &[&[u8]]) -> impl Iterator<Item = Zeroizing<[u8; 32]>> {
        self.sets.iter().map(move |set| set.budgets.tag(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SixDigits;

    #[test]
    fn moving_a_part_boundary_changes_the_tag() {
        let key = HmacKey::shared(b"k");
        assert_ne!(key.tag(&[b"ab", b"c"]), key.tag(&[b"a", b"bc"]));
        assert_ne!(key.tag(&[b"ab"]), key.tag(&[b"ab", b""]));
    }

    #[test]
    fn each_label_always_derives_the_same_separate_key() {
        let root = HmacKey::root(&[7; 32]).unwrap();
        assert_eq!(root.derive("a").as_bytes(), root.derive("a").as_bytes());
        assert_ne!(root.derive("a").as_bytes(), root.derive("b").as_bytes());
    }

    #[test]
    fn each_purpose_has_a_key_of_its_own() {
        let root = HmacKey::root(&[7; 32]).unwrap();
        let KeySet { secrets, digests, budgets, events, seals, disputes } = KeySet::new(&root);
        let keys = [root, secrets, digests, budgets, events, seals, disputes];
        let distinct: std::collections::BTreeSet<&[u8]> = keys.iter().map(HmacKey::as_bytes).collect();
        assert_eq!(distinct.len(), 7);
    }

    #[test]
    fn new_secrets_use_the_current_root_and_stored_digests_match_under_any() {
        let [old, new] = [1, 2].map(|byte| HmacKey::root(&[byte; 32]).unwrap());
        let account = AccountId::new("1");
        let draw = Draw { origin: "job", account: &account, nonce: 0 };
        let of = |keys: &Keys| keys.draw("px0", &SixDigits, Scope::Global, draw);
        let (before, fresh) = (Keys::new(&old), Keys::new(&new));
        let both = Keys::rotated(&Keyring::new(new, [old]));
        let (secret, stored) = of(&before);
        assert_eq!(of(&both).1.as_bytes(), of(&fresh).1.as_bytes());
        let again = |keys: &Keys| keys.redraw("px0", &SixDigits, Scope::Global, draw, &stored);
        assert_eq!(again(&both).unwrap().reveal(), secret.reveal());
        assert!(again(&fresh).is_none());
        let matches = |keys: &Keys| {
            keys.digests("px0", Scope::Global, &account, &secret).any(|digest| digest.matches(&stored))
        };
        assert!(matches(&both) && !matches(&fresh));
        assert_ne!(*both.budget_tags(&[b"a"]).next().unwrap(), *before.budget_tags(&[b"a"]).next().unwrap());
        assert_eq!(*both.budget_tags(&[b"a"]).last().unwrap(), *before.budget_tags(&[b"a"]).next().unwrap());
    }

    #[test]
    fn short_root_is_rejected() {
        assert!(HmacKey::root(&[7; 31]).is_err());
    }
}
