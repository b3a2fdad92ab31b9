//! Settings of the users table: polyreset's own, or another system's by preset and column names.

use anyhow::{Context, Result, anyhow, bail};
use reset_diesel::foreign_users::{
    AccountRows, Filter, Flag, Mapping, Matching, Name, Only, Replaceable, RowKey, SaltColumn, TimeUnit,
    preset, reads_only_bcrypt,
};
use reset_settings::{Key, List, Text, Values};

use super::keys;

/// Reads the mapping of another system's users table; `None` for polyreset's own.
pub(super) fn read(values: &Values) -> Result<Option<Mapping>> {
    let chosen = values.choice(&keys::USERS_PRESET)?;
    let base = match chosen {
        "own" => {
            let keys = values.keys().iter().filter(|key| key.name.starts_with("users."));
            let mut stray = keys.filter(|key| key.name != keys::USERS_PRESET.name);
            if let Some(key) = stray.find(|key| values.is_given(key)) {
                let (name, source) = (key.name, values.value(key).source);
                bail!("{name} ({source}) is for the table of another system: set users.preset too");
            }
            return Ok(None);
        }
        "custom" => {
            let [table, id, email, password] =
                [&keys::USERS_TABLE, &keys::USERS_ID, &keys::USERS_EMAIL, &keys::USERS_PASSWORD]
                    .map(|key| required(values, key));
            Mapping {
                table: table?,
                id: id?,
                email: email?,
                password: password?,
                ..Mapping::of("x", "x", "x", "x")?
            }
        }
        chosen => {
            if reads_only_bcrypt(chosen) && values.choice(&keys::PASSWORD_HASH)? != "bcrypt" {
                let source = &values.value(&keys::PASSWORD_HASH).source;
                bail!(
                    "password.hash ({source}) must be bcrypt for users.preset {chosen}: its login accepts no other hash"
                );
            }
            preset(chosen).expect("users.preset allows only own, custom and known presets")
        }
    };
    check_database(values)?;
    overridden(values, &base).map(Some)
}

/// Checks that the settings name the database with the table.
fn check_database(values: &Values) -> Result<()> {
    let own_file = values.text(&keys::DATABASE_URL)?.starts_with("sqlite:");
    if own_file && !values.is_given(&keys::USERS_DATABASE_URL) {
        bail!(
            "users.preset ({}) needs the database of that table: database_url must be postgres:// or mysql://, or \
             users.database_url the sqlite:// file with the table",
            values.value(&keys::USERS_PRESET).source
        );
    }
    if !own_file && values.is_given(&keys::USERS_DATABASE_URL) {
        bail!(
            "users.database_url ({}) is for a table in a SQLite file, and needs a SQLite file for polyreset's own tables: \
             database_url must be sqlite://",
            values.value(&keys::USERS_DATABASE_URL).source
        );
    }
    Ok(())
}

