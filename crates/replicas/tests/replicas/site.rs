//! One database, one mail folder, one secret, and a deployment of each front-end on them.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Once,
    thread,
    time::Duration,
};

use conformance::{
    databases::{self, Fresh},
    dialects::{ClientDialect, asked, text},
    http::post,
    mails,
    server::{Deployment, Server},
};
use tempfile::TempDir;

use crate::{TIMEOUT, sql};

/// The programs.
const FRONT_ENDS: [&str; 3] = ["server-axum", "server-actix", "server-warp"];

/// Where the three work.
pub(crate) struct Site {
    pub(crate) deployments: [Deployment; 3],
    pub(crate) database: Fresh,
    folder: TempDir,
}

/// Where cargo puts a server's program: beside this one. Nothing when they were not built.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    static SAID: Once = Once::new();
    let here = std::env::current_exe().unwrap();
    let path = here.parent().and_then(Path::parent).unwrap().join(name);
    if !path.is_file() {
        databases::skipped(
            &SAID,
            "every test of replicas, for the servers are not built; `cargo xtask replicas` does it",
        );
        return None;
    }
    Some(path)
}

/// A deployment in `folder` of the server `name` on the database at `url`.
pub(crate) fn deployment(name: &str, folder: &Path, url: &str) -> Option<Deployment> {
    let mut deployment = Deployment::new(program(name)?, folder).watched();
    deployment.set("POLYRESET_DATABASE_URL", url);
    deployment.set("POLYRESET_DATABASE__CONNECTIONS", "6");
    deployment.set("POLYRESET_DATABASE__AUTO_MIGRATE", "true");
    deployment.set("POLYRESET_SECRET", &"07".repeat(32));
    // All of it comes from one address, and much of it at once.
    deployment.set("POLYRESET_LIMITS__ENABLED", "false");
    Some(deployment)
}

impl Site {
    /// Three deployments on an empty database; nothing where there is no server for it.
    pub(crate) fn on(server: databases::DatabaseServer) -> Option<Self> {
        program(FRONT_ENDS[0])?;
        let database = server.empty(sql::execute)?;
        let folder = tempfile::tempdir().unwrap();
        let deployments = FRONT_ENDS.map(|name| deployment(name, folder.path(), &database.url()).unwrap());
        Some(Self { deployments, database, folder })
    }

    /// The deployment of a front-end once more, as this site begins.
    pub(crate) fn another(&self, number: usize) -> Deployment {
        deployment(FRONT_ENDS[number], self.folder.path(), &self.database.url()).unwrap()
    }

    /// Sets a variable for all three.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.deployments.iter_mut().for_each(|deployment| deployment.set(name, value));
    }

    /// Starts all three at the same time.
    pub(crate) fn start(&self) -> [Server; 3] {
        thread::scope(|scope| {
            let starting = self.deployments.each_ref().map(|one| scope.spawn(|| one.start().unwrap()));
            starting.map(|one| one.join().unwrap())
        })
    }

    /// Where all mails go.
    pub(crate) fn mails(&self) -> PathBuf {
        self.deployments[0].mails()
    }

    /// Accounts that nobody logs in to, in one statement.
    pub(crate) fn add_accounts<'a>(&self, emails: impl IntoIterator<Item = &'a String>) {
        let rows: Vec<String> =
            emails.into_iter().map(|email| format!("('{email}', '{email}', '', 0, 0, 0)")).collect();
        self.database.execute(&format!(
            "INSERT INTO {} (email, email_key, password_hash, password_changed_at, created_at, updated_at) VALUES {}",
            self.table("users"),
            rows.join(", ")
        ));
    }

    /// A table's name on this engine.
    pub(crate) fn table(&self, name: &str) -> String {
        let separator = match self.database.server() {
            databases::DatabaseServer::Postgres => '.',
            databases::DatabaseServer::Mariadb => '_',
        };
        format!("polyreset{separator}{name}")
    }

    /// The number that a query answers with.
    pub(crate) fn number(&self, query: &str) -> i64 {
        sql::number(self.database.server(), &self.database.url(), query)
    }

    /// Waits until the query answers with `wanted`.
    pub(crate) fn wait_for(&self, query: &str, wanted: i64) {
        for _ in 0..TIMEOUT.as_millis() / 20 {
            if self.number(query) == wanted {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("{query}: {}, not {wanted}\n{}", self.number(query), self.deployments[0].logged());
    }
}

/// Asks for a reset, and waits for the secret in the mail.
pub(crate) fn secret(dialect: &ClientDialect, at: SocketAddr, mails: &Path, email: &str) -> String {
    let answer = post(at, dialect.ask, &asked(email)).unwrap();
    assert!(answer.status < 300, "{}: {} {}", dialect.name, answer.status, answer.body);
    let wanted = |letter: &mails::ReceivedMail| (dialect.secret)(letter).is_some();
    let letter = mails::wait_for(mails, email, TIMEOUT, wanted).unwrap();
    (dialect.secret)(&letter).unwrap().to_owned()
}

/// Changes a code for a token, where the dialect does that.
pub(crate) fn exchanged(dialect: &ClientDialect, at: SocketAddr, email: &str, secret: String) -> String {
    let Some((path, body)) = dialect.exchange else { return secret };
    let answer = post(at, path, &body(email, &secret)).unwrap();
    assert_eq!(answer.status, 200, "{}: {}", dialect.name, answer.body);
    text(&answer.body, "token").unwrap().to_owned()
}

/// How many mails each address got, with their secrets.
pub(crate) fn secrets(
    folder: &Path,
    email: &str,
    of: fn(&mails::ReceivedMail) -> Option<&str>,
) -> Vec<String> {
    let all = if fs::exists(folder).unwrap() { mails::all(folder).unwrap() } else { Vec::new() };
    let to = all.iter().filter(|letter| letter.to == email);
    to.filter_map(|letter| of(letter).map(ToOwned::to_owned)).collect()
}
