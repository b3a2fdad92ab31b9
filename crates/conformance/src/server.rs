//! Runs a server as an operator does: a process with environment variables, a database file and a mail folder.

use std::{
    fs,
    io::{BufRead, BufReader, Write, copy},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    thread::{self, JoinHandle},
};

use anyhow::{Context, bail, ensure};

use crate::{
    canaries::{self, CanaryKind, Watch},
    clients,
    endpoint::ServerAddress,
    mails,
};

/// The binary of a server, and the folder with its database and mails.
pub struct TestDeployment {
    binary: PathBuf,
    folder: PathBuf,
    settings: Vec<(String, String)>,
    watch: Option<Arc<Watch>>,
}

/// A running server. Dropping it kills the process and, if the deployment is watched, searches its output.
pub struct Server {
    child: Child,
    /// Address that the server listens on.
    pub address: SocketAddr,
    /// Thread that copies stdout to a file.
    stdout_copier: Option<JoinHandle<()>>,
    watched: Option<Watched>,
}

/// The watch of a server, and where to search when the server ends.
struct Watched {
    watch: Arc<Watch>,
    endpoint: ServerAddress,
    folder: PathBuf,
}

impl TestDeployment {
    /// Returns a deployment of `binary` in `folder` that listens on a free port, serves every dialect and uses
    /// cheap hashes.
    pub fn new(binary: impl Into<PathBuf>, folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        let mut deployment =
            Self { binary: binary.into(), folder: folder.clone(), settings: Vec::new(), watch: None };
        deployment.set("POLYRESET_LISTEN", "127.0.0.1:0");
        deployment.set("POLYRESET_DATABASE_URL", &format!("sqlite://{}", folder.join("reset.db").display()));
        deployment.set("POLYRESET_MAIL_URL", &format!("file://{}", folder.join("mail").display()));
        deployment.set("POLYRESET_PUBLIC_URL", "http://127.0.0.1:8080");
        deployment.set("POLYRESET_PASSWORD__ARGON2_M_KIB", "64");
        for (name, value) in clients::variables() {
            deployment.set(&name, value);
        }
        deployment
    }

    /// Makes the servers of this deployment log at `trace`. When one ends, the test fails if its output contains a
    /// secret or an address from its settings, requests, responses or mails (R70).
    #[must_use]
    pub fn watched(mut self) -> Self {
        let watch = Arc::new(Watch::default());
        watch.watch_folder(&self.mails());
        for (name, value) in &self.settings {
            note_setting(&watch, name, value);
        }
        self.watch = Some(watch);
        self
    }

