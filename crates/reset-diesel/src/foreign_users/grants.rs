//! The minimum privileges that a reset needs.

use super::{
    mapping::{Mapping, Name},
    plan::{SqlSyntax, qualified, quoted},
};

/// polyreset's own tables, which need grants too.
pub(crate) struct OwnTables<'a> {
    /// Database of the tables; `None` on `PostgreSQL`, where they have their own schema.
    pub(crate) database: Option<&'a Name>,
    /// Names of the tables on MySQL.
    pub(crate) tables: &'a [&'a str],
}

/// Returns the statements that grant `role` the minimum privileges for `serve`. `migrate` needs more, and is run by
/// the owner of the tables.
pub(crate) fn grants(mapping: &Mapping, syntax: SqlSyntax, own: &OwnTables<'_>, role: &str) -> Vec<String> {
    let role = match syntax {
        // A file has no privileges for tables.
        SqlSyntax::Sqlite => return Vec::new(),
        SqlSyntax::Postgres => format!("\"{}\"", role.replace('"', "\"\"")),
        SqlSyntax::Mysql => {
            let (user, host) = role.rsplit_once('@').unwrap_or((role, "%"));
            format!("'{}'@'{}'", user.replace('\'', "''"), host.replace('\'', "''"))
        }
    };
    let mut grants = Vec::new();
    match syntax {
        SqlSyntax::Postgres => {
            grants.push(format!("GRANT USAGE ON SCHEMA polyreset TO {role}"));
            let all = "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA polyreset";
            grants.push(format!("{all} TO {role}"));
            let deleted = mapping.deleted().filter_map(|(rows, _)| rows.schema.as_ref());
            let mut schemas: Vec<&Name> = mapping.schema.iter().chain(deleted).collect();
            schemas.sort();
            schemas.dedup();
            for schema in schemas {
                grants.push(format!("GRANT USAGE ON SCHEMA {} TO {role}", quoted(syntax, schema)));
            }
        }
        SqlSyntax::Sqlite => {}
        SqlSyntax::Mysql => grants.extend(own.tables.iter().map(|table| {
            let table = Name::parse(table).expect("own table names are valid");
            let table = qualified(syntax, own.database, &table);
            format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {role}")
        })),
    }
    let columns = |names: Vec<&Name>| {
        let names: Vec<String> = names.into_iter().map(|name| quoted(syntax, name)).collect();
        names.join(", ")
    };
    let table = qualified(syntax, mapping.schema.as_ref(), &mapping.table);
    grants.push(format!(
        "GRANT SELECT ({}), UPDATE ({}) ON {table} TO {role}",
        columns(mapping.read()),
        columns(mapping.written())
    ));
    for (rows, _) in mapping.deleted() {
        let schema = rows.schema.as_ref().or(mapping.schema.as_ref());
        let table = qualified(syntax, schema, &rows.table);
        grants.push(format!("GRANT SELECT ({}) ON {table} TO {role}", columns(rows.columns().collect())));
        grants.push(format!("GRANT DELETE ON {table} TO {role}"));
    }
    grants
}
