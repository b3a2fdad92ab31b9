//! The settings of the users table.

use reset_diesel::foreign_users::PRESETS as SYSTEMS;
use reset_settings::{Choice, Key, List, SettingKey, Text};

/// polyreset's own table, the presets, and a table whose columns the settings name.
static PRESET_NAMES: [&str; SYSTEMS.len() + 2] = {
    let (mut names, mut index) = (["own"; SYSTEMS.len() + 2], 0);
    while index < SYSTEMS.len() {
        names[index + 1] = SYSTEMS[index];
        index += 1;
    }
    names[SYSTEMS.len() + 1] = "custom";
    names
};

/// Default of the settings that name parts of another system's table.
const PRESETS: &str = "the preset's; an empty value removes it";

pub(crate) static USERS_PRESET: Key<Choice> = Key::choice(
    "users.preset",
    &PRESET_NAMES,
    "own",
    "Layout of the users table: polyreset's own, or another system's in the same database or in `users.database_url` (`strapi-v4` also for v5; \
         `strapi-v5-refresh` with `jwtManagement: 'refresh'`)",
);
pub(crate) static USERS_DATABASE_URL: Key<Text> = Key::found(
    "users.database_url",
    "none; the table is in the database of `database_url`",
    "`sqlite:///PATH`: the SQLite file of the other system, which has the table. polyreset's own tables stay in \
         `database_url`, another SQLite file",
);
pub(crate) static USERS_SCHEMA: Key<Text> =
    Key::found("users.schema", PRESETS, "Schema of that table; on MySQL and MariaDB, its database");
pub(crate) static USERS_TABLE: Key<Text> = Key::found("users.table", PRESETS, "Name of the table");
pub(crate) static USERS_ID: Key<Text> =
    Key::found("users.id", PRESETS, "Column of the primary key: uuid, integer, decimal, text or binary");
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
pub(crate) static USERS_DOCUMENT_ID: Key<Text> = Key::found(
    "users.document_id",
    PRESETS,
    "Column of a second public identifier: Strapi 5's `document_id`, which the response to a reset then carries",
);
pub(crate) static USERS_BLOCKED: Key<Text> = Key::found(
    "users.blocked",
    PRESETS,
    "Column that marks blocked accounts: true, not 0, or a time. `COLUMN = VALUE` for other values",
);
pub(crate) static USERS_ACTIVE: Key<Text> = Key::found(
    "users.active",
    PRESETS,
    "Column that marks accounts that are not blocked, in the same forms, instead of `blocked`",
);
pub(crate) static USERS_VERIFIED: Key<Text> =
    Key::found("users.verified", PRESETS, "Column that marks confirmed addresses: true, not 0, or a time");
pub(crate) static USERS_PROVIDER: Key<Text> =
    Key::found("users.provider", PRESETS, "Column of the login provider: password or another");
pub(crate) static USERS_PROVIDER_VALUE: Key<Text> =
    Key::found("users.provider_value", "`local`", "Value of that column for accounts with a password");
pub(crate) static USERS_WHERE: Key<List> = Key::new(
    "users.where",
    "",
    "Conditions on the rows that count, such as `deleted_at = null`, `status = active`, `kind != admin`. If not given, the \
         preset's",
);
pub(crate) static USERS_CREATED_AT: Key<Text> =
    Key::found("users.created_at", PRESETS, "Column of the time of creation");
pub(crate) static USERS_UPDATED_AT: Key<Text> =
    Key::found("users.updated_at", PRESETS, "Column that is set to the time of a reset");
pub(crate) static USERS_PASSWORD_CHANGED_AT: Key<Text> =
    Key::found("users.password_changed_at", PRESETS, "Second column that is set to the time of a reset");
pub(crate) static USERS_TIME_UNIT: Key<Choice> = Key::choice_found(
    "users.time_unit",
    &["seconds", "milliseconds"],
    "`seconds` for 32-bit columns, `milliseconds` for 64-bit columns",
    "Unit of times in integer columns",
);
pub(crate) static USERS_TOKEN_VERSION: Key<Text> =
    Key::found("users.token_version", PRESETS, "Column that a reset increments, so that older sessions end");
