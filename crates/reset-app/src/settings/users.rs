//! The users table: polyreset's own, or another system's by preset and names.

use anyhow::{Result, anyhow, bail};
use reset_diesel::foreign_users::{Flag, Mapping, Matching, Name, Only, Sessions, preset};

use super::{keys::KEYS, value::Values};

/// The mapping of another system's users table; nothing for our own.
pub(super) fn read(values: &Values) -> Result<Option<Mapping>> {
    let chosen = values.choice("users.preset")?;
    let base = match chosen {
        "own" => {
            let names = KEYS.iter().map(|key| key.name);
            let mut stray = names.filter(|name| name.starts_with("users.") && *name != "users.preset");
            if let Some(name) = stray.find(|name| values.is_given(name)) {
                let source = &values.value(name).source;
                bail!("{name} ({source}) is for the table of another system: set users.preset, too");
            }
            return Ok(None);
        }
        "custom" => {
            let [table, id, email, password] = ["users.table", "users.id", "users.email", "users.password"]
                .map(|name| required(values, name));
            Mapping {
                table: table?,
                id: id?,
                email: email?,
                password: password?,
                ..Mapping::of("x", "x", "x", "x")?
            }
        }
        chosen => {
            if values.choice("password.hash")? != "bcrypt" {
                let source = &values.value("password.hash").source;
                bail!(
                    "password.hash ({source}) must be bcrypt for users.preset {chosen}: its login reads nothing else"
                );
            }
            preset(chosen).expect("the words of users.preset are those of the presets")
        }
    };
    if values.text("database_url")?.starts_with("sqlite:") {
        bail!(
            "users.preset ({}) needs the database of that table: database_url must be postgres:// or mysql://",
            values.value("users.preset").source
        );
    }
    changed(values, base).map(Some)
}

/// The mapping with what the settings say otherwise. An empty text takes a column out.
fn changed(values: &Values, base: Mapping) -> Result<Mapping> {
    let must = |name: &str, preset: Name| {
        let source = &values.value(name).source;
        column(values, name, Some(preset))?.ok_or_else(|| anyhow!("{name} ({source}) cannot be taken out"))
    };
    let may = |name: &str, preset: Option<Name>| column(values, name, preset);
    let matching = match values.given_text("users.email_match")?.as_deref() {
        None => base.matching,
        Some(_) if values.choice("users.email_match")? == "exact" => Matching::Exact,
        Some(_) => Matching::AsciiLower,
    };
    let (blocked, active) = match base.blocked {
        Some(Flag { column, blocked_when: true }) => (Some(column), None),
        Some(Flag { column, blocked_when: false }) => (None, Some(column)),
        None => (None, None),
    };
    let (blocked, active) = (may("users.blocked", blocked)?, may("users.active", active)?);
    let blocked = match (blocked, active) {
        (Some(_), Some(_)) => bail!("users.blocked and users.active are both set: one of them says it"),
        (Some(column), None) => Some(Flag { column, blocked_when: true }),
        (None, Some(column)) => Some(Flag { column, blocked_when: false }),
        (None, None) => None,
    };
    let (base_only, value) = base.only.map(|only| (only.column, only.value)).unzip();
    let only = may("users.provider", base_only)?;
    if let (None, true) = (&only, values.is_given("users.provider_value")) {
        bail!("users.provider_value says nothing without users.provider");
    }
    let value = values.given_text("users.provider_value")?.or(value).unwrap_or_else(|| "local".to_owned());
    let cleared = if values.is_given("users.cleared") {
        let names = values.list("users.cleared");
        names.iter().map(|name| Name::parse(name)).collect::<Result<_, _>>()?
    } else {
        base.cleared
    };
    let (id, email) = (must("users.id", base.id)?, must("users.email", base.email)?);
    if id == email {
        // Events and logs name accounts by it (R70).
        return Err(values.bad(
            "users.id",
            "another column than users.email: it stands in logs and in what is written down",
        ));
    }
    Ok(Mapping {
        schema: may("users.schema", base.schema)?,
        table: must("users.table", base.table)?,
        id,
        email,
        matching,
        password: must("users.password", base.password)?,
        hash_length: hash_length(values)?,
        username: may("users.username", base.username)?,
        name: may("users.name", base.name)?,
        locale: may("users.locale", base.locale)?,
        blocked,
        verified: may("users.verified", base.verified)?,
        only: only.map(|column| Only { column, value }),
        created_at: may("users.created_at", base.created_at)?,
        updated_at: may("users.updated_at", base.updated_at)?,
        password_changed_at: may("users.password_changed_at", base.password_changed_at)?,
        token_version: may("users.token_version", base.token_version)?,
        cleared,
        sessions: sessions(values)?,
    })
}

/// Longest hash that will be written, in characters. Django's own column has 128.
fn hash_length(values: &Values) -> Result<i64> {
    Ok(match values.choice("password.hash")? {
        "bcrypt" => 60,
        "pbkdf2-sha256" => 89,
        "scrypt" => 128,
        _ => 101,
    })
}

