//! The settings outside the dialects' sections, with their defaults and descriptions, and the table of all settings.
//!
//! # How to add a setting
//! Declare its key here, list it in [`table`], and read it in the file of its section. A setting of one dialect belongs
//! into that dialect's `settings.rs`.

mod brand;
mod http;
mod limits;
mod mail;
mod served;
mod users;

use std::time::Duration;

use reset_http::module::DialectModule;
use reset_settings::{Choice, Integer, Key, KeyTable, List, PROFILE, Secrecy, SettingKey, Text};

pub(crate) use self::{brand::*, http::*, limits::*, mail::*, served::*, users::*};

pub(crate) static DATABASE_URL: Key<Text> = Key::new(
    "database_url",
    "sqlite://reset.db",
    "`sqlite://PATH`, `postgres://USER:PASSWORD@HOST[,HOST…]/DATABASE?sslmode=…`, \
         `mysql://USER:PASSWORD@HOST[,HOST…]/DATABASE?ssl-mode=…` (MySQL and MariaDB)",
)
.secrecy(Secrecy::Userinfo);
pub(crate) static DATABASE_AUTO_MIGRATE: Key<bool> = Key::new(
    "database.auto_migrate",
    "false",
    "Whether `serve` applies pending migrations to a PostgreSQL, MySQL or MariaDB database. SQLite always is",
);
pub(crate) static DATABASE_CONNECTIONS: Key<Integer> =
    Key::new("database.connections", "10", "Connection pool size per process; not used for SQLite");
pub(crate) static DATABASE_CONNECT_TIMEOUT: Key<Duration> = Key::new(
    "database.connect_timeout",
    "5s",
    "Timeout for connecting to one server, and for waiting for a free connection of the pool",
);
pub(crate) static DATABASE_STATEMENT_TIMEOUT: Key<Duration> =
    Key::new("database.statement_timeout", "5s", "Timeout for one SQL statement");
pub(crate) static DATABASE_POOLER: Key<Choice> = Key::choice(
    "database.pooler",
    &["none", "transaction"],
    "none",
    "`transaction` behind PgBouncer in transaction mode; PostgreSQL only",
);
pub(crate) static SECRET: Key<Text> = Key::found("secret", "on SQLite: `reset.secret` next to the database, created at the first start with mode 0600; otherwise required", "At least 32 bytes as hex or base64. Every other key is derived from it").secrecy(Secrecy::Secret);
pub(crate) static SECRET_PREVIOUS: Key<List> = Key::found(
    "secret_previous",
    "on SQLite: `reset.secret.previous` next to the database, if it exists; otherwise none",
    "Previous values of `secret`, newest first, at most 3. Links and codes issued under them stay valid",
)
.secrecy(Secrecy::Secret);
pub(crate) static LOG: Key<Text> = Key::new(
    "log",
    "info",
    "Log filter: a level (`off`, `error`, `warn`, `info`, `debug`, `trace`), or `target=level,…`. \
         Targets that it does not name log `info` and above, and so do libraries",
);
pub(crate) static PAGES_ENABLED: Key<bool> = Key::new(
    "pages.enabled",
    "true",
    "Whether the hosted pages are served: `/forgot`, `/reset`, `/not-me`. Without them, a notice of a changed password \
         has no link, and every dialect that mails links needs its `page_url`",
);
pub(crate) static PAGES_TOKEN_TTL: Key<Duration> =
    Key::new("pages.token_ttl", "30m", "Lifetime of a link requested on `/forgot`");
pub(crate) static PAGES_LANGUAGE: Key<Text> = Key::new(
    "pages.language",
    "en",
    "Page language for browsers that request none of the supported ones: `en`, `de`, `es`, `fr`, `ja`, `zh`, `ar`",
);
pub(crate) static PAGES_STYLESHEET: Key<Text> = Key::found(
    "pages.stylesheet",
    "built-in style sheet",
    "Additional style sheet, applied after the built-in one: a file of at most 64 KiB that loads no other resource",
);
pub(crate) static PAGES_SECURITY_CONTACT: Key<Text> = Key::found(
    "pages.security_contact",
    "no such file",
    "Where to report a vulnerability: a mail address or an https URL. With it, `/.well-known/security.txt` is served (RFC 9116)",
);
pub(crate) static PASSWORD_HASH: Key<Choice> = Key::choice("password.hash", &["argon2id", "bcrypt", "pbkdf2-sha256", "scrypt"], "argon2id", "Hash for new passwords. Use the others if another system reads the table: `bcrypt` for most (passwords of at most \
         72 bytes), `pbkdf2-sha256` and `scrypt` in Django's format. If not given, a reset of `custom`, `django`, `laravel`, \
         `wordpress`, `directus` or `supabase` users keeps the form of the row's hash").adopted("bcrypt");
