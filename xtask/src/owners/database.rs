//! The database of an owner, and the role that polyreset uses there.

use anyhow::{Context, Result, ensure};
use conformance::{
    databases::DatabaseServer,
    programs::{command, find},
};

use crate::servers::Servers;

/// The password of the role.
const PASSWORD: &str = "role-password-for-tests-only";

/// The database servers in use: those of the environment, or temporary ones that are started when needed.
#[derive(Default)]
pub(super) struct DatabaseServers {
    started: Vec<(DatabaseServer, Servers, String)>,
}

impl DatabaseServers {
    /// Returns the administrator's URL of a server, without a path.
    pub(super) fn admin(&mut self, kind: DatabaseServer) -> Result<String> {
        if let Some((.., url)) = self.started.iter().find(|(known, ..)| *known == kind) {
            return Ok(url.clone());
        }
        let (servers, url) = match kind {
            DatabaseServer::Postgres => Servers::postgres()?,
            DatabaseServer::Mariadb => Servers::mariadb()?,
        };
        let url = without_path(&url)?;
        self.started.push((kind, servers, url.clone()));
        Ok(url)
    }
}

/// A new database and a new role without privileges. Both are dropped with this value.
pub(super) struct OwnerDatabase {
    kind: DatabaseServer,
    /// URL of the server without a path.
    admin: String,
    name: String,
    url: String,
    /// The role in GRANT statements: on MariaDB with its host.
    role: String,
}

impl OwnerDatabase {
    pub(super) fn create(kind: DatabaseServer, admin: String, owner: &str) -> Result<Self> {
        let name = format!("polyreset_owner_{}_{}", owner.replace('-', "_"), std::process::id());
        let url = format!("{admin}/{name}");
        let role = match kind {
            DatabaseServer::Postgres => name.clone(),
            DatabaseServer::Mariadb => format!("{name}@%"),
        };
        let database = Self { kind, admin, name, url, role };
        let name = &database.name;
        let statements = match kind {
            DatabaseServer::Postgres => {
                vec![
                    format!("CREATE DATABASE {name}"),
                    format!("CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'"),
                ]
            }
            DatabaseServer::Mariadb => {
                vec![format!("CREATE DATABASE {name}; CREATE USER {name}@'%' IDENTIFIED BY '{PASSWORD}'")]
            }
        };
        for statement in statements {
            database.administer(&statement)?;
        }
        Ok(database)
    }

    /// Returns the URL of the database, as its owner.
    pub(super) fn admin_url(&self) -> &str {
        &self.url
    }

    /// Returns the role as `adopt` expects it.
    pub(super) fn role(&self) -> &str {
        &self.role
    }

    /// Returns the URL of the database, as the role.
    pub(super) fn role_url(&self) -> String {
        let (scheme, rest) = self.url.split_once("://").expect("the URL was checked");
        let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
        format!("{scheme}://{}:{PASSWORD}@{place}", self.name)
    }

    /// Runs statements in the database, as its owner.
    pub(super) fn execute(&self, statements: &str) -> Result<()> {
        execute(self.kind, &self.url, statements)
    }

    fn administer(&self, statement: &str) -> Result<()> {
        let place = match self.kind {
            DatabaseServer::Postgres => "postgres",
            DatabaseServer::Mariadb => "",
        };
        execute(self.kind, &format!("{}/{place}", self.admin), statement)
    }
}

impl Drop for OwnerDatabase {
    fn drop(&mut self) {
        let name = &self.name;
        let statements = match self.kind {
            DatabaseServer::Postgres => {
                vec![
                    format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
                    format!("DROP ROLE IF EXISTS {name}"),
                ]
            }
            DatabaseServer::Mariadb => {
                vec![format!("DROP DATABASE IF EXISTS {name}; DROP USER IF EXISTS {name}@'%'")]
            }
        };
        for statement in statements {
            if let Err(error) = self.administer(&statement) {
                println!("{name} is left behind: {error:#}");
            }
        }
    }
}

/// Returns a URL without its path and its options.
fn without_path(url: &str) -> Result<String> {
    let (scheme, rest) = url.split_once("://").context("the URL of a database server has no scheme")?;
    let place = rest.split(['/', '?']).next().unwrap_or_default();
    Ok(format!("{scheme}://{place}"))
}

/// Runs statements with the client of the database server.
fn execute(kind: DatabaseServer, url: &str, statements: &str) -> Result<()> {
    let mut client = match kind {
        DatabaseServer::Postgres => {
            let mut psql = command(find("psql").context("psql is not installed")?);
            psql.args([url, "-q", "-v", "ON_ERROR_STOP=1", "-c", statements]);
            psql
        }
        DatabaseServer::Mariadb => {
            let (_, rest) = url.split_once("://").context("a URL")?;
            let (login, place) = rest.rsplit_once('@').unwrap_or(("root", rest));
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            let (address, database) = place.split_once('/').context("a URL with a path")?;
            let (host, port) = address.split_once(':').unwrap_or((address, "3306"));
            let mut mariadb = command(find("mariadb").context("the MariaDB client is not installed")?);
            if !password.is_empty() {
                mariadb.arg(format!("-p{password}"));
            }
            mariadb.args(["--protocol=tcp", "-h", host, "-P", port, "-u", user, "-e", statements]);
            mariadb.args((!database.is_empty()).then_some(database));
            mariadb
        }
    };
    let output = client.output().context("starting the database client")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_and_options_of_a_server_url_are_dropped() {
        for end in ["", "/", "/postgres", "/postgres?sslmode=disable", "?sslmode=disable"] {
            let url = without_path(&format!("postgres://postgres@127.0.0.1:5432{end}")).unwrap();
            assert_eq!(url, "postgres://postgres@127.0.0.1:5432");
        }
    }
}
