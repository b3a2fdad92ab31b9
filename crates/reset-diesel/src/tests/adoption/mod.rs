//! Resets on another system's users table, by a role with the minimum privileges.

mod owners;
mod rights;
mod rows;
mod systems;
mod tables;
mod types;
mod views;

use std::sync::Arc;

use reset_core::{
    account::Account,
    email::EmailAddress,
    hasher::{HashForm, Scheme},
    job::JobId,
    ports::{PasswordChange, Store},
    ticket::{Ticket, TicketId},
};

use self::tables::{ForeignUsers, HASH, SECOND, THIRD, create_table, other_rows, query_texts};
use self::{
    owners::{
        hash_that_its_login_could_not_read_is_never_replaced, missing_privilege_is_an_error_at_startup,
        row_level_security_that_hides_rows_is_an_error_at_startup,
        times_in_seconds_are_written_in_seconds_and_another_unit_is_rejected,
    },
    rights::{
        quotes_in_ids_addresses_and_hashes_are_values, role_with_the_printed_grants_can_do_nothing_else,
    },
    rows::{
        deleted_rows_are_reported_and_a_condition_leaves_them_out,
        sessions_of_other_owners_survive_and_outstanding_resets_are_void,
        text_stamp_gets_a_new_random_value_and_tokens_become_empty,
    },
    systems::reset_of_each_further_system_changes_what_its_preset_maps,
    types::{
        binary_ids_bits_dates_and_hashes_as_bytes_are_read_and_written,
        decimal_and_unsigned_ids_beyond_63_bits_name_one_account,
        unsuitable_column_type_is_rejected_by_its_name_at_startup,
    },
    views::{
        reset_through_a_view_that_casts_columns, reset_through_a_view_that_joins_the_password,
        reset_through_a_view_without_deleted_rows,
    },
};
use super::{at, error_chain, event_at, on_each_server, servers::Server, ticket};
use crate::foreign_users::{AccountRows, Flag, Mapping, Name, preset};

on_each_server! {
    reset_of_each_preset_changes_only_mapped_columns_of_the_account,
    account_without_password_login_or_blocked_gets_no_reset,
    of_two_addresses_that_differ_in_case_the_lower_case_one_is_used,
    password_change_by_the_owner_voids_the_ticket,
    reset_deletes_sessions_and_increments_the_token_version,
    column_that_ignores_case_also_finds_capitals,
    account_with_an_unusable_password_or_unknown_activity_gets_no_reset,
    grants_include_every_own_table,
    accounts_of_a_foreign_table_cannot_be_blocked,
    mapping_that_does_not_fit_the_table_is_rejected_at_startup,
    survey_counts_hash_formats_and_rows_that_cannot_be_reset,
    hash_that_its_login_could_not_read_is_never_replaced,
    missing_privilege_is_an_error_at_startup,
    row_level_security_that_hides_rows_is_an_error_at_startup,
    times_in_seconds_are_written_in_seconds_and_another_unit_is_rejected,
    sessions_of_other_owners_survive_and_outstanding_resets_are_void,
    text_stamp_gets_a_new_random_value_and_tokens_become_empty,
    deleted_rows_are_reported_and_a_condition_leaves_them_out,
    reset_of_each_further_system_changes_what_its_preset_maps,
    reset_through_a_view_without_deleted_rows,
    reset_through_a_view_that_joins_the_password,
    reset_through_a_view_that_casts_columns,
    binary_ids_bits_dates_and_hashes_as_bytes_are_read_and_written,
    decimal_and_unsigned_ids_beyond_63_bits_name_one_account,
    unsuitable_column_type_is_rejected_by_its_name_at_startup,
    role_with_the_printed_grants_can_do_nothing_else,
    quotes_in_ids_addresses_and_hashes_are_values,
}

/// Returns the presets to test on a server.
fn presets(server: Server) -> &'static [&'static str] {
    match server {
        Server::Postgres => &["px0", "insforge", "strapi-v4", "strapi-v3"],
        // InsForge and px0 run only on PostgreSQL. px0's table is tested here all the same, because its id is a uuid.
        Server::Mariadb => &["px0", "strapi-v4", "strapi-v3"],
    }
}

fn table(server: Server, preset: &str) -> &'static str {
    match (preset, server) {
        ("px0", _) => "users",
        ("insforge", _) => "auth.users",
        ("strapi-v4", _) => "up_users",
        (_, Server::Postgres) => "\"users-permissions_user\"",
        (_, Server::Mariadb) => "`users-permissions_user`",
    }
}

