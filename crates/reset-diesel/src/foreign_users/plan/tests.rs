//! The exact statements.

use super::{super::presets::preset, *};
use crate::foreign_users::mapping::Flag;

fn columns(all: &[(&str, ColumnKind)]) -> Columns {
    let column = |kind| Column { kind, length: None, ignores_case: false, nullable: true };
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
fn px0_table_is_searched_ignoring_case_and_only_the_hash_is_written() {
    let plan = Plan::new(&preset("px0").unwrap(), SqlSyntax::Postgres, &px0(), &Columns::new()).unwrap();
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
fn strapi_table_is_quoted_on_mariadb_and_only_local_logins_are_selected() {
    let plan =
        Plan::new(&preset("strapi-v3").unwrap(), SqlSyntax::Mysql, &strapi(), &Columns::new()).unwrap();
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
fn mapped_columns_are_written_in_one_statement_and_sessions_deleted_in_another() {
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
    table.get_mut("mail").unwrap().ignores_case = true;
    let sessions = columns(&[("person", ColumnKind::Text)]);
    let plan = Plan::new(&mapping, SqlSyntax::Postgres, &table, &sessions).unwrap();
    assert_eq!(
        plan.set_password,
        "UPDATE \"app\".\"people\" SET \"hash\" = $1, \
         \"changed\" = CAST(EXTRACT(EPOCH FROM now()) * 1000 AS bigint), \
         \"version\" = COALESCE(\"version\", 0) + 1 WHERE \"id\" = $2"
    );
    assert_eq!(plan.end_sessions.as_deref(), Some("DELETE FROM \"app\".\"logins\" WHERE \"person\" = $1"));
    assert!(plan.by_email.contains("CASE WHEN \"active\" <> 0 THEN 0 ELSE 1 END"), "{}", plan.by_email);
    assert!(plan.by_email.contains(" WHERE \"mail\" = $1 AND"), "a case-insensitive column needs no lower()");
}

#[test]
fn quoted_names_and_values_cannot_contain_a_closing_quote() {
    let odd = Name::parse("a\"b`c").unwrap();
    assert_eq!(quoted(SqlSyntax::Postgres, &odd), "\"a\"\"b`c\"");
    assert_eq!(quoted(SqlSyntax::Mysql, &odd), "`a\"b``c`");
    let mut mapping = preset("strapi-v3").unwrap();
    mapping.only.as_mut().unwrap().value = "it's\\".to_owned();
    let by_id = |syntax| Plan::new(&mapping, syntax, &strapi(), &Columns::new()).unwrap().by_id;
    assert!(by_id(SqlSyntax::Postgres).ends_with(r"= 'it''s\'"));
    assert!(by_id(SqlSyntax::Mysql).ends_with(r"= 'it''s\\'"));
}

#[test]
fn mapping_error_names_the_setting() {
    let error = |mapping: &Mapping, columns: &Columns| {
        Plan::new(mapping, SqlSyntax::Postgres, columns, &Columns::new()).unwrap_err().to_string()
    };
    let mut mapping = preset("px0").unwrap();
    assert_eq!(
        error(&mapping, &Columns::new()),
        "users.table: the table \"users\" does not exist, or this role may not read it"
    );
    mapping.updated_at = Some(Name::parse("nowhere").unwrap());
    assert_eq!(
        error(&mapping, &px0()),
        "users.updated_at: the table \"users\" has no column `nowhere`, or this role may not read it"
    );
    mapping.updated_at = Some(Name::parse("email").unwrap());
    assert_eq!(
        error(&mapping, &px0()),
        "users.updated_at: the column `email` must be a timestamp, or an integer with milliseconds"
    );
    let mut short = px0();
    short.get_mut("password_hash").unwrap().length = Some(59);
    assert_eq!(
        error(&preset("px0").unwrap(), &short),
        "users.password: the column `password_hash` must be text, and long enough for hashes in the format of password.hash"
    );
    let mut twice = preset("strapi-v3").unwrap();
    twice.cleared.push(Name::parse("password").unwrap());
    assert_eq!(
        error(&twice, &strapi()),
        "users.cleared: the column `password` is already mapped as the id, the email or another written column"
    );
    let mut full = strapi();
    full.get_mut("resetPasswordToken").unwrap().nullable = false;
    assert_eq!(
        error(&preset("strapi-v3").unwrap(), &full),
        "users.cleared: the column `resetPasswordToken` must be nullable"
    );
    let mut with_sessions = preset("px0").unwrap();
    let name = |text| Name::parse(text).unwrap();
    with_sessions.sessions = Some(Sessions { schema: None, table: name("logins"), account: name("user") });
    assert_eq!(
        error(&with_sessions, &px0()),
        "users.sessions.table: the table \"logins\" does not exist, or this role may not read it"
    );
    let other = columns(&[("user", ColumnKind::Integer)]);
    assert_eq!(
        Plan::new(&with_sessions, SqlSyntax::Mysql, &px0(), &other).unwrap_err().to_string(),
        "users.sessions.account: the column `user` must be of the same type as the column of users.id",
        "'550e8400-…' cast to a number is 550, another account"
    );
}
