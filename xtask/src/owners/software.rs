//! The software of an owner: where it comes from, and how it is installed at a pinned version.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use conformance::programs::{command, quietly};

use super::{catalog::Owner, copy_files, installation, sources};
use crate::{
    clients,
    packages::{self, PythonEnvironment},
    servers::install,
};

/// Where the software of an owner comes from, and the package whose version counts.
pub(super) enum Software {
    /// The packages of `package-lock.json` in a folder of `clients/owners/`, and the folder with the project's other
    /// files. The scripts of the `native` packages run even if `.npmrc` forbids scripts.
    Npm { package: &'static str, project: &'static str, files: &'static str, native: &'static [&'static str] },
    /// The packages of a `requirements.txt`, relative to `clients/`, in the virtual environment of this name.
    Pip { package: &'static str, requirements: &'static str, environment: &'static str },
    /// A Debian package, and the folder with its files.
    Debian { package: &'static str, folder: &'static str },
}

impl Software {
    /// Returns Python with the packages.
    pub(super) fn python(&self) -> Command {
        match self {
            Self::Pip { requirements, environment, .. } => environment_of(requirements, environment).python(),
            Self::Npm { .. } | Self::Debian { .. } => command("python3"),
        }
    }
}

fn environment_of(requirements: &str, environment: &str) -> PythonEnvironment {
    PythonEnvironment::new(clients::target().join(environment), clients::folder().join(requirements))
}

impl Owner {
    /// Installs the owner, unless its pinned version already is there. Returns a sentence if that is impossible here.
    pub(super) fn install(&self) -> Result<Option<String>> {
        match self.software {
            Software::Npm { project, files, native, .. } => {
                let installation = installation(project);
                let installed = installation.join("installed.json");
                copy_files(&sources(files), &installation)?;
                copy_files(&sources(project), &installation)?;
                let pinned = fs::read(sources(project).join("package-lock.json"))?;
                if fs::read(&installed).is_ok_and(|installed| installed == pinned) {
                    return Ok(None);
                }
                let missing = packages::npm(&installation)?;
                if missing.is_none() {
                    for package in native {
                        let mut rebuild = command("npm");
                        rebuild.args(["rebuild", "--ignore-scripts=false", "--silent", package]);
                        // The owner may run on another database without it.
                        if let Err(error) = quietly(rebuild.current_dir(&installation)) {
                            println!("{}: {package} cannot be built: {error:#}", self.title);
                        }
                    }
                    fs::write(installed, pinned)?;
                }
                Ok(missing)
            }
            Software::Pip { requirements, environment, .. } => {
                environment_of(requirements, environment).install()
            }
            Software::Debian { package, folder } => {
                if !Path::new(folder).is_dir()
                    && let Err(reason) = install(&[package])
                {
                    return Ok(Some(format!("{reason:#}")));
                }
                let installation = installation(self.name);
                fs::create_dir_all(&installation)?;
                // Links to other Debian packages stay links.
                let mut copy = command("cp");
                quietly(copy.arg("-a").arg(format!("{folder}/.")).arg(&installation))?;
                copy_files(&sources(self.name), &installation)?;
                Ok(None)
            }
        }
    }

    /// Returns the folder where the owner runs.
    pub(super) fn folder(&self) -> PathBuf {
        match self.software {
            Software::Npm { project, .. } => installation(project),
            _ => installation(self.name),
        }
    }

    /// Returns the version that is pinned.
    pub(super) fn version(&self) -> Result<String> {
        let read = |path: &Path| fs::read_to_string(path).with_context(|| path.display().to_string());
        let (text, start, end) = match self.software {
            Software::Debian { package, .. } => {
                let query = command("dpkg-query").args(["-W", "-f", "${Version}", package]).output()?;
                return packages::succeeded(&query);
            }
            Software::Npm { package, project, .. } => {
                (read(&sources(project).join("package.json"))?, format!("\"{package}\": \""), '"')
            }
            Software::Pip { package, requirements, .. } => {
                (read(&clients::folder().join(requirements))?, format!("{package}=="), '\n')
            }
        };
        let version = text.split_once(&start).and_then(|(_, rest)| rest.split(end).next());
        version.map(str::to_owned).with_context(|| format!("{} is not pinned", self.title))
    }

    /// Returns whether the version is a number, and not a range. The release of Debian pins its packages.
    #[cfg(test)]
    pub(super) fn pinned(&self) -> Result<bool> {
        Ok(matches!(self.software, Software::Debian { .. })
            || self.version()?.starts_with(|c: char| c.is_ascii_digit()))
    }
}
