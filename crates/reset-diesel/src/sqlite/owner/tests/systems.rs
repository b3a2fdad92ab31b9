//! The presets of systems that run on SQLite, on tables as these systems create them.

use super::{Files, HASH, SECOND, STRAPI, find, issued, redeem};
use crate::foreign_users::{AccountRows, Mapping, Name, preset};

const SESSIONS: &str = "CREATE TABLE strapi_sessions (id integer primary key, user_id varchar(255), origin varchar(255)); \
     INSERT INTO strapi_sessions VALUES (1, '1', 'users-permissions'), (2, '1', 'admin')";

/// A mapping, the table with an account of Ann, and a query with its rows after a reset.
struct System {
    name: &'static str,
    mapping: Mapping,
    statements: String,
    query: &'static str,
    after: &'static [&'static str],
}

fn custom() -> Mapping {
    let name = |text| Some(Name::parse(text).unwrap());
    Mapping {
        created_at: name("created_at"),
        updated_at: name("updated_at"),
        sessions: vec![AccountRows::parse("users_sessions.user_id = id").unwrap()],
        ..Mapping::of("users", "id", "email", "hash").unwrap()
    }
}

fn systems() -> Vec<System> {
    vec![
        System {
            name: "Strapi 5 with sessions",
            mapping: preset("strapi-v5-refresh").unwrap(),
            statements: format!(
                "{STRAPI}; {SESSIONS}; INSERT INTO up_users (username, email, provider, password, reset_password_token, \
                 created_at, updated_at) VALUES ('ann', 'ann@example.org', 'local', '{HASH}', 't', 1577836800000, \
                 1577836800000)"
            ),
            query: "SELECT CAST(id AS text) AS text FROM strapi_sessions UNION ALL SELECT typeof(updated_at) || \
                 length(updated_at) || (updated_at > 1577836800000) || COALESCE(reset_password_token, 'NULL') FROM up_users",
            after: &["2", "integer131NULL"],
        },
        System {
            name: "Django",
            mapping: preset("django").unwrap(),
            statements: "CREATE TABLE auth_user (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, \
                 password varchar(128) NOT NULL, username varchar(150) NOT NULL, first_name varchar(150) NOT NULL, \
                 email varchar(254) NOT NULL, is_active bool NOT NULL, date_joined datetime NOT NULL); \
                 INSERT INTO auth_user VALUES (1, \
                 'pbkdf2_sha256$1000$seasalt$LZKTtonyi6Mwg4S1T6mjYRsfh6B2cJTDIFNojUXEHrQ=', 'ann', 'Ann', \
                 'Ann@example.org', 1, '2020-01-01 00:00:00.000000')"
                .to_owned(),
            query: "SELECT date_joined AS text FROM auth_user",
            after: &["2020-01-01 00:00:00.000000"],
        },
        System {
            name: "Laravel",
            mapping: preset("laravel").unwrap(),
            statements: format!(
                "CREATE TABLE users (id integer primary key autoincrement not null, name varchar not null, \
                 email varchar not null, email_verified_at datetime, password varchar not null, remember_token varchar, \
                 created_at datetime, updated_at datetime); \
                 INSERT INTO users VALUES (1, 'Ann', 'ann@example.org', NULL, '{HASH}', 'r', '2020-01-01 00:00:00', \
                 '2020-01-01 00:00:00'); \
                 CREATE TABLE sessions (id varchar not null primary key, user_id integer, payload text); \
                 INSERT INTO sessions VALUES ('hers', 1, ''), ('guest', NULL, ''), ('other', 2, ''); \
                 CREATE TABLE password_reset_tokens (email varchar not null primary key, token varchar); \
                 INSERT INTO password_reset_tokens VALUES ('ann@example.org', 't'), ('bob@example.org', 't')"
            ),
            query: "SELECT id AS text FROM sessions UNION ALL SELECT email FROM password_reset_tokens UNION ALL \
                 SELECT name || (updated_at GLOB '20[2-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9]' \
                 AND updated_at > '2026') FROM users WHERE remember_token IS NULL",
            after: &["guest", "other", "bob@example.org", "Ann1"],
        },
        System {
            name: "Directus, whose ids are text",
            mapping: preset("directus").unwrap(),
            statements: format!(
                "CREATE TABLE directus_users (id char(36) not null primary key, first_name varchar(50), \
                 email varchar(128), password varchar(255), language varchar(255), status varchar(16), \
                 provider varchar(128)); \
                 INSERT INTO directus_users VALUES ('7f3e0a52-0000-4000-8000-000000000001', 'Ann', 'ann@example.org', \
                 '{HASH}', 'de-DE', 'active', 'default'); \
                 CREATE TABLE directus_sessions (token varchar(64) primary key, user char(36)); \
                 INSERT INTO directus_sessions VALUES ('hers', '7f3e0a52-0000-4000-8000-000000000001'), ('other', 'x')"
            ),
            query: "SELECT token AS text FROM directus_sessions",
            after: &["other"],
        },
        System {
            name: "a table with ISO times in text columns",
            mapping: custom(),
            statements: format!(
                "CREATE TABLE users (id integer primary key, email text, hash text, created_at text, updated_at text); \
                 INSERT INTO users VALUES (1, 'ann@example.org', '{HASH}', '2020-01-01T00:00:00.000Z', NULL), \
                 (2, 'bob@example.org', '{HASH}', '2020-01-01T00:00:00.000Z', '2020-01-01T00:00:00.000Z'); \
                 CREATE TABLE users_sessions (id text, user_id integer); INSERT INTO users_sessions VALUES ('a', 1), ('b', 2)"
            ),
            query: "SELECT id AS text FROM users_sessions UNION ALL \
                 SELECT CAST(updated_at GLOB '20[0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z' \
                 AS text) FROM users",
            after: &["b", "1", "1"],
        },
        System {
            name: "a table with times in seconds and with an offset",
            mapping: custom(),
            statements: format!(
                "CREATE TABLE users (id integer primary key, email text, hash text, created_at integer, updated_at text); \
                 INSERT INTO users VALUES (1, 'ann@example.org', '{HASH}', 1577836800, '2020-01-01 02:00:00.123456+02:00'); \
                 CREATE TABLE users_sessions (id text, user_id text); INSERT INTO users_sessions VALUES ('a', '1'), ('b', '2')"
            ),
            query: "SELECT id AS text FROM users_sessions UNION ALL SELECT CAST(updated_at GLOB \
                 '20[0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]000+00:00' AS text) \
                 FROM users",
            after: &["b", "1"],
        },
    ]
}

#[tokio::test]
async fn reset_changes_what_the_mapping_of_each_system_names_in_the_form_of_its_rows() {
    for System { name, mapping, statements, query, after } in systems() {
        let files = Files::new(&statements).await;
        let store = files.open(&mapping).await;
        let before = find(&store, "aNN@example.ORG").await.expect(name);
        if mapping.created_at.is_some() {
            assert_eq!(before.created_at.as_millis(), 1_577_836_800_000, "{name}: 2020-01-01 in UTC");
        }
        let ticket = issued(&store, "ann@example.org", "one").await;
        assert_eq!(redeem(&store, &ticket, SECOND).await, Ok(true), "{name}");
        assert_eq!(redeem(&store, &ticket, HASH).await, Ok(false), "{name}");
        assert_eq!(files.of_owner(query), after, "{name}");
        let changed = find(&store, "ann@example.org").await.unwrap();
        assert_ne!(changed.epoch, before.epoch, "{name}");
        if mapping.updated_at.is_some() {
            assert!(changed.updated_at.as_millis() > 1_700_000_000_000, "{name}");
        }
    }
}
