//! Secrets and digests: what leaves by mail and what goes to the store are two types.
//!
//! A secret is never stored. The worker derives it when it mails, as a keyed function of (job, account,
//! nonce), so a retry repeats the same secret and no queue row ever holds one (security.md R3, R29).

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{
    account::AccountId,
    encoding::{CROCKFORD, hex, unhex},
    keys::{Key, Keyring},
    ticket::{Ticket, TicketKind},
};

/// What proves the right to set one new password, in canonical form. Wiped when dropped, cannot be printed.
#[derive(Clone)]
pub struct TicketSecret {
    kind: TicketKind,
    text: Zeroizing<String>,
    /// Bytes at the end that prove nothing to the store: a tag, which is made anew under another key.
    tag: usize,
    /// Whose it says that it is.
    account: Option<AccountId>,
}

impl TicketSecret {
    /// A secret of `kind` whose canonical form is `text`.
    pub fn new(kind: TicketKind, text: String) -> Self {
        Self { kind, text: Zeroizing::new(text), tag: 0, account: None }
    }

    /// The same secret, whose last `tag` bytes are a tag over the rest: no digest covers them.
    fn tagged(self, tag: usize) -> Self {
        Self { tag, ..self }
    }

    /// The same secret, which says that it is `account`'s: it opens no ticket of another.
    pub fn of(self, account: AccountId) -> Self {
        Self { account: Some(account), ..self }
    }

    /// Whether this may be a secret of `account`.
    pub(crate) fn may_be_of(&self, account: &AccountId) -> bool {
        self.account.as_ref().is_none_or(|own| own == account)
    }

    /// What kind of ticket this secret opens.
    pub fn kind(&self) -> TicketKind {
        self.kind
    }

    /// What its digest covers: the canonical text less its tag.
    pub(crate) fn proof(&self) -> &str {
        &self.text[..self.text.len() - self.tag]
    }

    /// The canonical text. For the mailer, and for the one answer that hands a secret over.
    pub fn reveal(&self) -> &str {
        &self.text
    }
}

/// Keyed digest of a secret: all that the store ever sees of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TicketDigest([u8; 32]);

impl TicketDigest {
    /// A digest as read back from a store.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes to store and to look up.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Compares without telling by time where the difference lies.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// Whom a secret has to be distinct from, and so what its digest covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The secret alone finds its ticket (px0's code, every token): one space for all accounts.
    Global,
    /// The account is known beforehand (InsForge's code): a space for each account.
    Account,
}

/// A stream of pseudo-random bytes that a [`SecretFormat`] makes its secret from.
pub struct Seed(pub(crate) Key);

impl Seed {
    /// Fills `out` with the first bytes of the stream.
    pub fn fill(&self, out: &mut [u8]) {
        for (block, chunk) in (0_u64..).zip(out.chunks_mut(32)) {
            chunk.copy_from_slice(&self.0.tag(&[&block.to_be_bytes()])[..chunk.len()]);
        }
    }

    /// A number below `bound`, each with the same probability (R1): values in the incomplete last stretch
    /// of the range are thrown away.
    fn below(&self, bound: u64) -> u64 {
        let fair = u64::MAX - u64::MAX % bound;
        for round in 0_u64.. {
            let block = self.0.tag(&[b"below", &round.to_be_bytes()]);
            let draw = u64::from_be_bytes(block[..8].try_into().expect("eight bytes"));
            if draw < fair {
                return draw % bound;
            }
        }
        unreachable!("half of all draws are fair at the very least")
    }
}

/// The form of one kind of secret: how it is made, and how it is written into a mail.
///
/// Reading a presented secret back is the dialect's own business, since only it knows which defects its
/// contract tells apart.
pub trait SecretFormat: Send + Sync {
    /// The kind of ticket that such secrets open.
    fn kind(&self) -> TicketKind;

    /// Makes the secret.
    fn mint(&self, seed: &Seed) -> TicketSecret;

    /// The text that travels. It may wrap the secret, as worthai's JWT does.
    fn seal(&self, secret: &TicketSecret, _ticket: &Ticket) -> Zeroizing<String> {
        Zeroizing::new(secret.reveal().to_owned())
    }
}

/// Six decimal digits, leading zeros kept (px0 and InsForge; dialects.md 1.4, 4.7).
#[derive(Clone, Copy, Debug, Default)]
pub struct SixDigits;

impl SixDigits {
    /// Reads a presented code; anything but six ASCII digits is no code (R2).
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

/// Twelve Crockford base-32 characters and a check character, `XXXX-XXXX-XXXX-C`: 60 bits, typed by hand.
///
/// The check character is a sum over GF(32) with a weight of its own for each place, so every single wrong
/// character and every swap of two is refused before it costs a query (security.md B2).
#[derive(Clone, Copy, Debug, Default)]
pub struct LongCode;

/// Characters of a long code that carry entropy.
const LONG_CODE: usize = 12;

impl LongCode {
    /// Reads a presented code: lower case, hyphens, `O` for `0` and `I` or `L` for `1` are accepted,
    /// nothing else (R2).
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
        (body.len() == LONG_CODE && Self::check(body) == *check).then(|| Self::written(body))
    }

    fn check(body: &[usize]) -> usize {
        // Horner's rule; the generator of the field is a root of x^5 + x^2 + 1.
        let times_generator = |value: usize| (value << 1) ^ if value & 16 == 0 { 0 } else { 0b10_0101 };
        times_generator(body.iter().fold(0, |sum, value| times_generator(sum) ^ value))
    }

