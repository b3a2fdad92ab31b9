//! A Redis of the test's own: one that may be stopped, started, and made to say nothing.

#![expect(clippy::unwrap_used, reason = "a test whose server does not start cannot go on")]

use std::{
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::{Child, Stdio},
    sync::Once,
    thread::sleep,
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    databases::{skipped, variable},
    programs::{command, give_away, server},
};

/// The variable that leads to a Redis; `cargo xtask test` starts one and sets it.
const VARIABLE: &str = "POLYRESET_TEST_REDIS";

/// The URL of a Redis to test on. Without one, says so once; with `CI=true` that is a failure.
pub fn url() -> Option<String> {
    static SAID: Once = Once::new();
    let url = variable(VARIABLE);
    if url.is_none() {
        let reason =
            format!("every test on Redis, for {VARIABLE} is not set; `cargo xtask test` starts a server");
        skipped(&SAID, &reason);
    }
    url
}

/// A server, running or not.
pub struct TestRedis {
    folder: TempDir,
    port: u16,
    child: Option<Child>,
}

impl TestRedis {
    /// A server that runs; nothing where the tests are to do without Redis.
    pub fn start() -> Option<Self> {
        url()?;
        let folder = tempfile::tempdir().unwrap();
        give_away(folder.path()).unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let mut own = Self { folder, port, child: None };
        own.run();
        Some(own)
    }

    /// Starts it, empty, on the port that it had before.
    pub fn run(&mut self) {
        let mut own = server("redis-server").unwrap();
        own.args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--save", "", "--dir"]);
        let child = own.arg(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        self.child = Some(child.unwrap());
        for _ in 0..600 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                return;
            }
            sleep(Duration::from_millis(50));
        }
        panic!("redis-server does not start");
    }

    /// Kills it.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Lets it say nothing from now on, as a machine does whose network is gone.
    pub fn hush(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn wake(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(command("kill").args([name, &id]).status().unwrap().success());
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        self.stop();
    }
}
