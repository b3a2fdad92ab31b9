//! The exact statements.

use super::{super::presets::preset, *};
use crate::foreign_users::{
    mapping::Matching,
    rows::{AccountRows, Filter, Flag},
};

fn columns(all: &[(&str, ColumnKind)]) -> Columns {
    let column = |kind: ColumnKind| Column {
        kind,
        declared: kind.name().to_owned(),
        length: None,
        bits: 64,
        ignores_case: false,
        nullable: true,
    };
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
    let plan = Plan::new(&preset("px0").unwrap(), SqlSyntax::Postgres, &px0(), &[]).unwrap();
    let fields = "CAST(\"id\" AS text) AS id, CAST(\"email\" AS text) AS email, \
         CAST(\"password_hash\" AS text) AS password, CAST(NULL AS text) AS username, \
         CAST(NULL AS text) AS name, CAST(NULL AS text) AS locale, \
         CAST(NULL AS text) AS document_id, CAST(0 AS bigint) AS blocked, \
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
    assert_eq!(plan.deletes, []);
}

#[test]
fn strapi_table_is_quoted_on_mariadb_and_only_local_logins_are_selected() {
    let plan = Plan::new(&preset("strapi-v3").unwrap(), SqlSyntax::Mysql, &strapi(), &[]).unwrap();
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
    mapping.blocked = Some(Flag::parse("active", false).unwrap());
    mapping.password_changed_at = Some(name("changed"));
    mapping.token_version = Some(name("version"));
    mapping.sessions = vec![AccountRows::parse("logins.person = id").unwrap()];
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
    let plan = Plan::new(&mapping, SqlSyntax::Postgres, &table, &[sessions]).unwrap();
    assert_eq!(
        plan.set_password,
        "UPDATE \"app\".\"people\" SET \"hash\" = $1, \
         \"changed\" = CAST(EXTRACT(EPOCH FROM now()) * 1000 AS bigint), \
         \"version\" = COALESCE(\"version\", 0) + 1 WHERE \"id\" = $2"
    );
    assert_eq!(plan.deletes[0].statement, "DELETE FROM \"app\".\"logins\" WHERE \"person\" = $1");
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
    let by_id = |syntax| Plan::new(&mapping, syntax, &strapi(), &[]).unwrap().by_id;
    assert!(by_id(SqlSyntax::Postgres).ends_with(r"= 'it''s\'"));
    assert!(by_id(SqlSyntax::Mysql).ends_with(r"= 'it''s\\'"));
}

#[test]
fn mapping_error_names_the_setting() {
    let error = |mapping: &Mapping, columns: &Columns| {
        Plan::new(mapping, SqlSyntax::Postgres, columns, &[]).unwrap_err().to_string()
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
        "users.updated_at: the column `email` is of type text, but must be a timestamp, a date, an integer of at least 32 bits for seconds, \
         or one of 64 bits for milliseconds"
    );
    let mut short = px0();
    short.get_mut("password_hash").unwrap().length = Some(59);
    assert_eq!(
        error(&preset("px0").unwrap(), &short),
        "users.password: the column `password_hash` is of type text, but must be text or binary, and long enough for hashes \
         in the format of password.hash"
    );
    let mut twice = preset("strapi-v3").unwrap();
    twice.cleared.push(Name::parse("password").unwrap());
    assert_eq!(
        error(&twice, &strapi()),
        "users.cleared: the column `password` is already mapped as the id, the email or another written column"
    );
    let mut full = strapi();
    full.get_mut("resetPasswordToken").unwrap().nullable = false;
    full.get_mut("resetPasswordToken").unwrap().kind = ColumnKind::Integer;
    assert_eq!(
        error(&preset("strapi-v3").unwrap(), &full),
        "users.cleared: the column `resetPasswordToken` is of type text, but must be nullable, text or binary"
    );
    let mut with_sessions = preset("px0").unwrap();
    with_sessions.void.clear();
    with_sessions.sessions = vec![AccountRows::parse("logins.user = id").unwrap()];
    let error = |columns: Columns| {
        let plan = Plan::new(&with_sessions, SqlSyntax::Mysql, &px0(), &[columns]);
        plan.unwrap_err().to_string()
    };
    assert_eq!(
        error(Columns::new()),
        "users.sessions: the table `logins` does not exist, or this role may not read it"
    );
    assert_eq!(
        error(columns(&[("user", ColumnKind::Integer)])),
        "users.sessions: the column `user` is of type integer, but must be of a type that can hold what it is compared \
         with: the values of users.id or users.email",
        "'550e8400-…' cast to a number is 550, another account"
    );
}

