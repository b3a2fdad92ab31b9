//! The owners: how each is installed and started, and the settings that adopt its table.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use conformance::{
    databases::DatabaseServer,
    programs::{command, quietly},
};

use super::{OWNER_SECRET, Place, copy_files, installation, sources};
use crate::{
    clients::{self, FRONT_ENDS},
    packages::{self, PythonEnvironment},
    servers::install,
};

/// An owner of a users table.
pub(super) struct Owner {
    /// Its folder in `clients/owners/`.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    software: Software,
    pub(super) database: DatabaseServer,
    /// The servers that stand in front of it, one after the other.
    pub(super) front_ends: &'static [&'static str],
    pub(super) start: fn(&Place) -> Command,
    /// Settings in addition to database, secret and `upstream_url`.
    pub(super) settings: &'static [(&'static str, &'static str)],
}

/// Where the software of an owner comes from, and the package whose version counts.
enum Software {
    /// The packages of `package-lock.json` in a folder of `clients/owners/`, where they also run.
    Npm { package: &'static str, project: &'static str },
    /// The packages of a `requirements.txt`, relative to `clients/`, in the virtual environment of this name.
    Pip { package: &'static str, requirements: &'static str, environment: &'static str },
    /// A Debian package, and the folder with its files.
    Debian { package: &'static str, folder: &'static str },
}

pub(super) const OWNERS: [Owner; 6] = [
    Owner {
        name: "strapi",
        title: "Strapi",
        software: STRAPI,
        database: DatabaseServer::Postgres,
        front_ends: &FRONT_ENDS,
        start: strapi,
        settings: &[
            ("users.preset", "strapi-v4"),
            ("strapi.page_url", "https://app.example.com/reset-password"),
            ("strapi.jwt_secret", OWNER_SECRET),
            // Every client of the suite has the same address.
            ("limits.client_requests_per_15m", "100"),
            ("limits.client_requests_per_day", "100"),
        ],
    },
    Owner {
        name: "strapi-refresh",
        title: "Strapi in refresh mode",
        software: STRAPI,
        database: DatabaseServer::Postgres,
        front_ends: &[FRONT_ENDS[0]],
        start: strapi_refresh,
        settings: &[
            ("users.preset", "strapi-v5-refresh"),
            ("strapi.page_url", "https://app.example.com/reset-password"),
        ],
    },
    Owner {
        name: "strapi-v3",
        title: "Strapi 3",
        software: Software::Npm { package: "strapi", project: "strapi-v3" },
        database: DatabaseServer::Postgres,
        front_ends: &[FRONT_ENDS[0]],
        start: strapi_v3,
        settings: &[
            ("users.preset", "strapi-v3"),
            ("strapi.wire", "v3"),
            ("strapi.page_url", "https://app.example.com/reset-password"),
            ("strapi.jwt_secret", OWNER_SECRET),
        ],
    },
    Owner {
        name: "django",
        title: "Django",
        software: DJANGO,
        database: DatabaseServer::Postgres,
        front_ends: &FRONT_ENDS,
        start: django,
        settings: &[
            ("users.preset", "django"),
            ("users.sessions.table", "authtoken_token"),
            ("users.sessions.account", "user_id"),
            ("django.page_url", "https://app.example.com/#/password/reset/confirm/{uid}/{token}"),
        ],
    },
    Owner {
        name: "fastapi-users",
        title: "FastAPI-Users",
        software: FASTAPI_USERS,
        database: DatabaseServer::Postgres,
        front_ends: &[FRONT_ENDS[1]],
        start: fastapi_users,
        settings: &[
            ("users.preset", "custom"),
            ("users.table", "user"),
            ("users.id", "id"),
            ("users.email", "email"),
            ("users.password", "hashed_password"),
            ("users.active", "is_active"),
            ("users.sessions.table", "accesstoken"),
            ("users.sessions.account", "user_id"),
            ("password.hash", "argon2id"),
            ("px0.enabled", "false"),
            ("strapi.enabled", "false"),
            ("insforge.enabled", "false"),
        ],
    },
    Owner {
        name: "wordpress",
        title: "WordPress",
        software: Software::Debian { package: "wordpress", folder: "/usr/share/wordpress" },
        database: DatabaseServer::Mariadb,
        front_ends: &[FRONT_ENDS[2]],
        start: wordpress,
        settings: &[("users.preset", "wordpress")],
    },
];

const STRAPI: Software = Software::Npm { package: "@strapi/strapi", project: "strapi" };

/// The packages that `cargo xtask clients` compares polyreset with.
const DJANGO: Software = Software::Pip {
    package: "Django",
    requirements: "django/requirements.txt",
    environment: "clients-django",
};

const FASTAPI_USERS: Software = Software::Pip {
    package: "fastapi-users",
    requirements: "owners/fastapi-users/requirements.txt",
    environment: "owners/fastapi-users",
};

fn strapi(place: &Place) -> Command {
    strapi_at("node_modules/@strapi/strapi/bin/strapi.js", place)
}

fn strapi_refresh(place: &Place) -> Command {
    let mut node = strapi(place);
    node.env("OWNER_JWT_MANAGEMENT", "refresh");
    node
}

fn strapi_v3(place: &Place) -> Command {
    strapi_at("node_modules/strapi/bin/strapi.js", place)
}

fn strapi_at(program: &str, place: &Place) -> Command {
    let mut node = command("node");
    node.args([program, "start"]).current_dir(&place.installation);
    // Version 3 opens the admin panel in a browser at its first start.
    node.env("BROWSER", "none");
    node.env("NODE_ENV", "production").env("STRAPI_TELEMETRY_DISABLED", "true");
    node.env("OWNER_DATABASE_URL", &place.database_url).env("OWNER_PORT", place.port.to_string());
    node.env("OWNER_SECRET", OWNER_SECRET);
    node
}

fn django(place: &Place) -> Command {
    let mut python = DJANGO.python();
    python.args(["server.py", &place.port.to_string(), "--database", &place.database_url, "--tokens"]);
    python.current_dir(clients::folder().join("django"));
    python
}

fn fastapi_users(place: &Place) -> Command {
    let mut python = FASTAPI_USERS.python();
    python.arg(sources("fastapi-users").join("app.py"));
    python.env("OWNER_DATABASE_URL", &place.database_url).env("OWNER_PORT", place.port.to_string());
    python.env("OWNER_SECRET", OWNER_SECRET);
    python
}

fn wordpress(place: &Place) -> Command {
    let mut php = command("php");
    php.args(["-S", &format!("127.0.0.1:{}", place.port), "-t"]).arg(&place.installation);
    php.env("OWNER_DATABASE_URL", &place.database_url).env("OWNER_SECRET", OWNER_SECRET);
    php
}

impl Software {
    /// Returns Python with the packages.
    fn python(&self) -> Command {
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
            Software::Npm { project, .. } => {
                let (sources, installation) = (sources(project), installation(project));
                let installed = installation.join("installed.json");
                copy_files(&sources, &installation)?;
                let pinned = fs::read(sources.join("package-lock.json"))?;
                if fs::read(&installed).is_ok_and(|installed| installed == pinned) {
                    return Ok(None);
                }
                let missing = packages::npm(&installation)?;
                if missing.is_none() {
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
            Software::Npm { package, project } => {
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
