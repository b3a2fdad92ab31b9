//! The databases of the benchmarks: SQLite on disk, a durable PostgreSQL of its own, and the MariaDB that tests use.

use std::{
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, ensure};
use conformance::{
    databases::{DatabaseServer, Fresh},
    own_server::OwnServer,
    programs::{command, find},
    server::TestDeployment,
};
use diesel::{Connection as _, SqliteConnection, connection::SimpleConnection};

use super::sink::CountingSink;
use crate::root;

/// A database engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    Sqlite,
    Postgres,
    Mariadb,
}

impl Engine {
    /// Returns the engines that can be measured: MariaDB only with `TEST_MARIADB_URL`.
    pub(super) fn available() -> Vec<Self> {
        let mut engines = vec![Self::Sqlite, Self::Postgres];
        engines.extend(DatabaseServer::Mariadb.admin().map(|_| Self::Mariadb));
        engines
    }
}

/// The database of one deployment, which is deleted with this value.
pub(super) enum Database {
    Sqlite(PathBuf),
    Postgres(OwnServer),
    Mariadb(Fresh),
}

/// Returns a migrated deployment of the release build of server-axum, and its database.
pub(super) fn deploy(
    engine: Engine,
    folder: &Path,
    settings: &[(&str, &str)],
) -> anyhow::Result<(TestDeployment, Database)> {
    let mut deployment = TestDeployment::new(root().join("target/release/server-axum"), folder);
    deployment.set("POLYRESET_LOG", "error");
    for (name, value) in settings {
        deployment.set(name, value);
    }
    let database = match engine {
        Engine::Sqlite => Database::Sqlite(deployment.database()),
        // Durable as a production database; only the number of connections differs from the default.
        Engine::Postgres => Database::Postgres(OwnServer::with(&["max_connections=200"])),
        Engine::Mariadb => {
            let admin = DatabaseServer::Mariadb.admin().context("TEST_MARIADB_URL is not set")?;
            Database::Mariadb(Fresh::at(DatabaseServer::Mariadb, admin, run_in_mariadb))
        }
    };
    if let Some(url) = database.url() {
        deployment.set("POLYRESET_DATABASE_URL", &url);
        deployment.set("POLYRESET_SECRET", &"0123456789abcdef".repeat(4));
    }
    ensure!(deployment.run(&["migrate"], "")?.status.success(), "migrate failed");
    Ok((deployment, database))
}

/// Returns such a deployment without limits that mails to `sink`.
pub(super) fn deploy_mailing(
    engine: Engine,
    folder: &Path,
    sink: &CountingSink,
) -> anyhow::Result<(TestDeployment, Database)> {
    let mail_url = format!("smtp://{}", sink.address);
    let settings = [
        ("POLYRESET_LIMITS__ENABLED", "false"),
        ("POLYRESET_MAIL_FROM", "Polyreset <no-reply@example.com>"),
        ("POLYRESET_MAIL_URL", mail_url.as_str()),
    ];
    deploy(engine, folder, &settings)
}

impl Database {
    fn url(&self) -> Option<String> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(server) => Some(server.url()),
            Self::Mariadb(fresh) => Some(fresh.url()),
        }
    }

    /// Runs statements.
    pub(super) fn execute(&self, statements: &str) -> anyhow::Result<()> {
        match self {
            Self::Sqlite(path) => {
                let path = path.to_str().context("a path in UTF-8")?;
                SqliteConnection::establish(path)?.batch_execute(statements)?;
            }
            Self::Postgres(server) => {
                let psql = command(find("psql").context("psql is not installed")?);
                pass(psql, &[&server.url(), "-q", "-c", statements])?;
            }
            Self::Mariadb(fresh) => fresh.execute(statements),
        }
        Ok(())
    }

    /// Creates the accounts `owner`, and `user1` to `user{size}`; the last `jobs` of them have a waiting job, accepted
    /// from one network.
    pub(super) fn fill(&self, size: usize, jobs: usize) -> anyhow::Result<()> {
        let now = now()?;
        let (prefix, numbers, concat) = match self {
            Self::Sqlite(_) => (
                "",
                format!(
                    "(WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {size}) SELECT i FROM n)"
                ),
                ["'user' || i || '@example.com'", "'job' || i"],
            ),
            Self::Postgres(_) => (
                "polyreset.",
                format!("(SELECT i FROM generate_series(0, {size}) i)"),
                ["'user' || i || '@example.com'", "'job' || i"],
            ),
            Self::Mariadb(_) => (
                "polyreset_",
                format!("(SELECT seq AS i FROM seq_0_to_{size})"),
                ["concat('user', i, '@example.com')", "concat('job', i)"],
            ),
        };
        let [email, job] = concat;
        let first = size - jobs;
        self.execute(&format!(
            "INSERT INTO {prefix}users (email, email_key, password_hash, password_changed_at, created_at, updated_at)
             SELECT e, e, '', 0, 0, 0
             FROM (SELECT CASE WHEN i = 0 THEN 'owner@example.com' ELSE {email} END AS e FROM {numbers} n) m;
             INSERT INTO {prefix}jobs (id, reference, dialect, email, created_at, turn, network, due_at)
             SELECT {job}, {job}, 'strapi', {email}, {now}, i, 1, {now} FROM {numbers} n WHERE i > {first}"
        ))
    }
}

fn run_in_mariadb(_: DatabaseServer, url: &str, statements: &str) {
    let url = url.strip_prefix("mysql://").expect("a mysql URL");
    let (login, place) = url.split_once('@').expect("a URL with a user");
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let (address, database) = place.split_once('/').expect("a URL with a path");
    let (host, port) = address.split_once(':').unwrap_or((address, "3306"));
    let mut client = command(find("mariadb").expect("the MariaDB client is not installed"));
    if !password.is_empty() {
        client.arg(format!("-p{password}"));
    }
    let arguments = ["-h", host, "-P", port, "-u", user, "-e", statements, database];
    pass(client, &arguments).expect("the statements succeed");
}

fn pass(mut command: std::process::Command, arguments: &[&str]) -> anyhow::Result<()> {
    let status = command.args(arguments).status()?;
    ensure!(status.success(), "{command:?} failed");
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a benchmark runs in real time")]
fn now() -> anyhow::Result<u128> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())
}