pub(crate) static USERS_CLEARED: Key<List> = Key::new(
    "users.cleared",
    "",
    "Columns that a reset sets to NULL, or to the empty text if they cannot be NULL. If not given, the preset's",
);
pub(crate) static USERS_EMPTIED: Key<List> =
    Key::new("users.emptied", "", "Columns that a reset sets to the empty text. If not given, the preset's");
pub(crate) static USERS_STAMP: Key<Text> = Key::found(
    "users.stamp",
    PRESETS,
    "Text column that a reset sets to a new random value, so that older sessions end: `fs_uniquifier`, `SecurityStamp`",
);
pub(crate) static USERS_SALT: Key<Text> = Key::found(
    "users.salt",
    "a column whose name ends with `salt`; an empty value ignores it",
    "Column with a salt beside the hash. Rows that have one cannot be reset",
);
pub(crate) static USERS_REPLACE_UNKNOWN_HASHES: Key<bool> = Key::new(
    "users.replace_unknown_hashes",
    "false",
    "Whether a reset replaces hashes of an unknown form with one of `password.hash`, which must then be given. Otherwise \
         rows with such a hash cannot be reset",
);
pub(crate) static USERS_VOID: Key<List> = Key::new(
    "users.void",
    "",
    "Rows of the other system's own resets, which a reset deletes: `TABLE.COLUMN = id` or `TABLE.COLUMN = email`, each with \
         any number of ` and COLUMN = VALUE`. If not given, the preset's",
);
pub(crate) static USERS_SESSIONS_TABLE: Key<Text> =
    Key::found("users.sessions.table", PRESETS, "Table of sessions. A reset deletes the account's rows");
pub(crate) static USERS_SESSIONS_ACCOUNT: Key<Text> =
    Key::found("users.sessions.account", PRESETS, "Column of that table with the account's id");
pub(crate) static USERS_SESSIONS_WHERE: Key<List> = Key::new(
    "users.sessions.where",
    "",
    "Conditions on the rows of that table, if it has other rows too: `origin = users-permissions`. If not given, the preset's",
);
pub(crate) static USERS_SESSIONS_MORE: Key<List> = Key::new(
    "users.sessions.more",
    "",
    "Further tables of sessions, in the form of `users.void`: `devices.user_id = id`",
);
pub(crate) static USERS_SESSIONS_END_WITH_HASH: Key<bool> = Key::found(
    "users.sessions.end_with_hash",
    "the preset's; `false` for `custom`",
    "Whether that system's sessions end by themselves when the stored hash changes, as Django's do",
);
pub(crate) static USERS_SESSIONS_SCHEMA: Key<Text> =
    Key::found("users.sessions.schema", "that of the users table", "Schema of that table");

/// The keys of the section, in the order in which they are documented.
pub(super) const KEYS: &[&SettingKey] = &[
    USERS_PRESET.setting(),
    USERS_DATABASE_URL.setting(),
    USERS_SCHEMA.setting(),
    USERS_TABLE.setting(),
    USERS_ID.setting(),
    USERS_EMAIL.setting(),
    USERS_EMAIL_MATCH.setting(),
    USERS_PASSWORD.setting(),
    USERS_USERNAME.setting(),
    USERS_NAME.setting(),
    USERS_LOCALE.setting(),
    USERS_DOCUMENT_ID.setting(),
    USERS_BLOCKED.setting(),
    USERS_ACTIVE.setting(),
    USERS_VERIFIED.setting(),
    USERS_PROVIDER.setting(),
    USERS_PROVIDER_VALUE.setting(),
    USERS_WHERE.setting(),
    USERS_SALT.setting(),
    USERS_REPLACE_UNKNOWN_HASHES.setting(),
    USERS_CREATED_AT.setting(),
    USERS_UPDATED_AT.setting(),
    USERS_PASSWORD_CHANGED_AT.setting(),
    USERS_TIME_UNIT.setting(),
    USERS_TOKEN_VERSION.setting(),
    USERS_STAMP.setting(),
    USERS_CLEARED.setting(),
    USERS_EMPTIED.setting(),
    USERS_VOID.setting(),
    USERS_SESSIONS_TABLE.setting(),
    USERS_SESSIONS_ACCOUNT.setting(),
    USERS_SESSIONS_SCHEMA.setting(),
    USERS_SESSIONS_WHERE.setting(),
    USERS_SESSIONS_MORE.setting(),
    USERS_SESSIONS_END_WITH_HASH.setting(),
];
