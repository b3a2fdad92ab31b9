//! Rows of other tables, other columns of the account, and rows that do not count.

use super::{
    super::servers::Server,
    find, issued, redeem,
    tables::{ForeignUsers, HASH, SECOND, query_texts},
};
use crate::foreign_users::{AccountRows, Filter, Flag, Mapping, Name, preset};

fn people() -> Mapping {
    Mapping::of("people", "id", "mail", "hash").unwrap()
}

pub(super) async fn sessions_of_other_owners_survive_and_outstanding_resets_are_void(server: Server) {
    // Strapi 5 stores the id as text, and administrators with the same numbers.
    let statements = format!(
        "CREATE TABLE people (id int PRIMARY KEY, mail varchar(255), hash varchar(255)); \
         INSERT INTO people VALUES (7, 'Ann@Example.org', '{HASH}'), (70, 'bob@example.org', '{HASH}'); \
         CREATE TABLE sessions (name varchar(40), user_id varchar(255), origin varchar(40)); \
         INSERT INTO sessions VALUES ('hers', '7', 'users'), ('admin', '7', 'admin'), ('bob', '70', 'users'); \
         CREATE TABLE devices (name varchar(40), person int); INSERT INTO devices VALUES ('hers', 7), ('bob', 70); \
         CREATE TABLE otps (name varchar(40), address varchar(255), purpose varchar(40)); \
         INSERT INTO otps VALUES ('reset', 'ann@example.org', 'reset'), ('sign-up', 'ann@example.org', 'verify'), \
         ('bob', 'bob@example.org', 'reset')"
    );
    let rows = |text| AccountRows::parse(text).unwrap();
    let mapping = Mapping {
        sessions: vec![rows("sessions.user_id = id and origin = users"), rows("devices.person = id")],
        void: vec![rows("otps.address = email and purpose = reset")],
        ..people()
    };
    let Some(foreign) = ForeignUsers::table(server, &statements, mapping).await else { return };
    let store = foreign.database.open().await.unwrap();
    let one = issued(&store, &find(&store, "ann@example.org").await.unwrap(), "one").await;
    assert!(redeem(&store, &one, SECOND).await);
    let left =
        |table| query_texts(&foreign.fresh, &format!("SELECT name AS text FROM {table} ORDER BY name"));
    assert_eq!(left("sessions"), ["admin", "bob"]);
    assert_eq!(left("devices"), ["bob"]);
    assert_eq!(left("otps"), ["bob", "sign-up"]);
}

pub(super) async fn text_stamp_gets_a_new_random_value_and_tokens_become_empty(server: Server) {
    let statements = format!(
        "CREATE TABLE people (id int PRIMARY KEY, mail varchar(255), hash varchar(255), fs_uniquifier varchar(64), \
         activation varchar(255) NOT NULL, recovery varchar(255)); \
         INSERT INTO people VALUES (1, 'ann@example.org', '{HASH}', 'old', 'key', 'token')"
    );
    let name = |text| Name::parse(text).unwrap();
    let mapping = Mapping {
        stamp: Some(name("fs_uniquifier")),
        cleared: vec![name("activation")],
        emptied: vec![name("recovery")],
        ..people()
    };
    let Some(foreign) = ForeignUsers::table(server, &statements, mapping.clone()).await else { return };
    let store = foreign.database.open().await.unwrap();
    let mut stamps = Vec::new();
    for (number, hash) in [("one", SECOND), ("two", HASH)] {
        let ticket = issued(&store, &find(&store, "ann@example.org").await.unwrap(), number).await;
        assert!(redeem(&store, &ticket, hash).await);
        stamps.extend(query_texts(&foreign.fresh, "SELECT fs_uniquifier AS text FROM people"));
    }
    let is_stamp = |stamp: &String| stamp.len() == 32 && stamp.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(stamps.iter().all(is_stamp) && stamps[0] != stamps[1], "{stamps:?}");
    let emptied = "SELECT mail AS text FROM people WHERE activation = '' AND recovery = ''";
    assert_eq!(query_texts(&foreign.fresh, emptied), ["ann@example.org"]);
    let owner = foreign.fresh.database().with_users(Some(mapping));
    let advice = owner.survey(None).await.unwrap().unwrap().advice;
    assert!(advice.iter().any(|advice| advice.contains("SECURITY_PASSWORD_SINGLE_HASH")), "{advice:?}");
}

pub(super) async fn deleted_rows_are_reported_and_a_condition_leaves_them_out(server: Server) {
    let time = if server == Server::Postgres { "timestamp" } else { "datetime" };
    let statements = format!(
        "CREATE TABLE people (id int PRIMARY KEY, mail varchar(255), hash varchar(255), deleted_at {time}, \
         status varchar(20), banned_at {time}); \
         INSERT INTO people VALUES (1, 'ann@example.org', '{HASH}', '2020-01-01', 'active', NULL), \
         (2, 'ann@example.org', '{HASH}', NULL, 'active', NULL), \
         (3, 'gone@example.org', '{HASH}', '2020-01-01', 'active', NULL), \
         (4, 'draft@example.org', '{HASH}', NULL, 'draft', NULL), \
         (5, 'banned@example.org', '{HASH}', NULL, 'active', '2020-01-01')"
    );
    let Some(foreign) = ForeignUsers::table(server, &statements, people()).await else { return };
    let owner = foreign.fresh.database();
    let survey = async |mapping| owner.clone().with_users(Some(mapping)).survey(None).await.unwrap().unwrap();
    let before = survey(people()).await;
    let expected = "users.where: 2 rows are marked as deleted in the column `deleted_at`, but would get mail: set \
         users.where = \"deleted_at = null\"";
    assert_eq!(before.problems, [expected]);
    assert!(before.advice.iter().any(|advice| advice.starts_with("1 addresses belong to several rows")));

    let filter = |text| Filter::parse(text).unwrap();
    let mapping = Mapping {
        filters: vec![filter("deleted_at = null"), filter("status = active")],
        blocked: Some(Flag::parse("banned_at", true).unwrap()),
        ..people()
    };
    let after = survey(mapping.clone()).await;
    assert_eq!(after.problems, [""; 0]);
    assert!(!after.advice.iter().any(|advice| advice.contains("several rows")), "{:?}", after.advice);
    let refused: Vec<(&str, i64)> =
        after.refused.iter().map(|(reason, number)| (reason.as_str(), *number)).collect();
    assert_eq!(
        refused,
        [
            ("no password, other login methods", 0),
            ("not deleted_at = null", 2),
            ("not status = active", 1),
            ("blocked", 1),
            ("address not supported", 0)
        ]
    );
    foreign.fresh.execute(&grants_of(&owner, &mapping, server, &foreign.role).await);
    let store = foreign.database.clone().with_users(Some(mapping)).open().await.unwrap();
    assert_eq!(find(&store, "ann@example.org").await.unwrap().id.as_str(), "2");
    for left_out in ["gone@example.org", "draft@example.org"] {
        assert!(find(&store, left_out).await.is_none(), "{left_out}");
    }
    assert!(find(&store, "banned@example.org").await.unwrap().blocked);
    assert!(preset("supabase").unwrap().filters.contains(&filter("deleted_at = null")));
}

async fn grants_of(owner: &crate::Database, mapping: &Mapping, server: Server, role: &str) -> String {
    let role = if server == Server::Postgres { role.to_owned() } else { format!("{role}@%") };
    let survey = owner.clone().with_users(Some(mapping.clone())).survey(Some(&role)).await.unwrap().unwrap();
    survey.grants.join("; ")
}
