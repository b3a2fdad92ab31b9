//! `user`: the accounts of polyreset's own users table. Safe to use while a server is running.

use std::{
    io::{Read, Write as _, stderr, stdin},
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context, Error, Result, anyhow, bail};
use clap::{Args, Subcommand};
use reset_core::{
    account::NewAccount,
    dispute::{ClosedDisputes, DISPUTE_LIFE},
    email::{ADDRESS_MAX, EmailAddress},
    event::{Event, EventKind},
    password::{NewPassword, Policy},
    ports::Store,
};
use zeroize::Zeroizing;

use super::print;
use crate::{deployment, settings::Settings};

#[derive(Subcommand)]
pub(super) enum UserCommand {
    /// Create an account and print its id; the password policy is not enforced (intended for imports)
    Add(Add),
    /// Exit 0 if the stored hash accepts the password, 1 if not, 2 on any error
    Verify {
        /// Address of the account
        email: String,
        /// Read the password from stdin; one trailing newline is stripped
        #[arg(long, required = true)]
        password_stdin: bool,
    },
    /// Block an account: it gets no reset mail, and its live codes and links are void
    Block {
        /// Address of the account
        email: String,
    },
    /// Unblock an account
    Unblock {
        /// Address of the account
        email: String,
    },
    /// Void every live code and link of an account, or of all accounts after a backup was restored
    VoidTickets {
        /// Address of the account
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        email: Option<String>,
        /// All accounts
        #[arg(long)]
        all: bool,
    },
    /// Close an owner's dispute ("this wasn't me"), so that the account's own address gets reset mail again, and end the
    /// unused dispute links of its former addresses
    #[command(visible_alias = "lift")]
    CloseDispute {
        /// Address of the account, or of the mailbox that the dispute came from
        email: String,
    },
    /// End every unused "this wasn't me" link of an account, before it goes to another person or after its owner got it
    /// back
    VoidLinks {
        /// Address of the account
        email: String,
    },
}

#[derive(Args)]
pub(super) struct Add {
    /// Address, stored as written
    email: String,
    /// Read the password from stdin; one trailing newline is stripped
    #[arg(long, required = true)]
    password_stdin: bool,
    /// Login name
    #[arg(long, value_name = "U")]
    username: Option<String>,
    /// Display name
    #[arg(long, value_name = "N")]
    name: Option<String>,
    /// Language of mails to the account, such as en or de-CH
    #[arg(long, value_name = "L")]
    locale: Option<String>,
}

pub(super) async fn run(settings: Settings, command: UserCommand) -> Result<ExitCode> {
    if settings.users.is_some()
        && matches!(command, UserCommand::Add(_) | UserCommand::Block { .. } | UserCommand::Unblock { .. })
    {
        bail!("users.preset names another system's table: create and block its accounts in that system");
    }
    match command {
        UserCommand::Add(account) => add(&settings, account).await,
        UserCommand::Verify { email, .. } => verify(&settings, &email).await,
        UserCommand::Block { email } => set_blocked(&settings, &email, true).await,
        UserCommand::Unblock { email } => set_blocked(&settings, &email, false).await,
        UserCommand::VoidTickets { email, .. } => void_tickets(&settings, email.as_deref()).await,
        UserCommand::CloseDispute { email } => close_dispute(&settings, &email).await,
        UserCommand::VoidLinks { email } => void_links(&settings, &email).await,
    }
}

async fn add(settings: &Settings, account: Add) -> Result<ExitCode> {
    let email = address(&account.email)?;
    let plain = |text: &Option<String>| text.as_ref().is_none_or(|text| !text.contains(char::is_control));
    for (argument, text) in
        [("--username", &account.username), ("--name", &account.name), ("--locale", &account.locale)]
    {
        if !plain(text) {
            bail!("{argument} must not contain control characters");
        }
    }
    let password = password(settings.passwords.import())?;
    let store = deployment::store(settings).await?;
    let password_hash = deployment::hasher(settings, 1)?.hash(password, None).await?;
    let id = store
        .add_account(&email, account.with(password_hash))
        .await
        .context(format!("account {}", email.key()))?;
    print(&format!("{}\n", id.as_str()));
    // On stderr, so that stdout is the id alone.
    let _ = writeln!(stderr(), "created the account of {} with id {}", email.key(), id.as_str());
    Ok(ExitCode::SUCCESS)
}

impl Add {
    fn with(self, password_hash: String) -> NewAccount {
        let Self { email, username, name, locale, .. } = self;
        NewAccount { email, username, name, locale, password_hash, created_at: deployment::clock().now() }
    }
}