pub(crate) static PASSWORD_ARGON2_M_KIB: Key<Integer> =
    Key::new("password.argon2_m_kib", "47104", "Argon2id memory in KiB");
pub(crate) static PASSWORD_ARGON2_T: Key<Integer> = Key::new("password.argon2_t", "1", "Argon2id passes");
pub(crate) static PASSWORD_ARGON2_P: Key<Integer> = Key::new("password.argon2_p", "1", "Argon2id lanes");
pub(crate) static PASSWORD_BCRYPT_COST: Key<Integer> =
    Key::new("password.bcrypt_cost", "12", "bcrypt cost. An existing hash's higher cost is kept")
        .adopted("10");
pub(crate) static PASSWORD_BCRYPT_VERSION: Key<Choice> = Key::choice(
    "password.bcrypt_version",
    &["2a", "2b", "2y"],
    "2b",
    "bcrypt prefix: `2a` as Go and bcryptjs 2 write it, `2y` as PHP writes it",
);
pub(crate) static PASSWORD_PBKDF2_ITERATIONS: Key<Integer> =
    Key::new("password.pbkdf2_iterations", "1000000", "PBKDF2 iterations; the default is Django 5.2's");
pub(crate) static PASSWORD_SCRYPT_N: Key<Integer> = Key::new(
    "password.scrypt_n",
    "16384",
    "scrypt cost N, a power of two. One hash takes 128 × N × r bytes. The defaults of N, r and p are Django's",
);
pub(crate) static PASSWORD_SCRYPT_R: Key<Integer> = Key::new("password.scrypt_r", "8", "scrypt block size r");
pub(crate) static PASSWORD_SCRYPT_P: Key<Integer> =
    Key::new("password.scrypt_p", "5", "scrypt parallelism p, computed sequentially");
pub(crate) static PASSWORD_MEMORY_MIB: Key<Integer> = Key::new(
    "password.memory_mib",
    "512",
    "Memory limit for all concurrent hashing. Together with the number of cores, it caps the parallel hashes",
);
pub(crate) static PASSWORD_MIN_LENGTH: Key<Integer> =
    Key::new("password.min_length", "8", "Minimum length of a new password").hardened("15");
pub(crate) static PASSWORD_DENYLIST: Key<Choice> = Key::choice(
    "password.denylist",
    &["on", "off"],
    "on",
    "Whether to reject the 100,000 most common passwords (case-insensitively), and passwords built from the account's \
         name or address, the host of `public_url`, the display name in `mail_from` or `password.context_words`",
);
pub(crate) static PASSWORD_CONTEXT_WORDS: Key<List> =
    Key::new("password.context_words", "", "Names of your app or company that no password may be built from");
pub(crate) static NOTIFY_PASSWORD_CHANGED: Key<bool> =
    Key::new("notify.password_changed", "true", "Whether the owner gets a mail after a reset");
pub(crate) static NOTIFY_WEBHOOK_URL: Key<Text> =
    Key::found("notify.webhook_url", "none", "URL that the event `password.reset` is posted to")
        .secrecy(Secrecy::Userinfo);
pub(crate) static NOTIFY_WEBHOOK_SECRET: Key<Text> = Key::found(
    "notify.webhook_secret",
    "required with `webhook_url`",
    "Key that signs events: `whsec_` and base64",
)
.secrecy(Secrecy::Secret);
pub(crate) static AUDIT_RETENTION: Key<Duration> = Key::new(
    "audit.retention",
    "90d",
    "Retention of audit events, which `trace` shows and `audit` exports. A reset writes about five",
);

