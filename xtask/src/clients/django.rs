//! Compares polyreset with Django's own libraries, and resets a password in Django's users table.
//!
//! The scripts and their pinned packages are in `clients/django/`. This module installs the packages, starts the servers
//! and runs the scripts.

use std::{
    ffi::OsStr,
    fs,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use conformance::server::TestDeployment;
use tempfile::TempDir;

use super::{NEW, Tally, binary, folder, start, target};
use crate::{
    packages::{PythonEnvironment, succeeded},
    servers::Servers,
};

/// Initial password of the accounts in `clients/django/cases.py` and `adoption.py`.
const OLD: &str = "First-passw0rd";
/// The accounts of `clients/django/cases.py`.
const ACCOUNTS: [&str; 3] = ["alice@example.com", "Carol@Example.com", BLOCKED];
/// The blocked account among them.
const BLOCKED: &str = "blocked@example.com";
/// Page of the links, in the form that the scripts expect.
const PAGE: &str = "http://127.0.0.1:8080/#/password/reset/confirm/{uid}/{token}";
/// Timeout for the start of the reference server, which first creates its database.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The settings in `docs/switch-from-django.md` that map Django's users table.
const USERS_TABLE: [(&str, &str); 10] = [
    ("POLYRESET_USERS__PRESET", "custom"),
    ("POLYRESET_USERS__TABLE", "auth_user"),
    ("POLYRESET_USERS__ID", "id"),
    ("POLYRESET_USERS__EMAIL", "email"),
    ("POLYRESET_USERS__PASSWORD", "password"),
    ("POLYRESET_USERS__USERNAME", "username"),
    ("POLYRESET_USERS__NAME", "first_name"),
    ("POLYRESET_USERS__ACTIVE", "is_active"),
    ("POLYRESET_USERS__SESSIONS__TABLE", "authtoken_token"),
    ("POLYRESET_USERS__SESSIONS__ACCOUNT", "user_id"),
];

/// The comparisons. With `retype`, only Djoser's confirmation differs.
const COMPARISONS: [Comparison; 2] =
    [Comparison { retype: false, only: "*" }, Comparison { retype: true, only: "djoser: confirm: *" }];

/// A configuration of both servers, and the requests to send to them.
struct Comparison {
    /// Whether Djoser requires `re_new_password`.
    retype: bool,
    /// Pattern of the names of the requests.
    only: &'static str,
}

/// The responses of the real libraries, and the database server for the users table.
pub(super) struct Reference {
    folder: TempDir,
    postgres: Result<(Servers, String), String>,
}

/// The reference server. Dropping it kills the process.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Installs the packages of the scripts, and returns what is missing for that, if anything.
pub(super) fn missing() -> anyhow::Result<Option<String>> {
    environment().install()
}

/// Sends the requests to the real libraries, and starts PostgreSQL if no server is configured.
pub(super) fn reference() -> anyhow::Result<Reference> {
    let folder = tempfile::tempdir()?;
    for comparison in &COMPARISONS {
        let (server, base) = serve(comparison, folder.path())?;
        let out = answers(folder.path(), comparison);
        let output = drive(comparison, &base, &["--out".as_ref(), out.as_os_str()])?;
        succeeded(&output).context("clients/django/drive.py on the reference server")?;
        drop(server);
    }
    Ok(Reference { folder, postgres: Servers::postgres().map_err(|error| format!("{error:#}")) })
}

impl Reference {
    /// Returns why the test of the users table cannot run, if it cannot.
    pub(super) fn without_postgres(&self) -> Option<&str> {
        self.postgres.as_ref().err().map(String::as_str)
    }

    /// Compares one server with the libraries, and lets it use Django's users table.
    pub(super) fn run(&self, front_end: &str) -> anyhow::Result<Tally> {
        let mut tally = Tally::default();
        for comparison in &COMPARISONS {
            tally.add(self.compare(comparison, front_end)?);
        }
        if let Ok((_, server)) = &self.postgres {
            let database = database_on(server);
            succeeded(&script(&["adoption.py", "create", &database])?).context("Django's tables")?;
            let outcome = adopt(front_end, &database);
            succeeded(&script(&["adoption.py", "drop", &database])?)?;
            tally.add(outcome.context("the test of Django's users table")?);
        }
        Ok(tally)
    }

    /// Sends the requests to polyreset and compares the responses.
    fn compare(&self, comparison: &Comparison, front_end: &str) -> anyhow::Result<Tally> {
        let folder = tempfile::tempdir()?;
        let mut deployment = deployment(front_end, folder.path());
        deployment.set("POLYRESET_DJANGO__RETYPE", &comparison.retype.to_string());
        for account in ACCOUNTS {
            deployment.add_user(account, OLD)?;
        }
        succeeded(&deployment.run(&["user", "block", BLOCKED], "")?).context("user block")?;
        let server = start(&mut deployment, TestDeployment::start)?;
        let (mails, answers) = (deployment.mails(), answers(self.folder.path(), comparison));
        let output = drive(
            comparison,
            &format!("http://{}", server.address),
            &["--mails".as_ref(), mails.as_os_str(), "--against".as_ref(), answers.as_os_str()],
        )?;
        let mut tally = count(&output)?;
        let stored = deployment.accepts(ACCOUNTS[0], NEW)?;
        if !stored {
            println!("{front_end}: {} does not have its new password", ACCOUNTS[0]);
        }
        tally.count(stored);
        Ok(tally)
    }
}

/// Returns the URL of this process's own database on the server of another URL.
fn database_on(url: &str) -> String {
    let url = url.split_once('?').map_or(url, |(url, _)| url);
    let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
    let server = rest.split_once('/').map_or(rest, |(server, _)| server);
    format!("{scheme}://{server}/polyreset_django_{}", std::process::id())
}

/// Resets a password in Django's users table, and signs in with Django.
fn adopt(front_end: &str, database: &str) -> anyhow::Result<Tally> {
    let folder = tempfile::tempdir()?;
    let mut deployment = deployment(front_end, folder.path());
    for (name, value) in USERS_TABLE {
        deployment.set(name, value);
    }
    deployment.set("POLYRESET_DATABASE_URL", database);
    deployment.set("POLYRESET_DJANGO__BASE_PATH", "/dj-rest-auth");
    deployment.set("POLYRESET_PASSWORD__HASH", "pbkdf2-sha256");
    deployment.set("POLYRESET_SECRET", &"5501020304050607".repeat(4));
    for command in [&["migrate"][..], &["adopt", "--dry-run"]] {
        succeeded(&deployment.run(command, "")?).context(command[0])?;
    }
    let server = start(&mut deployment, TestDeployment::start)?;
    let (base, mails) = (format!("http://{}", server.address), deployment.mails());
    let mails = mails.to_str().context("the temporary folder is not UTF-8")?;
    let mut tally = Tally::default();
    for (arguments, expected, what) in [
        (
            &["adoption.py", "reset", database, &base, "--mails", mails][..],
            "passed",
            "the reset in auth_user failed",
        ),
        (&["login.py", database, ACCOUNTS[0], NEW], r#""accepted": true"#, "Django rejects the new password"),
        (
            &["login.py", database, ACCOUNTS[0], OLD],
            r#""accepted": false"#,
            "Django accepts the old password",
        ),
    ] {
        let output = script(arguments)?;
        let passed = text(&output.stdout).contains(expected);
        if !passed {
            println!("{front_end}: {what}\n{}{}", text(&output.stdout), text(&output.stderr));
        }
        tally.count(passed);
    }
    Ok(tally)
}

/// Returns a deployment that serves every dialect, without rate limits and with links in Django's form.
fn deployment(front_end: &str, folder: &Path) -> TestDeployment {
    let mut deployment = TestDeployment::new(binary(front_end), folder);
    deployment.set("POLYRESET_LIMITS__ENABLED", "false");
    deployment.set("POLYRESET_DJANGO__PAGE_URL", PAGE);
    deployment
}

/// Starts the reference server and waits until it listens. If another process takes its port, another port is tried.
fn serve(comparison: &Comparison, folder: &Path) -> anyhow::Result<(Process, String)> {
    let log = folder.join("reference.log");
    for _ in 0..3 {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let database = format!("sqlite:///{}", folder.join(format!("{port}.sqlite3")).display());
        let mut server = python_in(&scripts());
        server.args(["server.py", &port.to_string(), "--database", &database]);
        server.args(comparison.retype.then_some("--retype"));
        server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(fs::File::create(&log)?);
        let mut server = Process(server.spawn().context("starting the reference server")?);
        let begun = Instant::now();
        while begun.elapsed() < TIMEOUT && server.0.try_wait()?.is_none() {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok((server, format!("http://127.0.0.1:{port}")));
            }
            sleep(Duration::from_millis(50));
        }
    }
    bail!("the reference server did not start:\n{}", fs::read_to_string(log).unwrap_or_default())
}

/// Runs `drive.py` with the requests of a comparison.
fn drive(comparison: &Comparison, base: &str, args: &[&OsStr]) -> anyhow::Result<Output> {
    python_in(&scripts())
        .args(["drive.py", base, "--only", comparison.only])
        .args(comparison.retype.then_some("--retype"))
        .args(args)
        .output()
        .context("starting drive.py")
}

/// Returns the totals in the last line of `drive.py`. Prints its output if an answer differs.
fn count(output: &Output) -> anyhow::Result<Tally> {
    let report = text(&output.stdout);
    let totals = report.lines().next_back().and_then(|line| {
        let (answers, rest) = line.split_once(" answers, ")?;
        let (failures, _) = rest.split_once(' ')?;
        Some((answers.parse::<u32>().ok()?, failures.parse::<u32>().ok()?))
    });
    let Some((answers, failed)) = totals else {
        bail!("drive.py printed no totals:\n{report}{}", text(&output.stderr))
    };
    if failed > 0 {
        println!("{report}");
    }
    ensure!(answers > 0, "drive.py sent no request");
    ensure!(failed > 0 || output.status.success(), "drive.py exited with {}", output.status);
    Ok(Tally { passed: answers.saturating_sub(failed), failed })
}

/// Runs a script of `clients/django/` to its end.
fn script(args: &[&str]) -> anyhow::Result<Output> {
    python_in(&scripts()).args(args).output().with_context(|| format!("starting {}", args[0]))
}

/// Returns Python with the pinned packages, in a folder.
fn python_in(folder: &Path) -> Command {
    let mut python = environment().python();
    python.current_dir(folder);
    python
}

fn environment() -> PythonEnvironment {
    PythonEnvironment::new(target().join("clients-django"), scripts().join("requirements.txt"))
}

fn scripts() -> PathBuf {
    folder().join("django")
}

/// Returns the file with the responses of the real libraries.
fn answers(folder: &Path, comparison: &Comparison) -> PathBuf {
    folder.join(if comparison.retype { "answers-retype.json" } else { "answers.json" })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_database_is_on_the_configured_server() {
        let own = format!("postgres://postgres@127.0.0.1:5432/polyreset_django_{}", std::process::id());
        for end in ["", "/", "/postgres", "/postgres?sslmode=disable"] {
            assert_eq!(database_on(&format!("postgres://postgres@127.0.0.1:5432{end}")), own);
        }
    }
}
