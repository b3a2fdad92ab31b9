//! A site: one database, one mail folder and one secret, shared by a deployment of each of the three servers.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Once,
    thread,
    time::Duration,
};

use conformance::{
    clients::{self, Client},
    databases::{self, Fresh},
    http, mails,
    server::{Server, TestDeployment},
};
use tempfile::TempDir;

use crate::{TIMEOUT, sql};

/// The binaries of the three servers.
const FRONT_ENDS: [&str; 3] = ["server-axum", "server-actix", "server-warp"];

/// Three deployments that share a database and a mail folder.
pub(crate) struct Site {
    pub(crate) deployments: [TestDeployment; 3],
    pub(crate) database: Fresh,
    folder: TempDir,
}

/// Returns the path of a server's binary, or `None` if the servers are not built.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    static REPORTED: Once = Once::new();
    let test = std::env::current_exe().unwrap();
    let path = test.parent().and_then(Path::parent).unwrap().join(name);
    if !path.is_file() {
        databases::skipped(
            &REPORTED,
            "all replica tests, because the servers are not built; run `cargo xtask replicas`",
        );
        return None;
    }
    Some(path)
}

/// Returns a deployment of the server `name` in `folder`, on the database at `url`.
pub(crate) fn deployment(name: &str, folder: &Path, url: &str) -> Option<TestDeployment> {
    let mut deployment = TestDeployment::new(program(name)?, folder).watched();
    deployment.set("POLYRESET_DATABASE_URL", url);
    deployment.set("POLYRESET_DATABASE__CONNECTIONS", "6");
    deployment.set("POLYRESET_DATABASE__AUTO_MIGRATE", "true");
    deployment.set("POLYRESET_SECRET", &"0801020304050607".repeat(4));
    // All requests come from one address, many at the same time.
    deployment.set("POLYRESET_LIMITS__ENABLED", "false");
    Some(deployment)
}

impl Site {
    /// Creates three deployments on an empty database. Returns `None` without a database server or without binaries.
    pub(crate) fn on(server: databases::DatabaseServer) -> Option<Self> {
        program(FRONT_ENDS[0])?;
        let database = server.empty(sql::execute)?;
        let folder = tempfile::tempdir().unwrap();
        let deployments = FRONT_ENDS.map(|name| deployment(name, folder.path(), &database.url()).unwrap());
        Some(Self { deployments, database, folder })
    }

    /// Creates a deployment at each of three nodes of a cluster, on one empty database. Each uses the other two nodes
    /// while its own does not respond. Returns `None` without binaries.
    pub(crate) fn on_nodes(urls: &[String]) -> Option<Self> {
        program(FRONT_ENDS[0])?;
        let database = Fresh::at(databases::DatabaseServer::Mariadb, urls[0].clone(), sql::execute);
        let folder = tempfile::tempdir().unwrap();
        let (login, _) = urls[0].rsplit_once('@').unwrap();
        let servers: Vec<&str> =
            urls.iter().map(|url| url.rsplit_once('@').unwrap().1.trim_end_matches('/')).collect();
        let mut nodes = 0..;
        let deployments = FRONT_ENDS.map(|name| {
            let mut order = servers.clone();
            order.rotate_left(nodes.next().unwrap());
            let url = format!("{login}@{}/{}", order.join(","), database.name());
            deployment(name, folder.path(), &url).unwrap()
        });
        Some(Self { deployments, database, folder })
    }

    /// Returns another deployment of a server, with the initial settings of this site.
    pub(crate) fn another(&self, number: usize) -> TestDeployment {
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

    /// Returns the folder of all mails.
    pub(crate) fn mails(&self) -> PathBuf {
        self.deployments[0].mails()
    }

    /// Adds accounts without a usable password, in one statement.
    pub(crate) fn add_accounts<'a>(&self, emails: impl IntoIterator<Item = &'a String>) {
        let rows: Vec<String> =
            emails.into_iter().map(|email| format!("('{email}', '{email}', '', 0, 0, 0)")).collect();
        self.database.execute(&format!(
            "INSERT INTO {} (email, email_key, password_hash, password_changed_at, created_at, updated_at) VALUES {}",
            self.table("users"),
            rows.join(", ")
        ));
    }

    /// Returns the full name of a table on this engine.
    pub(crate) fn table(&self, name: &str) -> String {
        let separator = match self.database.server() {
            databases::DatabaseServer::Postgres => '.',
            databases::DatabaseServer::Mariadb => '_',
        };
        format!("polyreset{separator}{name}")
    }

    /// Returns the number that a query selects.
    pub(crate) fn number(&self, query: &str) -> i64 {
        sql::number(self.database.server(), &self.database.url(), query)
    }

    /// Waits until the query selects `expected`.
    pub(crate) fn wait_for(&self, query: &str, expected: i64) {
        for _ in 0..TIMEOUT.as_millis() / 20 {
            if self.number(query) == expected {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("{query}: {}, expected {expected}\n{}", self.number(query), self.deployments[0].logged());
    }
}

/// Requests a reset, waits for the mail, and returns its secret.
pub(crate) fn secret(client: &Client, at: SocketAddr, mails: &Path, email: &str) -> String {
    let response = http::send(at, &client.request_for(email)).unwrap();
    assert!(response.status < 300, "{}: {} {}", client.dialect, response.status, response.body);
    mailed(client, mails, email)
}

/// Waits for a mail of the dialect, and returns its secret.
pub(crate) fn mailed(client: &Client, folder: &Path, email: &str) -> String {
    let has_secret = |mail: &mails::ReceivedMail| clients::secret_in(client, mail).is_some();
    let mail = mails::wait_for(folder, email, TIMEOUT, has_secret).unwrap();
    clients::secret_in(client, &mail).unwrap()
}

/// Exchanges a code for a token if the dialect has an exchange, and otherwise returns the secret.
pub(crate) fn exchanged(client: &Client, at: SocketAddr, email: &str, secret: String) -> String {
    clients::exchanged(client, at, email, secret).unwrap()
}

/// Returns the secrets of all mails of the dialect to an address.
pub(crate) fn secrets(client: &Client, folder: &Path, email: &str) -> Vec<String> {
    let all = if fs::exists(folder).unwrap() { mails::all(folder).unwrap() } else { Vec::new() };
    let received = all.iter().filter(|mail| mail.to == email);
    received.filter_map(|mail| clients::secret_in(client, mail)).collect()
}
