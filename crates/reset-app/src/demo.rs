//! `serve --demo`: the one-minute trial. A throw-away database, two accounts, mails where one can see them.

use std::{fmt::Write as _, io::Write as _, net::SocketAddr};

use anyhow::{Context, Result};
use reset_core::{
    Resets, account::NewAccount, email::EmailAddress, error::AddAccountError, notation::hex,
    password::Policy, ports::random,
};
use reset_mail::Transport;
use tempfile::TempDir;

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
        Ok(Self { database })
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

    /// Makes the accounts, and prints what to try.
    pub(crate) async fn introduce(
        &self,
        resets: &Resets,
        at: &Listen,
        served: &reset_dialects::Settings,
    ) -> Result<()> {
        let mut text = "\nAccounts:\n".to_owned();
        for (email, name) in PEOPLE {
            let password = add(resets, email, name).await?;
            let _ = writeln!(text, "  {email}  {}", password.as_deref().unwrap_or("(exists already)"));
        }
        text.push_str(&recipes(at, served));
        let mut stdout = std::io::stdout().lock();
        let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        Ok(())
    }
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
fn recipes(at: &Listen, served: &reset_dialects::Settings) -> String {
    let curl = Curl::to(at);
    let mut text = String::new();
    let mut block = |title: &str, steps: &[(&str, &str)]| {
        let _ = write!(text, "\n# {title}\n");
        for (path, body) in steps {
            let _ = writeln!(text, "{}", curl.post(path, body));
        }
    };
    if served.px0.is_some() {
        block(
            "px0: a code by mail, and the code alone names the account",
            &[
                ("/v1/auth/password-reset/trigger", r#"{"email":"alice@example.com"}"#),
                (
                    "/v1/auth/password-reset/reset",
                    r#"{"code":"CODE","new_password":"A-new-passw0rd-of-mine"}"#,
                ),
            ],
        );
    }
    if let Some(worthai) = &served.worthai {
        let base = &worthai.base_path;
        block(
            "worthai: a link by mail; TOKEN is its reset_token",
            &[
                (&format!("{base}/forgot-password"), r#"{"email":"alice@example.com"}"#),
                (
                    &format!("{base}/reset-password"),
                    r#"{"reset_token":"TOKEN","password":"A-new-passw0rd-of-mine"}"#,
                ),
            ],
        );
    }
    if served.strapi.is_some() {
        block(
            "Strapi: a link by mail; CODE is its code",
            &[
                ("/api/auth/forgot-password", r#"{"email":"bob@example.com"}"#),
                (
                    "/api/auth/reset-password",
                    r#"{"code":"CODE","password":"A-new-passw0rd-of-mine","passwordConfirmation":"A-new-passw0rd-of-mine"}"#,
                ),
            ],
        );
    }
    if served.insforge.is_some() {
        block(
            "InsForge: a code by mail, exchanged for a token",
            &[
                ("/api/auth/email/send-reset-password", r#"{"email":"bob@example.com"}"#),
                (
                    "/api/auth/email/exchange-reset-password-token",
                    r#"{"email":"bob@example.com","code":"CODE"}"#,
                ),
                (
                    "/api/auth/email/reset-password",
                    r#"{"newPassword":"A-new-passw0rd-of-mine","otp":"TOKEN"}"#,
                ),
            ],
        );
    }
    if let (Some(pages), Listen::Tcp(_)) = (&served.pages, at) {
        let _ = writeln!(text, "\n# In a browser, with any of these mails: {}/forgot", pages.public_url);
    }
    text.push('\n');
    text
}

/// How to reach the listener with curl.
struct Curl(String);

impl Curl {
    fn to(at: &Listen) -> Self {
        Self(match at {
            // Nobody can connect to "any address".
            Listen::Tcp(address) if address.ip().is_unspecified() => {
                format!("http://{}", SocketAddr::from(([127, 0, 0, 1], address.port())))
            }
            Listen::Tcp(address) => format!("http://{address}"),
            Listen::Unix(path) => format!("--unix-socket {} http://localhost", path.display()),
        })
    }

    fn post(&self, path: &str, body: &str) -> String {
        format!("curl -sS {}{path} -H 'Content-Type: application/json' \\\n  -d '{body}'; echo", self.0)
    }
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
        let all = recipes(&at, &settings(&[]));
        assert_eq!(all.matches("curl -sS http://127.0.0.1:8080/").count(), 9, "{all}");
        let three = recipes(&at, &settings(&[("RESET_PX0__ENABLED", "false")]));
        assert!(!three.contains("/v1/auth/password-reset/") && three.contains("/api/auth/email/"));
        let socket = recipes(&Listen::Unix("/run/r.sock".into()), &settings(&[]));
        assert!(
            all.contains("# In a browser, with any of these mails: http")
                && !socket.contains("# In a browser")
        );
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
