//! Keys: everything secret in a deployment is derived from one root, each use under a label of its own.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    account::AccountId,
    secret::{Scope, SecretFormat, Seed, TicketDigest, TicketSecret},
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

/// The key in use, and those whose place it took: everything is made with the first, and what was made with the
/// others is understood (R76).
#[derive(Clone)]
pub struct Keyring {
    /// Never empty.
    keys: Vec<Key>,
}

impl Keyring {
    /// `current`, and the `previous` ones, the latest first.
    pub fn new(current: Key, previous: impl IntoIterator<Item = Key>) -> Self {
        let mut keys = vec![current];
        keys.extend(previous);
        Self { keys }
    }

    /// The key that everything is made with.
    pub fn current(&self) -> &Key {
        &self.keys[0]
    }

    /// Every key, the current one first.
    pub fn all(&self) -> &[Key] {
        &self.keys
    }

    /// Each of them for one use, as [`Key::derive`] says.
    pub fn derive(&self, label: &str) -> Self {
        Self { keys: self.keys.iter().map(|key| key.derive(label)).collect() }
    }
}

impl From<Key> for Keyring {
    fn from(key: Key) -> Self {
        Self::new(key, [])
    }
}

/// The keys of the domain itself; dialects derive theirs from the same roots.
#[derive(Clone)]
pub struct Keys {
    /// One set a root, the current one first.
    sets: Vec<KeySet>,
}

/// What is derived from one root.
#[derive(Clone)]
pub(crate) struct KeySet {
    /// Turns (job, account, nonce) into a secret.
    secrets: Key,
    /// Turns a secret into the digest that is stored.
    digests: Key,
    /// Turns an address into the name of its budgets.
    budgets: Key,
    /// Turns an address into the tag that events name it by.
    pub(crate) events: Key,
    /// Seals events.
    pub(crate) seals: Key,
    /// Tags the links of notices.
    pub(crate) disputes: Key,
}

/// What one secret is derived from, beside the dialect and its format.
#[derive(Clone, Copy)]
pub(crate) struct Draw<'a> {
    /// The job that mails it, or the ticket itself where it leaves in an answer.
    pub(crate) origin: &'a str,
    /// Whose it is.
    pub(crate) account: &'a AccountId,
    /// Which draw it is; counts up after a collision.
    pub(crate) nonce: u32,
}

impl KeySet {
    fn new(root: &Key) -> Self {
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
        Seed(Key::shared(&self.secrets.tag(&[dialect, kind, origin, account, &nonce])[..]))
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
    /// Derives the domain's keys from the only root of a deployment.
    pub fn new(root: &Key) -> Self {
        Self { sets: vec![KeySet::new(root)] }
    }

    /// Derives them from the root in use and from those whose place it took.
    pub fn rotated(roots: &Keyring) -> Self {
        Self { sets: roots.all().iter().map(KeySet::new).collect() }
    }

    /// Digest of `secret` for a dialect's ticket; with [`Scope::Account`] it covers the account too.
    pub fn digest(
        &self,
        dialect: &str,
        scope: Scope,
        account: &AccountId,
        secret: &TicketSecret,
    ) -> TicketDigest {
        self.sets[0].digest(dialect, scope, account, secret)
    }

    /// The digest of `secret` under each root, the current one first: a ticket that is out was stored with one of them.
    pub(crate) fn digests(
        &self,
        dialect: &str,
        scope: Scope,
        account: &AccountId,
        secret: &TicketSecret,
    ) -> impl Iterator<Item = TicketDigest> {
        self.sets.iter().map(move |set| set.digest(dialect, scope, account, secret))
    }

    /// The secret of one draw and its digest. Equal draws give equal secrets: a retry mails the same one.
    pub(crate) fn draw(
        &self,
        dialect: &str,
        format: &dyn SecretFormat,
        scope: Scope,
        draw: Draw<'_>,
    ) -> (TicketSecret, TicketDigest) {
        self.sets[0].draw(dialect, format, scope, draw)
    }

    /// The secret of an earlier draw, whose digest was stored, under whichever root it was.
    pub(crate) fn drawn(
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

    /// The seed of one ticket's secret. Equal tickets give equal seeds: a retry mails the same secret.
    pub fn seed(&self, dialect: &str, kind: TicketKind, job: &str, account: &AccountId, nonce: u32) -> Seed {
        self.sets[0].seed(dialect, kind, Draw { origin: job, account, nonce })
    }

    /// What is derived from the root in use.
    pub(crate) fn current(&self) -> &KeySet {
        &self.sets[0]
    }

    /// What is derived from each root, the current one first.
    pub(crate) fn all(&self) -> &[KeySet] {
        &self.sets
    }

    /// The tag that stands for `parts` in the name of a budget, under each root, the current one first.
    pub(crate) fn budget_tags(&self, parts: &[&[u8]]) -> impl Iterator<Item = Zeroizing<[u8; 32]>> {
        self.sets.iter().map(move |set| set.budgets.tag(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SixDigits;

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
    fn what_is_made_is_made_under_the_current_root_and_what_is_out_is_known_by_any() {
        let [old, new] = [1, 2].map(|byte| Key::root(&[byte; 32]).unwrap());
        let account = AccountId::new("1");
        let draw = Draw { origin: "job", account: &account, nonce: 0 };
        let of = |keys: &Keys| keys.draw("px0", &SixDigits, Scope::Global, draw);
        let (before, fresh) = (Keys::new(&old), Keys::new(&new));
        let both = Keys::rotated(&Keyring::new(new, [old]));
        let (secret, stored) = of(&before);
        assert_eq!(of(&both).1.as_bytes(), of(&fresh).1.as_bytes());
        let again = |keys: &Keys| keys.drawn("px0", &SixDigits, Scope::Global, draw, &stored);
        assert_eq!(again(&both).unwrap().reveal(), secret.reveal());
        assert!(again(&fresh).is_none());
        let known = |keys: &Keys| {
            keys.digests("px0", Scope::Global, &account, &secret).any(|digest| digest.matches(&stored))
        };
        assert!(known(&both) && !known(&fresh));
        assert_ne!(*both.budget_tags(&[b"a"]).next().unwrap(), *before.budget_tags(&[b"a"]).next().unwrap());
        assert_eq!(*both.budget_tags(&[b"a"]).last().unwrap(), *before.budget_tags(&[b"a"]).next().unwrap());
    }

    #[test]
    fn a_short_root_is_refused() {
        assert!(Key::root(&[7; 31]).is_err());
    }
}
