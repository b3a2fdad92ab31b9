//! A server as its operator runs it: a process with an environment, a database file and a mail folder.

use std::{
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use anyhow::{Context, bail, ensure};

/// A folder with a database and mails, and the binary that works on it.
pub struct Deployment {
    binary: PathBuf,
    folder: PathBuf,
    settings: Vec<(String, String)>,
}

/// A running server. It is killed when dropped.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Deployment {
    /// A deployment of `binary` in `folder`, listening on a free port, with small hashes.
    pub fn new(binary: impl Into<PathBuf>, folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        let mut deployment = Self { binary: binary.into(), folder: folder.clone(), settings: Vec::new() };
        deployment.set("RESET_LISTEN", "127.0.0.1:0");
        deployment.set("RESET_DATABASE_URL", &format!("sqlite://{}", folder.join("reset.db").display()));
        deployment.set("RESET_MAIL_URL", &format!("file://{}", folder.join("mail").display()));
        deployment.set("RESET_PUBLIC_URL", "http://127.0.0.1:8080");
        deployment.set("RESET_PASSWORD__ARGON2_M_KIB", "64");
        deployment
    }

    /// Sets a variable of the environment, instead of what it was.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    /// Where the mails go.
    pub fn mails(&self) -> PathBuf {
        self.folder.join("mail")
    }

    /// Where the database is.
    pub fn database(&self) -> PathBuf {
        self.folder.join("reset.db")
    }

    /// The command with these arguments, not yet started.
    pub fn command(&self, args: &[&str]) -> Command {
        #[expect(clippy::disallowed_methods, reason = "running the binary is what this is for")]
        let mut command = Command::new(&self.binary);
        command.args(args).current_dir(&self.folder).env_clear().envs(self.settings.iter().cloned());
        command
    }

    /// Starts `serve` and waits until it listens.
    ///
    /// # Errors
    /// When it ends before it listens.
    pub fn start(&self) -> anyhow::Result<Server> {
        self.start_until("listening on http://", |address| Ok(address.parse()?))
    }

    fn start_until(
        &self,
        said: &str,
        address: impl FnOnce(&str) -> anyhow::Result<SocketAddr>,
    ) -> anyhow::Result<Server> {
        let mut child = self
            .command(&["serve"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(self.log()?)
            .spawn()
            .with_context(|| format!("starting {}", self.binary.display()))?;
        let stdout = child.stdout.take().context("a pipe was asked for")?;
        for line in BufReader::new(stdout).lines() {
            if let Some(place) = line?.strip_prefix(said) {
                return Ok(Server { child, address: address(place)? });
            }
        }
        let _ = child.wait();
        bail!("the server ended before it listened:\n{}", self.logged())
    }

    /// Starts `serve` on the Unix socket that `RESET_LISTEN` names, and waits until it listens. There is no
    /// address of such a server.
    ///
    /// # Errors
    /// When it ends before it listens.
    pub fn start_on_socket(&self) -> anyhow::Result<Server> {
        self.start_until("listening on unix:", |_| Ok(SocketAddr::from(([0, 0, 0, 0], 0))))
    }

    /// Runs a command to its end with `stdin`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(&self, args: &[&str], stdin: &str) -> anyhow::Result<std::process::Output> {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting a command")?;
        child.stdin.take().context("a pipe was asked for")?.write_all(stdin.as_bytes())?;
        Ok(child.wait_with_output()?)
    }

    /// Makes an account.
    ///
    /// # Errors
    /// When the command fails.
    pub fn add_user(&self, email: &str, password: &str) -> anyhow::Result<()> {
        let output = self.run(&["user", "add", email, "--password-stdin"], password)?;
        ensure!(output.status.success(), "user add: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Whether the account's stored hash accepts `password`.
    ///
    /// # Errors
    /// When the command says neither yes nor no.
    pub fn accepts(&self, email: &str, password: &str) -> anyhow::Result<bool> {
        let output = self.run(&["user", "verify", email, "--password-stdin"], password)?;
        match output.status.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            code => bail!("user verify: {code:?} {}", String::from_utf8_lossy(&output.stderr)),
        }
    }

    /// Everything that was logged so far.
    pub fn logged(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn log(&self) -> anyhow::Result<std::fs::File> {
        let path: &Path = &self.folder.join("log");
        Ok(std::fs::OpenOptions::new().create(true).append(true).open(path)?)
    }
}

impl Server {
    /// Ends it as a power cut would.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends it a signal, such as `TERM` or `INT`.
    ///
    /// # Errors
    /// When `kill` cannot be started.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        #[expect(clippy::disallowed_methods, reason = "the standard library sends no signal but SIGKILL")]
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status()?;
        ensure!(sent.success(), "kill failed");
        Ok(())
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn wait(mut self) -> anyhow::Result<ExitStatus> {
        Ok(self.child.wait()?)
    }

    /// Asks it to end, and waits.
    ///
    /// # Errors
    /// When `kill` cannot be started.
    pub fn terminate(self) -> anyhow::Result<ExitStatus> {
        self.signal("TERM")?;
        self.wait()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
