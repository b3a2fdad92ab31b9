//! Table metadata of `PostgreSQL`.

use diesel::{
    QueryableByName,
    prelude::*,
    sql_query,
    sql_types::{Nullable, Text},
};

use super::engine::Db;
use crate::foreign_users::ColumnKind;

/// Selects the columns of a table in the given schema, or of the first table with that name on the search path.
/// Columns without a privilege for this role are not returned.
pub(super) const COLUMNS: &str = "SELECT CAST(table_schema AS text) AS home, CAST(column_name AS text) AS name, \
     CAST(data_type AS text) AS kind, CAST(udt_name AS text) AS detail, \
     CASE WHEN data_type = 'USER-DEFINED' THEN CAST(udt_name AS text) \
     WHEN data_type = 'numeric' AND numeric_scale IS NOT NULL THEN format('numeric(%s,%s)', numeric_precision, numeric_scale) \
     WHEN character_maximum_length IS NOT NULL THEN format('%s(%s)', data_type, character_maximum_length) \
     ELSE CAST(data_type AS text) END AS declared, \
     CAST(character_maximum_length AS bigint) AS length, CAST(is_nullable AS text) AS nullable \
     FROM information_schema.columns WHERE table_name = $1 AND table_schema = COALESCE($2, \
     (SELECT path.schema FROM unnest(current_schemas(false)) WITH ORDINALITY AS path(schema, place) \
     WHERE EXISTS (SELECT 1 FROM information_schema.tables AS known \
     WHERE known.table_schema = path.schema AND known.table_name = $1) ORDER BY path.place LIMIT 1))";

/// Returns the kind of a column, and whether its comparisons ignore case.
pub(super) fn kind(data_type: &str, declared: &str, udt: Option<&str>) -> (ColumnKind, bool) {
    let kind = match data_type {
        "uuid" => ColumnKind::Uuid,
        "smallint" | "integer" | "bigint" => ColumnKind::Integer,
        "text" | "character varying" | "character" => ColumnKind::Text,
        // A `citext` column compared with a bound text uses the case-sensitive comparison of text.
        _ if udt == Some("citext") => ColumnKind::Text,
        "USER-DEFINED" => ColumnKind::Enumerated,
        "numeric" if declared == "numeric" || declared.ends_with(",0)") => ColumnKind::Decimal,
        "bytea" => ColumnKind::Binary,
        "date" => ColumnKind::Date,
        "boolean" => ColumnKind::Boolean,
        "timestamp with time zone" => ColumnKind::Instant,
        "timestamp without time zone" => ColumnKind::LocalTime,
        _ => ColumnKind::Other,
    };
    (kind, false)
}

/// Returns the number of bits of an integer type; 0 for others.
pub(super) fn bits(data_type: &str) -> u8 {
    match data_type {
        "smallint" => 16,
        "integer" => 32,
        "bigint" => 64,
        _ => 0,
    }
}

/// Put before a statement to check it. `EXPLAIN` checks privileges and changes nothing.
pub(super) const PROBE: &str = "EXPLAIN ";
/// Starts a check: nothing to do, because the caller has started a read-only transaction.
pub(super) const BEGIN_PROBE: &str = "";
/// Ends a check.
pub(super) const END_PROBE: &str = "";

#[derive(QueryableByName)]
struct Named {
    #[diesel(sql_type = Text)]
    name: String,
}

fn names(rows: Vec<Named>) -> Vec<String> {
    rows.into_iter().map(|row| row.name).collect()
}

/// Returns the role of this connection.
pub(super) fn current_role(db: &mut Db) -> QueryResult<String> {
    let role: Named = sql_query("SELECT CAST(current_user AS text) AS name").get_result(db)?;
    Ok(role.name)
}

/// Returns the names of all columns, with or without a privilege.
pub(super) fn all_columns(db: &mut Db, table: &str) -> QueryResult<Vec<String>> {
    let query = "SELECT CAST(attname AS text) AS name FROM pg_attribute \
         WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped";
    Ok(names(sql_query(query).bind::<Text, _>(table).load(db)?))
}