/// Applies the settings to the mapping of the preset. An empty value removes a column.
fn overridden(values: &Values, base: &Mapping) -> Result<Mapping> {
    let required = |key: &Key<Text>, preset: Name| {
        let (name, source) = (key.name, values.value(key).source);
        column(values, key, Some(preset))?.ok_or_else(|| anyhow!("{name} ({source}) cannot be empty"))
    };
    let optional = |key: &Key<Text>, preset: Option<Name>| column(values, key, preset);
    let matching = match values.given_text(&keys::USERS_EMAIL_MATCH)?.as_deref() {
        None => base.matching,
        Some(_) if values.choice(&keys::USERS_EMAIL_MATCH)? == "exact" => Matching::Exact,
        Some(_) => Matching::AsciiLower,
    };
    let (base_only, value) = base.only.clone().map(|only| (only.column, only.value)).unzip();
    let only = optional(&keys::USERS_PROVIDER, base_only)?;
    if let (None, true) = (&only, values.is_given(&keys::USERS_PROVIDER_VALUE)) {
        bail!("users.provider_value has no effect without users.provider");
    }
    let value =
        values.given_text(&keys::USERS_PROVIDER_VALUE)?.or(value).unwrap_or_else(|| "local".to_owned());
    let (id, email) =
        (required(&keys::USERS_ID, base.id.clone())?, required(&keys::USERS_EMAIL, base.email.clone())?);
    if id == email {
        // The audit log and the log files identify accounts by id (R70).
        return Err(values.bad(
            &keys::USERS_ID,
            "a column other than users.email: ids are written to logs and to the audit log",
        ));
    }
    Ok(Mapping {
        schema: optional(&keys::USERS_SCHEMA, base.schema.clone())?,
        table: required(&keys::USERS_TABLE, base.table.clone())?,
        id,
        email,
        matching,
        password: required(&keys::USERS_PASSWORD, base.password.clone())?,
        hash_length: hash_length(values)?,
        replaceable: replaceable(values)?,
        salt: match values.given_text(&keys::USERS_SALT)? {
            None => base.salt.clone(),
            Some(_) => column(values, &keys::USERS_SALT, None)?.map_or(SaltColumn::None, SaltColumn::Named),
        },
        username: optional(&keys::USERS_USERNAME, base.username.clone())?,
        name: optional(&keys::USERS_NAME, base.name.clone())?,
        locale: optional(&keys::USERS_LOCALE, base.locale.clone())?,
        document_id: optional(&keys::USERS_DOCUMENT_ID, base.document_id.clone())?,
        blocked: flag(values, base.blocked.as_ref())?,
        verified: optional(&keys::USERS_VERIFIED, base.verified.clone())?,
        only: only.map(|column| Only { column, value }),
        filters: list(values, &keys::USERS_WHERE, &base.filters, Filter::parse)?,
        created_at: optional(&keys::USERS_CREATED_AT, base.created_at.clone())?,
        updated_at: optional(&keys::USERS_UPDATED_AT, base.updated_at.clone())?,
        password_changed_at: optional(&keys::USERS_PASSWORD_CHANGED_AT, base.password_changed_at.clone())?,
        time_unit: match values.given_text(&keys::USERS_TIME_UNIT)? {
            None => base.time_unit,
            Some(_) if values.choice(&keys::USERS_TIME_UNIT)? == "seconds" => Some(TimeUnit::Seconds),
            Some(_) => Some(TimeUnit::Milliseconds),
        },
        token_version: optional(&keys::USERS_TOKEN_VERSION, base.token_version.clone())?,
        stamp: optional(&keys::USERS_STAMP, base.stamp.clone())?,
        cleared: list(values, &keys::USERS_CLEARED, &base.cleared, Name::parse)?,
        emptied: list(values, &keys::USERS_EMPTIED, &base.emptied, Name::parse)?,
        sessions: sessions(values, base)?,
        void: list(values, &keys::USERS_VOID, &base.void, AccountRows::parse)?,
        access_tokens_linger: base.access_tokens_linger,
        sessions_end_with_hash: if values.is_given(&keys::USERS_SESSIONS_END_WITH_HASH) {
            values.boolean(&keys::USERS_SESSIONS_END_WITH_HASH)?
        } else {
            base.sessions_end_with_hash
        },
    })
}

/// Returns the flag for blocked accounts: `users.blocked`, `users.active` or the preset's.
fn flag(values: &Values, base: Option<&Flag>) -> Result<Option<Flag>> {
    let of = |key: &Key<Text>, blocked_when: bool| match values.given_text(key)? {
        None => Ok(base.filter(|flag| flag.blocked_when == blocked_when).cloned()),
        Some(text) if text.is_empty() => Ok(None),
        Some(text) => {
            let expected = "a column of 1 to 63 bytes, or COLUMN = VALUE";
            Flag::parse(&text, blocked_when).map(Some).map_err(|_| values.bad(key, expected))
        }
    };
    match (of(&keys::USERS_BLOCKED, true)?, of(&keys::USERS_ACTIVE, false)?) {
        (Some(_), Some(_)) => bail!("users.blocked and users.active are both set: set only one of them"),
        (blocked, active) => Ok(blocked.or(active)),
    }
}