async fn find(store: &Arc<dyn Store>, email: &str) -> Option<Account> {
    store.account_by_email(&EmailAddress::parse(email).unwrap()).await.unwrap()
}

/// Issues a live ticket for the account.
async fn issued(store: &Arc<dyn Store>, account: &Account, id: &str) -> Ticket {
    let email = EmailAddress::parse(&account.email).unwrap();
    let ticket = Ticket {
        id: TicketId::new(id),
        job: JobId::new(id),
        email: email.key().to_owned(),
        ..ticket(account, id)
    };
    store.issue(&ticket, None, &event_at(at(0))).await.unwrap();
    ticket
}

async fn redeem(store: &Arc<dyn Store>, ticket: &Ticket, hash: &str) -> bool {
    let redemption = PasswordChange {
        ticket: &ticket.id,
        account: &ticket.account,
        password_hash: hash,
        jobs: &[],
        event: &event_at(at(1)),
        now: at(1),
    };
    store.redeem(redemption).await.unwrap()
}

async fn reset_of_each_preset_changes_only_mapped_columns_of_the_account(server: Server) {
    for name in presets(server) {
        let Some(foreign) = ForeignUsers::preset(server, name).await else { return };
        let table = table(server, name);
        let before = other_rows(&foreign.fresh, table);
        let store = foreign.database.open().await.unwrap();
        store.ready().await.unwrap();

        let ann = find(&store, "aNN@example.ORG").await.expect(name);
        assert_eq!(ann.email.to_ascii_lowercase(), "ann@example.org", "{name}");
        assert!(matches!(ann.hash_form, Some(HashForm::Written(Scheme::Bcrypt { cost: 10, .. }))), "{name}");
        assert!(store.account(&ann.id).await.unwrap() == Some(ann.clone()), "{name}");
        assert_eq!(store.password_hash(&ann.id).await.unwrap().as_deref(), Some(HASH), "{name}");

        let one = issued(&store, &ann, "one").await;
        assert!(redeem(&store, &one, SECOND).await, "{name}");
        assert!(!redeem(&store, &one, THIRD).await, "{name}");
        let changed = find(&store, "ann@example.org").await.unwrap();
        assert_ne!(changed.epoch, ann.epoch, "{name}: earlier sessions and tickets are invalid");
        assert_eq!(store.password_hash(&ann.id).await.unwrap().as_deref(), Some(SECOND), "{name}");
        assert_eq!(other_rows(&foreign.fresh, table), before, "{name}: other rows");
        if *name != "px0" {
            assert!(changed.updated_at > ann.updated_at, "{name}");
            assert_eq!(ann.created_at, changed.created_at, "{name}");
            assert_eq!(ann.created_at.as_millis(), 1_577_836_800_000, "{name}: 2020-01-01 in UTC");
        }
        if name.starts_with("strapi") {
            let token = if *name == "strapi-v4" { "reset_password_token" } else { "resetPasswordToken" };
            let quote = if server == Server::Postgres { "\"" } else { "`" };
            let query = format!("SELECT {quote}{token}{quote} AS text FROM {table} WHERE username = 'ann'");
            assert_eq!(
                query_texts(&foreign.fresh, &query),
                ["NULL"],
                "{name}: Strapi's own reset token is cleared"
            );
        }
    }
}

async fn account_without_password_login_or_blocked_gets_no_reset(server: Server) {
    let Some(foreign) = ForeignUsers::preset(server, "strapi-v4").await else { return };
    let store = foreign.database.open().await.unwrap();
    assert!(find(&store, "oauth@example.org").await.is_none(), "no password");
    assert!(find(&store, "both@example.org").await.is_none(), "another provider");
    let blocked = find(&store, "blocked@example.org").await.unwrap();
    assert!(blocked.blocked);
    let ticket = issued(&store, &blocked, "late").await;
    assert!(!redeem(&store, &ticket, SECOND).await);
}

async fn of_two_addresses_that_differ_in_case_the_lower_case_one_is_used(server: Server) {
    let case_sensitive = if server == Server::Postgres { "text" } else { "varchar(255) COLLATE utf8mb4_bin" };
    let statements = format!(
        "CREATE TABLE people (id varchar(40) PRIMARY KEY, mail {case_sensitive} UNIQUE, hash varchar(255)); \
         INSERT INTO people VALUES ('upper', 'Ann@Example.org', '{HASH}'), ('lower', 'ann@example.org', '{HASH}'), \
         ('B1', 'Bob@example.org', '{HASH}'), ('B2', 'BOB@example.org', '{HASH}'), \
         ('kelvin', '\u{212a}ate@example.org', '{HASH}')"
    );
    let mapping = Mapping::of("people", "id", "mail", "hash").unwrap();
    let Some(foreign) = ForeignUsers::table(server, &statements, mapping).await else { return };
    let store = foreign.database.open().await.unwrap();
    assert_eq!(find(&store, "ANN@example.org").await.unwrap().id.as_str(), "lower");
    assert!(find(&store, "bob@example.org").await.is_none(), "ambiguous");
    assert!(
        find(&store, "kate@example.org").await.is_none(),
        "U+212A is not k, even if the database says so"
    );
}

