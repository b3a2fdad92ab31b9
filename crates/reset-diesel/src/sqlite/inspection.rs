//! Inspection of a SQLite file by commands, without a store.

use std::path::Path;

use diesel::{
    dsl::{exists, sql},
    prelude::*,
    select,
    sql_types::Text,
    sqlite::SqliteConnection,
};

use super::{
    connection::Role,
    on_own_thread,
    schema::{events, marks, sqlite_schema},
};
use crate::OpenError;

/// What SQLite returns for an intact file.
const INTACT: &str = "ok";

/// Reads the whole file and returns the first damage; `None` if it is intact.
pub(crate) async fn damage(path: &Path) -> Result<Option<String>, OpenError> {
    on_own_thread(path, |path| {
        let found = Role::Reader.connect(&path).and_then(|mut db| {
            let check = sql::<Text>("PRAGMA quick_check(1)");
            check.get_result::<String>(&mut db).map_err(|error| error.to_string())
        });
        // Severe damage makes the check itself fail.
        Ok(match found {
            Ok(found) if found == INTACT => None,
            Ok(damage) | Err(damage) => Some(damage.lines().collect::<Vec<_>>().join(" ")),
        })
    })
    .await
}

/// Whether the file was used with a secret: events of resets were recorded, or events were sealed. An account that was
/// blocked before the first start is an event without a secret.
pub(crate) async fn has_events(path: &Path) -> Result<bool, OpenError> {
    on_own_thread(path, |path| {
        let mut db = Role::Reader.connect(&path)?;
        found_events(&mut db).map_err(|error| error.to_string())
    })
    .await
}

fn found_events(db: &mut SqliteConnection) -> QueryResult<bool> {
    let tables = sqlite_schema::table.filter(sqlite_schema::name.eq_any(["events", "marks"]));
    if tables.count().get_result::<i64>(db)? < 2 {
        return Ok(false);
    }
    // The marks stay when the events have expired.
    let of_resets = events::table.filter(events::reference.is_not_null());
    Ok(select(exists(of_resets.select(events::seq))).get_result(db)?
        || select(exists(marks::table.select(marks::name))).get_result(db)?)
}