async fn verify(settings: &Settings, email: &str) -> Result<ExitCode> {
    let email = address(email)?;
    let password = password(settings.passwords.import())?;
    let store: Arc<dyn Store> = deployment::existing_store(settings).await?;
    let unknown = || no_account(&email);
    let account = store.account_by_email(&email).await?.ok_or_else(unknown)?;
    let stored = store.password_hash(&account.id).await?.ok_or_else(unknown)?;
    let accepted = deployment::hasher(settings, 1)?.verify(password, &stored).await?;
    Ok(if accepted { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn set_blocked(settings: &Settings, email: &str, blocked: bool) -> Result<ExitCode> {
    let email = address(email)?;
    let store = deployment::existing_store(settings).await?;
    let kind = if blocked { EventKind::Blocked } else { EventKind::Unblocked };
    if !store.set_blocked(&email, blocked, &Event::new(kind, deployment::clock().now())).await? {
        return Err(no_account(&email));
    }
    Ok(ExitCode::SUCCESS)
}

/// Voids the tickets of the account with this address, or of every account.
async fn void_tickets(settings: &Settings, email: Option<&str>) -> Result<ExitCode> {
    let email = email.map(address).transpose()?;
    let store = deployment::existing_store(settings).await?;
    let mut event = Event::new(EventKind::TicketsVoided, deployment::clock().now());
    let mut account = None;
    if let Some(email) = &email {
        let found = store.account_by_email(email).await?.ok_or_else(|| no_account(email))?;
        event = event.of(&found.id);
        account = Some(found.id);
    }
    let voided = store.void_tickets(account.as_ref(), &event).await?;
    print(&format!("voided codes and links: {voided}\n"));
    Ok(ExitCode::SUCCESS)
}

async fn close_dispute(settings: &Settings, email: &str) -> Result<ExitCode> {
    let email = address(email)?;
    let store = deployment::existing_store(settings).await?;
    let now = deployment::clock().now();
    let by_mailbox = store.account_of_dispute(email.key(), now.minus(DISPUTE_LIFE)).await?;
    let account = match by_mailbox {
        Some(account) => store.account(&account).await?,
        None => store.account_by_email(&email).await?,
    };
    let account = account.ok_or_else(|| no_account(&email))?;
    let event = Event::new(EventKind::DisputeClosed, now).of(&account.id);
    let ClosedDisputes { disputes, links } =
        store.close_disputes(&account.id, &account.email_key(), &event).await?;
    if disputes == 0 && links == 0 {
        bail!("EMAIL {}: no dispute is open, and no former address has an unused dispute link", email.key());
    }
    print(&format!(
        "closed {disputes} dispute(s), ended {links} unused dispute link(s) of former addresses\n"
    ));
    Ok(ExitCode::SUCCESS)
}

async fn void_links(settings: &Settings, email: &str) -> Result<ExitCode> {
    let email = address(email)?;
    let store = deployment::existing_store(settings).await?;
    let account = store.account_by_email(&email).await?.ok_or_else(|| no_account(&email))?;
    let event = Event::new(EventKind::LinksVoided, deployment::clock().now()).of(&account.id);
    let ended = store.void_dispute_links(&account.id, &event).await?;
    print(&format!("ended {ended} unused dispute link(s)\n"));
    Ok(ExitCode::SUCCESS)
}

/// Parses EMAIL. The error repeats it: the operator typed it.
pub(super) fn address(text: &str) -> Result<EmailAddress> {
    EmailAddress::parse(text).map_err(|error| anyhow!("EMAIL {text:?} is {error}: {}", rule_of(text)))
}

/// Returns the rule that an address violates, for the operator. Clients are not told (R20).
fn rule_of(text: &str) -> &'static str {
    let Some((local, domain)) = text.split_once('@') else { return "it has no @" };
    if text.chars().any(|char| char.is_whitespace() || char.is_control()) {
        return "it contains a space or a control character";
    }
    if text.len() > ADDRESS_MAX {
        return "it is longer than 254 bytes";
    }
    if !local.is_ascii() {
        return "the part before the @ must be ASCII, because most mail servers accept no other letters there";
    }
    if domain.contains('@') {
        return "it has more than one @";
    }
    if !domain.contains('.') {
        return "its domain has no dot";
    }
    if EmailAddress::parse(&format!("a@{domain}")).is_ok() {
        "the part before the @ must consist of up to 64 letters, digits and #$&'*+-=?^_`{|}~, with single dots between \
         them and no hyphen at the start"
    } else {
        "its domain must be a host name, without addresses in brackets and without letters that only look like ASCII"
    }
}

fn no_account(email: &EmailAddress) -> Error {
    anyhow!("no account has the address {}", email.key())
}

/// Reads the password from stdin, without the line end that `echo` and editors add.
fn password(policy: Policy) -> Result<NewPassword> {
    let mut text = Zeroizing::new(String::new());
    stdin().lock().read_to_string(&mut text).context("--password-stdin")?;
    accepted(policy, &text)
}

fn accepted(policy: Policy, text: &str) -> Result<NewPassword> {
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    policy.accept(text).context("--password-stdin")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_that_is_rejected_names_the_rule() {
        for (text, rule) in [
            ("Jürgen@exämple.com", "before the @ must be ASCII"),
            ("ann.example.com", "has no @"),
            ("ann @example.com", "a space"),
            ("ann@localhost", "has no dot"),
            ("ann@example.com@example.org", "more than one @"),
            ("ann..b@example.com", "single dots"),
            ("ann@[127.0.0.1]", "must be a host name"),
            ("ann@127.0.0.1", "must be a host name"),
        ] {
            let error = address(text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("EMAIL {text:?} is not an address")), "{error}");
            assert!(error.contains(rule), "{text}: {error}");
        }
        assert!(address("ann@exämple.com").is_ok());
        let long = format!("a@{}.example", "b.".repeat(130));
        assert!(address(&long).unwrap_err().to_string().contains("254 bytes"));
    }

    #[test]
    fn one_trailing_newline_is_stripped_and_all_other_bytes_count() {
        let policy = Policy { min: 1, four_classes: false, refuse_common: false, max_bytes: 72 };
        let bytes = |text| accepted(policy, text).map(|password| password.as_bytes().to_vec());
        assert_eq!(bytes("a\n").unwrap(), b"a");
        assert_eq!(bytes(" a \n\n").unwrap(), b" a \n");
        assert_eq!(bytes("a").unwrap(), b"a");
        assert_eq!(bytes("a\r\n").unwrap(), b"a");
        assert_eq!(bytes("a\r").unwrap(), b"a\r");
        assert!(bytes("\n").is_err() && bytes("").is_err() && bytes("a\0b").is_err());
        let error = format!("{:#}", bytes(&"canary".repeat(13)).unwrap_err());
        assert!(error.contains("at most 72 bytes") && !error.contains("canary"), "{error}");
    }
}