    fn written(body: &[usize]) -> TicketSecret {
        let mut text = String::with_capacity(LONG_CODE + 4);
        for (place, value) in body.iter().chain([&Self::check(body)]).enumerate() {
            if place > 0 && place % 4 == 0 {
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
        Self::written(&bytes.map(|byte| usize::from(byte % 32)))
    }
}

/// Lower-case hexadecimal: `N` random bytes followed by an eight-byte keyed tag.
///
/// The tag lets a forged token be refused without a query: a flood of guesses costs no database work.
#[derive(Clone)]
pub struct TaggedHex<const N: usize> {
    tags: Keyring,
}

/// Bytes of the tag at the end of a [`TaggedHex`].
const TAG: usize = 8;

impl<const N: usize> TaggedHex<N> {
    /// Tokens whose tags are made with `tags`; keys for each dialect and use.
    pub fn new(tags: impl Into<Keyring>) -> Self {
        Self { tags: tags.into() }
    }

    /// Reads a presented token; either case is accepted, a wrong length, digit or tag is not.
    pub fn parse(&self, presented: &str) -> Option<TicketSecret> {
        if presented.len() != 2 * (N + TAG) {
            return None;
        }
        let text = Zeroizing::new(presented.to_ascii_lowercase());
        let bytes = Zeroizing::new(unhex(&text)?);
        let (body, tag) = bytes.split_at(N);
        let honest = |key: &Key| bool::from(key.tag(&[body])[..TAG].ct_eq(tag));
        self.tags.all().iter().any(honest).then(|| Self::written(text.to_string()))
    }

    fn written(text: String) -> TicketSecret {
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
        Self::written(hex(&body[..]) + &hex(&tag[..TAG]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Keys;

    fn keys() -> Keys {
        Keys::new(&Key::root(&[3; 32]).unwrap())
    }

    fn seed(nonce: u32) -> Seed {
        keys().seed("px0", TicketKind::Code, "job", &AccountId::new("1"), nonce)
    }

    #[test]
    fn a_seed_repeats_itself_and_differs_in_every_part() {
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

    /// Chi-square over the hundred leading pairs and the hundred trailing ones; 99 degrees of freedom,
    /// 148.2 is the 0.1 % point. A generator with a bias of 10 % on one digit is far beyond it.
    #[test]
    fn codes_are_spread_evenly_and_keep_their_zeros() {
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
    fn a_code_is_six_ascii_digits_and_nothing_else() {
        assert_eq!(SixDigits::parse("012345").unwrap().reveal(), "012345");
        for other in ["12345", "+12345", "0123456", "１２３４５６", "01234a", "01234\0", " 12345", ""] {
            assert!(SixDigits::parse(other).is_none(), "{other:?}");
        }
    }

    #[test]
    fn a_long_code_forgives_handwriting_but_no_typing_error() {
        let code = LongCode.mint(&seed(0)).reveal().to_owned();
        assert_eq!((code.len(), code.matches('-').count()), (16, 3));
        let sloppy = code.to_lowercase().replace('-', "").replace('0', "o").replace('1', "l");
        assert_eq!(LongCode::parse(&sloppy).unwrap().reveal(), code);
        let typed = code.replace('-', "").into_bytes();
        let refused = |bytes: &[u8]| LongCode::parse(std::str::from_utf8(bytes).unwrap()).is_none();
        for place in 0..typed.len() {
            for symbol in CROCKFORD.iter().filter(|symbol| **symbol != typed[place]) {
                let mut wrong = typed.clone();
                wrong[place] = *symbol;
                assert!(refused(&wrong), "{symbol} in place {place}");
            }
            for other in (place + 1..typed.len()).filter(|other| typed[*other] != typed[place]) {
                let mut swapped = typed.clone();
                swapped.swap(place, other);
                assert!(refused(&swapped), "places {place} and {other} swapped");
            }
        }
        for other in ["", "-", "U", &code[..15], "ÄÄÄÄ-ÄÄÄÄ-ÄÄÄÄ-Ä", &"-".repeat(500)] {
            assert!(LongCode::parse(other).is_none(), "{other:?}");
        }
    }

    #[test]
    fn a_token_carries_a_tag_that_only_our_key_makes() {
        let format = TaggedHex::<24>::new(Key::shared(b"tags"));
        let token = format.mint(&seed(0)).reveal().to_owned();
        assert_eq!(token.len(), 64);
        assert_eq!(format.parse(&token.to_uppercase()).unwrap().reveal(), token);
        assert!(TaggedHex::<24>::new(Key::shared(b"other")).parse(&token).is_none());
        let flipped = format!("{}{}", if token.starts_with('0') { '1' } else { '0' }, &token[1..]);
        assert!(format.parse(&flipped).is_none());
        for other in ["", "zz", &token[..63], &"g".repeat(64), &"é".repeat(32)] {
            assert!(format.parse(other).is_none(), "{other:?}");
        }
    }

    #[test]
    fn a_token_opens_under_each_key_of_the_ring_and_its_digest_covers_no_tag() {
        let [old, new] = [Key::shared(b"old"), Key::shared(b"new")];
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
    fn a_digest_belongs_to_one_dialect_kind_and_where_asked_account() {
        let (keys, secret) = (keys(), SixDigits::parse("123456").unwrap());
        let (one, two) = (AccountId::new("1"), AccountId::new("2"));
        let digest = |dialect, scope, account| keys.digest(dialect, scope, account, &secret);
        assert!(digest("px0", Scope::Global, &one).matches(&digest("px0", Scope::Global, &two)));
        assert!(!digest("px0", Scope::Account, &one).matches(&digest("px0", Scope::Account, &two)));
        assert!(!digest("px0", Scope::Global, &one).matches(&digest("insforge", Scope::Global, &one)));
    }
}
