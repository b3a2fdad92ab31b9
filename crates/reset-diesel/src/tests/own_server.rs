//! A PostgreSQL server of the test's own: one that may be stopped, started, encrypted, copied and promoted.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use tempfile::TempDir;

use super::Server;

/// A server, running or not.
pub(super) struct OwnServer {
    folder: TempDir,
    pub(super) port: u16,
    child: Option<Child>,
}

impl OwnServer {
    /// A server that runs; nothing where the tests are to do without PostgreSQL.
    pub(super) fn start() -> Option<Self> {
        Server::Postgres.admin()?;
        let mut server = Self::new();
        let data = server.data();
        let mut init = program("initdb");
        init.args([
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "-D",
        ]);
        done(init.arg(data));
        server.run();
        Some(server)
    }

    /// A standby of this server that runs.
    pub(super) fn standby(&self) -> Self {
        let mut standby = Self::new();
        let mut copy = program("pg_basebackup");
        copy.args([
            "-h",
            "127.0.0.1",
            "-U",
            "postgres",
            "-R",
            "-c",
            "fast",
            "-p",
            &self.port.to_string(),
            "-D",
        ]);
        done(copy.arg(standby.data()));
        standby.run();
        standby
    }

    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        if let Some((user, group)) = unprivileged() {
            std::os::unix::fs::chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        Self { folder, port, child: None }
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts it, on the port that it had before.
    pub(super) fn run(&mut self) {
        let mut server = program("postgres");
        server.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"] {
            server.args(["-c", setting]);
        }
        let log = fs::File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        self.child = Some(server.stdout(Stdio::null()).stderr(log).spawn().unwrap());
        for _ in 0..600 {
            let mut ready = program("pg_isready");
            ready.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
            if ready.status().unwrap().success() {
                return;
            }
            sleep(Duration::from_millis(50));
        }
        panic!("{}", fs::read_to_string(self.folder.path().join("log")).unwrap());
    }

    /// Stops it at once, as a machine does that fails.
    pub(super) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = command("kill").args(["-QUIT", &child.id().to_string()]).status();
            let _ = child.wait();
        }
    }

    /// Makes a primary of a standby.
    pub(super) fn promote(&self) {
        done(program("pg_ctl").args(["promote", "-w", "-D"]).arg(self.data()));
    }

    pub(super) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// A file in the server's folder that it can read and others cannot.
    pub(super) fn file(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;

        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        if let Some((user, group)) = unprivileged() {
            std::os::unix::fs::chown(&path, Some(user), Some(group)).unwrap();
        }
        path
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A program of PostgreSQL's or a pooler's, as somebody who is not root: they refuse to run as root.
pub(super) fn program(name: &str) -> Command {
    let path = find(name).unwrap_or_else(|| panic!("{name} is not installed"));
    let mut command = command(path);
    if let Some((user, group)) = unprivileged() {
        command.uid(user).gid(group).current_dir("/");
    }
    command
}

pub(super) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.push(Path::new("/usr/sbin").to_owned());
    if let Ok(versions) = fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    folders.into_iter().map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// User and group to switch to; nothing when we are not root.
pub(super) fn unprivileged() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| {
        let output = command("id").args(arguments).stderr(Stdio::null()).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse::<u32>().ok()
    };
    if id(&["-u"]) != Some(0) {
        return None;
    }
    ["postgres", "nobody"].iter().find_map(|user| Some((id(&["-u", user])?, id(&["-g", user])?)))
}

#[expect(clippy::disallowed_methods, reason = "tests start a server of their own")]
pub(super) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    Command::new(program)
}

fn done(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
