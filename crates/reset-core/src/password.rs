//! New passwords and the policies that accept them. Outside this crate only a policy can create a [`NewPassword`], so
//! the type proves the check.

use passwords::analyzer::is_common_password;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::encoding::hex;

/// Maximum length of a password in bytes of UTF-8. Long input is cheap to hash; the limit prevents waste (R58).
pub const PASSWORD_MAX: usize = 1024;

/// A password that a policy has accepted. Wiped when dropped; cannot be printed.
pub struct NewPassword {
    text: Zeroizing<String>,
    /// Whether the policy rejects common passwords. Then passwords made of account names are rejected too.
    refuse_common: bool,
}

impl NewPassword {
    /// Creates a random password that is never revealed. No policy checks it.
    pub(crate) fn unguessable(random: &[u8; 24]) -> Self {
        Self { text: Zeroizing::new(hex(random)), refuse_common: false }
    }

    /// Returns the bytes to hash, exactly as typed (R57).
    pub fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// Returns the text if it must still be checked against account names.
    pub(crate) fn text_if_common_is_refused(&self) -> Option<&str> {
        self.refuse_common.then_some(self.text.as_str())
    }
}

/// The rules for new passwords in one dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Minimum length in Unicode code points, which is close to the length that users see (R54).
    pub min: usize,
    /// Whether A-Z, a-z, 0-9 and other characters must each occur (px0's seed).
    pub four_classes: bool,
    /// Whether to reject the 100,000 most common passwords, in any case of their letters, and passwords made of names
    /// of the account or the deployment (R56; [`crate::own_names`]).
    pub refuse_common: bool,
    /// Maximum length in bytes of UTF-8: [`PASSWORD_MAX`], or 72 where bcrypt would ignore the rest.
    pub max_bytes: usize,
}

/// Why a policy rejects a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Weakness {
    /// Too short.
    #[error("the password must have at least {min} characters")]
    TooShort {
        /// Minimum length in characters.
        min: usize,
    },
    /// A class of characters is missing.
    #[error("the password must mix upper case, lower case, digits and special characters")]
    MissingClass,
    /// One of the most common passwords.
    #[error("the password is one of the most common ones")]
    Common,
    /// Too long for the hash in use.
    #[error("the password must have at most {max_bytes} bytes")]
    TooLong {
        /// Maximum length in bytes of UTF-8.
        max_bytes: usize,
    },
    /// Contains NUL, which some hash functions treat as the end.
    #[error("the password must not contain the NUL character")]
    Nul,
}

impl Policy {
    /// Combines two policies: the result accepts a password only if both do.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            min: self.min.max(other.min),
            four_classes: self.four_classes || other.four_classes,
            refuse_common: self.refuse_common || other.refuse_common,
            max_bytes: self.max_bytes.min(other.max_bytes),
        }
    }

    /// Accepts `text` unchanged, without trimming or normalising, or returns the first rule it breaks.
    ///
    /// # Errors
    /// The first violation, in this order: too short, class missing, too long, NUL, too common. The first two follow
    /// the order of px0's seed.
    pub fn accept(&self, text: &str) -> Result<NewPassword, Weakness> {
        if text.chars().count() < self.min {
            return Err(Weakness::TooShort { min: self.min });
        }
        if self.four_classes && !has_four_classes(text) {
            return Err(Weakness::MissingClass);
        }
        if text.len() > self.max_bytes {
            return Err(Weakness::TooLong { max_bytes: self.max_bytes });
        }
        if text.contains('\0') {
            return Err(Weakness::Nul);
        }
        if self.refuse_common && is_common(text) {
            return Err(Weakness::Common);
        }
        Ok(NewPassword { text: Zeroizing::new(text.to_owned()), refuse_common: self.refuse_common })
    }
}

/// Implements px0's rule: "special" is any other character, including space and non-ASCII letters.
fn has_four_classes(text: &str) -> bool {
    text.contains(|c: char| c.is_ascii_uppercase())
        && text.contains(|c: char| c.is_ascii_lowercase())
        && text.contains(|c: char| c.is_ascii_digit())
        && text.contains(|c: char| !c.is_ascii_alphanumeric())
}

/// Most entries of the list are in lower case, but some have their original case, so both forms are looked up.
fn is_common(text: &str) -> bool {
    is_common_password(text) || is_common_password(Zeroizing::new(text.to_ascii_lowercase()).as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Policy =
        Policy { min: 8, four_classes: false, refuse_common: false, max_bytes: PASSWORD_MAX };

    fn weakness(policy: Policy, text: &str) -> Option<Weakness> {
        policy.accept(text).err()
    }

    #[test]
    fn length_counts_code_points() {
        assert_eq!(weakness(PLAIN, "1234567"), Some(Weakness::TooShort { min: 8 }));
        assert_eq!(weakness(PLAIN, "12345678"), None);
        assert_eq!(weakness(PLAIN, "😀😀😀😀😀😀😀"), Some(Weakness::TooShort { min: 8 }));
        assert_eq!(weakness(PLAIN, &"😀".repeat(256)), None);
        assert_eq!(weakness(PLAIN, &"a".repeat(1025)), Some(Weakness::TooLong { max_bytes: 1024 }));
    }

    #[test]
    fn four_classes_follow_the_px0_seed() {
        let px0 = Policy { four_classes: true, ..PLAIN };
        for text in ["lower1!aa", "UPPER1!AA", "NoDigits!", "NoSpecial1"] {
            assert_eq!(weakness(px0, text), Some(Weakness::MissingClass), "{text}");
        }
        for text in ["NewSecretPassword123!", "Space 1aB", "Ünicode1a B"] {
            assert_eq!(weakness(px0, text), None, "{text}");
        }
    }

    #[test]
    fn length_is_checked_first_and_nul_is_rejected() {
        let px0 = Policy { four_classes: true, ..PLAIN };
        assert_eq!(weakness(px0, "a"), Some(Weakness::TooShort { min: 8 }));
        assert_eq!(weakness(PLAIN, "12345678\0"), Some(Weakness::Nul));
    }

    #[test]
    fn only_common_passwords_are_rejected_in_any_case() {
        let listed = Policy { refuse_common: true, ..PLAIN };
        for text in
            ["password1", "PassWord1", "12345678", "qwertyuiop", "ILoveYou1", "1q2w3e4r5t", "zaq1@WSX"]
        {
            assert_eq!(weakness(listed, text), Some(Weakness::Common), "{text}");
            assert_eq!(weakness(PLAIN, text), None, "{text}");
        }
        // The contracts' own examples, and typical passwords of users and password managers.
        for text in
            ["newSecurePassword123", "NewSecretPassword123!", "correct horse", "x7#Qm-vT2p", "pässwörd1"]
        {
            assert_eq!(weakness(listed, text), None, "{text}");
        }
        assert_eq!(
            weakness(listed, "123456"),
            Some(Weakness::TooShort { min: 8 }),
            "length comes first, as in the seed"
        );
    }

    #[test]
    fn nothing_is_trimmed_or_normalised() {
        let typed = "  e\u{301}cole 1 ";
        assert_eq!(PLAIN.accept(typed).unwrap().as_bytes(), typed.as_bytes());
    }
}
