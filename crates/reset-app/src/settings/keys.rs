//! The table of settings: every key once, with its default and its meaning.
//!
//! Everything that knows keys walks this table: the three sources, `config show`, `config schema`, and the
//! table in docs/OPERATIONS.md, which a test keeps true. Defaults are written as an operator would write
//! them and take the same way in, so a documented default cannot differ from the running one (R44).
//!
//! # How to add a setting
//! One line here, and one line in the section's file that reads it.

/// One setting.
pub(crate) struct Key {
    /// Name in the file: `key` or `section.key`.
    pub(crate) name: &'static str,
    /// What may be written.
    pub(crate) kind: Kind,
    /// What holds when nobody says anything.
    pub(crate) default: Preset,
    /// What holds instead in profile `hardened`.
    pub(crate) hardened: Option<&'static str>,
    /// What holds instead where `users.preset` names another system's table.
    pub(crate) adopted: Option<&'static str>,
    /// Who may see the value.
    pub(crate) secrecy: Secrecy,
    /// What it decides, in Markdown.
    pub(crate) meaning: &'static str,
}

/// What may be written as a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer,
    /// `500ms`, `30s`, `15m`, `1h`, `1d`.
    Duration,
    /// Bytes, or a number with `KiB` or `MiB`.
    Size,
    /// An array in the file; comma-separated elsewhere.
    List,
    /// One of these words.
    Choice(&'static [&'static str]),
}

/// What holds when nobody says anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preset {
    /// This text.
    Value(&'static str),
    /// Something that is found out at start; in words.
    Found(&'static str),
}

/// Who may see a value. Anything but [`Secrecy::Open`] may be kept in a file named by `<key>_file`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secrecy {
    /// Everybody.
    Open,
    /// A URL whose user and password are nobody's business.
    Userinfo,
    /// Nobody.
    Secret,
}

impl Key {
    const fn new(name: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Self {
        let default = Preset::Value(default);
        Self { name, kind, default, hardened: None, adopted: None, secrecy: Secrecy::Open, meaning }
    }

    const fn found(name: &'static str, how: &'static str, meaning: &'static str) -> Self {
        let default = Preset::Found(how);
        Self {
            name,
            kind: Kind::Text,
            default,
            hardened: None,
            adopted: None,
            secrecy: Secrecy::Open,
            meaning,
        }
    }

    const fn choice(self, words: &'static [&'static str]) -> Self {
        Self { kind: Kind::Choice(words), ..self }
    }

    const fn hardened(self, value: &'static str) -> Self {
        Self { hardened: Some(value), ..self }
    }

    const fn adopted(self, value: &'static str) -> Self {
        Self { adopted: Some(value), ..self }
    }

    const fn secrecy(self, secrecy: Secrecy) -> Self {
        Self { secrecy, ..self }
    }
}

/// The environment variable of the key `name`: `RESET_PX0__CODE_TTL` for `px0.code_ttl`.
pub(crate) fn variable(name: &str) -> String {
    format!("RESET_{}", name.replace('.', "__").to_ascii_uppercase())
}

