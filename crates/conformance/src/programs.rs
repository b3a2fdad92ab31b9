//! Programs of others that tests start: where they are, and as whom they run.

use std::{
    ffi::OsStr,
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};

/// Where Debian keeps programs that are on nobody's path.
const OFF_THE_PATH: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin"];

/// Where a program is: on the path, or where Debian hides it.
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

/// A program, to be started.
#[expect(clippy::disallowed_methods, reason = "tests and chores start programs; nothing else uses this")]
pub fn command(program: impl AsRef<OsStr>) -> Command {
    Command::new(program)
}

/// A database's program, which may not run as root, as somebody who is not.
///
/// # Errors
/// When it is not installed.
pub fn server(name: &str) -> anyhow::Result<Command> {
    let mut command = command(find(name).with_context(|| format!("{name} is not installed"))?);
    if let Some((user, group)) = unprivileged() {
        command.uid(user).gid(group).current_dir("/");
    }
    Ok(command)
}

/// User and group to switch to; nothing when we are not root.
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

/// Gives a file or folder to whoever [`server`] runs programs as.
///
/// # Errors
/// When the system refuses.
pub fn give_away(path: &Path) -> anyhow::Result<()> {
    if let Some((user, group)) = unprivileged() {
        std::os::unix::fs::chown(path, Some(user), Some(group))?;
    }
    Ok(())
}

/// Runs a command to its end.
///
/// # Errors
/// With all that it said, when it fails.
pub fn quietly(command: &mut Command) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("starting {name}"))?;
    ensure!(output.status.success(), "{name} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
