//! Rejects passwords made of names of the account or of the deployment (R56).
//!
//! The check needs the account, so it comes after the look-up. It runs only for a valid secret, and each rejection
//! counts as an attempt on the ticket; the tenth voids it (R17). An attacker therefore cannot use the check to find
//! out the account's names.
//!
//! # The rule
//! Names and password are compared in lower case. Every name of at least three characters is removed from the
//! password wherever it occurs, longest names first. Then exclamation marks and up to four digits, such as a year,
//! are removed from the end. If a name occurred and fewer than four characters remain, the password is rejected.

use zeroize::Zeroizing;

use crate::{
    Resets,
    account::Account,
    error::RedeemError,
    event::Event,
    password::NewPassword,
    ticket::{REFUSALS_MAX, Ticket},
};

/// Minimum number of characters that must remain.
const LEFT_MIN: usize = 4;
/// Minimum length of a name in characters; shorter names are ignored.
const NAME_MIN: usize = 3;
/// Maximum number of digits removed from the end.
const TAIL_DIGITS: usize = 4;

impl Resets {
    /// Rejects a password that is made of names. A rejection counts as an attempt on the ticket and records `event`.
    ///
    /// # Errors
    /// [`RedeemError::OwnName`], or [`RedeemError::Invalid`] if the ticket has no attempts left.
    pub(crate) async fn reject_own_names(
        &self,
        password: &NewPassword,
        account: &Account,
        ticket: &Ticket,
        event: &Event,
    ) -> Result<(), RedeemError> {
        let Some(text) = password.text_if_common_is_refused() else { return Ok(()) };
        if !is_made_of(text, &names(account, &self.inner.names)) {
            return Ok(());
        }
        // An account has one live ticket per dialect: this one.
        let store = &self.adapters().store;
        let counted =
            store.take_guess(&account.id, &ticket.dialect, ticket.kind, REFUSALS_MAX, event.at).await?;
        self.record_event_once(event).await;
        Err(counted.map_or(RedeemError::Invalid, |_| RedeemError::OwnName))
    }
}

/// Collects all names to look for: each name, its parts, and the name without punctuation, in lower case, longest
/// first.
fn names(account: &Account, deployment: &[String]) -> Vec<String> {
    let local = account.email.rsplit_once('@').map(|(local, _)| local);
    let own = [local, Some(&account.email), account.username.as_deref(), account.name.as_deref()];
    let whole = own.into_iter().flatten().chain(deployment.iter().map(String::as_str)).map(str::to_lowercase);
    let mut all = Vec::new();
    for name in whole {
        all.push(name.chars().filter(|c| c.is_alphanumeric()).collect());
        // The parts of a full address are not names: its host usually belongs to a mail provider.
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
    use crate::{account::AccountId, time::Timestamp};

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
            document_id: None,
            epoch: 0,
            created_at: at,
            updated_at: at,
        }
    }

    fn rejected(text: &str) -> bool {
        is_made_of(text, &names(&ann(), &["Acme Bank".to_owned(), "reset.acme.example".to_owned()]))
    }

    #[test]
    fn name_with_a_few_extra_characters_is_rejected_in_any_case() {
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
            assert!(rejected(text), "{text}");
        }
    }

    #[test]
    fn password_that_merely_contains_a_name_is_accepted() {
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
            assert!(!rejected(text), "{text}");
        }
    }

    #[test]
    fn short_and_missing_names_reject_no_password() {
        let short = Account { email: "a@b.org".into(), username: Some("jo".into()), name: None, ..ann() };
        for text in ["aaaaaaaa", "jojojojo", "a!a!a!a!"] {
            assert!(!is_made_of(text, &names(&short, &[])), "{text}");
        }
        let none = Account { email: String::new(), username: Some(String::new()), name: None, ..ann() };
        assert_eq!(names(&none, &[String::new()]), [""; 0]);
    }

    /// R56: fewer than one in ten thousand. The passwords are digests of a counter, so the test is deterministic.
    #[test]
    fn random_passwords_are_not_rejected() {
        let (key, names) = (crate::keys::HmacKey::shared(b"draws"), names(&ann(), &["Acme Bank".to_owned()]));
        let made_of_names = (0..20_000_u32).filter(|number| {
            let bytes = key.tag(&[&number.to_be_bytes()]);
            let text: String = bytes[..8].iter().map(|byte| char::from(b'a' + byte % 26)).collect();
            is_made_of(&text, &names)
        });
        assert!(made_of_names.count() < 2);
    }
}
