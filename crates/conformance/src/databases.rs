//! Database servers to test on, and what tests do without one.
//!
//! `POLYRESET_TEST_POSTGRES` and `POLYRESET_TEST_MARIADB` hold an administrator's URL each; `cargo xtask test` starts
//! servers and sets them. Without, the tests of that engine are skipped, and say so; with `CI=true` they fail.

use std::{
    io::Write,
    process,
    sync::{
        Once,
        atomic::{AtomicU32, Ordering},
    },
};

/// A kind of server to test on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseServer {
    /// PostgreSQL.
    Postgres,
    /// MariaDB.
    Mariadb,
}

/// Runs statements on the server at a URL.
pub type Execute = fn(DatabaseServer, url: &str, statements: &str);

/// An empty database, which is dropped with this.
pub struct Fresh {
    server: DatabaseServer,
    admin: String,
    name: String,
    execute: Execute,
}

impl DatabaseServer {
    /// The variable that leads to a server of this kind.
    pub fn variable(self) -> &'static str {
        match self {
            Self::Postgres => "POLYRESET_TEST_POSTGRES",
            Self::Mariadb => "POLYRESET_TEST_MARIADB",
        }
    }

    /// The administrator's URL. Without one, says so once.
    pub fn admin(self) -> Option<String> {
        static SAID: [Once; 2] = [const { Once::new() }; 2];
        let url = variable(self.variable());
        if url.is_none() {
            let reason = format!(
                "every test on {self:?}, for {} is not set; `cargo xtask test` starts a server",
                self.variable()
            );
            skipped(&SAID[self as usize], &reason);
        }
        url
    }

    /// An empty database; nothing where there is no server. `execute` makes and drops it.
    pub fn empty(self, execute: Execute) -> Option<Fresh> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let admin = self.admin()?;
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("polyreset_test_{}_{number}", process::id());
        execute(self, &admin, &format!("CREATE DATABASE {name}"));
        Some(Fresh { server: self, admin, name, execute })
    }
}

impl Fresh {
    /// The kind of server that it is on.
    pub fn server(&self) -> DatabaseServer {
        self.server
    }

    /// The administrator's URL of that server.
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The URL of this database.
    pub fn url(&self) -> String {
        let (base, _) = self.admin.rsplit_once('/').expect("an address ends with a path");
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

/// Says once, straight to the terminal, what is skipped and why; in CI that is a failure.
///
/// # Panics
/// With `CI=true`.
pub fn skipped(once: &Once, reason: &str) {
    assert_ne!(variable("CI").as_deref(), Some("true"), "nothing may be skipped here: {reason}");
    once.call_once(|| {
        // What goes through `eprintln!` is shown of failed tests alone.
        let _ = writeln!(std::io::stderr(), "SKIPPED: {reason}");
    });
}

#[expect(clippy::disallowed_methods, reason = "tests are told by their environment where servers are")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
