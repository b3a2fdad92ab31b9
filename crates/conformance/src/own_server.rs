//! A private PostgreSQL server for one test, which the test can stop, restart, encrypt, replicate and promote.

#![expect(clippy::unwrap_used, reason = "a test cannot continue if its server does not start")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    thread::sleep,
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    databases::DatabaseServer,
    ports,
    programs::{command, give_away, quietly, server},
};

/// A private PostgreSQL server, running or stopped.
pub struct OwnServer {
    folder: TempDir,
    /// Port, which stays the same across restarts.
    pub port: u16,
    settings: &'static [&'static str],
    child: Option<Child>,
}

impl OwnServer {
    /// Starts a server. Returns `None` if no PostgreSQL server is configured for tests.
    pub fn start() -> Option<Self> {
        DatabaseServer::Postgres.admin()?;
        // The data need not survive a crash of the machine.
        Some(Self::with(&["fsync=off"]))
    }

    /// Starts a server with these settings.
    pub fn with(settings: &'static [&'static str]) -> Self {
        let mut postgres = Self::new(settings);
        let mut init = server("initdb").unwrap();
        init.args([
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "-D",
        ]);
        quietly(init.arg(postgres.data())).unwrap();
        postgres.run();
        postgres
    }

    /// Starts a standby of this server.
    pub fn standby(&self) -> Self {
        let mut standby = Self::new(self.settings);
        let mut copy = server("pg_basebackup").unwrap();
        copy.args(["-h", "127.0.0.1", "-U", "postgres", "-R", "-c", "fast"]);
        quietly(copy.args(["-p", &self.port.to_string(), "-D"]).arg(standby.data())).unwrap();
        standby.run();
        standby
    }

    fn new(settings: &'static [&'static str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        give_away(folder.path()).unwrap();
        let port = ports::free();
        Self { folder, port, settings, child: None }
    }

    /// Returns the data directory.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts the server on its previous port and waits until it is ready.
    pub fn run(&mut self) {
        let mut postgres = server("postgres").unwrap();
        postgres.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories="].iter().chain(self.settings)
        {
            postgres.args(["-c", setting]);
        }
        let log = self.folder.path().join("log");
        let file = fs::File::options().create(true).append(true).open(&log).unwrap();
        self.child = Some(postgres.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).spawn().unwrap());
        for _ in 0..600 {
            let mut ready = server("pg_isready").unwrap();
            ready.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
            if ready.status().unwrap().success() {
                return;
            }
            sleep(Duration::from_millis(50));
        }
        panic!("{}", fs::read_to_string(log).unwrap());
    }

    /// Stops the server immediately and ends its sessions.
    pub fn stop(&mut self) {
        self.end_with("-QUIT");
    }

    /// Kills the server, as a machine failure does.
    pub fn kill(&mut self) {
        self.end_with("-KILL");
    }

    fn end_with(&mut self, signal: &str) {
        if let Some(mut child) = self.child.take() {
            let _ = command("kill").args([signal, &child.id().to_string()]).status();
            let _ = child.wait();
        }
    }

    /// Promotes a standby to primary.
    pub fn promote(&self) {
        quietly(server("pg_ctl").unwrap().args(["promote", "-w", "-D"]).arg(self.data())).unwrap();
    }

    /// Returns the administrator's URL.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Creates a file in the server's folder that only the server can read.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path: &Path = &self.folder.path().join(name);
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        give_away(path).unwrap();
        path.to_owned()
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        self.stop();
    }
}