async fn password_change_by_the_owner_voids_the_ticket(server: Server) {
    let Some(foreign) = ForeignUsers::preset(server, "px0").await else { return };
    let store = foreign.database.open().await.unwrap();
    let ann = find(&store, "ann@example.org").await.unwrap();
    let one = issued(&store, &ann, "one").await;
    foreign.fresh.execute(&format!(
        "UPDATE users SET password_hash = '{THIRD}' WHERE lower(email) = 'ann@example.org'"
    ));
    assert!(!redeem(&store, &one, SECOND).await);
    let two = issued(&store, &find(&store, "ann@example.org").await.unwrap(), "two").await;
    foreign
        .fresh
        .execute("UPDATE users SET email = 'new@example.org' WHERE lower(email) = 'ann@example.org'");
    assert!(!redeem(&store, &two, SECOND).await, "a changed address voids the ticket");
    assert_eq!(store.password_hash(&ann.id).await.unwrap().as_deref(), Some(THIRD));
}

async fn reset_deletes_sessions_and_increments_the_token_version(server: Server) {
    let statements = format!(
        "CREATE TABLE people (id int PRIMARY KEY, mail varchar(255), hash varchar(255), active int, version int, \
         changed bigint); INSERT INTO people VALUES (7, 'ann@example.org', '{HASH}', 1, 3, 0), \
         (8, 'bob@example.org', '{HASH}', 0, NULL, 0); \
         CREATE TABLE logins (token varchar(40) PRIMARY KEY, person int); \
         INSERT INTO logins VALUES ('a', 7), ('b', 7), ('c', 8)"
    );
    let name = |text| Name::parse(text).unwrap();
    let mapping = Mapping {
        blocked: Some(Flag::parse("active", false).unwrap()),
        token_version: Some(name("version")),
        password_changed_at: Some(name("changed")),
        sessions: vec![AccountRows::parse("logins.person = id").unwrap()],
        ..Mapping::of("people", "id", "mail", "hash").unwrap()
    };
    let Some(foreign) = ForeignUsers::table(server, &statements, mapping).await else { return };
    let store = foreign.database.open().await.unwrap();
    assert!(find(&store, "bob@example.org").await.unwrap().blocked, "not active");
    let one = issued(&store, &find(&store, "ann@example.org").await.unwrap(), "one").await;
    assert!(redeem(&store, &one, SECOND).await);
    assert_eq!(query_texts(&foreign.fresh, "SELECT token AS text FROM logins ORDER BY token"), ["c"]);
    let char = if server == Server::Postgres { "text" } else { "CHAR" };
    let row = format!("SELECT CAST(version AS {char}) AS text FROM people ORDER BY id");
    assert_eq!(query_texts(&foreign.fresh, &row), ["4", "NULL"]);
    let recent = "SELECT mail AS text FROM people WHERE changed > 1700000000000 AND changed < 9999999999999";
    assert_eq!(query_texts(&foreign.fresh, recent), ["ann@example.org"], "milliseconds");
}

async fn column_that_ignores_case_also_finds_capitals(server: Server) {
    let (before, kind) = match server {
        Server::Postgres => ("CREATE EXTENSION citext;", "citext"),
        Server::Mariadb => ("", "varchar(255) COLLATE utf8mb4_general_ci"),
    };
    let statements = format!(
        "{before} CREATE TABLE people (id int PRIMARY KEY, mail {kind} UNIQUE, hash varchar(255)); \
         INSERT INTO people VALUES (1, 'Ann@Example.org', '{HASH}'), (2, 'm\u{131}ke@example.org', '{HASH}'), \
         (3, '\u{17f}ue@example.org', '{HASH}'), (4, '\u{212a}ate@example.org', '{HASH}'), \
         (5, 'jos\u{e9}@example.org', '{HASH}')"
    );
    let mapping = Mapping::of("people", "id", "mail", "hash").unwrap();
    let Some(foreign) = ForeignUsers::table(server, &statements, mapping).await else { return };
    let store = foreign.database.open().await.unwrap();
    assert_eq!(find(&store, "ann@example.org").await.unwrap().email, "Ann@Example.org");
    // MariaDB's collation matches all of these, but they are different addresses (R21).
    for lookalike in ["mike@example.org", "sue@example.org", "kate@example.org", "jose@example.org"] {
        assert!(find(&store, lookalike).await.is_none(), "{lookalike}");
    }
}