/// What a name means.
pub(crate) enum Named {
    /// A setting.
    Key(&'static Key),
    /// `<key>_file`: the file that holds the setting.
    FileOf(&'static Key),
    /// A setting of a later version.
    Later,
    /// Nothing that was ever promised.
    Unknown,
}

/// Finds out what `name`, written as in the file, means.
pub(crate) fn named(name: &str) -> Named {
    let find = |name: &str| KEYS.iter().find(|key| key.name == name);
    if let Some(key) = find(name) {
        return Named::Key(key);
    }
    let kept = name.strip_suffix("_file").and_then(find);
    match kept.filter(|key| key.secrecy != Secrecy::Open) {
        Some(key) => Named::FileOf(key),
        None if LATER.contains(&name) => Named::Later,
        None => Named::Unknown,
    }
}

use Kind::{Boolean, Choice, Duration, Integer, List, Size, Text};

/// Where the names of another system's table come from.
const PRESETS: &str = "the preset's; an empty text takes it out";

const WIRE: Kind = Choice(&["published", "server"]);

/// Every setting of this version, in the order in which they are documented.
pub(crate) const KEYS: &[Key] = &[
    Key::new("listen", Text, "127.0.0.1:8080", "TCP address with its port, or `unix:/path`"),
    Key::found(
        "public_url",
        "`http://<listen>` when that is loopback; else required",
        "Where people reach the service, https unless loopback: the only source of links",
    ),
    Key::new(
        "database_url",
        Text,
        "sqlite://reset.db",
        "`sqlite://PATH`, `postgres://USER:PASSWORD@HOST[,HOST…]/DATABASE?sslmode=…`, \
         `mysql://USER:PASSWORD@HOST[,HOST…]/DATABASE?ssl-mode=…` (MySQL and MariaDB)",
    )
    .secrecy(Secrecy::Userinfo),
    Key::new(
        "database.auto_migrate",
        Boolean,
        "false",
        "Whether `serve` migrates a PostgreSQL, MySQL or MariaDB database by itself; SQLite always is",
    ),
    Key::new("database.connections", Integer, "10", "Connections of this process; SQLite has its own number"),
    Key::new(
        "database.connect_timeout",
        Duration,
        "5s",
        "Longest time to connect to one server, and longest wait for a connection to be free",
    ),
    Key::new("database.statement_timeout", Duration, "5s", "Longest time for one statement"),
    Key::new(
        "database.pooler",
        Choice(&["none", "transaction"]),
        "none",
        "`transaction` behind PgBouncer in transaction mode; PostgreSQL alone",
    ),
    Key::new(
        "mail_url",
        Text,
        "file://mail",
        "`smtp://[user:pass@]host[:port]` (STARTTLS when offered; `?tls=required` insists), `smtps://…`, \
         `file://DIR` (one `.eml` file a mail), `stdout:`",
    )
    .secrecy(Secrecy::Userinfo),
    Key::new("mail_from", Text, "Polyreset <no-reply@localhost>", "Sender of every mail"),
    Key::found(
        "secret",
        "on SQLite: `reset.secret` beside the database, made at first start with mode 0600; else required",
        "At least 32 bytes as hex or base64; every other key is derived from it",
    )
    .secrecy(Secrecy::Secret),
    Key::new(
        "profile",
        Choice(&["compatible", "hardened"]),
        "compatible",
        "`compatible` serves every client of the dialects; `hardened` closes what their contracts leave open",
    ),
    Key::new("body_limit", Size, "64 KiB", "Largest request body; over it: 413 in the dialect's envelope"),
    Key::new("cors_origins", List, "", "Origins whose pages may call, such as `https://app.example.com`"),
    Key::new("log", Text, "info", "Log filter: a level, or `target=level,…`"),
    Key::new("px0.enabled", Boolean, "true", "Whether px0 is served"),
    Key::new(
        "px0.wire",
        WIRE,
        "published",
        "Whose bytes: the published contract's; others are not offered yet",
    ),
    Key::new("px0.code_ttl", Duration, "15m", "Life of a code").hardened("10m"),
    Key::new("px0.disclose_unknown", Boolean, "true", "Whether an unknown address gets the contract's 404")
        .hardened("false"),
    Key::new("worthai.enabled", Boolean, "true", "Whether worthai is served"),
    Key::new("worthai.base_path", Text, "/auth/api/v1", "Path under which its two operations are served"),
    Key::found(
        "worthai.page_url",
        "`<public_url>/reset`",
        "Page of the mailed link; `?reset_token=` is added",
    ),
    Key::new("worthai.token_ttl", Duration, "30m", "Life of a token"),
    Key::found(
        "worthai.jwt_secret",
        "derived from `secret`",
        "Signs the tokens; at least 32 bytes, taken as written",
    )
    .secrecy(Secrecy::Secret),
    Key::new("strapi.enabled", Boolean, "true", "Whether Strapi users-permissions is served"),
    Key::new(
        "strapi.wire",
        Choice(&["published", "server", "v3", "v4", "v5"]),
        "published",
        "Whose bytes: the published contract's; others are not offered yet",
    ),
    Key::found("strapi.page_url", "`<public_url>/reset`", "Page of the mailed link; `?code=` is added"),
    Key::new("strapi.token_ttl", Duration, "1h", "Life of a code").hardened("30m"),
    Key::found(
        "strapi.jwt_secret",
        "derived from `secret`",
        "Signs the session token in the answer, the host's `JWT_SECRET`; at least 16 bytes, taken as written",
    )
    .secrecy(Secrecy::Secret),
    Key::new("strapi.jwt_ttl", Duration, "30d", "Life of that session token"),
    Key::new("strapi.issue_jwt", Boolean, "true", "Whether the answer carries a session token")
        .hardened("false"),
    Key::new("strapi.public", Boolean, "true", "Whether the public role may reset; if not, 403"),
    Key::new("insforge.enabled", Boolean, "true", "Whether InsForge is served"),
    Key::new(
        "insforge.wire",
        WIRE,
        "published",
        "Whose bytes: the published contract's; others are not offered yet",
    ),
    Key::new("insforge.method", Choice(&["code", "link"]), "code", "What is mailed").hardened("link"),
    Key::new(
        "insforge.allowed_redirect_urls",
        List,
        "",
        "Where a link may lead; an empty list allows nothing, so `method=link` needs one",
    ),
    Key::new("insforge.code_ttl", Duration, "15m", "Life of a code").hardened("10m"),
    Key::new("insforge.token_ttl", Duration, "1h", "Life of a link, or of the token that a code became")
        .hardened("30m"),
    Key::new("insforge.max_attempts", Integer, "3", "Guesses for one code"),
    Key::new(
        "password.hash",
        Choice(&["argon2id", "bcrypt", "pbkdf2-sha256", "scrypt"]),
        "argon2id",
        "How new passwords are stored; the others for tables that another system reads: `bcrypt` for most (at most \
         72 bytes), `pbkdf2-sha256` and `scrypt` in Django's form",
    )
    .adopted("bcrypt"),
    Key::new("password.argon2_m_kib", Integer, "47104", "Argon2id memory in KiB"),
    Key::new("password.argon2_t", Integer, "1", "Argon2id passes"),
    Key::new("password.argon2_p", Integer, "1", "Argon2id lanes"),
    Key::new("password.bcrypt_cost", Integer, "12", "bcrypt cost; a row's own is kept where it is higher")
        .adopted("10"),
    Key::new(
        "password.bcrypt_version",
        Choice(&["2a", "2b", "2y"]),
        "2b",
        "Prefix of a bcrypt hash: `2a` as Go and bcryptjs 2 write it, `2y` as PHP does",
    ),
    Key::new(
        "password.pbkdf2_iterations",
        Integer,
        "1000000",
        "PBKDF2 iterations; the default is Django 5.2's",
    ),
    Key::new(
        "password.scrypt_n",
        Integer,
        "16384",
        "scrypt blocks, a power of two; these three defaults are Django's. It takes 128 bytes times `n` times `r`",
    ),
    Key::new("password.scrypt_r", Integer, "8", "scrypt block size"),
    Key::new("password.scrypt_p", Integer, "5", "scrypt lanes, worked off one after the other"),
    Key::new(
        "password.memory_mib",
        Integer,
        "512",
        "Memory that all hashing together may take: it and the number of cores bound how many run at once",
    ),
    Key::new("password.min_length", Integer, "8", "Least length of a new password").hardened("15"),
    Key::new(
        "password.denylist",
        Choice(&["on", "off"]),
        "on",
        "Whether the hundred thousand most common passwords are refused, in any case of their letters",
    ),
    Key::new(
        "limits.enabled",
        Boolean,
        "true",
        "`false` lifts the caps, for load tests; `insforge.max_attempts` stays",
    ),
    Key::new("limits.px0_live_codes", Integer, "10", "Live px0 codes of six digits; further ones are long"),
    Key::new(
        "users.preset",
        Choice(&["own", "px0", "insforge", "strapi-v4", "strapi-v3", "custom"]),
        "own",
        "Whose users table: polyreset's own, or the one of another system in the same database (`strapi-v4` is v5's, too)",
    ),
    Key::found("users.schema", PRESETS, "Schema of that table; on MariaDB its database"),
    Key::found("users.table", PRESETS, "Table"),
    Key::found("users.id", PRESETS, "Column of the key: uuid, integer or text"),
    Key::found("users.email", PRESETS, "Column of the address"),
    Key::found(
        "users.email_match",
        "the preset's; `ascii-lower` for `custom`",
        "`exact` for addresses stored in lower case; `ascii-lower` finds capitals, too, and wants an index on \
         `lower(column)`",
    )
    .choice(&["exact", "ascii-lower"]),
    Key::found("users.password", PRESETS, "Column of the hash"),
    Key::found("users.username", PRESETS, "Column of the login name"),
    Key::found("users.name", PRESETS, "Column of the name for people to read"),
    Key::found("users.locale", PRESETS, "Column of the language"),
    Key::found("users.blocked", PRESETS, "Column that is true for blocked accounts"),
    Key::found("users.active", PRESETS, "Column that is false for blocked accounts, instead of `blocked`"),
    Key::found("users.verified", PRESETS, "Column that is true for confirmed addresses"),
    Key::found("users.provider", PRESETS, "Column that tells logins with a password from others"),
    Key::found("users.provider_value", "`local`", "Its value for logins with a password"),
    Key::found("users.created_at", PRESETS, "Column of the time when the row was made"),
    Key::found("users.updated_at", PRESETS, "Column that is set to the time of a reset"),
    Key::found("users.password_changed_at", PRESETS, "Another such column"),
    Key::found("users.token_version", PRESETS, "Column that is raised by one, so that older sessions end"),
    Key::new("users.cleared", List, "", "Columns that become NULL with a reset; the preset's where not set"),
    Key::found("users.sessions.table", "none", "Table of sessions, whose rows of the account are deleted"),
    Key::found("users.sessions.account", "none", "Its column that holds the account's id"),
    Key::found("users.sessions.schema", "the users table's", "Its schema"),
    Key::new("notify.password_changed", Boolean, "true", "Mail to the owner after a reset"),
    Key::found("notify.webhook_url", "nobody is told", "Where the event `password.reset` is posted")
        .secrecy(Secrecy::Userinfo),
    Key::found("notify.webhook_secret", "required with `webhook_url`", "Signs events: `whsec_` and base64")
        .secrecy(Secrecy::Secret),
];

/// Settings that are promised for a later version: known by name, and refused.
const LATER: &[&str] = &["admin_listen", "trusted_proxies"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_name_and_a_variable_of_its_own() {
        let mut names: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
        let mut variables: Vec<String> = KEYS.iter().map(|key| variable(key.name)).collect();
        names.sort_unstable();
        variables.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(variables.windows(2).all(|pair| pair[0] != pair[1]));
        assert_eq!(variable("px0.code_ttl"), "RESET_PX0__CODE_TTL");
    }

    #[test]
    fn only_what_is_secret_may_be_kept_in_a_file() {
        assert!(
            matches!(named("worthai.jwt_secret_file"), Named::FileOf(key) if key.name == "worthai.jwt_secret")
        );
        assert!(matches!(named("mail_url_file"), Named::FileOf(_)));
        assert!(matches!(named("listen_file"), Named::Unknown));
        assert!(matches!(named("admin_listen"), Named::Later));
    }
}
