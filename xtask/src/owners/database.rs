//! The database of an owner on a server, and the role that polyreset uses there.

use anyhow::{Context, Result, bail, ensure};
use conformance::{
    databases::DatabaseServer,
    programs::{command, find},
    server::TestDeployment,
};

use super::{adopt, sqlite::OwnerFile};
use crate::{packages::succeeded, servers::Servers};

/// The password of the role.
const PASSWORD: &str = "role-password-for-tests-only";

/// Where an owner keeps its tables.
#[derive(Clone, Copy)]
pub(super) enum OwnerEngine {
    Server(DatabaseServer),
    SqliteFile,
}

/// The tables of an owner.
pub(super) trait OwnerDatabase {
    /// Returns the URL of the database, for its owner.
    fn url(&self) -> &str;

    /// Lets a deployment use the tables with the minimum privileges, and returns the report of `adopt`.
    fn adopt(&mut self, deployment: &mut TestDeployment) -> Result<String>;

    /// Checks what must be as before the adoption, if anything can be checked.
    fn check(&self) -> Option<Result<()>> {
        None
    }
}

/// The database servers in use: those of the environment, or temporary ones that are started when needed.
#[derive(Default)]
pub(super) struct DatabaseServers {
    started: Vec<(DatabaseServer, Servers, String)>,
}

impl DatabaseServers {
    /// Creates an empty database for an owner. Returns a sentence if its server cannot run here.
    pub(super) fn create(
        &mut self,
        engine: OwnerEngine,
        owner: &str,
    ) -> Result<Result<Box<dyn OwnerDatabase>, String>> {
        let kind = match engine {
            OwnerEngine::SqliteFile => return Ok(Ok(Box::new(OwnerFile::create()?))),
            OwnerEngine::Server(kind) => kind,
        };
        Ok(match self.admin(kind) {
            Ok(admin) => Ok(Box::new(ServerDatabase::create(kind, admin, owner)?)),
            Err(reason) => Err(format!("{reason:#}")),
        })
    }

    /// Returns the administrator's URL of a server, without a path.
    fn admin(&mut self, kind: DatabaseServer) -> Result<String> {
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
struct ServerDatabase {
    kind: DatabaseServer,
    /// URL of the server without a path.
    admin: String,
    name: String,
    url: String,
    /// The role in GRANT statements: on MariaDB with its host.
    role: String,
}

impl ServerDatabase {
    fn create(kind: DatabaseServer, admin: String, owner: &str) -> Result<Self> {
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

    /// Returns the URL of the database, as the role.
    fn role_url(&self) -> String {
        let (scheme, rest) = self.url.split_once("://").expect("the URL was checked");
        let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
        format!("{scheme}://{}:{PASSWORD}@{place}", self.name)
    }

    fn administer(&self, statement: &str) -> Result<()> {
        let place = match self.kind {
            DatabaseServer::Postgres => "postgres",
            DatabaseServer::Mariadb => "",
        };
        execute(self.kind, &format!("{}/{place}", self.admin), statement)
    }
}

impl OwnerDatabase for ServerDatabase {
    fn url(&self) -> &str {
        &self.url
    }

    fn adopt(&mut self, deployment: &mut TestDeployment) -> Result<String> {
        deployment.set("POLYRESET_DATABASE_URL", &self.url);
        let report = adopt(deployment, &["--role", &self.role])?;
        succeeded(&deployment.run(&["migrate"], "")?).context("migrate")?;
        execute(self.kind, &self.url, &grants(&report)?).context("the GRANTs of adopt")?;
        deployment.set("POLYRESET_DATABASE_URL", &self.role_url());
        Ok(report)
    }
}

impl Drop for ServerDatabase {
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

/// Returns the GRANT statements in the report of `adopt`.
fn grants(report: &str) -> Result<String> {
    let statements: Vec<&str> =
        report.lines().map(str::trim).filter(|line| line.starts_with("GRANT ")).collect();
    if statements.is_empty() {
        bail!("adopt printed no GRANT:\n{report}");
    }
    Ok(statements.join("\n"))
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
    fn grants_are_read_from_the_report_of_adopt() {
        let report =
            "SQL\n  SELECT 1;\n\nminimum privileges\n  GRANT SELECT ON a TO b;\n  GRANT c TO d;\n\nnone";
        assert_eq!(grants(report).unwrap(), "GRANT SELECT ON a TO b;\nGRANT c TO d;");
        assert!(grants("nothing").is_err());
    }

    #[test]
    fn path_and_options_of_a_server_url_are_dropped() {
        for end in ["", "/", "/postgres", "/postgres?sslmode=disable", "?sslmode=disable"] {
            let url = without_path(&format!("postgres://postgres@127.0.0.1:5432{end}")).unwrap();
            assert_eq!(url, "postgres://postgres@127.0.0.1:5432");
        }
    }
}
