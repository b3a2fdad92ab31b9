//! Users tables as their owners create them, and a role with the minimum privileges.

use diesel::{
    QueryableByName,
    prelude::*,
    sql_query,
    sql_types::{Nullable, Text},
};

use super::super::servers::{Fresh, Server};
use crate::{
    Database, Options,
    foreign_users::{Mapping, preset},
};

/// A bcrypt hash with cost 10.
pub(super) const HASH: &str = "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";

/// Another one.
pub(super) const SECOND: &str = "$2a$10$cBrl.kHJB.YnFAMqhM0XjOBWq0ZRcnXfW7rF4eAiyTPHtqA5V0OTa";
/// A third one.
pub(super) const THIRD: &str = "$2a$10$zqEYaJcRtF41aCi1cWgFHOOPnJt1fS7.Orar7ClhlSEpxTNDMRyCO";

/// Returns the statements that create a preset's table as its owner does, with some accounts.
pub(super) fn create_table(server: Server, preset: &str) -> String {
    let (uuid, now) = match server {
        Server::Postgres => {
            ("uuid PRIMARY KEY DEFAULT gen_random_uuid()", "timestamptz DEFAULT '2020-01-01'")
        }
        Server::Mariadb => ("char(36) PRIMARY KEY DEFAULT uuid()", "datetime(6) DEFAULT '2020-01-01'"),
    };
    let (serial, local) = match server {
        Server::Postgres => ("serial PRIMARY KEY", "timestamp(6) DEFAULT '2020-01-01'"),
        Server::Mariadb => ("int AUTO_INCREMENT PRIMARY KEY", "datetime(6) DEFAULT '2020-01-01'"),
    };
    let quote = if server == Server::Postgres { "\"" } else { "`" };
    let reference = if server == Server::Postgres { "uuid" } else { "char(36)" };
    match preset {
        "px0" => format!(
            "CREATE TABLE users (id {uuid}, email varchar(255) NOT NULL UNIQUE, password_hash text NOT NULL, \
             created_at {now}, is_admin boolean NOT NULL DEFAULT false, is_verified boolean NOT NULL DEFAULT false); \
             CREATE TABLE sessions (token varchar(40), user_id {reference}); \
             CREATE TABLE password_resets (code varchar(10), user_id {reference}); \
             INSERT INTO users (email, password_hash) VALUES ('Ann@Example.org', '{HASH}'), \
             ('bob@example.org', '{HASH}')"
        ),
        "insforge" => format!(
            "CREATE SCHEMA auth; CREATE TABLE auth.users (id {uuid}, email text UNIQUE NOT NULL, password text, \
             email_verified boolean DEFAULT false, profile jsonb DEFAULT '{{}}', is_project_admin boolean DEFAULT \
             false, created_at {now}, updated_at {now}); \
             CREATE TABLE auth.email_otps (email text NOT NULL, purpose text NOT NULL); \
             INSERT INTO auth.email_otps VALUES ('ann@example.org', 'RESET_PASSWORD'), \
             ('ann@example.org', 'VERIFY_EMAIL'), ('bob@example.org', 'RESET_PASSWORD'); \
             INSERT INTO auth.users (email, password) VALUES ('Ann@Example.org', '{HASH}'), \
             ('bob@example.org', '{HASH}'), ('oauth@example.org', NULL)"
        ),
        _ => {
            let (table, token) = match preset {
                "strapi-v4" => ("up_users", "reset_password_token"),
                _ => ("users-permissions_user", "resetPasswordToken"),
            };
            let (table, token) = (format!("{quote}{table}{quote}"), format!("{quote}{token}{quote}"));
            format!(
                "CREATE TABLE {table} (id {serial}, username varchar(255), email varchar(255), provider varchar(255), \
                 password varchar(255), {token} varchar(255), confirmed boolean, blocked boolean, created_at {local}, \
                 updated_at {local}); \
                 INSERT INTO {table} (username, email, provider, password, {token}, confirmed, blocked) VALUES \
                 ('ann', 'ann@example.org', 'local', '{HASH}', 'strapi''s own', true, false), \
                 ('bob', 'bob@example.org', 'local', '{HASH}', 'bob''s', true, false), \
                 ('oauth', 'oauth@example.org', 'google', NULL, NULL, true, false), \
                 ('both', 'both@example.org', 'google', '{HASH}', NULL, true, false), \
                 ('blocked', 'blocked@example.org', 'local', '{HASH}', NULL, true, true)"
            )
        }
    }
}