#[test]
fn sessions_of_text_ids_and_of_one_origin_are_deleted_by_text() {
    let mapping = preset("strapi-v5-refresh").unwrap();
    let mut table = strapi();
    table.insert("reset_password_token".to_owned(), table["resetPasswordToken"].clone());
    table.insert("document_id".to_owned(), table["resetPasswordToken"].clone());
    let sessions = columns(&[("user_id", ColumnKind::Text), ("origin", ColumnKind::Text)]);
    let delete = |syntax| {
        let plan = Plan::new(&mapping, syntax, &table, std::slice::from_ref(&sessions)).unwrap();
        plan.deletes.into_iter().next().unwrap().statement
    };
    assert_eq!(
        delete(SqlSyntax::Postgres),
        "DELETE FROM \"strapi_sessions\" WHERE \"user_id\" = $1 AND \"origin\" = 'users-permissions'"
    );
    assert_eq!(
        delete(SqlSyntax::Mysql),
        "DELETE FROM `strapi_sessions` WHERE `user_id` = ? AND `origin` = 'users-permissions'"
    );
}

#[test]
fn rows_by_address_are_compared_without_case_and_collation() {
    let mut mapping = Mapping::of("people", "id", "mail", "hash").unwrap();
    mapping.void = vec![AccountRows::parse("app.otps.address = email and purpose != login").unwrap()];
    let table =
        columns(&[("id", ColumnKind::Integer), ("mail", ColumnKind::Text), ("hash", ColumnKind::Text)]);
    let otps = columns(&[("address", ColumnKind::Text), ("purpose", ColumnKind::Other)]);
    let delete = |syntax| {
        let plan = Plan::new(&mapping, syntax, &table, std::slice::from_ref(&otps)).unwrap();
        plan.deletes.into_iter().next().unwrap().statement
    };
    assert_eq!(
        delete(SqlSyntax::Postgres),
        "DELETE FROM \"app\".\"otps\" WHERE lower(\"address\") = (SELECT lower(\"mail\") FROM \"people\" WHERE \
         \"id\" = CAST($1 AS bigint)) AND NOT COALESCE(CAST(\"purpose\" AS text) = 'login', false)"
    );
    assert!(delete(SqlSyntax::Mysql).contains("COLLATE utf8mb4_bin = (SELECT CONVERT(lower(`mail`)"));
}

#[test]
fn filters_and_flags_are_written_for_the_type_of_their_column() {
    let mut mapping = Mapping::of("people", "id", "mail", "hash").unwrap();
    let mut table =
        columns(&[("id", ColumnKind::Integer), ("mail", ColumnKind::Text), ("hash", ColumnKind::Text)]);
    for (kind, text, sql) in [
        (ColumnKind::Text, "c = it's", "\"c\" = 'it''s'"),
        (ColumnKind::Text, "c != x", "NOT COALESCE(\"c\" = 'x', false)"),
        (ColumnKind::Integer, "c = 10", "\"c\" = 10"),
        (ColumnKind::Integer, "c = false", "\"c\" = 0"),
        (ColumnKind::Boolean, "c = false", "\"c\" = false"),
        (ColumnKind::Instant, "c = null", "\"c\" IS NULL"),
        (ColumnKind::Other, "c = active", "CAST(\"c\" AS text) = 'active'"),
    ] {
        table.extend(columns(&[("c", kind)]));
        mapping.filters = vec![Filter::parse(text).unwrap()];
        let plan = Plan::new(&mapping, SqlSyntax::Postgres, &table, &[]).unwrap();
        assert!(plan.by_id.ends_with(&format!(" AND {sql}")), "{}", plan.by_id);
    }
    mapping.filters = vec![Filter::parse("c = ten").unwrap()];
    table.extend(columns(&[("c", ColumnKind::Integer)]));
    let error = Plan::new(&mapping, SqlSyntax::Postgres, &table, &[]).unwrap_err().to_string();
    assert!(
        error.starts_with("users.where: the column `c` is of type integer, but must be of a type"),
        "{error}"
    );
    mapping.filters.clear();
    for (kind, flag, sql) in [
        (ColumnKind::Instant, "c", "WHEN \"c\" IS NOT NULL THEN 1"),
        (ColumnKind::Text, "c = banned", "WHEN \"c\" = 'banned' THEN 1"),
    ] {
        table.extend(columns(&[("c", kind)]));
        mapping.blocked = Some(Flag::parse(flag, true).unwrap());
        let plan = Plan::new(&mapping, SqlSyntax::Postgres, &table, &[]).unwrap();
        assert!(plan.by_id.contains(sql), "{}", plan.by_id);
    }
}

