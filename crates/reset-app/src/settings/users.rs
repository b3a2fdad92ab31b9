//! Settings of the users table: polyreset's own, or another system's by preset and column names.

use anyhow::{Result, anyhow, bail};
use reset_diesel::foreign_users::{Flag, Mapping, Matching, Name, Only, Sessions, preset};

use reset_settings::{Key, Text, Values};

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
            if values.choice(&keys::PASSWORD_HASH)? != "bcrypt" {
                let source = &values.value(&keys::PASSWORD_HASH).source;
                bail!(
                    "password.hash ({source}) must be bcrypt for users.preset {chosen}: its login accepts no other hash"
                );
            }
            preset(chosen).expect("users.preset allows only own, custom and known presets")
        }
    };
    if values.text(&keys::DATABASE_URL)?.starts_with("sqlite:") {
        bail!(
            "users.preset ({}) needs the database of that table: database_url must be postgres:// or mysql://",
            values.value(&keys::USERS_PRESET).source
        );
    }
    overridden(values, base).map(Some)
}

/// Applies the settings to the mapping of the preset. An empty value removes a column.
fn overridden(values: &Values, base: Mapping) -> Result<Mapping> {
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
    let (blocked, active) = match base.blocked {
        Some(Flag { column, blocked_when: true }) => (Some(column), None),
        Some(Flag { column, blocked_when: false }) => (None, Some(column)),
        None => (None, None),
    };
    let (blocked, active) =
        (optional(&keys::USERS_BLOCKED, blocked)?, optional(&keys::USERS_ACTIVE, active)?);
    let blocked = match (blocked, active) {
        (Some(_), Some(_)) => bail!("users.blocked and users.active are both set: set only one of them"),
        (Some(column), None) => Some(Flag { column, blocked_when: true }),
        (None, Some(column)) => Some(Flag { column, blocked_when: false }),
        (None, None) => None,
    };
    let (base_only, value) = base.only.map(|only| (only.column, only.value)).unzip();
    let only = optional(&keys::USERS_PROVIDER, base_only)?;
    if let (None, true) = (&only, values.is_given(&keys::USERS_PROVIDER_VALUE)) {
        bail!("users.provider_value has no effect without users.provider");
    }
    let value =
        values.given_text(&keys::USERS_PROVIDER_VALUE)?.or(value).unwrap_or_else(|| "local".to_owned());
    let cleared = if values.is_given(&keys::USERS_CLEARED) {
        let names = values.list(&keys::USERS_CLEARED);
        names.iter().map(|name| Name::parse(name)).collect::<Result<_, _>>()?
    } else {
        base.cleared
    };
    let (id, email) = (required(&keys::USERS_ID, base.id)?, required(&keys::USERS_EMAIL, base.email)?);
    if id == email {
        // The audit log and the log files identify accounts by id (R70).
        return Err(values.bad(
            &keys::USERS_ID,
            "a column other than users.email: ids are written to logs and to the audit log",
        ));
    }
    Ok(Mapping {
        schema: optional(&keys::USERS_SCHEMA, base.schema)?,
        table: required(&keys::USERS_TABLE, base.table)?,
        id,
        email,
        matching,
        password: required(&keys::USERS_PASSWORD, base.password)?,
        hash_length: hash_length(values)?,
        username: optional(&keys::USERS_USERNAME, base.username)?,
        name: optional(&keys::USERS_NAME, base.name)?,
        locale: optional(&keys::USERS_LOCALE, base.locale)?,
        blocked,
        verified: optional(&keys::USERS_VERIFIED, base.verified)?,
        only: only.map(|column| Only { column, value }),
        created_at: optional(&keys::USERS_CREATED_AT, base.created_at)?,
        updated_at: optional(&keys::USERS_UPDATED_AT, base.updated_at)?,
        password_changed_at: optional(&keys::USERS_PASSWORD_CHANGED_AT, base.password_changed_at)?,
        token_version: optional(&keys::USERS_TOKEN_VERSION, base.token_version)?,
        cleared,
        sessions: sessions(values)?,
    })
}

/// Returns the maximum length of new hashes, in characters. Django's column holds 128.
fn hash_length(values: &Values) -> Result<i64> {
    Ok(match values.choice(&keys::PASSWORD_HASH)? {
        "bcrypt" => 60,
        "pbkdf2-sha256" => 89,
        "scrypt" => 128,
        _ => 101,
    })
}

