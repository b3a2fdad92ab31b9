//! The least privileges that a reset needs.

use super::{
    mapping::{Mapping, Name},
    plan::{Speech, qualified, quoted},
};

/// Our own tables, beside which the users table is.
pub(crate) struct Ours<'a> {
    /// The database that they are in; `PostgreSQL` has a schema for them instead.
    pub(crate) database: Option<&'a Name>,
    /// Their names, on MySQL.
    pub(crate) tables: &'a [&'a str],
}

/// The statements that give `role` what `serve` needs, and nothing more. `migrate` needs more: its tables are made by
/// whoever owns them.
pub(crate) fn grants(mapping: &Mapping, speech: Speech, ours: &Ours<'_>, role: &str) -> Vec<String> {
    let role = match speech {
        Speech::Postgres => format!("\"{}\"", role.replace('"', "\"\"")),
        Speech::Mysql => {
            let (user, host) = role.rsplit_once('@').unwrap_or((role, "%"));
            format!("'{}'@'{}'", user.replace('\'', "''"), host.replace('\'', "''"))
        }
    };
    let mut grants = Vec::new();
    match speech {
        Speech::Postgres => {
            grants.push(format!("GRANT USAGE ON SCHEMA polyreset TO {role}"));
            let all = "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA polyreset";
            grants.push(format!("{all} TO {role}"));
            let sessions = mapping.sessions.as_ref().and_then(|sessions| sessions.schema.as_ref());
            let mut schemas: Vec<&Name> = mapping.schema.iter().chain(sessions).collect();
            schemas.dedup();
            for schema in schemas {
                grants.push(format!("GRANT USAGE ON SCHEMA {} TO {role}", quoted(speech, schema)));
            }
        }
        Speech::Mysql => grants.extend(ours.tables.iter().map(|table| {
            let table = Name::parse(table).expect("our own names");
            let table = qualified(speech, ours.database, &table);
            format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {role}")
        })),
    }
    let columns = |names: Vec<&Name>| {
        let names: Vec<String> = names.into_iter().map(|name| quoted(speech, name)).collect();
        names.join(", ")
    };
    let written = mapping.written();
    // What is only ever made NULL need not be seen.
    let read = mapping.columns().into_iter().filter(|(_, role)| *role != "cleared").map(|(name, _)| name);
    let table = qualified(speech, mapping.schema.as_ref(), &mapping.table);
    grants.push(format!(
        "GRANT SELECT ({}), UPDATE ({}) ON {table} TO {role}",
        columns(read.collect()),
        columns(written)
    ));
    if let Some(sessions) = &mapping.sessions {
        let table = qualified(speech, sessions.schema.as_ref(), &sessions.table);
        let account = quoted(speech, &sessions.account);
        grants.push(format!("GRANT SELECT ({account}) ON {table} TO {role}"));
        grants.push(format!("GRANT DELETE ON {table} TO {role}"));
    }
    grants
}