/// Parses the items of a list; the preset's if it is not given.
fn list<T: Clone, E: std::error::Error + Send + Sync + 'static>(
    values: &Values,
    key: &Key<List>,
    preset: &[T],
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Vec<T>> {
    if !values.is_given(key) {
        return Ok(preset.to_vec());
    }
    let items = values.list(key);
    let context = || format!("{} ({})", key.name, values.value(key).source);
    items.iter().map(|item| parse(item).with_context(context)).collect()
}

/// Whether a reset keeps the form of each row's hash: no setting names another, and the system reads several.
pub(super) fn keeps_forms(values: &Values) -> Result<bool> {
    let reads_several = match values.choice(&keys::USERS_PRESET)? {
        "own" => false,
        preset => !reads_only_bcrypt(preset),
    };
    Ok(reads_several && !values.is_given(&keys::PASSWORD_HASH))
}

fn replaceable(values: &Values) -> Result<Replaceable> {
    let keeps = keeps_forms(values)?;
    if values.boolean(&keys::USERS_REPLACE_UNKNOWN_HASHES)? {
        if keeps {
            bail!(
                "users.replace_unknown_hashes ({}) needs password.hash: the form of the new hashes",
                values.value(&keys::USERS_REPLACE_UNKNOWN_HASHES).source
            );
        }
        return Ok(Replaceable::Every);
    }
    // Every version of WordPress also reads the bcrypt that replaces its old hashes.
    let wordpress = values.choice(&keys::USERS_PRESET)? == "wordpress";
    Ok(if keeps && !wordpress { Replaceable::WritableForms } else { Replaceable::KnownForms })
}

/// Returns the minimum length of the column of hashes, in characters. If the form of each row's hash is kept, it is checked
/// for each row.
fn hash_length(values: &Values) -> Result<i64> {
    if keeps_forms(values)? {
        return Ok(0);
    }
    let scheme = super::password::scheme(values)?;
    Ok(i64::try_from(scheme.column_length())?)
}

fn sessions(values: &Values, base: &Mapping) -> Result<Vec<AccountRows>> {
    let (table, account) = (&keys::USERS_SESSIONS_TABLE, &keys::USERS_SESSIONS_ACCOUNT);
    let preset = base.sessions.first();
    let own_table = values.is_given(table);
    let default = preset.filter(|_| !own_table);
    let schema = column(values, &keys::USERS_SESSIONS_SCHEMA, default.and_then(|rows| rows.schema.clone()))?;
    let filters = default.map_or(&[][..], |rows| &rows.filters);
    let filters = list(values, &keys::USERS_SESSIONS_WHERE, filters, Filter::parse)?;
    let table_name = column(values, table, default.map(|rows| rows.table.clone()))?;
    let account_name = column(values, account, default.map(|rows| rows.column.clone()))?;
    let mut sessions = match (table_name, account_name) {
        (Some(table), Some(column)) => {
            let key = default.map_or(RowKey::Id, |rows| rows.key);
            vec![AccountRows { schema, table, column, key, filters }]
        }
        (None, None) if schema.is_none() && filters.is_empty() => Vec::new(),
        _ => {
            bail!(
                "set both {} and {}, or neither: the table, and its column with the account's id",
                table.name,
                account.name
            )
        }
    };
    sessions.extend(list(values, &keys::USERS_SESSIONS_MORE, &[], AccountRows::parse)?);
    Ok(sessions)
}

/// Returns the column that a setting names: the preset's if it is not given, `None` if it is empty.
fn column(values: &Values, key: &Key<Text>, preset: Option<Name>) -> Result<Option<Name>> {
    match values.given_text(key)? {
        None => Ok(preset),
        Some(text) if text.is_empty() => Ok(None),
        Some(text) => Name::parse(&text).map(Some).map_err(|_| values.bad(key, "a name of 1 to 63 bytes")),
    }
}

fn required(values: &Values, key: &Key<Text>) -> Result<Name> {
    let Some(name) = column(values, key, None)? else {
        bail!("users.preset is custom: {} is missing", key.name)
    };
    Ok(name)
}

#[cfg(test)]
mod tests;
