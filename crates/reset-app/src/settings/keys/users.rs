//! The settings of the users table.

use reset_settings::{Choice, Key, List, SettingKey, Text};

/// Default of the settings that name parts of another system's table.
const PRESETS: &str = "the preset's; an empty value removes it";

pub(crate) static USERS_PRESET: Key<Choice> = Key::choice(
    "users.preset",
    &["own", "px0", "insforge", "strapi-v4", "strapi-v3", "custom"],
    "own",
    "Layout of the users table: polyreset's own, or another system's in the same database (`strapi-v4` also for v5)",
);
pub(crate) static USERS_SCHEMA: Key<Text> =
    Key::found("users.schema", PRESETS, "Schema of that table; on MySQL and MariaDB, its database");
pub(crate) static USERS_TABLE: Key<Text> = Key::found("users.table", PRESETS, "Name of the table");
pub(crate) static USERS_ID: Key<Text> =
    Key::found("users.id", PRESETS, "Column of the primary key: uuid, integer or text");
pub(crate) static USERS_EMAIL: Key<Text> = Key::found("users.email", PRESETS, "Column of the email address");
pub(crate) static USERS_EMAIL_MATCH: Key<Choice> = Key::choice_found(
    "users.email_match",
    &["exact", "ascii-lower"],
    "the preset's; `ascii-lower` for `custom`",
    "`exact` if addresses are stored in lower case; `ascii-lower` ignores the case of ASCII letters and needs an index \
         on `lower(column)`",
);
pub(crate) static USERS_PASSWORD: Key<Text> =
    Key::found("users.password", PRESETS, "Column of the password hash");
pub(crate) static USERS_USERNAME: Key<Text> =
    Key::found("users.username", PRESETS, "Column of the login name");
pub(crate) static USERS_NAME: Key<Text> = Key::found("users.name", PRESETS, "Column of the display name");
pub(crate) static USERS_LOCALE: Key<Text> = Key::found("users.locale", PRESETS, "Column of the language tag");
pub(crate) static USERS_BLOCKED: Key<Text> =
    Key::found("users.blocked", PRESETS, "Column that is true for blocked accounts");
pub(crate) static USERS_ACTIVE: Key<Text> =
    Key::found("users.active", PRESETS, "Column that is false for blocked accounts, instead of `blocked`");
pub(crate) static USERS_VERIFIED: Key<Text> =
    Key::found("users.verified", PRESETS, "Column that is true for confirmed addresses");
pub(crate) static USERS_PROVIDER: Key<Text> =
    Key::found("users.provider", PRESETS, "Column of the login provider: password or another");
pub(crate) static USERS_PROVIDER_VALUE: Key<Text> =
    Key::found("users.provider_value", "`local`", "Value of that column for accounts with a password");
pub(crate) static USERS_CREATED_AT: Key<Text> =
    Key::found("users.created_at", PRESETS, "Column of the time of creation");
pub(crate) static USERS_UPDATED_AT: Key<Text> =
    Key::found("users.updated_at", PRESETS, "Column that is set to the time of a reset");
pub(crate) static USERS_PASSWORD_CHANGED_AT: Key<Text> =
    Key::found("users.password_changed_at", PRESETS, "Second column that is set to the time of a reset");
pub(crate) static USERS_TOKEN_VERSION: Key<Text> =
    Key::found("users.token_version", PRESETS, "Column that a reset increments, so that older sessions end");
pub(crate) static USERS_CLEARED: Key<List> =
    Key::new("users.cleared", "", "Columns that a reset sets to NULL. If not given, the preset's");
pub(crate) static USERS_SESSIONS_TABLE: Key<Text> =
    Key::found("users.sessions.table", "none", "Table of sessions. A reset deletes the account's rows");
pub(crate) static USERS_SESSIONS_ACCOUNT: Key<Text> =
    Key::found("users.sessions.account", "none", "Column of that table with the account's id");
pub(crate) static USERS_SESSIONS_SCHEMA: Key<Text> =
    Key::found("users.sessions.schema", "that of the users table", "Schema of that table");

/// The keys of the section, in the order in which they are documented.
pub(super) const KEYS: &[&SettingKey] = &[
    USERS_PRESET.setting(),
    USERS_SCHEMA.setting(),
    USERS_TABLE.setting(),
    USERS_ID.setting(),
    USERS_EMAIL.setting(),
    USERS_EMAIL_MATCH.setting(),
    USERS_PASSWORD.setting(),
    USERS_USERNAME.setting(),
    USERS_NAME.setting(),
    USERS_LOCALE.setting(),
    USERS_BLOCKED.setting(),
    USERS_ACTIVE.setting(),
    USERS_VERIFIED.setting(),
    USERS_PROVIDER.setting(),
    USERS_PROVIDER_VALUE.setting(),
    USERS_CREATED_AT.setting(),
    USERS_UPDATED_AT.setting(),
    USERS_PASSWORD_CHANGED_AT.setting(),
    USERS_TOKEN_VERSION.setting(),
    USERS_CLEARED.setting(),
    USERS_SESSIONS_TABLE.setting(),
    USERS_SESSIONS_ACCOUNT.setting(),
    USERS_SESSIONS_SCHEMA.setting(),
];
