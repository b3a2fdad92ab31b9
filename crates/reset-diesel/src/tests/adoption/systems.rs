//! The presets of systems that have no dialect here, on tables as their owners create them.

use super::{
    super::servers::Server,
    find, issued, redeem,
    tables::{ForeignUsers, HASH, SECOND, query_texts},
};
use crate::foreign_users::preset;

/// A preset, its table with an account of Ann, and a query with its rows after a reset.
struct System {
    preset: &'static str,
    statements: String,
    left_out: &'static [&'static str],
    query: &'static str,
    after: &'static [&'static str],
}

fn systems(server: Server) -> Vec<System> {
    let (serial, time, table) = match server {
        Server::Postgres => ("serial PRIMARY KEY", "timestamptz", ""),
        Server::Mariadb => ("int AUTO_INCREMENT PRIMARY KEY", "datetime(6)", "COLLATE utf8mb4_bin"),
    };
    let hash = HASH.replacen("$2a$", "$2y$", 1);
    let mut systems = vec![
        System {
            preset: "django",
            statements: format!(
                "CREATE TABLE auth_user (id {serial}, password varchar(128) NOT NULL, last_login {time}, \
                 username varchar(150) NOT NULL, first_name varchar(150) NOT NULL, email varchar(254) NOT NULL, \
                 is_active boolean NOT NULL, date_joined {time} NOT NULL); \
                 INSERT INTO auth_user (password, username, first_name, email, is_active, date_joined) VALUES \
                 ('pbkdf2_sha256$1000$seasalt$LZKTtonyi6Mwg4S1T6mjYRsfh6B2cJTDIFNojUXEHrQ=', 'ann', 'Ann', \
                 'Ann@example.org', true, '2020-01-01'), ('!unusable', 'sso', '', 'sso@example.org', true, '2020-01-01')"
            ),
            left_out: &["sso@example.org"],
            query: "SELECT username AS text FROM auth_user WHERE password LIKE '$2a$10$cBrl%'",
            after: &["ann"],
        },
        System {
            preset: "laravel",
            statements: format!(
                "CREATE TABLE users (id {serial}, name varchar(255) NOT NULL, email varchar(255) NOT NULL, \
                 email_verified_at {time} NULL, password varchar(255) NOT NULL, remember_token varchar(100), \
                 created_at {time} NULL, updated_at {time} NULL) {table}; \
                 INSERT INTO users (name, email, password, remember_token) VALUES ('Ann', 'ann@example.org', '{hash}', 'r'); \
                 CREATE TABLE sessions (id varchar(255) PRIMARY KEY, user_id bigint, payload text); \
                 INSERT INTO sessions VALUES ('hers', 1, ''), ('guest', NULL, ''), ('other', 2, ''); \
                 CREATE TABLE password_reset_tokens (email varchar(255) PRIMARY KEY, token varchar(255)); \
                 INSERT INTO password_reset_tokens VALUES ('ann@example.org', 't'), ('bob@example.org', 't')"
            ),
            left_out: &[],
            query: "SELECT id AS text FROM sessions UNION SELECT email FROM password_reset_tokens \
                 UNION SELECT name FROM users WHERE remember_token IS NULL AND updated_at > '2026-01-01' ORDER BY 1",
            after: &["Ann", "bob@example.org", "guest", "other"],
        },
        System {
            preset: "directus",
            statements: format!(
                "CREATE TABLE directus_users (id char(36) PRIMARY KEY, first_name varchar(50), email varchar(128), \
                 password varchar(255), language varchar(255), status varchar(16) NOT NULL, provider varchar(128) NOT NULL); \
                 INSERT INTO directus_users VALUES ('7f3e0a52-0000-4000-8000-000000000001', 'Ann', 'ann@example.org', \
                 '{HASH}', 'de-DE', 'active', 'default'), ('7f3e0a52-0000-4000-8000-000000000002', 'Sso', \
                 'sso@example.org', '{HASH}', NULL, 'active', 'google'); \
                 CREATE TABLE directus_sessions (token varchar(64), {user} char(36)); \
                 INSERT INTO directus_sessions VALUES ('hers', '7f3e0a52-0000-4000-8000-000000000001'), \
                 ('other', '7f3e0a52-0000-4000-8000-000000000002')",
                user = if server == Server::Postgres { "\"user\"" } else { "`user`" },
            ),
            left_out: &["sso@example.org"],
            query: "SELECT token AS text FROM directus_sessions",
            after: &["other"],
        },
        System {
            preset: "strapi-v5-refresh",
            statements: format!(
                "{}; CREATE TABLE strapi_sessions (name varchar(40), user_id varchar(255), origin varchar(255)); \
                 INSERT INTO strapi_sessions VALUES ('hers', '1', 'users-permissions'), ('admin', '1', 'admin')",
                super::create_table(server, "strapi-v4")
            ),
            left_out: &["oauth@example.org"],
            query: "SELECT name AS text FROM strapi_sessions",
            after: &["admin"],
        },
    ];
    systems.push(system_of_one_server(server, &hash));
    systems
}

