//! What the role of the server cannot do, and text that looks like SQL.

use super::{
    find, issued, redeem,
    tables::{ForeignUsers, HASH, SECOND, query_texts},
};
use crate::{
    foreign_users::{AccountRows, Mapping},
    tests::servers::Server,
};

/// R77: a server that is taken over reads and writes no more of the other system than a reset does.
pub(super) async fn role_with_the_printed_grants_can_do_nothing_else(server: Server) {
    let statements = format!(
        "CREATE TABLE people (id int PRIMARY KEY, mail varchar(255), hash varchar(255), is_admin int, notes text); \
         INSERT INTO people VALUES (1, 'ann@example.org', '{HASH}', 0, 'private'); \
         CREATE TABLE logins (token varchar(40), person int); INSERT INTO logins VALUES ('a', 1); \
         CREATE TABLE orders (id int)"
    );
    let mapping = Mapping {
        sessions: vec![AccountRows::parse("logins.person = id").unwrap()],
        ..Mapping::of("people", "id", "mail", "hash").unwrap()
    };
    let Some(foreign) = ForeignUsers::table(server, &statements, mapping).await else { return };
    let attempt = |statement: &str| foreign.fresh.attempt(&foreign.role, statement);
    for statement in [
        "UPDATE people SET is_admin = 1",
        "UPDATE people SET mail = 'eve@example.net' WHERE id = 1",
        "UPDATE people SET id = 2 WHERE id = 1",
        "SELECT notes FROM people",
        "SELECT * FROM people",
        "INSERT INTO people (id, mail, hash) VALUES (3, 'eve@example.net', 'x')",
        "DELETE FROM people WHERE id = 1",
        "SELECT token FROM logins",
        "INSERT INTO logins (token, person) VALUES ('b', 1)",
        "UPDATE logins SET person = 2",
        "SELECT id FROM orders",
        "DROP TABLE people",
        "ALTER TABLE people ADD COLUMN x int",
        "CREATE TABLE mine (id int)",
    ] {
        let rejected = attempt(statement).unwrap_or_else(|| panic!("{statement}: allowed"));
        let words = ["denied", "must be owner"];
        assert!(words.iter().any(|word| rejected.contains(word)), "{statement}: {rejected}");
    }
    // Positive control: what a reset does.
    for statement in [
        "SELECT id, mail, hash FROM people",
        "UPDATE people SET hash = hash WHERE id = 1",
        "DELETE FROM logins WHERE person = 2",
    ] {
        assert_eq!(attempt(statement), None, "{statement}");
    }
}

/// R43: what looks like SQL in an id, an address or a hash is a value.
pub(super) async fn quotes_in_ids_addresses_and_hashes_are_values(server: Server) {
    let id = r"1' OR '1'='1' -- \";
    let quoted = |text: &str| {
        let text = text.replace('\'', "''");
        if server == Server::Mariadb { text.replace('\\', "\\\\") } else { text }
    };
    let statements = format!(
        "CREATE TABLE people (id varchar(60) PRIMARY KEY, mail varchar(255), hash varchar(255)); \
         INSERT INTO people VALUES ('{}', 'o''brien@example.org', '{HASH}'), ('1', 'ann@example.org', '{HASH}'); \
         CREATE TABLE logins (token varchar(40), person varchar(60)); \
         INSERT INTO logins VALUES ('odd', '{}'), ('one', '1')",
        quoted(id),
        quoted(id)
    );
    let mapping = Mapping {
        sessions: vec![AccountRows::parse("logins.person = id").unwrap()],
        ..Mapping::of("people", "id", "mail", "hash").unwrap()
    };
    let Some(foreign) = ForeignUsers::table(server, &statements, mapping).await else { return };
    let store = foreign.database.open().await.unwrap();
    for typed in ["ann'--@example.org", "ann'or'1@example.org"] {
        assert!(find(&store, typed).await.is_none(), "{typed}");
    }
    let found = find(&store, "O'Brien@example.org").await.unwrap();
    assert_eq!(found.id.as_str(), id);
    let one = issued(&store, &found, "it's").await;
    assert!(redeem(&store, &one, SECOND).await);
    let changed = format!("SELECT mail AS text FROM people WHERE hash = '{SECOND}'");
    assert_eq!(query_texts(&foreign.fresh, &changed), ["o'brien@example.org"]);
    assert_eq!(query_texts(&foreign.fresh, "SELECT token AS text FROM logins"), ["one"]);
}
