//! Views over users tables, as `docs/users-table.md` shows them.

use super::{
    super::servers::Server,
    find, issued, redeem,
    tables::{ForeignUsers, HASH, SECOND, query_texts},
};
use crate::foreign_users::{Flag, Mapping, Name};

async fn resets(foreign: &ForeignUsers, email: &str) {
    let store = foreign.database.open().await.unwrap();
    let account = find(&store, email).await.expect(email);
    let ticket = issued(&store, &account, "one").await;
    assert!(redeem(&store, &ticket, SECOND).await, "{email}");
    assert_eq!(store.password_hash(&account.id).await.unwrap().as_deref(), Some(SECOND));
}

pub(super) async fn reset_through_a_view_without_deleted_rows(server: Server) {
    let time = if server == Server::Postgres { "timestamp" } else { "datetime" };
    let statements = format!(
        "CREATE TABLE people (id int PRIMARY KEY, mail varchar(255), hash varchar(255), deleted_at {time}); \
         INSERT INTO people VALUES (1, 'ann@example.org', '{HASH}', '2020-01-01'), \
         (2, 'ann@example.org', '{HASH}', NULL); \
         CREATE VIEW live_people AS SELECT * FROM people WHERE deleted_at IS NULL"
    );
    let mapping = Mapping::of("live_people", "id", "mail", "hash").unwrap();
    let Some(foreign) = ForeignUsers::table(server, &statements, mapping.clone()).await else { return };
    resets(&foreign, "ann@example.org").await;
    let changed = format!("SELECT mail AS text FROM people WHERE hash = '{SECOND}' AND deleted_at IS NULL");
    assert_eq!(query_texts(&foreign.fresh, &changed), ["ann@example.org"]);
    let owner = foreign.fresh.database().with_users(Some(mapping));
    let survey = owner.survey(Some(&foreign.role)).await.unwrap().unwrap();
    assert_eq!((survey.rows, survey.problems.len()), (1, 0), "{:?}", survey.problems);
    if server == Server::Postgres {
        assert_eq!(survey.view_of, ["people"]);
        assert!(survey.advice[0].contains("CREATE INDEX ON people (lower(\"mail\"))"), "{:?}", survey.advice);
        // The rows of the view are those that its owner sees.
        foreign.fresh.execute(&format!(
            "ALTER TABLE people ENABLE ROW LEVEL SECURITY; CREATE ROLE {0}_owner; GRANT ALL ON people TO {0}_owner; \
             ALTER VIEW live_people OWNER TO {0}_owner",
            foreign.fresh.name()
        ));
        let error = foreign.database.open().await.err().unwrap().to_string();
        foreign.fresh.execute(&format!("DROP OWNED BY {0}_owner; DROP ROLE {0}_owner", foreign.fresh.name()));
        assert!(error.starts_with("users.table: row-level security of people"), "{error}");
    }
}

pub(super) async fn reset_through_a_view_that_joins_the_password(server: Server) {
    // better-auth: the address in one table, the password in another.
    let (user, trigger) = match server {
        Server::Postgres => (
            "\"user\"",
            "; CREATE FUNCTION set_password() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN \
             UPDATE account SET password = NEW.password WHERE user_id = NEW.id AND provider_id = 'credential'; \
             RETURN NEW; END $$; \
             CREATE TRIGGER set_password INSTEAD OF UPDATE ON users_with_password \
             FOR EACH ROW EXECUTE FUNCTION set_password()",
        ),
        // MariaDB updates the one table that the columns belong to.
        Server::Mariadb => ("`user`", ""),
    };
    let statements = format!(
        "CREATE TABLE {user} (id varchar(40) PRIMARY KEY, email varchar(255), name varchar(255)); \
         CREATE TABLE account (user_id varchar(40), provider_id varchar(40), password varchar(255)); \
         INSERT INTO {user} VALUES ('a', 'ann@example.org', 'Ann'), ('b', 'bob@example.org', 'Bob'); \
         INSERT INTO account VALUES ('a', 'credential', '{HASH}'), ('a', 'github', NULL), ('b', 'credential', '{HASH}'); \
         CREATE VIEW users_with_password AS SELECT u.id, u.email, u.name, a.password FROM {user} AS u \
         JOIN account AS a ON a.user_id = u.id AND a.provider_id = 'credential'{trigger}"
    );
    let mapping = Mapping {
        name: Some(Name::parse("name").unwrap()),
        ..Mapping::of("users_with_password", "id", "email", "password").unwrap()
    };
    let Some(foreign) = ForeignUsers::table(server, &statements, mapping).await else { return };
    resets(&foreign, "ann@example.org").await;
    let changed = format!("SELECT user_id AS text FROM account WHERE password = '{SECOND}'");
    assert_eq!(query_texts(&foreign.fresh, &changed), ["a"]);
}

pub(super) async fn reset_through_a_view_that_casts_columns(server: Server) {
    // A flag of a type that no setting accepts, and an address without the spaces around it.
    let statements = format!(
        "CREATE TABLE people (id int PRIMARY KEY, mail varchar(255), hash varchar(255), state varchar(20)); \
         INSERT INTO people VALUES (1, ' ann@example.org ', '{HASH}', 'ok'), (2, 'bob@example.org', '{HASH}', 'ban'); \
         CREATE VIEW clean_people AS SELECT id, trim(mail) AS mail, hash, \
         CASE WHEN state = 'ok' THEN 1 ELSE 0 END AS is_active FROM people"
    );
    let mapping = Mapping {
        blocked: Some(Flag::parse("is_active", false).unwrap()),
        ..Mapping::of("clean_people", "id", "mail", "hash").unwrap()
    };
    let Some(foreign) = ForeignUsers::table(server, &statements, mapping).await else { return };
    resets(&foreign, "ann@example.org").await;
    let store = foreign.database.open().await.unwrap();
    assert!(find(&store, "bob@example.org").await.unwrap().blocked);
    let hashes = query_texts(&foreign.fresh, "SELECT hash AS text FROM people ORDER BY id");
    assert_eq!(hashes, [SECOND, HASH]);
}
