//! Secrets and their digests: the mail carries a [`TicketSecret`], and the store only a [`TicketDigest`].
//!
//! A secret is never stored. The worker derives it when it sends the mail, as a keyed function of the job, the
//! account and a nonce. A retry therefore mails the same secret, and no row of the queue holds one (R3, R29).

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{
    account::AccountId,
    encoding::{CROCKFORD, hex, unhex},
    keys::{HmacKey, Keyring},
    ticket::{Ticket, TicketKind},
};

/// A secret that redeems a ticket, in canonical form. Wiped when dropped; cannot be printed.
#[derive(Clone)]
pub struct TicketSecret {
    kind: TicketKind,
    text: Zeroizing<String>,
    /// Length of the tag at the end. The digest does not cover it, because the tag changes with the key.
    tag: usize,
    /// The account that the secret claims to belong to.
    account: Option<AccountId>,
}

impl TicketSecret {
    /// Creates a secret of `kind` whose canonical form is `text`.
    pub fn new(kind: TicketKind, text: String) -> Self {
        Self { kind, text: Zeroizing::new(text), tag: 0, account: None }
    }

    /// Marks the last `tag` bytes as a tag, which the digest does not cover.
    fn tagged(self, tag: usize) -> Self {
        Self { tag, ..self }
    }

    /// Restricts the secret to tickets of `account`.
    pub fn of(self, account: AccountId) -> Self {
        Self { account: Some(account), ..self }
    }

    /// Returns whether the secret can redeem tickets of `account`.
    pub(crate) fn may_be_of(&self, account: &AccountId) -> bool {
        self.account.as_ref().is_none_or(|own| own == account)
    }

    /// Returns the kind of ticket that this secret redeems.
    pub fn kind(&self) -> TicketKind {
        self.kind
    }

    /// Returns the part that the digest covers: the canonical text without its tag.
    pub(crate) fn proof(&self) -> &str {
        &self.text[..self.text.len() - self.tag]
    }

    /// Returns the canonical text, for the mailer and for the one response that hands a secret over.
    pub fn reveal(&self) -> &str {
        &self.text
    }
}

/// Keyed digest of a secret; the store holds nothing else of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TicketDigest([u8; 32]);

impl TicketDigest {
    /// Wraps a digest read from a store.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes to store and to look up.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Compares two digests in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// The scope in which a secret is unique, and thus what its digest covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The secret identifies its ticket on its own (px0's code, every token): one namespace for all accounts.
    Global,
    /// The account is known from the request (InsForge's code): one namespace per account.
    Account,
}

/// A stream of pseudo-random bytes from which a [`SecretFormat`] makes a secret.
pub struct Seed(pub(crate) HmacKey);

impl Seed {
    /// Fills `out` with the first bytes of the stream.
    pub fn fill(&self, out: &mut [u8]) {
        for (block, chunk) in (0_u64..).zip(out.chunks_mut(32)) {
            chunk.copy_from_slice(&self.0.tag(&[&block.to_be_bytes()])[..chunk.len()]);
        }
    }

    /// Returns a uniformly distributed number below `bound` (R1). Values in the incomplete last part of the range are
    /// discarded.
    fn below(&self, bound: u64) -> u64 {
        let fair = u64::MAX - u64::MAX % bound;
        for round in 0_u64.. {
            let block = self.0.tag(&[b"below", &round.to_be_bytes()]);
            let draw = u64::from_be_bytes(block[..8].try_into().expect("a block has at least eight bytes"));
            if draw < fair {
                return draw % bound;
            }
        }
        unreachable!("at least half of all draws are accepted")
    }
}

/// The format of one kind of secret: how it is made, and how it is written into a mail.
///
/// Parsing a presented secret is up to the dialect, because its contract decides which malformed inputs get which
/// error.
pub trait SecretFormat: Send + Sync {
    /// Returns the kind of ticket that such secrets redeem.
    fn kind(&self) -> TicketKind;

