//! Passwords that are made of a name that anybody knows: the account's own, and the deployment's (R56).
//!
//! The account is known only after the look-up, so this rule comes after it. It is asked with a secret that is right,
//! counts against the ticket, and the tenth refusal ends it (R17): nobody tries out by it what an account is called.
//!
//! # The rule
//! Names and password are compared in lower case. Every name of three characters or more is taken out of the password
//! wherever it occurs, the longest first; then exclamation marks and up to four digits, such as a year, at the end. If
//! a name occurred and fewer than four characters are left, the password is refused.

use zeroize::Zeroizing;

use crate::{
    Resets,
    account::Account,
    error::RedeemError,
    password::NewPassword,
    ticket::{REFUSALS_MAX, Ticket},
    time::Timestamp,
};

/// Characters that have to be left.
const LEFT_MIN: usize = 4;
/// Characters of a name that is looked for.
const NAME_MIN: usize = 3;
/// Digits at the end that count for nothing.
const TAIL_DIGITS: usize = 4;

impl Resets {
    /// Refuses a password that is made of names, at the cost of one of the ticket's refusals.
    ///
    /// # Errors
    /// [`RedeemError::OwnName`], or [`RedeemError::Invalid`] when the ticket has had too many of them.
    pub(crate) async fn refuse_own_names(
        &self,
        password: &NewPassword,
        account: &Account,
        ticket: &Ticket,
        now: Timestamp,
    ) -> Result<(), RedeemError> {
        let Some(text) = password.to_compare() else { return Ok(()) };
        if !is_made_of(text, &names(account, &self.inner.names)) {
            return Ok(());
        }
        // An account has one live ticket a dialect: this one.
        let store = &self.adapters().store;
        let counted = store.take_guess(&account.id, &ticket.dialect, ticket.kind, REFUSALS_MAX, now).await?;
        Err(counted.map_or(RedeemError::Invalid, |_| RedeemError::OwnName))
    }
}

/// Every name, its parts, and both without signs, in lower case, the longest first.
fn names(account: &Account, ours: &[String]) -> Vec<String> {
    let local = account.email.rsplit_once('@').map(|(local, _)| local);
    let own = [local, Some(&account.email), account.username.as_deref(), account.name.as_deref()];
    let whole = own.into_iter().flatten().chain(ours.iter().map(String::as_str)).map(str::to_lowercase);
    let mut all = Vec::new();
    for name in whole {
        all.push(name.chars().filter(|c| c.is_alphanumeric()).collect());
        // Of an address that is not its own local part, the host is a mail provider's: anybody's.
        if !name.contains('@') {
            all.extend(name.split(|c: char| !c.is_alphanumeric()).map(ToOwned::to_owned));
        }
        all.push(name);
    }
    all.retain(|name: &String| name.chars().count() >= NAME_MIN);
    all.sort_unstable_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
    all.dedup();
    all
}

fn is_made_of(text: &str, names: &[String]) -> bool {
    let mut left = Zeroizing::new(text.to_lowercase());
    let mut found = false;
    for name in names.iter().map(String::as_str) {
        if left.contains(name) {
            found = true;
            left = Zeroizing::new(left.replace(name, ""));
        }
    }
    let mut rest = left.trim_end_matches('!');
    for _ in 0..TAIL_DIGITS {
        rest = rest.strip_suffix(|c: char| c.is_ascii_digit()).unwrap_or(rest);
    }
    found && rest.chars().count() < LEFT_MIN
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::AccountId;

    fn ann() -> Account {
        let at = Timestamp::from_millis(0);
        Account {
            id: AccountId::new("1"),
            email: "Ann.Smith+shop@Example.org".into(),
            username: Some("annie_1984".into()),
            name: Some("Ann-Kathrin Größe".into()),
            locale: None,
            confirmed: true,
            blocked: false,
            hash_form: None,
            epoch: 0,
            created_at: at,
            updated_at: at,
        }
    }

    fn refused(text: &str) -> bool {
        is_made_of(text, &names(&ann(), &["Acme Bank".to_owned(), "reset.acme.example".to_owned()]))
    }

    #[test]
    fn a_name_with_a_few_trivial_signs_is_refused_whatever_its_case() {
        for text in [
            "ann.smith+shop",
            "Ann.Smith",
            "annsmith",
            "AnnSmith2024!",
            "annsmith!2024",
            "2024annsmith",
            "ann.smith+shop@example.org",
            "ANN.SMITH+SHOP@EXAMPLE.ORG!",
            "Annsmithshop1!",
            "annie_1984!!",
            "annie1984",
            "annieann",
            "Kathrin-Größe",
            "kathrin12345",
            "AcmeBank1!",
            "acme-bank",
            "reset.acme.example",
            "my-annsmith",
        ] {
            assert!(refused(text), "{text}");
        }
    }

    #[test]
    fn a_password_that_merely_holds_a_name_is_accepted() {
        for text in [
            "ann likes tea",
            "x7#Qm-vT2p",
            "smithereens of glass",
            "correct horse battery",
            "bank robbery 77",
            "Bank-of-Acme",
            "annsmith-7Qx!",
            "example.org",
            "!!!!!!!!!!!!",
            "00000000",
        ] {
            assert!(!refused(text), "{text}");
        }
    }

    #[test]
    fn names_of_one_or_two_characters_and_missing_ones_refuse_nothing() {
        let short = Account { email: "a@b.org".into(), username: Some("jo".into()), name: None, ..ann() };
        for text in ["aaaaaaaa", "jojojojo", "a!a!a!a!"] {
            assert!(!is_made_of(text, &names(&short, &[])), "{text}");
        }
        let none = Account { email: String::new(), username: Some(String::new()), name: None, ..ann() };
        assert_eq!(names(&none, &[String::new()]), [""; 0]);
    }

    /// R56: fewer than one in ten thousand. The draws are a plain counter's digests, so the test repeats itself.
    #[test]
    fn random_passwords_are_not_refused() {
        let (key, names) = (crate::keys::Key::shared(b"draws"), names(&ann(), &["Acme Bank".to_owned()]));
        let made_of_names = (0..20_000_u32).filter(|number| {
            let bytes = key.tag(&[&number.to_be_bytes()]);
            let text: String = bytes[..8].iter().map(|byte| char::from(b'a' + byte % 26)).collect();
            is_made_of(&text, &names)
        });
        assert!(made_of_names.count() < 2);
    }
}