    /// Sets an environment variable, replacing its previous value.
    pub fn set(&mut self, name: &str, value: &str) {
        if let Some(watch) = &self.watch {
            note_setting(watch, name, value);
        }
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    /// Removes an environment variable, so that the default applies.
    pub fn unset(&mut self, name: &str) {
        self.settings.retain(|(known, _)| known != name);
    }

    /// Returns the mail folder.
    pub fn mails(&self) -> PathBuf {
        self.folder.join("mail")
    }

    /// Returns the path of the database.
    pub fn database(&self) -> PathBuf {
        self.folder.join("reset.db")
    }

    /// Returns a command that runs the binary with these arguments.
    pub fn command(&self, args: &[&str]) -> Command {
        #[expect(clippy::disallowed_methods, reason = "this function exists to run the binary")]
        let mut command = Command::new(&self.binary);
        command.args(args).current_dir(&self.folder).env_clear().envs(self.settings.iter().cloned());
        // A demo removes its database at exit, but not when it is killed, so it must be in the test's folder.
        command.env("TMPDIR", &self.folder);
        command
    }

    /// Starts `serve` and waits until it listens.
    ///
    /// # Errors
    /// Fails if the process ends before it listens.
    pub fn start(&self) -> anyhow::Result<Server> {
        self.start_until(&["serve"], "listening on http://", parse_address)
    }

    /// Starts `serve --demo` and waits until it listens.
    ///
    /// # Errors
    /// Fails if the process ends before it listens.
    pub fn start_demo(&self) -> anyhow::Result<Server> {
        self.start_demo_with(&[])
    }

    /// Like [`Self::start_demo`], with further arguments.
    ///
    /// # Errors
    /// Fails if the process ends before it listens.
    pub fn start_demo_with(&self, arguments: &[&str]) -> anyhow::Result<Server> {
        self.start_until(&[&["serve", "--demo"], arguments].concat(), "listening on http://", parse_address)
    }

    fn start_until(
        &self,
        args: &[&str],
        prefix: &str,
        parse: impl FnOnce(&str) -> anyhow::Result<(SocketAddr, ServerAddress)>,
    ) -> anyhow::Result<Server> {
        let mut serve = self.command(args);
        if self.watch.is_some() && !self.settings.iter().any(|(name, _)| name == "POLYRESET_LOG") {
            serve.env("POLYRESET_LOG", "trace");
        }
        let mut child = serve
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(self.append_to("log")?)
            .spawn()
            .with_context(|| format!("starting {}", self.binary.display()))?;
        let mut stdout = BufReader::new(child.stdout.take().context("stdout is not piped")?);
        let mut printed = self.append_to("printed")?;
        let mut line = String::new();
        while stdout.read_line(&mut line)? > 0 {
            printed.write_all(line.as_bytes())?;
            if let Some(rest) = line.strip_prefix(prefix) {
                let (address, endpoint) = parse(rest.trim_end())?;
                // Later output is kept, too, and a full pipe would block the server.
                let stdout_copier = Some(thread::spawn(move || drop(copy(&mut stdout, &mut printed))));
                let watched = self.watch.clone().map(|watch| {
                    watch.watch_endpoint(endpoint.clone());
                    Watched { watch, endpoint, folder: self.folder.clone() }
                });
                return Ok(Server { child, address, stdout_copier, watched });
            }
            line.clear();
        }
        let _ = child.wait();
        bail!("the server ended before it listened:\n{}", self.logged())
    }

    /// Starts `serve` on the Unix socket in `POLYRESET_LISTEN` and waits until it listens. The server's `address` is
    /// `0.0.0.0:0`.
    ///
    /// # Errors
    /// Fails if the process ends before it listens.
    pub fn start_on_socket(&self) -> anyhow::Result<Server> {
        self.start_until(&["serve"], "listening on unix:", |path| {
            Ok((SocketAddr::from(([0, 0, 0, 0], 0)), PathBuf::from(path).into()))
        })
    }

    /// Runs a command with `stdin` as input and returns its output.
    ///
    /// # Errors
    /// Fails if the command cannot be started.
    pub fn run(&self, args: &[&str], stdin: &str) -> anyhow::Result<std::process::Output> {
        if let (Some(watch), true) = (&self.watch, args.contains(&"--password-stdin")) {
            watch.note(CanaryKind::Password, stdin.trim_end());
            args.iter()
                .filter(|arg| arg.contains('@'))
                .for_each(|email| watch.note(CanaryKind::Address, email));
        }
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting a command")?;
        child.stdin.take().context("stdin is not piped")?.write_all(stdin.as_bytes())?;
        Ok(child.wait_with_output()?)
    }

    /// Adds an account.
    ///
    /// # Errors
    /// Fails if the command fails.
    pub fn add_user(&self, email: &str, password: &str) -> anyhow::Result<()> {
        let output = self.run(&["user", "add", email, "--password-stdin"], password)?;
        ensure!(output.status.success(), "user add: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Returns whether `password` matches the account's stored hash.
    ///
    /// # Errors
    /// Fails if the command exits with neither 0 nor 1.
    pub fn accepts(&self, email: &str, password: &str) -> anyhow::Result<bool> {
        let output = self.run(&["user", "verify", email, "--password-stdin"], password)?;
        match output.status.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            code => bail!("user verify: {code:?} {}", String::from_utf8_lossy(&output.stderr)),
        }
    }

    /// Returns the log so far.
    pub fn logged(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Returns the output on stdout so far.
    pub fn printed(&self) -> String {
        std::fs::read_to_string(self.folder.join("printed")).unwrap_or_default()
    }

    fn append_to(&self, name: &str) -> anyhow::Result<fs::File> {
        Ok(fs::OpenOptions::new().create(true).append(true).open(self.folder.join(name))?)
    }
}

fn parse_address(text: &str) -> anyhow::Result<(SocketAddr, ServerAddress)> {
    let address: SocketAddr = text.parse()?;
    Ok((address, address.into()))
}

/// Adds a setting to the watch if it holds a secret or a URL with a password.
fn note_setting(watch: &Arc<Watch>, name: &str, value: &str) {
    if name.ends_with("SECRET") {
        watch.note(CanaryKind::Setting, value);
    }
    let Some((_, authority)) = value.split_once("://") else { return };
    let authority = authority.split(['/', '?']).next().unwrap_or_default();
    let (login, host) = authority.rsplit_once('@').unwrap_or_default();
    if let Some((_, password)) = login.split_once(':') {
        watch.note(CanaryKind::Setting, password);
    }
    // A mail server at a plain address is run by the test suite, so its mails are watched.
    let host = if host.is_empty() { authority } else { host };
    if let (true, Ok(address)) = (name == "POLYRESET_MAIL_URL", host.parse::<SocketAddr>()) {
        watch.watch_endpoint(address.into());
    }
}

impl Drop for TestDeployment {
    fn drop(&mut self) {
        if let Some(watch) = &self.watch {
            watch.stop();
        }
    }
}

impl Watched {
    /// Searches the output of the server for all collected texts.
    fn search(&self) -> Vec<String> {
        canaries::forget(&self.endpoint);
        // Includes mails that no test has read.
        for mail in mails::all(&self.folder.join("mail")).unwrap_or_default() {
            self.watch.note_mail(&mail);
        }
        if let Ok(root) = fs::read_to_string(self.folder.join("reset.secret")) {
            self.watch.note(CanaryKind::Setting, root.trim());
        }
        ["log", "printed"]
            .iter()
            .flat_map(|name| {
                match fs::read(self.folder.join(name)) {
                    Ok(output) => self.watch.found_in(&output),
                    Err(error) => vec![format!("cannot be read: {error}")],
                }
                .into_iter()
                .map(move |found| format!("{name}, {found}"))
            })
            .collect()
    }
}

impl Server {
    /// Kills the process, as a power failure does.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends a signal, such as `TERM` or `INT`.
    ///
    /// # Errors
    /// Fails if the signal cannot be sent.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        #[expect(clippy::disallowed_methods, reason = "the standard library sends no signal but SIGKILL")]
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status()?;
        ensure!(sent.success(), "kill failed");
        Ok(())
    }

    /// Waits until the process has ended.
    ///
    /// # Errors
    /// Fails if the status is not available.
    pub fn wait(mut self) -> anyhow::Result<ExitStatus> {
        Ok(self.child.wait()?)
    }

    /// Sends `TERM` and waits until the process has ended.
    ///
    /// # Errors
    /// Fails if the signal cannot be sent.
    pub fn terminate(self) -> anyhow::Result<ExitStatus> {
        self.signal("TERM")?;
        self.wait()
    }

    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(stdout_copier) = self.stdout_copier.take() {
            let _ = stdout_copier.join();
        }
        if let Some(watched) = self.watched.take() {
            let found = watched.search();
            // Do not panic again if the test is already panicking.
            assert!(
                found.is_empty() || thread::panicking(),
                "the output of the server in {} contains secrets or addresses:\n{}",
                watched.folder.display(),
                found.join("\n")
            );
        }
    }
}
