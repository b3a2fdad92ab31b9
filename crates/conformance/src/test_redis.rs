//! A private Redis server for one test, which the test can stop, restart and freeze.

#![expect(clippy::unwrap_used, reason = "a test cannot continue if its server does not start")]

use std::{
    net::{Ipv4Addr, TcpStream},
    process::{Child, Stdio},
    sync::Once,
    thread::sleep,
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    databases::{skipped, variable},
    ports,
    programs::{command, give_away, server},
};

/// Environment variable with the URL of a Redis server; `cargo xtask test` sets it.
const VARIABLE: &str = "TEST_REDIS_URL";

/// Returns the URL of a Redis server for tests. If unset, prints that once and returns `None`; with `CI=true`, panics.
pub fn url() -> Option<String> {
    static REPORTED: Once = Once::new();
    let url = variable(VARIABLE);
    if url.is_none() {
        let reason =
            format!("all Redis tests, because {VARIABLE} is not set; `cargo xtask test` starts a server");
        skipped(&REPORTED, &reason);
    }
    url
}

/// A private Redis server, running or stopped.
pub struct TestRedis {
    folder: TempDir,
    port: u16,
    child: Option<Child>,
}

impl TestRedis {
    /// Starts a server. Returns `None` if Redis tests are disabled.
    pub fn start() -> Option<Self> {
        url()?;
        let folder = tempfile::tempdir().unwrap();
        give_away(folder.path()).unwrap();
        let port = ports::free();
        let mut redis = Self { folder, port, child: None };
        redis.spawn();
        Some(redis)
    }

    /// Starts the server, empty, on its previous port.
    pub fn spawn(&mut self) {
        let mut redis = server("redis-server").unwrap();
        redis.args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--save", "", "--dir"]);
        let child = redis.arg(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        self.child = Some(child.unwrap());
        for _ in 0..600 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                return;
            }
            sleep(Duration::from_millis(50));
        }
        panic!("redis-server did not start within 30 s");
    }

    /// Kills the server.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Freezes the server (SIGSTOP), so that it looks like a host that has lost its network.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Resumes the server (SIGCONT).
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(command("kill").args([name, &id]).status().unwrap().success());
    }

    /// Returns the URL of the server.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        self.stop();
    }
}
