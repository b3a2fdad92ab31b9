//! `config`: the settings in force, a new settings file, and its schema.

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use clap::Subcommand;

use super::{GlobalArgs, print};
use crate::settings::{schema::SettingsSchema, settings_file};

#[derive(Subcommand)]
pub(super) enum ConfigCommand {
    /// Write a settings file with every setting as a comment; an existing file is kept
    Init {
        /// Path of the file
        #[arg(default_value = "polyreset.toml")]
        file: PathBuf,
    },
    /// Print the settings in force with their sources as a settings file, secrets redacted, then the takeover bounds and
    /// the open weaknesses
    Show {
        /// Only the settings that differ from their defaults
        #[arg(long)]
        changed: bool,
    },
    /// Print the JSON schema of the settings file
    Schema,
}

pub(super) fn run(global: &GlobalArgs, command: &ConfigCommand) -> Result<ExitCode> {
    match command {
        ConfigCommand::Init { file } => {
            create(file)?;
            let file = file.display();
            print(&format!("created {file}: edit it, then check it with `--config {file} doctor`\n"));
        }
        ConfigCommand::Show { changed: false } => print(&global.settings()?.show()?),
        ConfigCommand::Show { changed: true } => print(&global.settings()?.show_changed()),
        ConfigCommand::Schema => print(&reset_http::to_json_pretty(&SettingsSchema::new())),
    }
    Ok(ExitCode::SUCCESS)
}

/// Creates the file with mode 0600, because an operator may write secrets into it.
fn create(path: &Path) -> Result<()> {
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = match created {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{} exists already and is not overwritten: remove it, or name another file", path.display())
        }
        created => created.with_context(|| format!("{} cannot be created", path.display()))?,
    };
    file.write_all(settings_file().as_bytes())
        .with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn init_creates_a_private_file_and_never_overwrites_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("polyreset.toml");
        create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "log = \"warn\"\n").unwrap();
        let error = create(&path).unwrap_err().to_string();
        assert!(error.contains("polyreset.toml exists already and is not overwritten"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "log = \"warn\"\n");
        let error = create(&dir.path().join("none/polyreset.toml")).unwrap_err().to_string();
        assert!(error.ends_with("none/polyreset.toml cannot be created"), "{error}");
    }
}
