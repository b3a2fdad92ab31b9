//! `serve --demo`: the one-minute trial. A throw-away database, two accounts, mails where one can see them.

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

/// Limits that would stop whoever tries everything at once, a few wrong codes included.
const WIDE: [&str; 8] = [
    "limits.requests_per_hour",
    "limits.requests_per_day",
    "limits.client_requests_per_15m",
    "limits.client_requests_per_day",
    "limits.client_px0_wrong_per_hour",
    "limits.client_px0_wrong_per_day",
    "limits.network_px0_wrong_per_day",
    "limits.client_insforge_wrong_per_15m",
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
    mailbox: Arc<DemoMailbox>,
    /// Known once the accounts are there.
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
    /// Puts a throw-away database in place of the default one; its secret lies beside it. Whatever the
    /// operator sets holds all the same.
    pub(crate) fn new(inputs: &mut Inputs) -> Result<Self> {
        let database = tempfile::Builder::new().prefix("polyreset-demo-").tempdir();
        let database = database.context("no temporary directory can be made")?;
        let path = database.path().join("reset.db");
        inputs.demo.push(("database_url", format!("sqlite://{}", path.display())));
        // Two accounts for four dialects: whoever tries them asks for each again at once.
        inputs.demo.push(("limits.request_spacing", "1ms".to_owned()));
        for limit in WIDE {
            inputs.demo.push((limit, "1000".to_owned()));
        }
        let people = PEOPLE.iter().map(|(email, _)| EmailAddress::parse(email));
        let mailbox = Arc::new(DemoMailbox::of(people.collect::<Result<Vec<_>, _>>()?));
        Ok(Self { database, scene: Arc::new(Scene { mailbox, people: OnceLock::new() }) })
    }

    /// Removes the database.
    pub(crate) fn remove(self) -> Result<()> {
        self.database.close().context("the demo's database cannot be removed")
    }

    /// Refuses a database that is in use: a demo makes accounts, and mails whatever waits to the terminal.
    pub(crate) fn fits(settings: &Settings) -> Result<()> {
        if !settings.is_given(&keys::DATABASE_URL) {
            return Ok(());
        }
        match settings.database.address.file() {
            Some(path) if !path.exists() => Ok(()),
            Some(path) => bail!(
                "database_url: {} is there already, and serve --demo begins with a new one: leave out \
                 database_url, or remove the file",
                path.display()
            ),
            None => bail!("database_url: serve --demo brings a database of its own: leave out database_url"),
        }
    }

    /// The mail service: the terminal and `./mail`, unless the operator set where mails go, and the mailbox. Where
    /// nothing can be written, the terminal has to do.
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
                "mails are not filed in ./mail, which cannot be written"
            );
            return service(vec![TransportConfig::Stdout]);
        }
        Ok(both)
    }

    /// What the demo serves; the hosted pages lead back to it.
    pub(crate) fn pages(&self, pages: &mut Option<PagesSettings>, public_url: &str) -> DemoSettings {
        if let Some(pages) = pages {
            pages.brand.home.get_or_insert_with(|| format!("{public_url}/#sign-in"));
        }
        DemoSettings { public_url: public_url.to_owned(), stage: self.scene.clone() }
    }

    /// Makes the accounts, and prints what to try.
    pub(crate) async fn introduce(
        &self,
        resets: &Resets,
        at: &ListenAddress,
        public_url: &str,
        served: &[Dialect],
    ) -> Result<()> {
        let (mut text, mut people) = ("\nAccounts:\n".to_owned(), Vec::new());
        for (email, name) in PEOPLE {
            let password = add(resets, email, name).await?;
            let _ = writeln!(text, "  {email}  {password}");
            people.push(Person { email: email.to_owned(), name: name.to_owned(), password });
        }
        let _ = self.scene.people.set(people);
        text.push_str(&commands(at, served));
        text.push('\n');
        if !is_private(at, public_url) {
            warn!("whoever reaches this server can read the demo's mailbox and passwords");
        }
        let mut stdout = std::io::stdout().lock();
        let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        Ok(())
    }
}

/// A mail as the mailbox shows it.
fn shown(kept: DemoMail) -> ShownMail {
    let DemoMail { id, to, subject, text, dialect, kind, secret } = kept;
    let secret = secret.map(|secret| secret.as_str().to_owned());
    let carries = match kind {
        MailKind::ResetCode => Carries::Code(secret.unwrap_or_default()),
        MailKind::ResetLink => Carries::Link(secret.unwrap_or_default()),
        MailKind::PasswordChanged => Carries::Notice(secret),
    };
    ShownMail { id, to, subject, text: text.as_str().to_owned(), dialect, carries }
}

/// Whether this machine alone reaches the demo, as far as the settings tell.
fn is_private(at: &ListenAddress, public_url: &str) -> bool {
    let here = matches!(at, ListenAddress::Tcp(address) if address.ip().is_loopback());
    let host = Url::parse(public_url).ok().and_then(|url| url.host().map(|host| host.to_owned()));
    here && match host {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Where to begin, for the last line that is printed.
pub(crate) fn invitation(public_url: &str) -> String {
    format!("\nOpen {public_url}/ in a browser.\n")
}

/// Makes an account and returns its password.
async fn add(resets: &Resets, email: &str, name: &str) -> Result<String> {
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
    adapters.store.add_account(&EmailAddress::parse(email)?, account).await?;
    Ok(typed)
}

/// A block of commands for each dialect that is served.
fn commands(at: &ListenAddress, served: &[Dialect]) -> String {
    let target = match at {
        // Nobody can connect to "any address".
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
    fn every_dialect_has_its_commands_and_a_dialect_that_is_off_has_none() {
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
    fn the_demo_has_a_database_of_its_own_and_takes_none_that_is_there() {
        let with = |url: Option<String>| {
            let environment = url.map(|url| ("POLYRESET_DATABASE_URL".to_owned(), url)).into_iter().collect();
            let mut inputs = Inputs { environment, ..Inputs::default() };
            let demo = Demo::new(&mut inputs).unwrap();
            (Settings::read(inputs).unwrap(), demo)
        };
        let (settings, demo) = with(None);
        assert!(settings.database.address.file().unwrap().starts_with(demo.database.path()));
        Demo::fits(&settings).unwrap();

        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("reset.db");
        let (settings, _demo) = with(Some(format!("sqlite://{}", file.display())));
        Demo::fits(&settings).unwrap();
        std::fs::write(&file, "").unwrap();
        let refused = Demo::fits(&settings).unwrap_err().to_string();
        assert!(refused.starts_with("database_url: ") && refused.contains("is there already"), "{refused}");
    }

    #[test]
    fn who_lets_others_in_is_told_from_who_does_not() {
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
    async fn a_folder_that_cannot_be_written_costs_the_files_and_no_mail() {
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
