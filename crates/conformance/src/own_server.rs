//! A PostgreSQL server of the test's own: one that may be stopped, started, encrypted, copied and promoted.

#![expect(clippy::unwrap_used, reason = "a test whose server does not start cannot go on")]

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    thread::sleep,
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    databases::DatabaseServer,
    programs::{command, give_away, quietly, server},
};

/// A server, running or not.
pub struct OwnServer {
    folder: TempDir,
    /// Its port, the same for as long as it lives.
    pub port: u16,
    settings: &'static [&'static str],
    child: Option<Child>,
}

impl OwnServer {
    /// A server that runs; nothing where the tests are to do without PostgreSQL.
    pub fn start() -> Option<Self> {
        DatabaseServer::Postgres.admin()?;
        // Nothing here has to survive the machine.
        Some(Self::with(&["fsync=off"]))
    }

    /// A server that runs, with these settings.
    pub fn with(settings: &'static [&'static str]) -> Self {
        let mut own = Self::new(settings);
        let mut init = server("initdb").unwrap();
        init.args([
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "-D",
        ]);
        quietly(init.arg(own.data())).unwrap();
        own.run();
        own
    }

    /// A standby of this server that runs.
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
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        Self { folder, port, settings, child: None }
    }

    /// Where its files are.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts it, on the port that it had before.
    pub fn run(&mut self) {
        let mut own = server("postgres").unwrap();
        own.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories="].iter().chain(self.settings)
        {
            own.args(["-c", setting]);
        }
        let log = self.folder.path().join("log");
        let file = fs::File::options().create(true).append(true).open(&log).unwrap();
        self.child = Some(own.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).spawn().unwrap());
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

    /// Stops it at once, its sessions with it.
    pub fn stop(&mut self) {
        self.end("-QUIT");
    }

    /// Kills it, as a machine does that fails.
    pub fn kill(&mut self) {
        self.end("-KILL");
    }

    fn end(&mut self, signal: &str) {
        if let Some(mut child) = self.child.take() {
            let _ = command("kill").args([signal, &child.id().to_string()]).status();
            let _ = child.wait();
        }
    }

    /// Makes a primary of a standby.
    pub fn promote(&self) {
        quietly(server("pg_ctl").unwrap().args(["promote", "-w", "-D"]).arg(self.data())).unwrap();
    }

    /// The administrator's URL.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// A file in the server's folder that it can read and others cannot.
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
