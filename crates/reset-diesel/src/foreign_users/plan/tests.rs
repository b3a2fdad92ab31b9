//! The statements, to the letter.

use super::{super::presets::preset, *};
use crate::foreign_users::mapping::Flag;

fn columns(all: &[(&str, ColumnKind)]) -> Columns {
    let column = |kind| Column { kind, length: None, caseless: false, nullable: true };
    all.iter().map(|(name, kind)| ((*name).to_owned(), column(*kind))).collect()
}

fn px0() -> Columns {
    columns(&[
        ("id", ColumnKind::Uuid),
        ("email", ColumnKind::Text),
        ("password_hash", ColumnKind::Text),
        ("is_verified", ColumnKind::Boolean),
        ("created_at", ColumnKind::Instant),
    ])
}

fn strapi() -> Columns {
    columns(&[
        ("id", ColumnKind::Integer),
        ("email", ColumnKind::Text),
        ("username", ColumnKind::Text),
        ("password", ColumnKind::Text),
        ("provider", ColumnKind::Text),
        ("blocked", ColumnKind::Boolean),
        ("confirmed", ColumnKind::Boolean),
        ("created_at", ColumnKind::LocalTime),
        ("updated_at", ColumnKind::LocalTime),
        ("resetPasswordToken", ColumnKind::Text),
    ])
}

#[test]
fn px0s_table_is_looked_up_without_regard_to_case_and_one_column_is_written() {
    let plan = Plan::new(&preset("px0").unwrap(), Speech::Postgres, &px0(), &Columns::new()).unwrap();
    let fields = "CAST(\"id\" AS text) AS id, CAST(\"email\" AS text) AS email, \
         CAST(\"password_hash\" AS text) AS password, CAST(NULL AS text) AS username, \
         CAST(NULL AS text) AS name, CAST(NULL AS text) AS locale, CAST(0 AS bigint) AS blocked, \
         CAST(CASE WHEN \"is_verified\" THEN 1 ELSE 0 END AS bigint) AS verified, \
         CAST(COALESCE(EXTRACT(EPOCH FROM \"created_at\") * 1000, 0) AS bigint) AS created_at, \
         CAST(0 AS bigint) AS updated_at";
    let usable =
        "\"password_hash\" IS NOT NULL AND \"password_hash\" <> '' AND \"password_hash\" NOT LIKE '!%'";
    assert_eq!(
        plan.by_email,
        format!("SELECT {fields} FROM \"users\" WHERE lower(\"email\") = $1 AND {usable}")
    );
    assert_eq!(
        plan.lock,
        format!("SELECT {fields} FROM \"users\" WHERE \"id\" = CAST($1 AS uuid) AND {usable} FOR UPDATE")
    );
    assert_eq!(
        plan.set_password,
        "UPDATE \"users\" SET \"password_hash\" = $1 WHERE \"id\" = CAST($2 AS uuid)"
    );
    assert_eq!(plan.end_sessions, None);
}

#[test]
fn strapis_table_is_quoted_on_mariadb_and_only_local_logins_are_touched() {
    let plan = Plan::new(&preset("strapi-v3").unwrap(), Speech::Mysql, &strapi(), &Columns::new()).unwrap();
    assert!(
        plan.by_email.ends_with(
            " FROM `users-permissions_user` WHERE `email` = ? AND `password` IS NOT NULL AND `password` <> '' \
             AND `password` NOT LIKE '!%' AND `provider` = 'local'"
        ),
        "{}",
        plan.by_email
    );
    assert_eq!(
        plan.set_password,
        "UPDATE `users-permissions_user` SET `password` = ?, `updated_at` = UTC_TIMESTAMP(), \
         `resetPasswordToken` = NULL WHERE `id` = CAST(? AS SIGNED)"
    );
}