/// Returns the system that runs on this server only. `hash` is one of PHP's.
fn system_of_one_server(server: Server, hash: &str) -> System {
    match server {
        Server::Mariadb => System {
            preset: "wordpress",
            statements: format!(
                "CREATE TABLE wp_users (ID bigint unsigned AUTO_INCREMENT PRIMARY KEY, \
                 user_login varchar(60) NOT NULL DEFAULT '', user_pass varchar(255) NOT NULL DEFAULT '', \
                 user_email varchar(100) NOT NULL DEFAULT '', user_activation_key varchar(255) NOT NULL DEFAULT '', \
                 display_name varchar(250) NOT NULL DEFAULT '') COLLATE utf8mb4_unicode_ci; \
                 INSERT INTO wp_users (user_login, user_pass, user_email, user_activation_key, display_name) VALUES \
                 ('ann', '$wp{hash}', 'Ann@example.org', 'key', 'Ann')"
            ),
            left_out: &[],
            query: "SELECT user_login AS text FROM wp_users WHERE user_activation_key = ''",
            after: &["ann"],
        },
        Server::Postgres => System {
            preset: "supabase",
            statements: format!(
                "CREATE SCHEMA auth; CREATE TABLE auth.users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), \
                 email varchar(255), encrypted_password varchar(255), email_confirmed_at timestamptz, \
                 recovery_token varchar(255), is_sso_user boolean NOT NULL DEFAULT false, created_at timestamptz, \
                 updated_at timestamptz, deleted_at timestamptz); \
                 INSERT INTO auth.users (email, encrypted_password, recovery_token, is_sso_user, deleted_at) VALUES \
                 ('ann@example.org', '{HASH}', 'token', false, NULL), ('ann@example.org', '{HASH}', '', false, now()), \
                 ('sso@example.org', '{HASH}', '', true, NULL); \
                 CREATE TABLE auth.sessions (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid NOT NULL); \
                 CREATE TABLE auth.one_time_tokens (token_type text, user_id uuid NOT NULL); \
                 INSERT INTO auth.sessions (user_id) SELECT id FROM auth.users; \
                 INSERT INTO auth.one_time_tokens SELECT 'recovery', id FROM auth.users"
            ),
            left_out: &["sso@example.org"],
            query: "SELECT CAST((SELECT count(*) FROM auth.sessions) AS text) AS text UNION ALL \
                 SELECT CAST((SELECT count(*) FROM auth.one_time_tokens) AS text) UNION ALL \
                 SELECT email FROM auth.users WHERE recovery_token = '' AND deleted_at IS NULL AND NOT is_sso_user",
            after: &["2", "2", "ann@example.org"],
        },
    }
}

pub(super) async fn reset_of_each_further_system_changes_what_its_preset_maps(server: Server) {
    for System { preset: name, statements, left_out, query, after } in systems(server) {
        let mapping = preset(name).unwrap();
        let Some(foreign) = ForeignUsers::table(server, &statements, mapping.clone()).await else { return };
        let store = foreign.database.open().await.unwrap();
        let ann = find(&store, "ann@example.org").await.expect(name);
        for other in left_out {
            assert!(find(&store, other).await.is_none(), "{name}: {other}");
        }
        let ticket = issued(&store, &ann, "one").await;
        assert!(redeem(&store, &ticket, SECOND).await, "{name}");
        assert_eq!(query_texts(&foreign.fresh, query), after, "{name}");
        assert_ne!(find(&store, "ann@example.org").await.unwrap().epoch, ann.epoch, "{name}");
    }
}
