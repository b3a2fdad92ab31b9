//! Database servers for tests.
//!
//! `TEST_POSTGRES_URL` and `TEST_MARIADB_URL` hold the URL of an administrator; `cargo xtask test` starts
//! servers and sets both. Without a variable, the tests of that engine print that they are skipped; with `CI=true` they
//! fail.

use std::{
    io::Write,
    process,
    sync::{
        Once,
        atomic::{AtomicU32, Ordering},
    },
};

/// A kind of database server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseServer {
    /// PostgreSQL.
    Postgres,
    /// MariaDB.
    Mariadb,
}

/// A function that runs statements on the server at a URL.
pub type Execute = fn(DatabaseServer, url: &str, statements: &str);

/// A database that is created empty, and dropped with this value.
pub struct Fresh {
    server: DatabaseServer,
    admin: String,
    name: String,
    execute: Execute,
}

impl DatabaseServer {
    /// Returns the name of the environment variable with the URL of a server of this kind.
    pub fn variable(self) -> &'static str {
        match self {
            Self::Postgres => "TEST_POSTGRES_URL",
            Self::Mariadb => "TEST_MARIADB_URL",
        }
    }

    /// Returns the administrator's URL. If it is not set, prints that once and returns `None`.
    pub fn admin(self) -> Option<String> {
        static REPORTED: [Once; 2] = [const { Once::new() }; 2];
        let url = variable(self.variable());
        if url.is_none() {
            let reason = format!(
                "all tests on {self:?}, because {} is not set; `cargo xtask test` starts a server",
                self.variable()
            );
            skipped(&REPORTED[self as usize], &reason);
        }
        url
    }

    /// Creates an empty database; `execute` creates and drops it. Returns `None` without a server.
    pub fn empty(self, execute: Execute) -> Option<Fresh> {
        Some(Fresh::at(self, self.admin()?, execute))
    }
}

impl Fresh {
    /// Creates an empty database on the server with the administrator's URL `admin`.
    pub fn at(server: DatabaseServer, admin: String, execute: Execute) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("polyreset_test_{}_{number}", process::id());
        execute(server, &admin, &format!("CREATE DATABASE {name}"));
        Self { server, admin, name, execute }
    }

    /// Returns the kind of the database server.
    pub fn server(&self) -> DatabaseServer {
        self.server
    }

    /// Returns the administrator's URL of the server.
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// Returns the name of the database.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the URL of the database.
    pub fn url(&self) -> String {
        let (base, _) = self.admin.rsplit_once('/').expect("a URL with a path");
        format!("{base}/{}", self.name)
    }

    /// Runs statements in this database.
    pub fn execute(&self, statements: &str) {
        (self.execute)(self.server, &self.url(), statements);
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        let force = if self.server == DatabaseServer::Postgres { " WITH (FORCE)" } else { "" };
        (self.execute)(self.server, &self.admin, &format!("DROP DATABASE {}{force}", self.name));
    }
}

/// Prints once, directly to the terminal, what is skipped and why.
///
/// # Panics
/// Panics with `CI=true`, where no test may be skipped.
pub fn skipped(once: &Once, reason: &str) {
    assert_ne!(variable("CI").as_deref(), Some("true"), "no test may be skipped in CI: {reason}");
    once.call_once(|| {
        // The test harness captures `eprintln!` and shows it only for failed tests.
        let _ = writeln!(std::io::stderr(), "SKIPPED: {reason}");
    });
}

#[expect(clippy::disallowed_methods, reason = "the environment tells tests where the servers are")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