    /// Makes a secret from `seed`.
    fn mint(&self, seed: &Seed) -> TicketSecret;

    /// Returns the text to mail. It can wrap the secret, as worthai's JWT does.
    fn seal(&self, secret: &TicketSecret, _ticket: &Ticket) -> Zeroizing<String> {
        Zeroizing::new(secret.reveal().to_owned())
    }
}

/// Six decimal digits, leading zeros included (`docs/dialects.md#px0`, `docs/dialects.md#insforge`).
#[derive(Clone, Copy, Debug, Default)]
pub struct SixDigits;

impl SixDigits {
    /// Parses a presented code; rejects everything but six ASCII digits (R2).
    pub fn parse(presented: &str) -> Option<TicketSecret> {
        let digits = presented.len() == 6 && presented.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| TicketSecret::new(TicketKind::Code, presented.to_owned()))
    }
}

impl SecretFormat for SixDigits {
    fn kind(&self) -> TicketKind {
        TicketKind::Code
    }

    fn mint(&self, seed: &Seed) -> TicketSecret {
        TicketSecret::new(TicketKind::Code, format!("{:06}", seed.below(1_000_000)))
    }
}

/// Twelve Crockford base-32 characters and a check character, `XXXX-XXXX-XXXX-C`: 60 bits, short enough to type.
///
/// The check character is a weighted sum over GF(32) with a different weight per position, so every single wrong
/// character and every swap of two characters is rejected without a query.
#[derive(Clone, Copy, Debug, Default)]
pub struct LongCode;

/// Number of characters of a long code that carry entropy.
const LONG_CODE: usize = 12;

impl LongCode {
    /// Parses a presented code. Accepts lower case, hyphens anywhere, `O` for `0`, and `I` or `L` for `1` (R2).
    pub fn parse(presented: &str) -> Option<TicketSecret> {
        if presented.len() > 2 * (LONG_CODE + 1) {
            return None;
        }
        let mut values = Vec::with_capacity(LONG_CODE + 1);
        for byte in presented.bytes().filter(|byte| *byte != b'-') {
            let upper = match byte.to_ascii_uppercase() {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                other => other,
            };
            values.push(CROCKFORD.iter().position(|symbol| *symbol == upper)?);
        }
        let (check, body) = values.split_last()?;
        (body.len() == LONG_CODE && Self::check(body) == *check).then(|| Self::from_values(body))
    }

    fn check(body: &[usize]) -> usize {
        // Horner's rule; the generator of the field is a root of x^5 + x^2 + 1.
        let times_generator = |value: usize| (value << 1) ^ if value & 16 == 0 { 0 } else { 0b10_0101 };
        times_generator(body.iter().fold(0, |sum, value| times_generator(sum) ^ value))
    }

    fn from_values(body: &[usize]) -> TicketSecret {
        let mut text = String::with_capacity(LONG_CODE + 4);
        for (position, value) in body.iter().chain([&Self::check(body)]).enumerate() {
            if position > 0 && position % 4 == 0 {
                text.push('-');
            }
            text.push(char::from(CROCKFORD[*value]));
        }
        TicketSecret::new(TicketKind::LongCode, text)
    }
}

impl SecretFormat for LongCode {
    fn kind(&self) -> TicketKind {
        TicketKind::LongCode
    }

    fn mint(&self, seed: &Seed) -> TicketSecret {
        let mut bytes = Zeroizing::new([0; LONG_CODE]);
        seed.fill(&mut bytes[..]);
        Self::from_values(&bytes.map(|byte| usize::from(byte % 32)))
    }
}

/// Lower-case hexadecimal: `N` random bytes followed by a keyed tag of eight bytes.
///
/// The tag allows a forged token to be rejected without a query, so a flood of guesses costs no database work.
#[derive(Clone)]
pub struct TaggedHex<const N: usize> {
    tags: Keyring,
}

/// Length in bytes of the tag at the end of a [`TaggedHex`].
const TAG: usize = 8;

