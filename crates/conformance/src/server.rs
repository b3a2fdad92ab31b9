//! A server as its operator runs it: a process with an environment, a database file and a mail folder.

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
    endpoint::Endpoint,
    mails,
};

/// A folder with a database and mails, and the binary that works on it.
pub struct Deployment {
    binary: PathBuf,
    folder: PathBuf,
    settings: Vec<(String, String)>,
    watch: Option<Arc<Watch>>,
}

/// A running server. It is killed when dropped, and where it is watched, what it said is searched then.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// What goes on reading what it prints.
    printing: Option<JoinHandle<()>>,
    watched: Option<Watched>,
}

/// What is to be searched when a server ends, and for what.
struct Watched {
    watch: Arc<Watch>,
    place: Endpoint,
    folder: PathBuf,
}

impl Deployment {
    /// A deployment of `binary` in `folder`, listening on a free port, with small hashes.
    pub fn new(binary: impl Into<PathBuf>, folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        let mut deployment =
            Self { binary: binary.into(), folder: folder.clone(), settings: Vec::new(), watch: None };
        deployment.set("POLYRESET_LISTEN", "127.0.0.1:0");
        deployment.set("POLYRESET_DATABASE_URL", &format!("sqlite://{}", folder.join("reset.db").display()));
        deployment.set("POLYRESET_MAIL_URL", &format!("file://{}", folder.join("mail").display()));
        deployment.set("POLYRESET_PUBLIC_URL", "http://127.0.0.1:8080");
        deployment.set("POLYRESET_PASSWORD__ARGON2_M_KIB", "64");
        deployment
    }

    /// From now on its servers say all that they can, and none may end with a secret or an address in what it said
    /// (R70): whatever is sent to them, answered and mailed by them is looked for.
    #[must_use]
    pub fn watched(mut self) -> Self {
        let watch = Arc::new(Watch::default());
        watch.listen_in(&self.mails());
        for (name, value) in &self.settings {
            note_setting(&watch, name, value);
        }
        self.watch = Some(watch);
        self
    }

    /// Sets a variable of the environment, instead of what it was.
    pub fn set(&mut self, name: &str, value: &str) {
        if let Some(watch) = &self.watch {
            note_setting(watch, name, value);
        }
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    /// Leaves a variable of the environment to its default.
    pub fn unset(&mut self, name: &str) {
        self.settings.retain(|(known, _)| known != name);
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
        // A demo's database goes when it ends, but not when it is killed.
        command.env("TMPDIR", &self.folder);
        command
    }

    /// Starts `serve` and waits until it listens.
    ///
    /// # Errors
    /// When it ends before it listens.
    pub fn start(&self) -> anyhow::Result<Server> {
        self.start_until(&["serve"], "listening on http://", at_address)
    }

    /// The same with `serve --demo`.
    ///
    /// # Errors
    /// When it ends before it listens.
    pub fn start_demo(&self) -> anyhow::Result<Server> {
        self.start_until(&["serve", "--demo"], "listening on http://", at_address)
    }

    fn start_until(
        &self,
        args: &[&str],
        said: &str,
        place: impl FnOnce(&str) -> anyhow::Result<(SocketAddr, Endpoint)>,
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
        let mut stdout = BufReader::new(child.stdout.take().context("a pipe was asked for")?);
        let mut printed = self.append_to("printed")?;
        let mut line = String::new();
        while stdout.read_line(&mut line)? > 0 {
            printed.write_all(line.as_bytes())?;
            if let Some(told) = line.strip_prefix(said) {
                let (address, place) = place(told.trim_end())?;
                // What it prints later is kept as well, and a full pipe would stop it.
                let printing = Some(thread::spawn(move || drop(copy(&mut stdout, &mut printed))));
                let watched = self.watch.clone().map(|watch| {
                    watch.listen_at(place.clone());
                    Watched { watch, place, folder: self.folder.clone() }
                });
                return Ok(Server { child, address, printing, watched });
            }
            line.clear();
        }
        let _ = child.wait();
        bail!("the server ended before it listened:\n{}", self.logged())
    }

    /// Starts `serve` on the Unix socket that `POLYRESET_LISTEN` names, and waits until it listens. There is no
    /// address of such a server.
    ///
    /// # Errors
    /// When it ends before it listens.
    pub fn start_on_socket(&self) -> anyhow::Result<Server> {
        self.start_until(&["serve"], "listening on unix:", |path| {
            Ok((SocketAddr::from(([0, 0, 0, 0], 0)), PathBuf::from(path).into()))
        })
    }

    /// Runs a command to its end with `stdin`.
    ///
    /// # Errors
    /// When it cannot be started.
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

    /// Everything that was printed so far.
    pub fn printed(&self) -> String {
        std::fs::read_to_string(self.folder.join("printed")).unwrap_or_default()
    }

    fn append_to(&self, name: &str) -> anyhow::Result<fs::File> {
        Ok(fs::OpenOptions::new().create(true).append(true).open(self.folder.join(name))?)
    }
}

fn at_address(told: &str) -> anyhow::Result<(SocketAddr, Endpoint)> {
    let address: SocketAddr = told.parse()?;
    Ok((address, address.into()))
}

/// Secrets among the settings, passwords in URLs included.
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
    // A mail server of the suite's own.
    let host = if host.is_empty() { authority } else { host };
    if let (true, Ok(address)) = (name == "POLYRESET_MAIL_URL", host.parse::<SocketAddr>()) {
        watch.listen_at(address.into());
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        if let Some(watch) = &self.watch {
            watch.end();
        }
    }
}

impl Watched {
    /// Everything that the suite knows, in everything that the server said.
    fn search(&self) -> Vec<String> {
        canaries::forget(&self.place);
        // Those that nobody has looked at are among them.
        for letter in mails::all(&self.folder.join("mail")).unwrap_or_default() {
            self.watch.note_letter(&letter);
        }
        if let Ok(root) = fs::read_to_string(self.folder.join("reset.secret")) {
            self.watch.note(CanaryKind::Setting, root.trim());
        }
        ["log", "printed"]
            .iter()
            .flat_map(|name| {
                match fs::read(self.folder.join(name)) {
                    Ok(said) => self.watch.found_in(&said),
                    Err(error) => vec![format!("it could not be read: {error}")],
                }
                .into_iter()
                .map(move |place| format!("{name}, {place}"))
            })
            .collect()
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
        if let Some(printing) = self.printing.take() {
            let _ = printing.join();
        }
        if let Some(watched) = self.watched.take() {
            let found = watched.search();
            // A test that fails already must not hide why.
            assert!(
                found.is_empty() || thread::panicking(),
                "what must not be said was said by the server of {}:\n{}",
                watched.folder.display(),
                found.join("\n")
            );
        }
    }
}