async fn account_with_an_unusable_password_or_unknown_activity_gets_no_reset(server: Server) {
    let statements = format!(
        "CREATE TABLE people (id int PRIMARY KEY, mail varchar(255), hash varchar(255), active int); \
         INSERT INTO people VALUES (1, 'sso@example.org', '!Kx2', 1), (2, 'null@example.org', '{HASH}', NULL)"
    );
    let active = Flag::parse("active", false).unwrap();
    let mapping = Mapping { blocked: Some(active), ..Mapping::of("people", "id", "mail", "hash").unwrap() };
    let Some(foreign) = ForeignUsers::table(server, &statements, mapping.clone()).await else { return };
    let store = foreign.database.open().await.unwrap();
    assert!(find(&store, "sso@example.org").await.is_none(), "Django stores `!` if there is no password");
    assert!(find(&store, "null@example.org").await.unwrap().blocked);
    let survey =
        foreign.fresh.database().with_users(Some(mapping)).survey(Some("any_role")).await.unwrap().unwrap();
    let refused: Vec<i64> = survey.refused.iter().map(|(_, number)| *number).collect();
    assert_eq!(refused, [1, 1, 0]);
}

async fn grants_include_every_own_table(server: Server) {
    let Some(foreign) = ForeignUsers::preset(server, "px0").await else { return };
    if server == Server::Mariadb {
        let own_tables = "SELECT CAST(table_name AS CHAR) AS text FROM information_schema.tables \
             WHERE table_schema = DATABASE() AND table_name LIKE 'polyreset%'";
        let owner = foreign.fresh.database().with_users(preset("px0"));
        let grants = owner.survey(Some("r")).await.unwrap().unwrap().grants;
        for table in query_texts(&foreign.fresh, own_tables) {
            assert!(grants.iter().any(|grant| grant.contains(&format!("`{table}`"))), "{table}: {grants:?}");
        }
    }
}

async fn accounts_of_a_foreign_table_cannot_be_blocked(server: Server) {
    let Some(foreign) = ForeignUsers::preset(server, "px0").await else { return };
    let store = foreign.database.open().await.unwrap();
    let ann = EmailAddress::parse("ann@example.org").unwrap();
    let error = error_chain(&store.set_blocked(&ann, true, &event_at(at(1))).await.unwrap_err());
    assert!(error.contains("another system"), "{error}");
}

async fn mapping_that_does_not_fit_the_table_is_rejected_at_startup(server: Server) {
    let Some(fresh) = server.fresh().await else { return };
    fresh.execute(&create_table(server, "px0"));
    let open = async |mapping| {
        fresh.database().with_users(Some(mapping)).open().await.err().map(|error| error.to_string())
    };
    let mut mapping = preset("px0").unwrap();
    mapping.updated_at = Some(Name::parse("nowhere").unwrap());
    let error = open(mapping).await.unwrap();
    assert!(error.starts_with("users.updated_at: ") && error.contains("no column `nowhere`"), "{error}");
    let error = open(Mapping::of("missing", "id", "mail", "hash").unwrap()).await.unwrap();
    assert!(error.starts_with("users.table: the table") && error.contains("does not exist"), "{error}");
}

async fn survey_counts_hash_formats_and_rows_that_cannot_be_reset(server: Server) {
    let Some(fresh) = server.fresh().await else { return };
    fresh.execute(&create_table(server, "strapi-v4"));
    let database = fresh.database().with_users(preset("strapi-v4"));
    let survey = database.survey(Some("polyreset")).await.unwrap().unwrap();
    assert_eq!(survey.rows, 5);
    let hashes: Vec<(&str, i64)> =
        survey.hashes.iter().map(|count| (count.form.as_str(), count.rows)).collect();
    assert_eq!(hashes, [("bcrypt $2a$10$", 4), ("none", 1)]);
    assert_eq!(survey.problems, [""; 0]);
    let refused: Vec<i64> = survey.refused.iter().map(|(_, number)| *number).collect();
    assert_eq!(refused, [1, 2, 1, 0], "{:?}", survey.refused);
    assert_eq!(survey.statements.len(), 4);
}
