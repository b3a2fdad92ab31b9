//! `serve --demo`: the one-minute trial. A throw-away database, two accounts, mails where one can see them.

use std::{
    fmt::Write as _,
    io::Write as _,
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use anyhow::{Context, Result};
use reset_core::{
    Resets, account::NewAccount, email::EmailAddress, error::AddAccountError, notation::hex,
    password::Policy, ports::random,
};
use reset_dialects::demo::{Carries, Mail, Person, Stage, stories};
use reset_mail::{Kept, Kind, Letterbox, Transport};
use tempfile::TempDir;
use tracing::warn;

use crate::settings::{Inputs, Listen, Settings};

/// Limits that would stop whoever tries everything at once.
const DEMO_ASKS: [&str; 4] = [
    "limits.asks_per_hour",
    "limits.asks_per_day",
    "limits.client_asks_per_15m",
    "limits.client_asks_per_day",
];

/// Whoever takes part.
const PEOPLE: [(&str, &str); 2] = [("alice@example.com", "Alice"), ("bob@example.com", "Bob")];

/// What only the demo has. The database goes with it.
pub(crate) struct Demo {
    database: TempDir,
    scene: Arc<Scene>,
}

/// What its pages show.
struct Scene {
    letterbox: Arc<Letterbox>,
    /// Known once the accounts are there.
    people: OnceLock<Vec<Person>>,
}

impl Stage for Scene {
    fn people(&self) -> Vec<Person> {
        self.people.get().cloned().unwrap_or_default()
    }

    fn mails(&self) -> Vec<Mail> {
        self.letterbox.mails().into_iter().map(shown).collect()
    }
}

impl Demo {
    /// Puts a throw-away database in place of the default one; its secret lies beside it. Whatever the
    /// operator sets holds all the same.
    pub(crate) fn new(inputs: &mut Inputs) -> Result<Self> {
        let database = tempfile::Builder::new().prefix("polyreset-demo-").tempdir();
        let database = database.context("no temporary directory can be made")?;
        let path = database.path().join("reset.db");
        inputs.demo.push(("database_url", format!("sqlite://{}", path.display())));
        // Two accounts for four dialects: whoever tries them asks for each again at once.
        inputs.demo.push(("limits.ask_spacing", "1ms".to_owned()));
        for limit in DEMO_ASKS {
            inputs.demo.push((limit, "1000".to_owned()));
        }
        let people = PEOPLE.iter().map(|(email, _)| EmailAddress::parse(email));
        let letterbox = Arc::new(Letterbox::of(people.collect::<Result<Vec<_>, _>>()?));
        Ok(Self { database, scene: Arc::new(Scene { letterbox, people: OnceLock::new() }) })
    }

    /// Removes the database.
    pub(crate) fn remove(self) -> Result<()> {
        self.database.close().context("the demo's database cannot be removed")
    }

    /// The terminal and `./mail`, unless the operator set where mails go.
    pub(crate) fn transports(settings: &Settings) -> Option<Vec<Transport>> {
        let default = settings.mail.transport.clone();
        (!settings.is_given("mail_url")).then(|| vec![Transport::Stdout, default])
    }

    /// Where mails are kept to be shown.
    pub(crate) fn letterbox(&self) -> Arc<Letterbox> {
        self.scene.letterbox.clone()
    }

    /// What its pages are made of.
    pub(crate) fn served(&self, public_url: &str) -> reset_dialects::demo::Settings {
        reset_dialects::demo::Settings { public_url: public_url.to_owned(), stage: self.scene.clone() }
    }

    /// Makes the accounts, and prints what to try.
    pub(crate) async fn introduce(
        &self,
        resets: &Resets,
        at: &Listen,
        public_url: &str,
        served: &reset_dialects::Settings,
    ) -> Result<()> {
        let (mut text, mut people) = ("\nAccounts:\n".to_owned(), Vec::new());
        for (email, name) in PEOPLE {
            let password = add(resets, email, name).await?;
            let _ = writeln!(text, "  {email}  {}", password.as_deref().unwrap_or("(exists already)"));
            people.push(Person { email: email.to_owned(), name: name.to_owned(), password });
        }
        let _ = self.scene.people.set(people);
        text.push_str(&commands(at, served));
        // Last, so that it is what one sees.
        let _ = write!(text, "\nOpen {public_url}/ in a browser.\n\n");
        if !matches!(at, Listen::Tcp(address) if address.ip().is_loopback()) {
            warn!("whoever reaches this server can read the demo's mailbox and passwords");
        }
        let mut stdout = std::io::stdout().lock();
        let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        Ok(())
    }
}

/// A mail as the mailbox shows it.
fn shown(kept: Kept) -> Mail {
    let Kept { id, to, subject, text, dialect, kind, secret } = kept;
    let secret = secret.map(|secret| secret.as_str().to_owned());
    let carries = match kind {
        Kind::ResetCode => Carries::Code(secret.unwrap_or_default()),
        Kind::ResetLink => Carries::Link(secret.unwrap_or_default()),
        Kind::PasswordChanged => Carries::Notice(secret),
    };
    Mail { id, to, subject, text: text.as_str().to_owned(), dialect, carries }
}

/// Makes an account and returns its password; nothing when it exists.
async fn add(resets: &Resets, email: &str, name: &str) -> Result<Option<String>> {
    let adapters = resets.adapters();
    let typed = format!("Demo-{}", hex(&random::<8>(&*adapters.entropy)));
    let any = Policy { min: 1, four_classes: false, refuse_common: false, max_bytes: 72 };
    let password_hash = adapters.hasher.hash(any.accept(&typed)?, None).await?;
    let account = NewAccount {
        email: email.to_owned(),
        username: Some(name.to_ascii_lowercase()),
        name: Some(name.to_owned()),
        locale: None,
        password_hash,
        created_at: adapters.clock.now(),
    };
    match adapters.store.add_account(&EmailAddress::parse(email)?, account).await {
        Ok(_) => Ok(Some(typed)),
        Err(AddAccountError::Taken) => Ok(None),
        Err(AddAccountError::Store(error)) => Err(error.into()),
    }
}

/// A block of commands for each dialect that is served.
fn commands(at: &Listen, served: &reset_dialects::Settings) -> String {
    let target = match at {
        // Nobody can connect to "any address".
        Listen::Tcp(address) if address.ip().is_unspecified() => {
            format!("http://{}", SocketAddr::from(([127, 0, 0, 1], address.port())))
        }
        Listen::Tcp(address) => format!("http://{address}"),
        Listen::Unix(path) => format!("--unix-socket {} http://localhost", path.display()),
    };
    let mut text = String::new();
    for story in stories(served) {
        let _ = write!(text, "\n# {}: {}\n", story.title, story.hint);
        for step in story.steps() {
            let _ = writeln!(text, "{}", step.curl(&target));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dialect_has_its_commands_and_a_dialect_that_is_off_has_none() {
        let settings = |set: &[(&str, &str)]| {
            let environment = set.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            Settings::read(Inputs { environment, ..Inputs::default() }).unwrap().stand_in().unwrap()
        };
        let at = Listen::Tcp("0.0.0.0:8080".parse().unwrap());
        let all = commands(&at, &settings(&[]));
        assert_eq!(all.matches("curl -sS http://127.0.0.1:8080/").count(), 9, "{all}");
        let three = commands(&at, &settings(&[("RESET_PX0__ENABLED", "false")]));
        assert!(!three.contains("/v1/auth/password-reset/") && three.contains("/api/auth/email/"));
        let socket = commands(&Listen::Unix("/run/r.sock".into()), &settings(&[]));
        assert!(socket.contains("curl -sS --unix-socket /run/r.sock http://localhost/v1/"), "{socket}");
    }

    #[test]
    fn the_demo_replaces_defaults_and_nothing_that_was_set() {
        let mut inputs = Inputs::default();
        let demo = Demo::new(&mut inputs).unwrap();
        let settings = Settings::read(inputs).unwrap();
        assert!(settings.database.address.file().unwrap().starts_with(demo.database.path()));
        assert_eq!(Demo::transports(&settings).unwrap().len(), 2);

        let environment = [("RESET_DATABASE_URL", "sqlite:///srv/reset.db"), ("RESET_MAIL_URL", "stdout:")];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let mut inputs = Inputs { environment, ..Inputs::default() };
        let _demo = Demo::new(&mut inputs).unwrap();
        let settings = Settings::read(inputs).unwrap();
        assert_eq!(settings.database.address.file().unwrap().to_str(), Some("/srv/reset.db"));
        assert!(Demo::transports(&settings).is_none());
    }
}