#[test]
fn whatever_is_mapped_is_written_in_one_statement_and_sessions_go_in_another() {
    let mut mapping = Mapping::of("people", "id", "mail", "hash").unwrap();
    let name = |text| Name::parse(text).unwrap();
    mapping.schema = Some(name("app"));
    mapping.blocked = Some(Flag { column: name("active"), blocked_when: false });
    mapping.password_changed_at = Some(name("changed"));
    mapping.token_version = Some(name("version"));
    mapping.sessions = Some(Sessions { schema: None, table: name("logins"), account: name("person") });
    let mut table = columns(&[
        ("id", ColumnKind::Text),
        ("mail", ColumnKind::Text),
        ("hash", ColumnKind::Text),
        ("active", ColumnKind::Integer),
        ("changed", ColumnKind::Integer),
        ("version", ColumnKind::Integer),
    ]);
    table.get_mut("mail").unwrap().caseless = true;
    let sessions = columns(&[("person", ColumnKind::Text)]);
    let plan = Plan::new(&mapping, Speech::Postgres, &table, &sessions).unwrap();
    assert_eq!(
        plan.set_password,
        "UPDATE \"app\".\"people\" SET \"hash\" = $1, \
         \"changed\" = CAST(EXTRACT(EPOCH FROM now()) * 1000 AS bigint), \
         \"version\" = COALESCE(\"version\", 0) + 1 WHERE \"id\" = $2"
    );
    assert_eq!(plan.end_sessions.as_deref(), Some("DELETE FROM \"app\".\"logins\" WHERE \"person\" = $1"));
    assert!(plan.by_email.contains("CASE WHEN \"active\" <> 0 THEN 0 ELSE 1 END"), "{}", plan.by_email);
    assert!(plan.by_email.contains(" WHERE \"mail\" = $1 AND"), "a caseless column needs no lower()");
}

#[test]
fn names_and_values_cannot_end_the_quotes_around_them() {
    let odd = Name::parse("a\"b`c").unwrap();
    assert_eq!(quoted(Speech::Postgres, &odd), "\"a\"\"b`c\"");
    assert_eq!(quoted(Speech::Mysql, &odd), "`a\"b``c`");
    let mut mapping = preset("strapi-v3").unwrap();
    mapping.only.as_mut().unwrap().value = "it's\\".to_owned();
    let said = |speech| Plan::new(&mapping, speech, &strapi(), &Columns::new()).unwrap().by_id;
    assert!(said(Speech::Postgres).ends_with(r"= 'it''s\'"));
    assert!(said(Speech::Mysql).ends_with(r"= 'it''s\\'"));
}

#[test]
fn what_does_not_fit_is_named_by_its_setting() {
    let unfit = |mapping: &Mapping, columns: &Columns| {
        Plan::new(mapping, Speech::Postgres, columns, &Columns::new()).unwrap_err().to_string()
    };
    let mut mapping = preset("px0").unwrap();
    assert_eq!(
        unfit(&mapping, &Columns::new()),
        "users.table: there is no table \"users\" that this role may read"
    );
    mapping.updated_at = Some(Name::parse("nowhere").unwrap());
    assert_eq!(
        unfit(&mapping, &px0()),
        "users.updated_at: \"users\" has no column `nowhere` that this role may read"
    );
    mapping.updated_at = Some(Name::parse("email").unwrap());
    assert_eq!(
        unfit(&mapping, &px0()),
        "users.updated_at: the column `email` must be a timestamp, or an integer of milliseconds"
    );
    let mut short = px0();
    short.get_mut("password_hash").unwrap().length = Some(59);
    assert_eq!(
        unfit(&preset("px0").unwrap(), &short),
        "users.password: the column `password_hash` must be text, and long enough for the hashes of password.hash"
    );
    let mut twice = preset("strapi-v3").unwrap();
    twice.cleared.push(Name::parse("password").unwrap());
    assert_eq!(
        unfit(&twice, &strapi()),
        "users.cleared: the column `password` is the key or is written already"
    );
    let mut full = strapi();
    full.get_mut("resetPasswordToken").unwrap().nullable = false;
    assert_eq!(
        unfit(&preset("strapi-v3").unwrap(), &full),
        "users.cleared: the column `resetPasswordToken` must be one that may be NULL"
    );
    let mut lost = preset("px0").unwrap();
    let name = |text| Name::parse(text).unwrap();
    lost.sessions = Some(Sessions { schema: None, table: name("logins"), account: name("user") });
    assert_eq!(
        unfit(&lost, &px0()),
        "users.sessions.table: there is no table \"logins\" that this role may read"
    );
    let other = columns(&[("user", ColumnKind::Integer)]);
    assert_eq!(
        Plan::new(&lost, Speech::Mysql, &px0(), &other).unwrap_err().to_string(),
        "users.sessions.account: the column `user` must be of the same type as the column of users.id",
        "'550e8400-…' as a number is 550, and somebody else"
    );
}
