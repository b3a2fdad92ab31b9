//! Column types that common frameworks choose: binary and decimal ids, bits as flags, dates, hashes as bytes, enumerations.

use super::{
    find, issued, redeem,
    tables::{ForeignUsers, HASH, SECOND, query_texts},
};
use crate::{
    foreign_users::{AccountRows, Flag, Mapping, Name},
    tests::servers::Server,
};

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// Doctrine's and Hibernate's UUIDs are `BINARY(16)` or `bytea`, Hibernate's flags `BIT(1)`, Java's days `DATE`.
pub(super) async fn binary_ids_bits_dates_and_hashes_as_bytes_are_read_and_written(server: Server) {
    let (id, bit, set, unset, hash, language) = match server {
        Server::Postgres => ("bytea", "boolean", "true", "false", "bytea", "lang"),
        Server::Mariadb => ("binary(16)", "bit(1)", "b'1'", "b'0'", "varbinary(255)", "enum('de', 'fr')"),
    };
    let bytes = |digits: &str| match server {
        Server::Postgres => format!("decode('{digits}', 'hex')"),
        Server::Mariadb => format!("UNHEX('{digits}')"),
    };
    let (ann, bob) = (bytes("00ff8040c3a96e6e0000000000000027"), bytes("00ff8040c3a96e6e0000000000000028"));
    let before = if server == Server::Postgres { "CREATE TYPE lang AS ENUM ('de', 'fr');" } else { "" };
    let statements = format!(
        "{before} CREATE TABLE people (id {id} PRIMARY KEY, mail varchar(255), hash {hash} NOT NULL, locked {bit}, \
         language {language}, created date, changed date); \
         INSERT INTO people VALUES ({ann}, 'ann@example.org', '{HASH}', {unset}, 'fr', '2020-01-01', '2020-01-01'), \
         ({bob}, 'bob@example.org', '{HASH}', {set}, NULL, NULL, NULL), \
         ({}, 'sso@example.org', '!none', {unset}, NULL, NULL, NULL); \
         CREATE TABLE logins (token varchar(40) PRIMARY KEY, person {id}); \
         INSERT INTO logins VALUES ('a', {ann}), ('b', {bob})",
        bytes("01")
    );
    let mapping = Mapping {
        blocked: Some(Flag::parse("locked", true).unwrap()),
        locale: Some(name("language")),
        created_at: Some(name("created")),
        updated_at: Some(name("changed")),
        sessions: vec![AccountRows::parse("logins.person = id").unwrap()],
        ..Mapping::of("people", "id", "mail", "hash").unwrap()
    };
    let Some(foreign) = ForeignUsers::table(server, &statements, mapping.clone()).await else { return };
    let store = foreign.database.open().await.unwrap();
    let found = find(&store, "ann@example.org").await.unwrap();
    assert_eq!(found.id.as_str(), "00ff8040c3a96e6e0000000000000027");
    assert!(!found.blocked && found.locale.as_deref() == Some("fr"));
    assert_eq!(found.created_at.as_millis(), 1_577_836_800_000);
    assert!(find(&store, "bob@example.org").await.unwrap().blocked);
    assert!(find(&store, "sso@example.org").await.is_none());
    let one = issued(&store, &found, "one").await;
    assert!(redeem(&store, &one, SECOND).await);
    assert_eq!(store.password_hash(&found.id).await.unwrap().as_deref(), Some(SECOND));
    let stored = match server {
        Server::Postgres => "convert_from(hash, 'UTF8')",
        Server::Mariadb => "CAST(hash AS CHAR)",
    };
    let stored = format!("SELECT {stored} AS text FROM people ORDER BY mail");
    assert_eq!(query_texts(&foreign.fresh, &stored), [SECOND, HASH, "!none"]);
    assert_eq!(query_texts(&foreign.fresh, "SELECT token AS text FROM logins"), ["b"]);
    let today = match server {
        Server::Postgres => "changed = CAST(now() AT TIME ZONE 'UTC' AS date)",
        Server::Mariadb => "changed = UTC_DATE()",
    };
    let today = format!("SELECT mail AS text FROM people WHERE {today}");
    assert_eq!(query_texts(&foreign.fresh, &today), ["ann@example.org"]);
    let database = foreign.fresh.database().with_users(Some(mapping));
    let survey = database.survey(None).await.unwrap().unwrap();
    let sampled = database.survey_of_hashes().await.unwrap().unwrap();
    assert_eq!(sampled.hashes, survey.hashes);
    assert_eq!((survey.rows, survey.problems), (3, Vec::new()));
    assert_eq!(survey.columns[0], ("id", "id".to_owned(), "binary"));
    let hashes: Vec<(&str, i64)> =
        survey.hashes.iter().map(|count| (count.form.as_str(), count.rows)).collect();
    assert_eq!(hashes, [("bcrypt $2a$10$", 2), ("none", 1)]);
}

