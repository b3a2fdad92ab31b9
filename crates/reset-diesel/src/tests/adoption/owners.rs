//! What the first reset would find: hashes that cannot be replaced, missing privileges, hidden rows, other units.

use super::{
    super::servers::Server,
    find, issued, redeem,
    tables::{ForeignUsers, HASH, SECOND, query_texts},
};
use crate::foreign_users::{AccountRows, Mapping, Name, Replaceable, SaltColumn, TimeUnit};

fn people() -> Mapping {
    Mapping::of("people", "id", "mail", "hash").unwrap()
}

pub(super) async fn hash_that_its_login_could_not_read_is_never_replaced(server: Server) {
    let statements = format!(
        "CREATE TABLE people (id int PRIMARY KEY, mail varchar(255), hash varchar(255), hash_salt varchar(20)); \
         INSERT INTO people VALUES (1, 'known@example.org', '{HASH}', NULL), \
         (2, 'spring@example.org', '{{bcrypt}}{HASH}', ''), \
         (3, 'phpass@example.org', '$P$67NZFtFTwo88shxzxSqWcrINEzPclB.', NULL), \
         (4, 'unknown@example.org', 'pbkdf2-sha256-v1:0a0b', NULL), (5, 'salted@example.org', '{HASH}', 'pepper')"
    );
    let Some(mut foreign) = ForeignUsers::table(server, &statements, people()).await else { return };
    for (replaceable, salt, expected) in [
        (Replaceable::WritableForms, SaltColumn::Detected, &["known", "spring"][..]),
        (Replaceable::KnownForms, SaltColumn::Detected, &["known", "spring", "phpass"]),
        (Replaceable::Every, SaltColumn::Detected, &["known", "spring", "phpass", "unknown"]),
        (Replaceable::Every, SaltColumn::None, &["known", "spring", "phpass", "unknown", "salted"]),
    ] {
        let mapping = Mapping { replaceable, salt, ..people() };
        foreign.database = foreign.database.clone().with_users(Some(mapping.clone()));
        let store = foreign.database.open().await.unwrap();
        let mut found = Vec::new();
        for name in ["known", "spring", "phpass", "unknown", "salted"] {
            if let Some(account) = find(&store, &format!("{name}@example.org")).await {
                assert!(store.account(&account.id).await.unwrap().is_some(), "{name}");
                found.push(name);
            }
        }
        assert_eq!(found, expected, "{replaceable:?}");
        let owner = foreign.fresh.database().with_users(Some(mapping));
        let survey = owner.survey(None).await.unwrap().unwrap();
        let replaced: i64 =
            survey.hashes.iter().filter(|count| count.replaceable).map(|count| count.rows).sum();
        assert_eq!(usize::try_from(replaced).unwrap(), expected.len(), "{:?}", survey.hashes);
        assert_eq!(survey.problems.is_empty(), expected.len() == 5, "{:?}", survey.problems);
    }
    // A ticket from before the hash was changed to an unknown one finds no account.
    let mapping = Mapping { replaceable: Replaceable::KnownForms, ..people() };
    let store = foreign.database.clone().with_users(Some(mapping)).open().await.unwrap();
    let known = find(&store, "known@example.org").await.unwrap();
    let ticket = issued(&store, &known, "one").await;
    foreign.fresh.execute("UPDATE people SET hash = 'unknown' WHERE id = 1");
    assert!(!redeem(&store, &ticket, SECOND).await);
    assert_eq!(query_texts(&foreign.fresh, "SELECT hash AS text FROM people WHERE id = 1"), ["unknown"]);
}

pub(super) async fn missing_privilege_is_an_error_at_startup(server: Server) {
    let statements = format!(
        "CREATE TABLE people (id int PRIMARY KEY, mail varchar(255), hash varchar(255), version int); \
         INSERT INTO people VALUES (1, 'ann@example.org', '{HASH}', 1); \
         CREATE TABLE logins (token varchar(40), person int)"
    );
    let mapping = Mapping {
        token_version: Some(Name::parse("version").unwrap()),
        sessions: vec![AccountRows::parse("logins.person = id").unwrap()],
        ..people()
    };
    let Some(foreign) = ForeignUsers::table(server, &statements, mapping).await else { return };
    foreign.database.open().await.unwrap();
    let (role, quote) = match server {
        Server::Postgres => (foreign.role.clone(), '"'),
        Server::Mariadb => (format!("'{}'@'%'", foreign.role), '`'),
    };
    let error = async || foreign.database.open().await.err().unwrap().to_string();
    foreign.fresh.execute(&format!("REVOKE DELETE ON logins FROM {role}"));
    let said = error().await;
    assert!(said.starts_with("users.sessions: the database rejects deleting from"), "{said}");
    foreign.fresh.execute(&format!("GRANT DELETE ON logins TO {role}"));
    foreign.fresh.execute(&format!("REVOKE UPDATE (version) ON people FROM {role}"));
    let said = error().await;
    let expected =
        format!("users.token_version: the database rejects writing the column {quote}version{quote}");
    assert!(said.starts_with(&expected) && said.contains("run the GRANT statements"), "{said}");
    foreign.fresh.execute(&format!("REVOKE UPDATE (hash) ON people FROM {role}"));
    let said = error().await;
    assert!(said.starts_with("users.password: the database rejects writing the column"), "{said}");
}