fn sessions(values: &Values) -> Result<Option<Sessions>> {
    let (table, account) = (&keys::USERS_SESSIONS_TABLE, &keys::USERS_SESSIONS_ACCOUNT);
    let schema = column(values, &keys::USERS_SESSIONS_SCHEMA, None)?;
    match (column(values, table, None)?, column(values, account, None)?) {
        (Some(table), Some(account)) => Ok(Some(Sessions { schema, table, account })),
        (None, None) if schema.is_none() => Ok(None),
        _ => {
            bail!(
                "set both {} and {}, or neither: the table, and its column with the account's id",
                table.name,
                account.name
            )
        }
    }
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
mod tests {
    use super::*;
    use crate::settings::{Inputs, Settings};

    fn mapping(pairs: &[(&str, &str)]) -> Result<Option<Mapping>> {
        let database = [
            ("POLYRESET_DATABASE_URL", "postgres://db/app"),
            ("POLYRESET_SECRET", &"5501020304050607".repeat(4)),
        ];
        let environment = database.iter().chain(pairs);
        let environment =
            environment.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Ok(Settings::read(Inputs { environment, ..Inputs::default() })?.users)
    }

    fn error(pairs: &[(&str, &str)]) -> String {
        mapping(pairs).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn each_name_of_a_preset_can_be_changed_or_removed() {
        assert_eq!(mapping(&[]).unwrap(), None);
        let px0 = mapping(&[("POLYRESET_USERS__PRESET", "px0")]).unwrap().unwrap();
        assert_eq!(px0, preset("px0").unwrap());
        assert_eq!(px0.hash_length, 60);
        let mapping = mapping(&[
            ("POLYRESET_USERS__PRESET", "strapi-v4"),
            ("POLYRESET_USERS__SCHEMA", "cms"),
            ("POLYRESET_USERS__USERNAME", ""),
            ("POLYRESET_USERS__EMAIL_MATCH", "ascii-lower"),
            ("POLYRESET_USERS__CLEARED", ""),
            ("POLYRESET_USERS__SESSIONS__TABLE", "logins"),
            ("POLYRESET_USERS__SESSIONS__ACCOUNT", "user_id"),
        ]);
        let mapping = mapping.unwrap().unwrap();
        assert_eq!(mapping.schema.unwrap().as_str(), "cms");
        assert_eq!((mapping.username, mapping.cleared.len()), (None, 0));
        assert_eq!(mapping.matching, Matching::AsciiLower);
        assert_eq!(mapping.sessions.unwrap().account.as_str(), "user_id");
        assert_eq!(mapping.only.unwrap().value, "local");
    }

    #[test]
    fn custom_table_needs_four_names() {
        let four = [
            ("POLYRESET_USERS__PRESET", "custom"),
            ("POLYRESET_USERS__TABLE", "people"),
            ("POLYRESET_USERS__ID", "id"),
            ("POLYRESET_USERS__EMAIL", "mail"),
            ("POLYRESET_USERS__PASSWORD", "hash"),
        ];
        let custom = mapping(&four).unwrap().unwrap();
        assert_eq!((custom.table.as_str(), custom.password.as_str()), ("people", "hash"));
        assert_eq!(error(&four[..4]), "users.preset is custom: users.password is missing");
        let active = [&four[..], &[("POLYRESET_USERS__ACTIVE", "active")]].concat();
        assert_eq!(mapping(&active).unwrap().unwrap().blocked.map(|flag| flag.blocked_when), Some(false));
    }

    #[test]
    fn contradictory_settings_are_rejected_by_name() {
        assert!(
            error(&[("POLYRESET_USERS__TABLE", "people")])
                .starts_with("users.table (POLYRESET_USERS__TABLE) is for")
        );
        let preset = ("POLYRESET_USERS__PRESET", "px0");
        assert!(
            error(&[preset, ("POLYRESET_DATABASE_URL", "sqlite://x.db")]).contains("postgres:// or mysql://")
        );
        assert!(
            error(&[preset, ("POLYRESET_PASSWORD__HASH", "argon2id")])
                .contains("must be bcrypt for users.preset px0")
        );
        assert!(error(&[preset, ("POLYRESET_USERS__EMAIL", "a\nb")]).contains("a name of 1 to 63 bytes"));
        assert!(error(&[preset, ("POLYRESET_USERS__SESSIONS__TABLE", "x")]).contains("or neither"));
        let empty = error(&[preset, ("POLYRESET_USERS__PASSWORD", "")]);
        assert_eq!(empty, "users.password (POLYRESET_USERS__PASSWORD) cannot be empty");
        assert!(
            error(&[preset, ("POLYRESET_USERS__PROVIDER_VALUE", "x")]).contains("without users.provider")
        );
        let both = [preset, ("POLYRESET_USERS__BLOCKED", "a"), ("POLYRESET_USERS__ACTIVE", "b")];
        assert!(error(&both).contains("are both set"));
    }
}
