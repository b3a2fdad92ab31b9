//! Every setting of this version, with its default and its description.

use super::{
    Secrecy, SettingKey,
    ValueKind::{self, Boolean, Choice, Duration, Integer, List, Size, Text},
};

/// Default of the settings that name parts of another system's table.
const PRESETS: &str = "the preset's; an empty value removes it";

/// Description of the `wire` settings.
const WIRES: &str = "Wire format. Only `published`, the format of the published contract, is available";

const WIRE: ValueKind = Choice(&["published", "server"]);

/// Every setting of this version, in the order in which they are documented.
pub(crate) const KEYS: &[SettingKey] = &[
    SettingKey::new("listen", Text, "127.0.0.1:8080", "TCP address and port, or `unix:/path`"),
    SettingKey::found(
        "admin_listen",
        "none",
        "Second listener, for operators, in the same form as `listen`. It serves `/metrics` without authentication: \
         restrict access to it by network",
    ),
    SettingKey::found(
        "public_url",
        "`http://<listen>` if that is loopback; otherwise required",
        "Public base URL of the service. Every link is built from it. Must be https unless it is loopback",
    ),
    SettingKey::new(
        "database_url",
        Text,
        "sqlite://reset.db",
        "`sqlite://PATH`, `postgres://USER:PASSWORD@HOST[,HOST…]/DATABASE?sslmode=…`, \
         `mysql://USER:PASSWORD@HOST[,HOST…]/DATABASE?ssl-mode=…` (MySQL and MariaDB)",
    )
    .secrecy(Secrecy::Userinfo),
    SettingKey::new(
        "database.auto_migrate",
        Boolean,
        "false",
        "Whether `serve` applies pending migrations to a PostgreSQL, MySQL or MariaDB database. SQLite always is",
    ),
    SettingKey::new("database.connections", Integer, "10", "Connection pool size per process; not used for SQLite"),
    SettingKey::new(
        "database.connect_timeout",
        Duration,
        "5s",
        "Timeout for connecting to one server, and for waiting for a free connection of the pool",
    ),
    SettingKey::new("database.statement_timeout", Duration, "5s", "Timeout for one SQL statement"),
    SettingKey::new(
        "database.pooler",
        Choice(&["none", "transaction"]),
        "none",
        "`transaction` behind PgBouncer in transaction mode; PostgreSQL only",
    ),
    SettingKey::new(
        "mail_url",
        Text,
        "file://mail",
        "`smtp://[user:pass@]host[:port]` (STARTTLS if offered; `?tls=required` makes it mandatory), `smtps://…`, \
         `file://DIR` (one `.eml` file per mail), `stdout:`",
    )
    .secrecy(Secrecy::Userinfo),
    SettingKey::found(
        "mail_fallback_url",
        "none",
        "Fallback URL, in the same form, for mail that `mail_url` temporarily rejects; see `docs/mail.md`",
    )
    .secrecy(Secrecy::Userinfo),
    SettingKey::new("mail_from", Text, "Polyreset <no-reply@localhost>", "Sender of every mail"),
    SettingKey::new(
        "mail.locale",
        Text,
        "en",
        "Fallback language of mails, for recipients without a language or with an unsupported one: `en`, `de`, `es`, `fr`, \
         `ja`, `zh`, or any language that `mail.templates` covers completely",
    ),
    SettingKey::new(
        "mail.per_domain",
        Integer,
        "4",
        "Maximum concurrent SMTP deliveries per recipient domain, 1 to 6. One mail server gets at most 6 in total",
    ),
    SettingKey::found(
        "mail.templates",
        "built-in templates",
        "Directory of templates that override the built-in ones; see `docs/mail.md`",
    ),
    SettingKey::found(
        "secret",
        "on SQLite: `reset.secret` next to the database, created at the first start with mode 0600; otherwise required",
        "At least 32 bytes as hex or base64. Every other key is derived from it",
    )
    .secrecy(Secrecy::Secret),
    SettingKey::found(
        "secret_previous",
        "on SQLite: `reset.secret.previous` next to the database, if it exists; otherwise none",
        "Previous values of `secret`, newest first, at most 3. Links and codes issued under them stay valid",
    )
    .list()
    .secrecy(Secrecy::Secret),
    SettingKey::new(
        "profile",
        Choice(&["compatible", "hardened"]),
        "compatible",
        "`compatible` works with every existing client of the dialects; `hardened` closes weaknesses that their contracts \
         leave open",
    ),
    SettingKey::new("body_limit", Size, "64 KiB", "Maximum request body. Over it: 413 in the dialect's envelope"),
    SettingKey::new("cors_origins", List, "", "Allowed browser origins, such as `https://app.example.com`"),
    SettingKey::new(
        "trusted_proxies",
        List,
        "",
        "Networks of trusted proxies, such as `10.0.0.0/8`: their `X-Forwarded-For` or `Forwarded` header gives the client's \
         address. If the list is not empty, every peer on a Unix socket is trusted too",
    ),
    SettingKey::new("log", Text, "info", "Log filter: a level, or `target=level,…`. Libraries log `info` and above"),
    SettingKey::new("px0.enabled", Boolean, "true", "Whether px0 is served"),
    SettingKey::new(
        "px0.wire",
        WIRE,
        "published",
        WIRES,
    ),
    SettingKey::new("px0.code_ttl", Duration, "15m", "Lifetime of a code").hardened("10m"),
    SettingKey::new("px0.disclose_unknown", Boolean, "true", "Whether unknown addresses get the contract's 404")
        .hardened("false"),
    SettingKey::new("worthai.enabled", Boolean, "true", "Whether worthai is served"),
    SettingKey::new("worthai.base_path", Text, "/auth/api/v1", "Path prefix of its two operations"),
    SettingKey::found(
        "worthai.page_url",
        "`<public_url>/reset`",
        "Page of the mailed link; `?reset_token=…` is appended",
    ),
    SettingKey::new("worthai.token_ttl", Duration, "30m", "Lifetime of a token"),
    SettingKey::found(
        "worthai.jwt_secret",
        "derived from `secret`",
        "Key that signs the tokens: at least 32 bytes, used as written",
    )
    .secrecy(Secrecy::Secret),
    SettingKey::found(
        "worthai.jwt_secret_previous",
        "derived from `secret_previous` if `worthai.jwt_secret` is not set; otherwise none",
        "Previous `worthai.jwt_secret`. Tokens signed with it stay valid",
    )
    .secrecy(Secrecy::Secret),
    SettingKey::new("strapi.enabled", Boolean, "true", "Whether Strapi users-permissions is served"),
    SettingKey::new(
        "strapi.wire",
        Choice(&["published", "server", "v3", "v4", "v5"]),
        "published",
        WIRES,
    ),
    SettingKey::found("strapi.page_url", "`<public_url>/reset`", "Page of the mailed link; `?code=…` is appended"),
    SettingKey::new("strapi.token_ttl", Duration, "1h", "Lifetime of a code").hardened("30m"),
    SettingKey::found(
        "strapi.jwt_secret",
        "derived from `secret`",
        "Key that signs the session token in the response: at least 16 bytes, used as written. Set it to your Strapi's \
         `JWT_SECRET`",
    )
    .secrecy(Secrecy::Secret),
    SettingKey::new("strapi.jwt_ttl", Duration, "30d", "Lifetime of that session token"),
    SettingKey::new("strapi.issue_jwt", Boolean, "true", "Whether the response to a reset contains a session token")
        .hardened("false"),
    SettingKey::new("strapi.public", Boolean, "true", "Whether the public role may reset passwords; if not, 403"),
    SettingKey::new("insforge.enabled", Boolean, "true", "Whether InsForge is served"),
    SettingKey::new(
        "insforge.wire",
        WIRE,
        "published",
        WIRES,
    ),
    SettingKey::new("insforge.method", Choice(&["code", "link"]), "code", "What the mail contains").hardened("link"),
    SettingKey::new(
        "insforge.allowed_redirect_urls",
        List,
        "",
        "URLs that a link may redirect to. An empty list allows none, so `insforge.method=link` needs at least one",
    ),
    SettingKey::new("insforge.code_ttl", Duration, "15m", "Lifetime of a code").hardened("10m"),
    SettingKey::new("insforge.token_ttl", Duration, "1h", "Lifetime of a link, or of the token issued for a code")
        .hardened("30m"),
    SettingKey::new("insforge.max_attempts", Integer, "3", "Attempts allowed per code"),
    SettingKey::new(
        "pages.enabled",
        Boolean,
        "true",
        "Whether the hosted pages are served: `/forgot`, `/reset`, `/not-me`. Without them, a notice of a changed password \
         has no link, and `worthai.page_url` and `strapi.page_url` must be set",
    ),
    SettingKey::new("pages.token_ttl", Duration, "30m", "Lifetime of a link requested on `/forgot`"),
    SettingKey::new(
        "pages.language",
        Text,
        "en",
        "Page language for browsers that request none of the supported ones: `en`, `de`, `es`, `fr`, `ja`, `zh`",
    ),
    SettingKey::found("pages.name", "the display name in `mail_from`, or `Polyreset`", "Service name shown on the pages"),
    SettingKey::found(
        "pages.logo",
        "the name as text",
        "Logo shown instead of the name: a file of at most 64 KiB, `.svg`, `.png`, `.webp` or `.jpg`",
    ),
    SettingKey::found(
        "pages.accent",
        "`#1d4ed8`",
        "Colour of buttons and links, `#rrggbb`. Its contrast with white must be at least 4.5:1",
    ),
    SettingKey::found("pages.support", "none", "Support contact: a mail address, an https URL or a text"),
    SettingKey::found("pages.home", "no link", "URL of the sign-in page, linked after a reset"),
    SettingKey::found("pages.footer", "none", "Line of text at the bottom of each page"),
    SettingKey::found(
        "pages.stylesheet",
        "built-in style sheet",
        "Additional style sheet, applied after the built-in one: a file of at most 64 KiB that loads no other resource",
    ),
    SettingKey::new(
        "password.hash",
        Choice(&["argon2id", "bcrypt", "pbkdf2-sha256", "scrypt"]),
        "argon2id",
        "Hash for new passwords. Use the others if another system reads the table: `bcrypt` for most (passwords of at most \
         72 bytes), `pbkdf2-sha256` and `scrypt` in Django's format",
    )
    .adopted("bcrypt"),
    SettingKey::new("password.argon2_m_kib", Integer, "47104", "Argon2id memory in KiB"),
    SettingKey::new("password.argon2_t", Integer, "1", "Argon2id passes"),
    SettingKey::new("password.argon2_p", Integer, "1", "Argon2id lanes"),
    SettingKey::new("password.bcrypt_cost", Integer, "12", "bcrypt cost. An existing hash's higher cost is kept")
        .adopted("10"),
    SettingKey::new(
        "password.bcrypt_version",
        Choice(&["2a", "2b", "2y"]),
        "2b",
        "bcrypt prefix: `2a` as Go and bcryptjs 2 write it, `2y` as PHP writes it",
    ),
    SettingKey::new(
        "password.pbkdf2_iterations",
        Integer,
        "1000000",
        "PBKDF2 iterations; the default is Django 5.2's",
    ),
    SettingKey::new(
        "password.scrypt_n",
        Integer,
        "16384",
        "scrypt cost N, a power of two. One hash takes 128 × N × r bytes. The defaults of N, r and p are Django's",
    ),
    SettingKey::new("password.scrypt_r", Integer, "8", "scrypt block size r"),
    SettingKey::new("password.scrypt_p", Integer, "5", "scrypt parallelism p, computed sequentially"),
    SettingKey::new(
        "password.memory_mib",
        Integer,
        "512",
        "Memory limit for all concurrent hashing. Together with the number of cores, it caps the parallel hashes",
    ),
    SettingKey::new("password.min_length", Integer, "8", "Minimum length of a new password").hardened("15"),
    SettingKey::new(
        "password.denylist",
        Choice(&["on", "off"]),
        "on",
        "Whether to reject the 100,000 most common passwords (case-insensitively), and passwords built from the account's \
         name or address, the host of `public_url`, the display name in `mail_from` or `password.context_words`",
    ),
    SettingKey::new(
        "password.context_words",
        List,
        "",
        "Names of your app or company that no password may be built from",
    ),
    SettingKey::new(
        "limits.enabled",
        Boolean,
        "true",
        "`false` turns off every limit of this section, for load tests. `insforge.max_attempts` still applies",
    ),
    SettingKey::new("limits.px0_live_codes", Integer, "10", "Maximum live six-digit px0 codes. Beyond it, codes are long"),
    SettingKey::new(
        "limits.request_spacing",
        Duration,
        "60s",
        "Minimum interval between two reset requests for one address, across dialects. A request over this or the next two \
         limits gets the usual response and sends no mail",
    ),
    SettingKey::new("limits.requests_per_hour", Integer, "3", "Maximum reset requests per address per hour"),
    SettingKey::new("limits.requests_per_day", Integer, "6", "Maximum reset requests per address per day"),
    SettingKey::new("limits.mails_per_hour", Integer, "1000", "Maximum reset mails per hour. Others are postponed"),
    SettingKey::new(
        "limits.px0_wrong_per_10m",
        Integer,
        "5",
        "Maximum wrong six-digit px0 codes per 10 minutes, from all clients together. Over the limit, six-digit codes are \
         rejected as invalid, and new codes are long",
    ),
    SettingKey::new("limits.px0_wrong_per_day", Integer, "20", "The same per day"),
    SettingKey::new(
        "limits.insforge_wrong_per_day",
        Integer,
        "10",
        "Maximum wrong InsForge codes per address per day, over all its codes. Over the limit, its codes are rejected as \
         invalid, and its next mail has a link (with `pages.enabled`)",
    ),
    SettingKey::new("limits.insforge_wrong_per_30d", Integer, "25", "The same per 30 days"),
    SettingKey::new(
        "limits.insforge_wrong_per_day_all",
        Integer,
        "100",
        "Maximum wrong InsForge codes per day, for all addresses together. Over the limit, every code is rejected as \
         invalid, and mails have links (with `pages.enabled`)",
    ),
    SettingKey::new(
        "limits.client_requests_per_15m",
        Integer,
        "5",
        "Maximum reset requests per client (IPv4 address or IPv6 /64) per 15 minutes; then 429. Counted per process, or \
         across all replicas with `limits.redis_url`",
    ),
    SettingKey::new("limits.client_requests_per_day", Integer, "20", "The same per day"),
    SettingKey::new(
        "limits.client_px0_wrong_per_hour",
        Integer,
        "5",
        "Maximum wrong six-digit px0 codes per client per hour; then 429",
    ),
    SettingKey::new("limits.client_px0_wrong_per_day", Integer, "10", "The same per day"),
    SettingKey::new("limits.network_px0_wrong_per_day", Integer, "20", "The same per IPv4 /24 or IPv6 /48 network"),
    SettingKey::new(
        "limits.client_insforge_wrong_per_15m",
        Integer,
        "10",
        "Maximum wrong InsForge codes per client per 15 minutes; then 429",
    ),
    SettingKey::new(
        "limits.client_wrong_per_hour",
        Integer,
        "60",
        "Maximum other wrong secrets (long codes, tokens, links) per client per hour; then 429",
    ),
    SettingKey::found(
        "limits.redis_url",
        "none; each process counts for itself",
        "`redis://[user:password@]host[:port][/database]`: Redis in which all replicas share the per-client counters \
         (`client_…`, `network_…`)",
    )
    .secrecy(Secrecy::Userinfo),
    SettingKey::new(
        "users.preset",
        Choice(&["own", "px0", "insforge", "strapi-v4", "strapi-v3", "custom"]),
        "own",
        "Layout of the users table: polyreset's own, or another system's in the same database (`strapi-v4` also for v5)",
    ),
    SettingKey::found("users.schema", PRESETS, "Schema of that table; on MySQL and MariaDB, its database"),
    SettingKey::found("users.table", PRESETS, "Name of the table"),
    SettingKey::found("users.id", PRESETS, "Column of the primary key: uuid, integer or text"),
    SettingKey::found("users.email", PRESETS, "Column of the email address"),
    SettingKey::found(
        "users.email_match",
        "the preset's; `ascii-lower` for `custom`",
        "`exact` if addresses are stored in lower case; `ascii-lower` ignores the case of ASCII letters and needs an index \
         on `lower(column)`",
    )
    .choice(&["exact", "ascii-lower"]),
    SettingKey::found("users.password", PRESETS, "Column of the password hash"),
    SettingKey::found("users.username", PRESETS, "Column of the login name"),
    SettingKey::found("users.name", PRESETS, "Column of the display name"),
    SettingKey::found("users.locale", PRESETS, "Column of the language tag"),
    SettingKey::found("users.blocked", PRESETS, "Column that is true for blocked accounts"),
    SettingKey::found("users.active", PRESETS, "Column that is false for blocked accounts, instead of `blocked`"),
    SettingKey::found("users.verified", PRESETS, "Column that is true for confirmed addresses"),
    SettingKey::found("users.provider", PRESETS, "Column of the login provider: password or another"),
    SettingKey::found("users.provider_value", "`local`", "Value of that column for accounts with a password"),
    SettingKey::found("users.created_at", PRESETS, "Column of the time of creation"),
    SettingKey::found("users.updated_at", PRESETS, "Column that is set to the time of a reset"),
    SettingKey::found("users.password_changed_at", PRESETS, "Second column that is set to the time of a reset"),
    SettingKey::found("users.token_version", PRESETS, "Column that a reset increments, so that older sessions end"),
    SettingKey::new("users.cleared", List, "", "Columns that a reset sets to NULL. If not given, the preset's"),
    SettingKey::found("users.sessions.table", "none", "Table of sessions. A reset deletes the account's rows"),
    SettingKey::found("users.sessions.account", "none", "Column of that table with the account's id"),
    SettingKey::found("users.sessions.schema", "that of the users table", "Schema of that table"),
    SettingKey::new("notify.password_changed", Boolean, "true", "Whether the owner gets a mail after a reset"),
    SettingKey::found("notify.webhook_url", "none", "URL that the event `password.reset` is posted to")
        .secrecy(Secrecy::Userinfo),
    SettingKey::found("notify.webhook_secret", "required with `webhook_url`", "Key that signs events: `whsec_` and base64")
        .secrecy(Secrecy::Secret),
    SettingKey::new(
        "audit.retention",
        Duration,
        "90d",
        "Retention of audit events, which `trace` shows and `audit` exports. A reset writes about ten",
    ),
];
