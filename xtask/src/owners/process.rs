//! The running server of an owner.

use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    path::PathBuf,
    process::{Child, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use conformance::{ports, programs::quietly};
use tempfile::TempDir;

use super::Owner;

/// Timeout for the start of an owner, which first creates its tables.
const TIMEOUT: Duration = Duration::from_secs(120);
/// Number of lines of the log that are printed when a test fails.
const LINES: usize = 40;

/// Where an owner runs, and with which database.
pub(super) struct Place {
    /// The folder of its installation.
    pub(super) installation: PathBuf,
    pub(super) database_url: String,
    pub(super) port: u16,
}

/// A running owner. Dropping it ends the process.
pub(super) struct OwnerProcess {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl OwnerProcess {
    /// Starts an owner, and waits until it listens.
    pub(super) fn start(owner: &Owner, database_url: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let place = Place {
            installation: owner.folder(),
            database_url: database_url.to_owned(),
            port: ports::free(),
        };
        if let Some(prepare) = owner.prepare {
            quietly(&mut prepare(&place)).with_context(|| format!("preparing {}", owner.title))?;
        }
        let log = fs::File::create(folder.path().join("owner.log"))?;
        let child = (owner.start)(&place)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", owner.title))?;
        let mut process = Self { child, port: place.port, folder };
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, process.port)).is_err() {
            if process.child.try_wait()?.is_some() || begun.elapsed() > TIMEOUT {
                bail!("{} did not start:\n{}", owner.title, process.log());
            }
            sleep(Duration::from_millis(100));
        }
        Ok(process)
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns the last lines of the log.
    pub(super) fn log(&self) -> String {
        let log = fs::read(self.folder.path().join("owner.log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log).into_owned();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }
}

impl Drop for OwnerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
