//! External programs that tests start: how to find them, and the user they run as.

use std::{
    ffi::OsStr,
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};

/// Folders where Debian installs programs that a user's `PATH` may lack.
const OFF_THE_PATH: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin"];

/// Returns the path of a program, found on `PATH` or in Debian's folders.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(OFF_THE_PATH.map(PathBuf::from));
    if let Ok(versions) = fs::read_dir("/usr/lib/postgresql") {
        let mut versions: Vec<PathBuf> = versions.flatten().map(|entry| entry.path().join("bin")).collect();
        versions.sort();
        folders.extend(versions.into_iter().rev());
    }
    folders.into_iter().map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Returns a command that starts `program`.
#[expect(clippy::disallowed_methods, reason = "only tests and build tasks start programs with this")]
pub fn command(program: impl AsRef<OsStr>) -> Command {
    Command::new(program)
}

/// Returns a command for a database program. As root, it runs as an unprivileged user, because database servers refuse
/// to run as root.
///
/// # Errors
/// Fails if the program is not installed.
pub fn server(name: &str) -> anyhow::Result<Command> {
    let mut command = command(find(name).with_context(|| format!("{name} is not installed"))?);
    if let Some((user, group)) = unprivileged() {
        command.uid(user).gid(group).current_dir("/");
    }
    Ok(command)
}

/// Returns the user and group to run database programs as, or `None` if the process is not root.
pub fn unprivileged() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| {
        let output = command("id").args(arguments).stderr(Stdio::null()).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse::<u32>().ok()
    };
    if id(&["-u"]) != Some(0) {
        return None;
    }
    ["postgres", "mysql", "nobody"].iter().find_map(|user| Some((id(&["-u", user])?, id(&["-g", user])?)))
}

/// Changes the owner of a file or folder to the user that [`server`] runs programs as.
///
/// # Errors
/// Fails if the owner cannot be changed.
pub fn give_away(path: &Path) -> anyhow::Result<()> {
    if let Some((user, group)) = unprivileged() {
        std::os::unix::fs::chown(path, Some(user), Some(group))?;
    }
    Ok(())
}

/// Runs a command to completion and discards its output.
///
/// # Errors
/// Returns its stderr if the command fails.
pub fn quietly(command: &mut Command) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("starting {name}"))?;
    ensure!(output.status.success(), "{name} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
