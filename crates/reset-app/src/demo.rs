//! `serve --demo`: a one-minute trial with a temporary database, two accounts, and mails on the terminal and in a mailbox.

use std::{
    fmt::Write as _,
    io::Write as _,
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use anyhow::{Context, Result, bail};
use reset_core::{
    Resets,
    account::NewAccount,
    email::EmailAddress,
    encoding::hex,
    password::Policy,
    ports::{Mailer as _, random},
};
use reset_http::route::Dialect;
use reset_mail::{DemoMail, DemoMailbox, MailKind, MailService, TransportConfig};
use reset_pages::{
    demo::{Carries, DemoSettings, Person, ShownMail, Stage, curl, walkthroughs},
    hosted::PagesSettings,
};
use tempfile::TempDir;
use tracing::warn;
use url::{Host, Url};

use reset_listen::ListenAddress;

use crate::{
    deployment,
    settings::{Inputs, Settings, keys},
};

/// Limits that the demo raises: a user who tries every dialect and a few wrong codes would reach the defaults.
const RAISED: [&str; 8] = [
    "limits.requests_per_hour",
    "limits.requests_per_day",
    "limits.client_requests_per_15m",
    "limits.client_requests_per_day",
    "limits.client_px0_wrong_per_hour",
    "limits.client_px0_wrong_per_day",
    "limits.network_px0_wrong_per_day",
    "limits.client_insforge_wrong_per_15m",
];

/// Accounts of the demo.
const PEOPLE: [(&str, &str); 2] = [("alice@example.com", "Alice"), ("bob@example.com", "Bob")];

/// The state of the demo. Dropping it removes the database.
pub(crate) struct Demo {
    database: TempDir,
    scene: Arc<Scene>,
}

/// The contents of the demo's pages.
struct Scene {
    mailbox: Arc<DemoMailbox>,
    /// Set once the accounts exist.
    people: OnceLock<Vec<Person>>,
}

impl Stage for Scene {
    fn people(&self) -> Vec<Person> {
        self.people.get().cloned().unwrap_or_default()
    }

    fn mails(&self) -> Vec<ShownMail> {
        self.mailbox.mails().into_iter().map(shown).collect()
    }
}

impl Demo {
    /// Creates a temporary database, with its secret next to it, as the default. Settings of the operator still apply.
    pub(crate) fn new(inputs: &mut Inputs) -> Result<Self> {
        let database = tempfile::Builder::new().prefix("polyreset-demo-").tempdir();
        let database = database.context("cannot create a temporary directory")?;
        let path = database.path().join("reset.db");
        inputs.demo.push(("database_url", format!("sqlite://{}", path.display())));
        // Two accounts for four dialects: users of the demo request several resets for one account within a minute.
        inputs.demo.push(("limits.request_spacing", "1ms".to_owned()));
        for limit in RAISED {
            inputs.demo.push((limit, "1000".to_owned()));
        }
        let people = PEOPLE.iter().map(|(email, _)| EmailAddress::parse(email));
        let mailbox = Arc::new(DemoMailbox::of(people.collect::<Result<Vec<_>, _>>()?));
        Ok(Self { database, scene: Arc::new(Scene { mailbox, people: OnceLock::new() }) })
    }

    /// Removes the database.
    pub(crate) fn remove(self) -> Result<()> {
        self.database.close().context("cannot remove the demo's database")
    }

    /// Rejects an existing database: the demo creates accounts, and prints waiting mails to the terminal.
    pub(crate) fn check_database(settings: &Settings) -> Result<()> {
        if !settings.is_given(&keys::DATABASE_URL) {
            return Ok(());
        }
        match settings.database.address.file() {
            Some(path) if !path.exists() => Ok(()),
            Some(path) => bail!(
                "database_url: {} already exists, but serve --demo needs a new database: unset database_url, or remove \
                 the file",
                path.display()
            ),
            None => bail!("database_url: serve --demo creates its own SQLite database: unset database_url"),
        }
    }

    /// Builds the mail service: the mailbox, and either the transport that the operator set or the terminal and `./mail`.
    /// If `./mail` cannot be written, only the terminal.
    pub(crate) async fn mail(&self, settings: &Settings, public_url: &str) -> Result<MailService> {
        let default = settings.mail.transport.clone();
        let service = |transports| {
            let service = deployment::mail(settings, transports, public_url)?;
            Ok::<_, anyhow::Error>(service.with_demo_mailbox(self.scene.mailbox.clone()))
        };
        if settings.is_given(&keys::MAIL_URL) {
            return service(vec![default]);
        }
        let both = service(vec![TransportConfig::Stdout, default])?;
        if let Err(error) = both.check().await {
            warn!(
                error = &error as &dyn std::error::Error,
                "./mail cannot be written; mails are not saved as files"
            );
            return service(vec![TransportConfig::Stdout]);
        }
        Ok(both)
    }

    /// Returns the pages of the demo, and links the hosted pages to them.
    pub(crate) fn pages(&self, pages: &mut Option<PagesSettings>, public_url: &str) -> DemoSettings {
        if let Some(pages) = pages {
            pages.brand.home.get_or_insert_with(|| format!("{public_url}/sign-in"));
        }
        DemoSettings { public_url: public_url.to_owned(), stage: self.scene.clone() }
    }

    /// Creates the accounts, and prints them with example commands.
    pub(crate) async fn introduce(
        &self,
        resets: &Resets,
        at: &ListenAddress,
        public_url: &str,
        served: &[Dialect],
    ) -> Result<()> {
        let (mut text, mut people) = ("\nAccounts:\n".to_owned(), Vec::new());
        for (email, name) in PEOPLE {
            let password = add_account(resets, email, name).await?;
            let _ = writeln!(text, "  {email}  {password}");
            people.push(Person { email: email.to_owned(), name: name.to_owned(), password });
        }
        let _ = self.scene.people.set(people);
        text.push_str(&commands(at, served));
        text.push('\n');
        if !is_private(at, public_url) {
            warn!(
                "the demo is reachable from other machines; anyone who can reach it can read the demo's mailbox and passwords"
            );
        }
        let mut stdout = std::io::stdout().lock();
        let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        Ok(())
    }
}

/// Converts a mail for the mailbox page.
fn shown(mail: DemoMail) -> ShownMail {
    let DemoMail { id, to, from, at, subject, text, html, dialect, kind, secret, .. } = mail;
    let secret = secret.map(|secret| secret.as_str().to_owned());
    let carries = match kind {
        MailKind::ResetCode => Carries::Code(secret.unwrap_or_default()),
        MailKind::ResetLink => Carries::Link(secret.unwrap_or_default()),
        MailKind::PasswordChanged => Carries::Notice(secret),
    };
    ShownMail {
        id,
        to,
        from,
        at,
        subject,
        text: text.as_str().to_owned(),
        html: html.as_str().to_owned(),
        dialect,
        carries,
    }
}

/// Whether the demo is reachable only from this machine, according to the settings.
fn is_private(at: &ListenAddress, public_url: &str) -> bool {
    let loopback = matches!(at, ListenAddress::Tcp(address) if address.ip().is_loopback());
    let host = Url::parse(public_url).ok().and_then(|url| url.host().map(|host| host.to_owned()));
    loopback
        && match host {
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        }
}

/// Returns the first line of the output, which tells the user where to start.
pub(crate) fn invitation(public_url: &str) -> String {
    format!("polyreset demo: open {public_url}/ in a browser\n")
}

/// Creates an account and returns its password.
async fn add_account(resets: &Resets, email: &str, name: &str) -> Result<String> {
    let adapters = resets.adapters();
    let password = format!("Demo-{}", hex(&random::<8>(&*adapters.entropy)));
    let any = Policy { min: 1, four_classes: false, refuse_common: false, max_bytes: 72 };
    let password_hash = adapters.hasher.hash(any.accept(&password)?, None).await?;
    let account = NewAccount {
        email: email.to_owned(),
        username: Some(name.to_ascii_lowercase()),
        name: Some(name.to_owned()),
        locale: None,
        password_hash,
        created_at: adapters.clock.now(),
    };
    adapters.store.add_account(&EmailAddress::parse(email)?, account).await?;
    Ok(password)
}

/// Returns a block of example commands for each served dialect.
fn commands(at: &ListenAddress, served: &[Dialect]) -> String {
    let target = match at {
        // Clients cannot connect to the unspecified address.
        ListenAddress::Tcp(address) if address.ip().is_unspecified() => {
            format!("http://{}", SocketAddr::from(([127, 0, 0, 1], address.port())))
        }
        ListenAddress::Tcp(address) => format!("http://{address}"),
        ListenAddress::Unix(path) => format!("--unix-socket {} http://localhost", path.display()),
    };
    let mut text = String::new();
    for one in walkthroughs(served.iter().filter_map(|dialect| dialect.client.clone())) {
        let _ = write!(text, "\n# {}: {}; {}\n", one.client.title, one.client.summary, one.explanation());
        for step in one.steps() {
            let _ = writeln!(text, "{}", curl(&step, &target));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_printed_for_enabled_dialects_only() {
        let settings = |set: &[(&str, &str)]| {
            let environment = set.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            Settings::read(Inputs { environment, ..Inputs::default() }).unwrap().stand_in().unwrap()
        };
        let at = ListenAddress::Tcp("0.0.0.0:8080".parse().unwrap());
        let all = commands(&at, &settings(&[]));
        assert_eq!(all.matches("curl -sS http://127.0.0.1:8080/").count(), 9, "{all}");
        let three = commands(&at, &settings(&[("POLYRESET_PX0__ENABLED", "false")]));
        assert!(!three.contains("/v1/auth/password-reset/") && three.contains("/api/auth/email/"));
        let socket = commands(&ListenAddress::Unix("/run/r.sock".into()), &settings(&[]));
        assert!(socket.contains("curl -sS --unix-socket /run/r.sock http://localhost/v1/"), "{socket}");
    }

    #[test]
    fn demo_creates_its_own_database_and_rejects_an_existing_one() {
        let with = |url: Option<String>| {
            let environment = url.map(|url| ("POLYRESET_DATABASE_URL".to_owned(), url)).into_iter().collect();
            let mut inputs = Inputs { environment, ..Inputs::default() };
            let demo = Demo::new(&mut inputs).unwrap();
            (Settings::read(inputs).unwrap(), demo)
        };
        let (settings, demo) = with(None);
        assert!(settings.database.address.file().unwrap().starts_with(demo.database.path()));
        Demo::check_database(&settings).unwrap();

        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("reset.db");
        let (settings, _demo) = with(Some(format!("sqlite://{}", file.display())));
        Demo::check_database(&settings).unwrap();
        std::fs::write(&file, "").unwrap();
        let error = Demo::check_database(&settings).unwrap_err().to_string();
        assert!(error.starts_with("database_url: ") && error.contains("already exists"), "{error}");
    }

    #[test]
    fn demo_is_private_only_on_loopback() {
        let at = |text: &str| ListenAddress::Tcp(text.parse().unwrap());
        for (listen, public_url, private) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080", true),
            ("[::1]:8080", "http://localhost:8080", true),
            ("127.0.0.1:8080", "https://accounts.example.com", false),
            ("0.0.0.0:8080", "http://127.0.0.1:8080", false),
        ] {
            assert_eq!(is_private(&at(listen), public_url), private, "{listen} {public_url}");
        }
        assert!(!is_private(&ListenAddress::Unix("/run/r.sock".into()), "http://127.0.0.1:8080"));
    }

    #[tokio::test]
    async fn unwritable_mail_folder_loses_no_mail() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("mail");
        std::fs::write(&file, "").unwrap();
        let mut inputs = Inputs::default();
        let demo = Demo::new(&mut inputs).unwrap();
        let mut settings = Settings::read(inputs).unwrap();
        settings.mail.transport = TransportConfig::File { dir: file };
        let mail = demo.mail(&settings, "http://127.0.0.1:8080").await.unwrap();
        mail.check().await.unwrap();
    }
}