/// The tables that a query on `$1` reads, each with the role whose privileges apply: that of the connection, or the owner
/// of the view around it. `$2` is the role, if it is another one.
const USED: &str = "WITH RECURSIVE used(oid, role) AS ( \
     SELECT CAST(to_regclass($1) AS oid), CASE WHEN $2 IS NULL THEN (SELECT oid FROM pg_roles WHERE rolname = current_user) \
     ELSE COALESCE((SELECT oid FROM pg_roles WHERE rolname = $2), CAST(0 AS oid)) END \
     UNION SELECT below.refobjid, CASE WHEN COALESCE(CAST(view.reloptions AS text), '') ~ 'security_invoker=(true|on|1|yes)' \
     THEN used.role ELSE view.relowner END \
     FROM used JOIN pg_class AS view ON view.oid = used.oid AND view.relkind = 'v' \
     JOIN pg_rewrite AS rule ON rule.ev_class = view.oid \
     JOIN pg_depend AS below ON below.classid = CAST('pg_rewrite' AS regclass) AND below.objid = rule.oid \
     AND below.refclassid = CAST('pg_class' AS regclass) AND below.refobjid <> view.oid)";

/// Returns the tables below a view; none if `table` is not a view.
pub(super) fn tables_of_view(db: &mut Db, table: &str) -> QueryResult<Vec<String>> {
    let query = format!(
        "{USED} SELECT DISTINCT CAST(CAST(used.oid AS regclass) AS text) AS name FROM used \
         JOIN pg_class ON pg_class.oid = used.oid \
         WHERE pg_class.relkind IN ('r', 'p', 'f') AND used.oid <> CAST(to_regclass($1) AS oid) ORDER BY 1"
    );
    let tables = sql_query(query).bind::<Text, _>(table).bind::<Nullable<Text>, _>(None::<String>);
    Ok(names(tables.load(db)?))
}

/// Returns the tables whose row-level security hides rows of `table` from `role`, or from the connection's own role. A
/// table hides none if each of `commands` has a policy for every row and no restrictive policy.
pub(super) fn tables_hiding_rows(
    db: &mut Db,
    table: &str,
    commands: &str,
    role: Option<&str>,
) -> QueryResult<Vec<String>> {
    let query = format!(
        "{USED}, policies AS (SELECT used.oid, used.role, polcmd, polpermissive, \
         COALESCE(pg_get_expr(polqual, polrelid), 'true') = 'true' AND \
         COALESCE(pg_get_expr(polwithcheck, polrelid), 'true') = 'true' AS every_row \
         FROM used JOIN pg_policy ON polrelid = used.oid WHERE CAST(0 AS oid) = ANY (polroles) OR (used.role <> 0 AND \
         EXISTS (SELECT 1 FROM unnest(polroles) AS member(oid) WHERE pg_has_role(used.role, member.oid, 'USAGE')))) \
         SELECT DISTINCT CAST(CAST(used.oid AS regclass) AS text) AS name FROM used \
         JOIN pg_class ON pg_class.oid = used.oid AND relrowsecurity \
         LEFT JOIN pg_roles ON pg_roles.oid = used.role \
         WHERE NOT COALESCE(rolsuper OR rolbypassrls, false) \
         AND NOT (NOT relforcerowsecurity AND used.role <> 0 AND pg_has_role(used.role, relowner, 'USAGE')) \
         AND EXISTS (SELECT 1 FROM unnest(string_to_array($3, ',')) AS needed(command) WHERE \
         NOT EXISTS (SELECT 1 FROM policies WHERE policies.oid = used.oid AND policies.role = used.role \
         AND CAST(polcmd AS text) IN ('*', needed.command) AND polpermissive AND every_row) \
         OR EXISTS (SELECT 1 FROM policies WHERE policies.oid = used.oid AND policies.role = used.role \
         AND CAST(polcmd AS text) IN ('*', needed.command) AND NOT polpermissive AND NOT every_row)) ORDER BY 1"
    );
    let query = sql_query(query).bind::<Text, _>(table).bind::<Nullable<Text>, _>(role);
    Ok(names(query.bind::<Text, _>(commands).load(db)?))
}

/// Whether the table has an index on a column in lower case.
pub(super) fn has_lower_index(db: &mut Db, table: &str) -> QueryResult<bool> {
    let query = "SELECT CAST(indexrelid AS text) AS name FROM pg_index WHERE indrelid = to_regclass($1) \
         AND pg_get_expr(indexprs, indrelid) LIKE 'lower(%'";
    Ok(!sql_query(query).bind::<Text, _>(table).load::<Named>(db)?.is_empty())
}