impl<const N: usize> TaggedHex<N> {
    /// Creates the format with the keys `tags`, which must be derived per dialect and use.
    pub fn new(tags: impl Into<Keyring>) -> Self {
        Self { tags: tags.into() }
    }

    /// Parses a presented token in upper or lower case; rejects a wrong length, a non-hexadecimal digit or a wrong
    /// tag.
    pub fn parse(&self, presented: &str) -> Option<TicketSecret> {
        if presented.len() != 2 * (N + TAG) {
            return None;
        }
        let text = Zeroizing::new(presented.to_ascii_lowercase());
        let bytes = Zeroizing::new(unhex(&text)?);
        let (body, tag) = bytes.split_at(N);
        let authentic = |key: &HmacKey| bool::from(key.tag(&[body])[..TAG].ct_eq(tag));
        self.tags.all().iter().any(authentic).then(|| Self::from_text(text.to_string()))
    }

    fn from_text(text: String) -> TicketSecret {
        TicketSecret::new(TicketKind::Token, text).tagged(2 * TAG)
    }
}

impl<const N: usize> SecretFormat for TaggedHex<N> {
    fn kind(&self) -> TicketKind {
        TicketKind::Token
    }

    fn mint(&self, seed: &Seed) -> TicketSecret {
        let mut body = Zeroizing::new([0; N]);
        seed.fill(&mut body[..]);
        let tag = self.tags.current().tag(&[&body[..]]);
        Self::from_text(hex(&body[..]) + &hex(&tag[..TAG]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Keys;

    fn keys() -> Keys {
        Keys::new(&HmacKey::root(&[3; 32]).unwrap())
    }

    fn seed(nonce: u32) -> Seed {
        keys().seed("px0", TicketKind::Code, "job", &AccountId::new("1"), nonce)
    }

    #[test]
    fn equal_inputs_give_equal_seeds_and_every_input_matters() {
        let text = |seed: Seed| LongCode.mint(&seed).reveal().to_owned();
        let of = |dialect, kind, job, account, nonce| {
            text(keys().seed(dialect, kind, job, &AccountId::new(account), nonce))
        };
        let base = of("px0", TicketKind::Code, "e", "1", 0);
        assert_eq!(base, of("px0", TicketKind::Code, "e", "1", 0));
        for other in [
            of("strapi", TicketKind::Code, "e", "1", 0),
            of("px0", TicketKind::Token, "e", "1", 0),
            of("px0", TicketKind::Code, "f", "1", 0),
            of("px0", TicketKind::Code, "e", "2", 0),
            of("px0", TicketKind::Code, "e", "1", 1),
        ] {
            assert_ne!(base, other);
        }
    }

    /// Chi-square test over the hundred leading pairs and the hundred trailing pairs of digits. With 99 degrees of
    /// freedom, 148.2 is the 0.1 % point. A generator with a bias of 10 % on one digit is far beyond it.
    #[test]
    fn codes_are_uniformly_distributed_and_keep_leading_zeros() {
        const DRAWS: u32 = 20_000;
        let (mut front, mut back) = ([0_f64; 100], [0_f64; 100]);
        for nonce in 0..DRAWS {
            let code = SixDigits.mint(&seed(nonce));
            assert_eq!(code.reveal().len(), 6);
            front[code.reveal()[..2].parse::<usize>().unwrap()] += 1.0;
            back[code.reveal()[4..].parse::<usize>().unwrap()] += 1.0;
        }
        let expected = f64::from(DRAWS) / 100.0;
        for cells in [front, back] {
            let chi: f64 = cells.iter().map(|seen| (seen - expected).powi(2) / expected).sum();
            assert!(chi < 148.2, "chi-square {chi}");
        }
    }

    #[test]
    fn only_six_ascii_digits_are_a_code() {
        assert_eq!(SixDigits::parse("012345").unwrap().reveal(), "012345");
        for other in ["12345", "+12345", "0123456", "１２３４５６", "01234a", "01234\0", " 12345", ""] {
            assert!(SixDigits::parse(other).is_none(), "{other:?}");
        }
    }

    #[test]
    fn long_code_tolerates_look_alikes_and_detects_typing_errors() {
        let code = LongCode.mint(&seed(0)).reveal().to_owned();
        assert_eq!((code.len(), code.matches('-').count()), (16, 3));
        let sloppy = code.to_lowercase().replace('-', "").replace('0', "o").replace('1', "l");
        assert_eq!(LongCode::parse(&sloppy).unwrap().reveal(), code);
        let typed = code.replace('-', "").into_bytes();
        let rejected = |bytes: &[u8]| LongCode::parse(std::str::from_utf8(bytes).unwrap()).is_none();
        for position in 0..typed.len() {
            for symbol in CROCKFORD.iter().filter(|symbol| **symbol != typed[position]) {
                let mut wrong = typed.clone();
                wrong[position] = *symbol;
                assert!(rejected(&wrong), "{symbol} at position {position}");
            }
            for other in (position + 1..typed.len()).filter(|other| typed[*other] != typed[position]) {
                let mut swapped = typed.clone();
                swapped.swap(position, other);
                assert!(rejected(&swapped), "positions {position} and {other} swapped");
            }
        }
        for other in ["", "-", "U", &code[..15], "ÄÄÄÄ-ÄÄÄÄ-ÄÄÄÄ-Ä", &"-".repeat(500)] {
            assert!(LongCode::parse(other).is_none(), "{other:?}");
        }
    }

    #[test]
    fn token_with_a_tag_of_another_key_is_rejected() {
        let format = TaggedHex::<24>::new(HmacKey::shared(b"tags"));
        let token = format.mint(&seed(0)).reveal().to_owned();
        assert_eq!(token.len(), 64);
        assert_eq!(format.parse(&token.to_uppercase()).unwrap().reveal(), token);
        assert!(TaggedHex::<24>::new(HmacKey::shared(b"other")).parse(&token).is_none());
        let flipped = format!("{}{}", if token.starts_with('0') { '1' } else { '0' }, &token[1..]);
        assert!(format.parse(&flipped).is_none());
        for other in ["", "zz", &token[..63], &"g".repeat(64), &"é".repeat(32)] {
            assert!(format.parse(other).is_none(), "{other:?}");
        }
    }

    #[test]
    fn token_is_accepted_under_each_key_of_the_ring_and_its_digest_covers_no_tag() {
        let [old, new] = [HmacKey::shared(b"old"), HmacKey::shared(b"new")];
        let (before, fresh) = (TaggedHex::<24>::new(old.clone()), TaggedHex::<24>::new(new.clone()));
        let both = TaggedHex::<24>::new(Keyring::new(new, [old]));
        let (issued, minted) = (before.mint(&seed(0)), both.mint(&seed(0)));
        let opened = both.parse(issued.reveal()).unwrap();
        assert_eq!((opened.reveal(), opened.proof().len()), (issued.reveal(), 48));
        assert!(fresh.parse(issued.reveal()).is_none() && fresh.parse(minted.reveal()).is_some());
        assert_ne!(issued.reveal(), minted.reveal());
        assert_eq!(issued.proof(), minted.proof());
    }

    #[test]
    fn digest_covers_dialect_and_in_account_scope_the_account() {
        let (keys, secret) = (keys(), SixDigits::parse("123456").unwrap());
        let (one, two) = (AccountId::new("1"), AccountId::new("2"));
        let digest = |dialect, scope, account| keys.digest(dialect, scope, account, &secret);
        assert!(digest("px0", Scope::Global, &one).matches(&digest("px0", Scope::Global, &two)));
        assert!(!digest("px0", Scope::Account, &one).matches(&digest("px0", Scope::Account, &two)));
        assert!(!digest("px0", Scope::Global, &one).matches(&digest("insforge", Scope::Global, &one)));
    }
}