fn sessions(values: &Values) -> Result<Option<Sessions>> {
    let (table, account) = ("users.sessions.table", "users.sessions.account");
    let schema = column(values, "users.sessions.schema", None)?;
    match (column(values, table, None)?, column(values, account, None)?) {
        (Some(table), Some(account)) => Ok(Some(Sessions { schema, table, account })),
        (None, None) if schema.is_none() => Ok(None),
        _ => {
            bail!("{table} and {account} go together: the table, and its column that holds the account's id")
        }
    }
}

/// The column that a setting names: the preset's where it is not given, none where it is empty.
fn column(values: &Values, name: &str, preset: Option<Name>) -> Result<Option<Name>> {
    match values.given_text(name)? {
        None => Ok(preset),
        Some(text) if text.is_empty() => Ok(None),
        Some(text) => Name::parse(&text).map(Some).map_err(|_| values.bad(name, "a name of 1 to 63 bytes")),
    }
}

fn required(values: &Values, name: &str) -> Result<Name> {
    let Some(name) = column(values, name, None)? else { bail!("users.preset is custom: {name} is missing") };
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Inputs, Settings};

    fn mapping(pairs: &[(&str, &str)]) -> Result<Option<Mapping>> {
        let database =
            [("POLYRESET_DATABASE_URL", "postgres://db/app"), ("POLYRESET_SECRET", &"5".repeat(64))];
        let environment = database.iter().chain(pairs);
        let environment =
            environment.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Ok(Settings::read(Inputs { environment, ..Inputs::default() })?.users)
    }

    fn refused(pairs: &[(&str, &str)]) -> String {
        mapping(pairs).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn a_preset_stands_by_itself_and_each_name_of_it_can_be_changed_or_taken_out() {
        assert_eq!(mapping(&[]).unwrap(), None);
        let px0 = mapping(&[("POLYRESET_USERS__PRESET", "px0")]).unwrap().unwrap();
        assert_eq!(px0, preset("px0").unwrap());
        assert_eq!(px0.hash_length, 60);
        let changed = mapping(&[
            ("POLYRESET_USERS__PRESET", "strapi-v4"),
            ("POLYRESET_USERS__SCHEMA", "cms"),
            ("POLYRESET_USERS__USERNAME", ""),
            ("POLYRESET_USERS__EMAIL_MATCH", "ascii-lower"),
            ("POLYRESET_USERS__CLEARED", ""),
            ("POLYRESET_USERS__SESSIONS__TABLE", "logins"),
            ("POLYRESET_USERS__SESSIONS__ACCOUNT", "user_id"),
        ]);
        let changed = changed.unwrap().unwrap();
        assert_eq!(changed.schema.unwrap().as_str(), "cms");
        assert_eq!((changed.username, changed.cleared.len()), (None, 0));
        assert_eq!(changed.matching, Matching::AsciiLower);
        assert_eq!(changed.sessions.unwrap().account.as_str(), "user_id");
        assert_eq!(changed.only.unwrap().value, "local");
    }

    #[test]
    fn a_table_of_ones_own_needs_four_names() {
        let four = [
            ("POLYRESET_USERS__PRESET", "custom"),
            ("POLYRESET_USERS__TABLE", "people"),
            ("POLYRESET_USERS__ID", "id"),
            ("POLYRESET_USERS__EMAIL", "mail"),
            ("POLYRESET_USERS__PASSWORD", "hash"),
        ];
        let custom = mapping(&four).unwrap().unwrap();
        assert_eq!((custom.table.as_str(), custom.password.as_str()), ("people", "hash"));
        assert_eq!(refused(&four[..4]), "users.preset is custom: users.password is missing");
        let active = [&four[..], &[("POLYRESET_USERS__ACTIVE", "active")]].concat();
        assert_eq!(mapping(&active).unwrap().unwrap().blocked.map(|flag| flag.blocked_when), Some(false));
    }

    #[test]
    fn what_makes_no_sense_is_told_with_its_setting() {
        assert!(
            refused(&[("POLYRESET_USERS__TABLE", "people")])
                .starts_with("users.table (POLYRESET_USERS__TABLE) is for")
        );
        let preset = ("POLYRESET_USERS__PRESET", "px0");
        assert!(
            refused(&[preset, ("POLYRESET_DATABASE_URL", "sqlite://x.db")])
                .contains("postgres:// or mysql://")
        );
        assert!(
            refused(&[preset, ("POLYRESET_PASSWORD__HASH", "argon2id")])
                .contains("must be bcrypt for users.preset px0")
        );
        assert!(refused(&[preset, ("POLYRESET_USERS__EMAIL", "a\nb")]).contains("a name of 1 to 63 bytes"));
        assert!(refused(&[preset, ("POLYRESET_USERS__SESSIONS__TABLE", "x")]).contains("go together"));
        let gone = refused(&[preset, ("POLYRESET_USERS__PASSWORD", "")]);
        assert_eq!(gone, "users.password (POLYRESET_USERS__PASSWORD) cannot be taken out");
        assert!(
            refused(&[preset, ("POLYRESET_USERS__PROVIDER_VALUE", "x")]).contains("without users.provider")
        );
        let both = [preset, ("POLYRESET_USERS__BLOCKED", "a"), ("POLYRESET_USERS__ACTIVE", "b")];
        assert!(refused(&both).contains("are both set"));
    }
}
