//! New passwords: accepted once by a policy, then carried as a type that only a policy can make.

use passwords::analyzer::is_common_password;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::encoding::hex;

/// Longest password in bytes of UTF-8. Long input is cheap to hash; the cap is against waste (R58).
pub const PASSWORD_MAX: usize = 1024;

/// A password that its policy accepted. Wiped when dropped, cannot be printed.
pub struct NewPassword {
    text: Zeroizing<String>,
    /// Whether the policy refuses what everybody tries first: then names of the account are refused as well.
    refuse_common: bool,
}

impl NewPassword {
    /// A password that is no person's: nobody can guess it, and nobody is told. No policy has to accept it.
    pub(crate) fn that_nobody_knows(random: &[u8; 24]) -> Self {
        Self { text: Zeroizing::new(hex(random)), refuse_common: false }
    }

    /// The bytes to hash, exactly as they were typed (R57).
    pub fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// The text, where it is still to be compared with what the account is called.
    pub(crate) fn to_compare(&self) -> Option<&str> {
        self.refuse_common.then_some(self.text.as_str())
    }
}

/// The rules for a new password in one dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Least length in Unicode code points: what a person sees, nearly (R54).
    pub min: usize,
    /// Whether one of A-Z, a-z, 0-9 and anything else must each occur (px0's seed).
    pub four_classes: bool,
    /// Whether one of the hundred thousand most common passwords is refused, whatever the case of its letters, and,
    /// once the account is known, one that is made of its names or of ours (R56; [`crate::own_names`]).
    pub refuse_common: bool,
    /// Most bytes of UTF-8: [`PASSWORD_MAX`], or 72 where bcrypt would cut the rest off.
    pub max_bytes: usize,
}

/// Why a password is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Weakness {
    /// Too short.
    #[error("the password must have at least {min} characters")]
    TooShort {
        /// Least length.
        min: usize,
    },
    /// Lacks a class of characters.
    #[error("the password must mix upper case, lower case, digits and special characters")]
    MissingClass,
    /// One of the passwords that everybody tries first.
    #[error("the password is one of the most common ones")]
    Common,
    /// Too long for the hash in use.
    #[error("the password must have at most {max_bytes} bytes")]
    TooLong {
        /// Most bytes of UTF-8.
        max_bytes: usize,
    },
    /// Contains NUL, which some hashes take for the end.
    #[error("the password must not contain the NUL character")]
    Nul,
}

impl Policy {
    /// The rules of both: what the result accepts, each of them does.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            min: self.min.max(other.min),
            four_classes: self.four_classes || other.four_classes,
            refuse_common: self.refuse_common || other.refuse_common,
            max_bytes: self.max_bytes.min(other.max_bytes),
        }
    }

    /// Accepts `text` as it is, without trimming or normalising, or names the first rule it breaks.
    ///
    /// # Errors
    /// The first of: too short, a class missing, too long, NUL, too common. That is the order of px0's seed, and ours
    /// behind it.
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

/// px0's rule: "special" is any other character at all, space and non-ASCII letters included.
fn has_four_classes(text: &str) -> bool {
    text.contains(|c: char| c.is_ascii_uppercase())
        && text.contains(|c: char| c.is_ascii_lowercase())
        && text.contains(|c: char| c.is_ascii_digit())
        && text.contains(|c: char| !c.is_ascii_alphanumeric())
}

/// The list has most entries in lower case, and some as they were found.
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
    fn the_four_classes_are_the_seeds_own() {
        let px0 = Policy { four_classes: true, ..PLAIN };
        for text in ["lower1!aa", "UPPER1!AA", "NoDigits!", "NoSpecial1"] {
            assert_eq!(weakness(px0, text), Some(Weakness::MissingClass), "{text}");
        }
        for text in ["NewSecretPassword123!", "Space 1aB", "Ünicode1a B"] {
            assert_eq!(weakness(px0, text), None, "{text}");
        }
    }

    #[test]
    fn short_comes_before_weak_and_nul_is_refused() {
        let px0 = Policy { four_classes: true, ..PLAIN };
        assert_eq!(weakness(px0, "a"), Some(Weakness::TooShort { min: 8 }));
        assert_eq!(weakness(PLAIN, "12345678\0"), Some(Weakness::Nul));
    }

    #[test]
    fn what_everybody_tries_first_is_refused_whatever_its_case_and_nothing_else() {
        let listed = Policy { refuse_common: true, ..PLAIN };
        for text in
            ["password1", "PassWord1", "12345678", "qwertyuiop", "ILoveYou1", "1q2w3e4r5t", "zaq1@WSX"]
        {
            assert_eq!(weakness(listed, text), Some(Weakness::Common), "{text}");
            assert_eq!(weakness(PLAIN, text), None, "{text}");
        }
        // The contracts' own examples, and what a person or a manager makes up.
        for text in
            ["newSecurePassword123", "NewSecretPassword123!", "correct horse", "x7#Qm-vT2p", "pässwörd1"]
        {
            assert_eq!(weakness(listed, text), None, "{text}");
        }
        assert_eq!(weakness(listed, "123456"), Some(Weakness::TooShort { min: 8 }), "the seed's order");
    }

    #[test]
    fn nothing_is_trimmed_or_normalised() {
        let typed = "  e\u{301}cole 1 ";
        assert_eq!(PLAIN.accept(typed).unwrap().as_bytes(), typed.as_bytes());
    }
}