/// Returns all rows of a table except Ann's, as text.
pub(super) fn other_rows(fresh: &Fresh, table: &str) -> Vec<String> {
    let row = match fresh.server() {
        Server::Postgres => "CAST(rows_of AS text)".to_owned(),
        Server::Mariadb => columns(fresh, table),
    };
    let query = format!(
        "SELECT {row} AS text FROM {table} AS rows_of WHERE lower(email) <> 'ann@example.org' ORDER BY email"
    );
    query_texts(fresh, &query)
}

/// Returns an expression that concatenates a row's columns, because MariaDB cannot cast a row to text.
fn columns(fresh: &Fresh, table: &str) -> String {
    let plain = table.trim_matches('`');
    let names = format!(
        "SELECT CAST(column_name AS CHAR) AS text FROM information_schema.columns WHERE table_schema = DATABASE() \
         AND table_name = '{plain}' ORDER BY ordinal_position"
    );
    let names: Vec<String> = query_texts(fresh, &names).into_iter().map(|name| format!("`{name}`")).collect();
    format!("CONCAT_WS('|', {})", names.join(", "))
}

/// Runs a query and returns the values of its column `text`.
pub(super) fn query_texts(fresh: &Fresh, query: &str) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Nullable<Text>)]
        text: Option<String>,
    }
    let query = query.to_owned();
    match fresh.server() {
        Server::Postgres => fresh.postgres(move |db| sql_query(query).load::<Row>(db).unwrap()),
        Server::Mariadb => fresh.mysql(move |db| sql_query(query).load::<Row>(db).unwrap()),
    }
    .into_iter()
    .map(|row| row.text.unwrap_or_else(|| "NULL".to_owned()))
    .collect()
}

/// A database with another system's users table. The store uses a role that has only the grants of the survey.
pub(super) struct ForeignUsers {
    pub(super) fresh: Fresh,
    pub(super) database: Database,
    pub(super) role: String,
}

impl ForeignUsers {
    pub(super) async fn table(server: Server, statements: &str, mapping: Mapping) -> Option<Self> {
        let fresh = server.fresh().await?;
        fresh.execute(statements);
        let role = format!("{}_role", fresh.name());
        let grantee = if server == Server::Postgres { role.clone() } else { format!("{role}@%") };
        let owner = fresh.database().with_users(Some(mapping.clone()));
        let survey = owner.survey(Some(&grantee)).await.unwrap().unwrap();
        let create = match server {
            Server::Postgres => format!("CREATE ROLE {role} LOGIN"),
            Server::Mariadb => format!("CREATE USER '{role}'@'%'"),
        };
        fresh.execute(&format!("{create}; {}", survey.grants.join("; ")));
        let url = fresh.url_of(&role);
        let options = Options { connections: 4, ..Options::default() };
        let database = Database::at(&url).unwrap().with(options).with_users(Some(mapping));
        Some(Self { fresh, database, role })
    }

    pub(super) async fn preset(server: Server, name: &str) -> Option<Self> {
        Self::table(server, &create_table(server, name), preset(name).unwrap()).await
    }
}

impl Drop for ForeignUsers {
    fn drop(&mut self) {
        let drop_role = match self.fresh.server() {
            Server::Postgres => format!("DROP OWNED BY {0}; DROP ROLE {0}", self.role),
            Server::Mariadb => format!("DROP USER '{}'@'%'", self.role),
        };
        self.fresh.execute(&drop_role);
    }
}