#[test]
fn times_are_written_in_the_unit_that_fits_the_column() {
    let mut mapping = Mapping::of("people", "id", "mail", "hash").unwrap();
    mapping.updated_at = Some(Name::parse("changed").unwrap());
    mapping.matching = Matching::Exact;
    let mut table = columns(&[
        ("id", ColumnKind::Integer),
        ("mail", ColumnKind::Text),
        ("hash", ColumnKind::Text),
        ("changed", ColumnKind::Integer),
    ]);
    let write = |mapping: &Mapping, table: &Columns| {
        Plan::new(mapping, SqlSyntax::Mysql, table, &[]).map(|plan| plan.set_password)
    };
    assert!(
        write(&mapping, &table)
            .unwrap()
            .contains("`changed` = CAST(UNIX_TIMESTAMP(NOW(6)) * 1000 AS SIGNED)")
    );
    table.get_mut("changed").unwrap().bits = 32;
    assert!(write(&mapping, &table).unwrap().contains("`changed` = UNIX_TIMESTAMP()"));
    mapping.time_unit = Some(TimeUnit::Milliseconds);
    assert!(write(&mapping, &table).is_err(), "milliseconds do not fit 32 bits");
    table.get_mut("changed").unwrap().bits = 64;
    mapping.time_unit = Some(TimeUnit::Seconds);
    assert!(write(&mapping, &table).unwrap().contains("`changed` = UNIX_TIMESTAMP()"));
}

#[test]
fn stamp_and_emptied_columns_are_written_with_the_password() {
    let mut mapping = Mapping::of("people", "id", "mail", "hash").unwrap();
    let name = |text| Name::parse(text).unwrap();
    mapping.stamp = Some(name("stamp"));
    (mapping.cleared, mapping.emptied) = (vec![name("key"), name("old")], vec![name("token")]);
    let mut table = columns(&[
        ("id", ColumnKind::Integer),
        ("mail", ColumnKind::Text),
        ("hash", ColumnKind::Text),
        ("stamp", ColumnKind::Text),
        ("key", ColumnKind::Text),
        ("old", ColumnKind::Text),
        ("token", ColumnKind::Text),
    ]);
    table.get_mut("key").unwrap().nullable = false;
    let plan = Plan::new(&mapping, SqlSyntax::Postgres, &table, &[]).unwrap();
    assert!(plan.stamps);
    assert_eq!(
        plan.set_password,
        "UPDATE \"people\" SET \"hash\" = $1, \"stamp\" = $2, \"key\" = '', \"old\" = NULL, \"token\" = '' WHERE \
         \"id\" = CAST($3 AS bigint)"
    );
    table.get_mut("stamp").unwrap().length = Some(31);
    assert!(Plan::new(&mapping, SqlSyntax::Postgres, &table, &[]).is_err());
}

#[test]
fn hash_is_replaced_only_if_its_login_can_read_the_new_one() {
    let mut mapping = Mapping::of("people", "id", "mail", "hash").unwrap();
    let mut table =
        columns(&[("id", ColumnKind::Integer), ("mail", ColumnKind::Text), ("hash", ColumnKind::Text)]);
    table.get_mut("hash").unwrap().length = Some(70);
    let bcrypt = "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";
    let (phpass, unknown) = ("$P$67NZFtFTwo88shxzxSqWcrINEzPclB.", "pbkdf2-sha256-v1:00");
    let long = format!("bcrypt_sha256${bcrypt}");
    let replaced = |mapping: &Mapping| {
        let plan = Plan::new(mapping, SqlSyntax::Postgres, &table, &[]).unwrap();
        [bcrypt, &long, phpass, unknown].map(|stored| plan.replaces(stored))
    };
    mapping.replaceable = Replaceable::WritableForms;
    assert_eq!(replaced(&mapping), [true, false, false, false], "74 characters do not fit 70");
    mapping.replaceable = Replaceable::KnownForms;
    assert_eq!(replaced(&mapping), [true, true, true, false]);
    mapping.replaceable = Replaceable::Every;
    assert_eq!(replaced(&mapping), [true; 4]);
}