pub(super) async fn row_level_security_that_hides_rows_is_an_error_at_startup(server: Server) {
    if server != Server::Postgres {
        return;
    }
    let statements = format!(
        "CREATE TABLE people (id int PRIMARY KEY, mail varchar(255), hash varchar(255)); \
         INSERT INTO people VALUES (1, 'ann@example.org', '{HASH}'); \
         CREATE TABLE logins (token varchar(40), person int); INSERT INTO logins VALUES ('a', 1)"
    );
    let mapping = Mapping { sessions: vec![AccountRows::parse("logins.person = id").unwrap()], ..people() };
    let Some(foreign) = ForeignUsers::table(server, &statements, mapping.clone()).await else { return };
    let (fresh, role) = (&foreign.fresh, &foreign.role);
    let error = async || foreign.database.open().await.err().map(|error| error.to_string());
    fresh.execute("ALTER TABLE logins ENABLE ROW LEVEL SECURITY");
    let said = error().await.unwrap();
    assert!(
        said.starts_with(
            "users.sessions: row-level security of logins hides rows from this role, so that no session"
        ),
        "{said}"
    );
    let owner = fresh.database().with_users(Some(mapping));
    let survey = owner.survey(Some(role)).await.unwrap().unwrap();
    assert!(
        survey.problems.iter().any(|problem| problem.contains("no session ends")),
        "{:?}",
        survey.problems
    );
    assert!(owner.survey(None).await.unwrap().unwrap().problems.is_empty(), "the owner sees every row");
    // A policy for some rows, or for reading only, is not enough.
    fresh.execute(&format!("CREATE POLICY partial ON logins TO {role} USING (person > 1)"));
    fresh.execute(&format!("CREATE POLICY reading ON logins FOR SELECT TO {role} USING (true)"));
    assert!(error().await.is_some());
    fresh.execute(&format!("CREATE POLICY deleting ON logins FOR DELETE TO {role} USING (true)"));
    assert_eq!(error().await, None);
    fresh.execute("CREATE POLICY narrow ON logins AS RESTRICTIVE USING (person > 1)");
    assert!(error().await.is_some());
    fresh.execute("DROP POLICY narrow ON logins; ALTER TABLE people ENABLE ROW LEVEL SECURITY");
    let said = error().await.unwrap();
    assert!(said.contains("users.table: row-level security of people") && said.contains("no mail"), "{said}");
    fresh.execute("CREATE POLICY polyreset ON people USING (true) WITH CHECK (true)");
    let store = foreign.database.open().await.unwrap();
    let one = issued(&store, &find(&store, "ann@example.org").await.unwrap(), "one").await;
    assert!(redeem(&store, &one, SECOND).await);
    assert!(query_texts(fresh, "SELECT token AS text FROM logins").is_empty());
}

pub(super) async fn times_in_seconds_are_written_in_seconds_and_another_unit_is_rejected(server: Server) {
    // Yii 2's table.
    let statements = format!(
        "CREATE TABLE people (id int PRIMARY KEY, mail varchar(255), hash varchar(255), created_at int, \
         updated_at int, seen bigint); \
         INSERT INTO people VALUES (1, 'ann@example.org', '{HASH}', 1577836800, 1577836800, 1577836800)"
    );
    let name = |text| Some(Name::parse(text).unwrap());
    let mapping = Mapping { created_at: name("created_at"), updated_at: name("updated_at"), ..people() };
    let Some(foreign) = ForeignUsers::table(server, &statements, mapping.clone()).await else { return };
    let store = foreign.database.open().await.unwrap();
    let ann = find(&store, "ann@example.org").await.unwrap();
    assert_eq!(ann.created_at.as_millis(), 1_577_836_800_000);
    let one = issued(&store, &ann, "one").await;
    assert!(redeem(&store, &one, SECOND).await);
    let recent = "SELECT mail AS text FROM people WHERE updated_at > 1700000000";
    assert_eq!(query_texts(&foreign.fresh, recent), ["ann@example.org"], "seconds");

    let owner = foreign.fresh.database();
    let open = async |mapping| owner.clone().with_users(Some(mapping)).open().await;
    let seen = Mapping { password_changed_at: name("seen"), ..mapping };
    let error = open(seen.clone()).await.err().unwrap().to_string();
    assert_eq!(
        error,
        "users.password_changed_at: the values of the column `seen` are not milliseconds: set users.time_unit to the \
         unit that they have"
    );
    open(Mapping { time_unit: Some(TimeUnit::Seconds), ..seen.clone() }).await.unwrap();
    let error = open(Mapping { time_unit: Some(TimeUnit::Milliseconds), ..seen }).await.err().unwrap();
    assert!(error.to_string().contains("one of 64 bits for milliseconds"), "{error}");
}