/// Oracle's ids were `NUMBER`, Laravel's are `BIGINT UNSIGNED`, and neither has to fit 63 bits.
pub(super) async fn decimal_and_unsigned_ids_beyond_63_bits_name_one_account(server: Server) {
    let large = if server == Server::Postgres { "numeric(20,0)" } else { "bigint unsigned" };
    let decimal = if server == Server::Postgres { "numeric" } else { "decimal(20,0)" };
    for (id, reference) in [(large, decimal), (decimal, large), (large, "varchar(40)")] {
        let statements = format!(
            "CREATE TABLE people (id {id} PRIMARY KEY, mail varchar(255), hash varchar(255)); \
             INSERT INTO people VALUES (18446744073709551615, 'ann@example.org', '{HASH}'), \
             (18446744073709551614, 'bob@example.org', '{HASH}'); \
             CREATE TABLE logins (token varchar(40) PRIMARY KEY, person {reference}); \
             INSERT INTO logins VALUES ('a', 18446744073709551615), ('b', 18446744073709551614)"
        );
        let mapping = Mapping {
            sessions: vec![AccountRows::parse("logins.person = id").unwrap()],
            ..Mapping::of("people", "id", "mail", "hash").unwrap()
        };
        let Some(foreign) = ForeignUsers::table(server, &statements, mapping).await else { return };
        let store = foreign.database.open().await.unwrap();
        let ann = find(&store, "ann@example.org").await.unwrap();
        assert_eq!(ann.id.as_str(), "18446744073709551615", "{id}");
        let one = issued(&store, &ann, "one").await;
        assert!(redeem(&store, &one, SECOND).await, "{id}");
        let changed = format!("SELECT mail AS text FROM people WHERE hash = '{SECOND}'");
        assert_eq!(query_texts(&foreign.fresh, &changed), ["ann@example.org"], "{id}");
        let left = query_texts(&foreign.fresh, "SELECT token AS text FROM logins");
        assert_eq!(left, ["b"], "{id}, referred to by {reference}");
    }
}

pub(super) async fn unsuitable_column_type_is_rejected_by_its_name_at_startup(server: Server) {
    let Some(fresh) = server.fresh().await else { return };
    let (json, fraction) = match server {
        Server::Postgres => ("jsonb", "numeric(10,2)"),
        Server::Mariadb => ("time", "decimal(10,2)"),
    };
    fresh.execute(&format!(
        "CREATE TABLE people (id int PRIMARY KEY, mail varchar(255), hash varchar(255), short varchar(40), \
         document {json}, amount {fraction}, day date)"
    ));
    let custom = |id, password| Mapping::of("people", id, "mail", password).unwrap();
    let with_day = Mapping { password_changed_at: Some(name("day")), ..custom("id", "hash") };
    let error = async |mapping: Mapping| {
        let database = fresh.database().with_users(Some(mapping));
        let error = database.open().await.err().unwrap().to_string();
        assert_eq!(database.survey(None).await.unwrap_err().to_string(), error, "adopt says the same");
        error
    };
    let short = if server == Server::Postgres { "character varying(40)" } else { "varchar(40)" };
    for (mapping, expected) in [
        (
            custom("document", "hash"),
            format!("users.id: the column `document` is of type {json}, but must be uuid, integer,"),
        ),
        (
            custom("amount", "hash"),
            format!("users.id: the column `amount` is of type {fraction}, but must be uuid, integer,"),
        ),
        (
            custom("id", "short"),
            format!("users.password: the column `short` is of type {short}, but must be text or binary, and long"),
        ),
        (
            with_day,
            "users.password_changed_at: the column `day` is of type date, but must be a timestamp or an integer, \
             because a date"
                .to_owned(),
        ),
    ] {
        let error = error(mapping).await;
        assert!(error.starts_with(&expected), "{error}");
    }
}
