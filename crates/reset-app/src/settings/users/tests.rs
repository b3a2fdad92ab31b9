//! Presets and their overrides, and contradictory settings.

use reset_diesel::foreign_users::PRESETS;
use reset_settings::ValueKind;

use super::*;
use crate::settings::{Inputs, Settings};

fn mapping(pairs: &[(&str, &str)]) -> Result<Option<Mapping>> {
    let database = [
        ("POLYRESET_DATABASE_URL", "postgres://db/app"),
        ("POLYRESET_SECRET", &"5501020304050607".repeat(4)),
    ];
    let environment = database.iter().chain(pairs);
    let environment = environment.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
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
    assert_eq!(mapping.sessions[0].column.as_str(), "user_id");
    assert_eq!(mapping.only.unwrap().value, "local");
}

#[test]
fn every_preset_that_a_key_names_exists() {
    let expected = [&["own"][..], &PRESETS, &["custom"]].concat();
    let ValueKind::Choice(words) = keys::USERS_PRESET.kind else { panic!("users.preset is a choice") };
    assert_eq!(words, expected);
    let named: Vec<&str> = keys::table().iter().filter_map(|key| key.presets).flatten().copied().collect();
    assert!(named.len() > 3 && named.iter().all(|name| PRESETS.contains(name)), "{named:?}");
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
    assert_eq!(custom.replaceable, Replaceable::WritableForms, "no setting names a form of new hashes");
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
    let file = ("POLYRESET_USERS__DATABASE_URL", "sqlite:///srv/app.db");
    assert!(error(&[preset, file]).contains("database_url must be sqlite://"));
    assert!(error(&[file]).starts_with("users.database_url (POLYRESET_USERS__DATABASE_URL) is for"));
    let own = ("POLYRESET_DATABASE_URL", "sqlite:///srv/app.db");
    assert!(error(&[preset, own, file]).contains("are the same file"));
    let server = ("POLYRESET_USERS__DATABASE_URL", "mysql://app:hunter2@db/app");
    let unsupported = error(&[preset, own, server]);
    assert!(
        unsupported.starts_with("users.database_url (") && !unsupported.contains("hunter2"),
        "{unsupported}"
    );
    assert!(
        mapping(&[preset, ("POLYRESET_DATABASE_URL", "sqlite:///srv/reset.db"), file]).unwrap().is_some()
    );
    assert!(
        error(&[preset, ("POLYRESET_PASSWORD__HASH", "argon2id")])
            .contains("must be bcrypt for users.preset px0")
    );
    assert!(error(&[preset, ("POLYRESET_USERS__EMAIL", "a\nb")]).contains("a name of 1 to 63 bytes"));
    assert!(error(&[preset, ("POLYRESET_USERS__SESSIONS__TABLE", "x")]).contains("or neither"));
    let empty = error(&[preset, ("POLYRESET_USERS__PASSWORD", "")]);
    assert_eq!(empty, "users.password (POLYRESET_USERS__PASSWORD) cannot be empty");
    assert!(error(&[preset, ("POLYRESET_USERS__PROVIDER_VALUE", "x")]).contains("without users.provider"));
    let both = [preset, ("POLYRESET_USERS__BLOCKED", "a"), ("POLYRESET_USERS__ACTIVE", "b")];
    assert!(error(&both).contains("are both set"));
}

const CUSTOM: [(&str, &str); 5] = [
    ("POLYRESET_USERS__PRESET", "custom"),
    ("POLYRESET_USERS__TABLE", "people"),
    ("POLYRESET_USERS__ID", "id"),
    ("POLYRESET_USERS__EMAIL", "mail"),
    ("POLYRESET_USERS__PASSWORD", "hash"),
];

fn custom(more: &[(&str, &str)]) -> Result<Mapping> {
    mapping(&[&CUSTOM[..], more].concat()).map(Option::unwrap)
}

#[test]
fn filters_sessions_and_rows_to_void_are_read_from_lists() {
    let mapping = custom(&[
        ("POLYRESET_USERS__WHERE", "deleted_at = null, status = active"),
        ("POLYRESET_USERS__BLOCKED", "state = banned"),
        ("POLYRESET_USERS__STAMP", "fs_uniquifier"),
        ("POLYRESET_USERS__EMPTIED", "recovery"),
        ("POLYRESET_USERS__TIME_UNIT", "seconds"),
        ("POLYRESET_USERS__VOID", "auth.otps.email = email and purpose = reset, resets.user_id = id"),
        ("POLYRESET_USERS__SESSIONS__TABLE", "strapi_sessions"),
        ("POLYRESET_USERS__SESSIONS__ACCOUNT", "user_id"),
        ("POLYRESET_USERS__SESSIONS__WHERE", "origin = users-permissions"),
        ("POLYRESET_USERS__SESSIONS__MORE", "devices.user_id = id"),
    ]);
    let mapping = mapping.unwrap();
    let filters: Vec<String> = mapping.filters.iter().map(ToString::to_string).collect();
    assert_eq!(filters, ["deleted_at = null", "status = active"]);
    assert_eq!(mapping.blocked.unwrap().value.as_deref(), Some("banned"));
    assert_eq!(mapping.sessions[0].filters[0].to_string(), "origin = users-permissions");
    assert_eq!((mapping.sessions.len(), mapping.void.len()), (2, 2));
    assert_eq!(mapping.void[0].key, RowKey::Email);
    assert_eq!(mapping.time_unit, Some(TimeUnit::Seconds));
    for (key, value, expected) in [
        ("WHERE", "status", "is not a condition"),
        ("VOID", "tokens", "does not name the rows of an account"),
        ("BLOCKED", "state =", "COLUMN = VALUE"),
        ("TIME_UNIT", "minutes", "seconds or milliseconds"),
        ("SESSIONS__WHERE", "a = b", "or neither"),
    ] {
        let error = custom(&[(&format!("POLYRESET_USERS__{key}"), value)]).unwrap_err();
        assert!(format!("{error:#}").contains(expected), "{error:#}");
    }
}