/// Settings that precede the dialects' sections.
const GENERAL: &[&SettingKey] = &[
    LISTEN.setting(),
    ADMIN_LISTEN.setting(),
    ADMIN_TOKEN.setting(),
    PUBLIC_URL.setting(),
    DATABASE_URL.setting(),
    DATABASE_AUTO_MIGRATE.setting(),
    DATABASE_CONNECTIONS.setting(),
    DATABASE_CONNECT_TIMEOUT.setting(),
    DATABASE_STATEMENT_TIMEOUT.setting(),
    DATABASE_POOLER.setting(),
    MAIL_URL.setting(),
    MAIL_FALLBACK_URL.setting(),
    MAIL_FROM.setting(),
    MAIL_LOCALE.setting(),
    MAIL_CONNECTIONS.setting(),
    MAIL_PER_DOMAIN.setting(),
    MAIL_RATE.setting(),
    MAIL_TIMEOUT.setting(),
    MAIL_TEMPLATES.setting(),
    MAIL_DKIM_KEY.setting(),
    MAIL_DKIM_SELECTOR.setting(),
    MAIL_DKIM_DOMAIN.setting(),
    SECRET.setting(),
    SECRET_PREVIOUS.setting(),
    PROFILE.setting(),
    DIALECTS.setting(),
    BODY_LIMIT.setting(),
    CORS_ORIGINS.setting(),
    CORS_HEADERS.setting(),
    TRUSTED_PROXIES.setting(),
    UPSTREAM_URL.setting(),
    UPSTREAM_MODE.setting(),
    UPSTREAM_HOST.setting(),
    UPSTREAM_CONNECT_TIMEOUT.setting(),
    UPSTREAM_TIMEOUT.setting(),
    LOG.setting(),
];

/// Settings that follow the dialects' sections and precede the limits.
const SECTIONS: &[&SettingKey] = &[
    BRAND_NAME.setting(),
    BRAND_LOGO.setting(),
    BRAND_LOGO_DARK.setting(),
    BRAND_MAIL_LOGO.setting(),
    BRAND_MAIL_LOGO_DARK.setting(),
    BRAND_ACCENT.setting(),
    BRAND_SUPPORT.setting(),
    BRAND_HOME.setting(),
    BRAND_FOOTER.setting(),
    BRAND_ADDRESS.setting(),
    DOCS_ENABLED.setting(),
    PAGES_ENABLED.setting(),
    PAGES_TOKEN_TTL.setting(),
    PAGES_LANGUAGE.setting(),
    PAGES_STYLESHEET.setting(),
    PAGES_SECURITY_CONTACT.setting(),
    PASSWORD_HASH.setting(),
    PASSWORD_ARGON2_M_KIB.setting(),
    PASSWORD_ARGON2_T.setting(),
    PASSWORD_ARGON2_P.setting(),
    PASSWORD_BCRYPT_COST.setting(),
    PASSWORD_BCRYPT_VERSION.setting(),
    PASSWORD_PBKDF2_ITERATIONS.setting(),
    PASSWORD_SCRYPT_N.setting(),
    PASSWORD_SCRYPT_R.setting(),
    PASSWORD_SCRYPT_P.setting(),
    PASSWORD_MEMORY_MIB.setting(),
    PASSWORD_MIN_LENGTH.setting(),
    PASSWORD_DENYLIST.setting(),
    PASSWORD_CONTEXT_WORDS.setting(),
];

/// Settings that follow those of the users table.
const LAST: &[&SettingKey] = &[
    NOTIFY_PASSWORD_CHANGED.setting(),
    NOTIFY_WEBHOOK_URL.setting(),
    NOTIFY_WEBHOOK_SECRET.setting(),
    AUDIT_RETENTION.setting(),
];

/// Returns the table of every setting, in the order in which they are documented. A dialect's setting in another section,
/// such as a limit, stands at the end of that section.
pub(crate) fn table() -> KeyTable {
    table_of(reset_dialects::MODULES)
}

/// Like [`table`], for the dialects of `modules` instead of the registry.
pub(crate) fn table_of(modules: &[DialectModule]) -> KeyTable {
    let all = modules.iter().flat_map(|module| module.keys.iter().map(move |key| (module.name, *key)));
    let (own, elsewhere): (Vec<_>, Vec<_>) = all.partition(|(name, key)| key.section() == *name);
    let mut keys: Vec<&SettingKey> = GENERAL.to_vec();
    keys.extend(own.into_iter().map(|(_, key)| key));
    keys.extend([SECTIONS, limits::KEYS, users::KEYS, LAST].concat());
    for (_, key) in elsewhere {
        let last = keys.iter().rposition(|other| other.section() == key.section());
        keys.insert(last.map_or(keys.len(), |last| last + 1), key);
    }
    KeyTable::new(keys)
}