#[test]
fn sessions_of_a_preset_can_be_replaced_and_removed() {
    let px0 = |table, account| {
        let pairs = [
            ("POLYRESET_USERS__PRESET", "px0"),
            ("POLYRESET_USERS__SESSIONS__TABLE", table),
            ("POLYRESET_USERS__SESSIONS__ACCOUNT", account),
        ];
        mapping(&pairs).unwrap().unwrap()
    };
    assert!(px0("", "").sessions.is_empty() && !px0("", "").ends_sessions());
    let replaced = px0("logins", "person");
    assert_eq!((replaced.sessions.len(), replaced.sessions[0].table.as_str()), (1, "logins"));
}

#[test]
fn hashes_are_replaced_in_their_own_form_unless_a_setting_names_one() {
    assert_eq!(
        custom(&[("POLYRESET_PASSWORD__HASH", "bcrypt")]).unwrap().replaceable,
        Replaceable::KnownForms
    );
    let unknown = ("POLYRESET_USERS__REPLACE_UNKNOWN_HASHES", "true");
    let every = custom(&[("POLYRESET_PASSWORD__HASH", "bcrypt"), unknown]).unwrap();
    assert_eq!((every.replaceable, every.hash_length), (Replaceable::Every, 60));
    assert!(custom(&[unknown]).unwrap_err().to_string().contains("needs password.hash"));
    for (preset, replaceable) in [
        ("px0", Replaceable::KnownForms),
        ("django", Replaceable::WritableForms),
        ("wordpress", Replaceable::KnownForms),
    ] {
        let mapping = mapping(&[("POLYRESET_USERS__PRESET", preset)]).unwrap().unwrap();
        assert_eq!(mapping.replaceable, replaceable, "{preset}");
    }
    assert_eq!(custom(&[("POLYRESET_USERS__SALT", "")]).unwrap().salt, SaltColumn::None);
}

#[test]
fn preset_serves_its_own_dialect_alone_and_others_by_setting() {
    let served = |pairs: &[(&str, &str)]| {
        let base = [
            ("POLYRESET_DATABASE_URL", "postgres://db/app"),
            ("POLYRESET_SECRET", &"5501020304050607".repeat(4)),
        ];
        let environment = base.iter().chain(pairs);
        let environment =
            environment.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let settings = Settings::read(Inputs { environment, ..Inputs::default() }).unwrap();
        let names = settings.stand_in().unwrap().into_iter().map(|dialect| dialect.name);
        names.filter(|name| !["pages", "polyreset"].contains(name)).collect::<Vec<_>>()
    };
    for (preset, dialects) in [
        ("px0", &["px0"][..]),
        ("insforge", &["insforge"]),
        ("strapi-v4", &["strapi"]),
        ("strapi-v5-refresh", &["strapi"]),
        ("strapi-v3", &["strapi"]),
        ("django", &["django"]),
        ("wordpress", &[]),
    ] {
        assert_eq!(served(&[("POLYRESET_USERS__PRESET", preset)]), dialects, "{preset}");
    }
    let both = served(&[("POLYRESET_USERS__PRESET", "strapi-v4"), ("POLYRESET_PX0__ENABLED", "true")]);
    assert_eq!(both, ["px0", "strapi"]);
    assert_eq!(served(&CUSTOM).len(), 4, "a custom table says nothing about its clients");
}

#[test]
fn php_presets_write_phps_bcrypt_prefix() {
    let version = |pairs: &[(&str, &str)]| {
        let base = [
            ("POLYRESET_DATABASE_URL", "mysql://db/app"),
            ("POLYRESET_SECRET", &"5501020304050607".repeat(4)),
        ];
        let environment = base.iter().chain(pairs);
        let environment =
            environment.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let settings = Settings::read(Inputs { environment, ..Inputs::default() }).unwrap();
        format!("{:?}", settings.passwords.scheme)
    };
    assert!(version(&[("POLYRESET_USERS__PRESET", "wordpress")]).contains("version: Y"));
    let given = [("POLYRESET_USERS__PRESET", "laravel"), ("POLYRESET_PASSWORD__BCRYPT_VERSION", "2b")];
    assert!(version(&given).contains("version: B"));
}
