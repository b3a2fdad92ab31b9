//! Every setting of this version.

use super::{
    Secrecy, SettingKey,
    ValueKind::{self, Boolean, Choice, Duration, Integer, List, Size, Text},
};

/// Where the names of another system's table come from.
const PRESETS: &str = "the preset's; an empty text takes it out";

const WIRE: ValueKind = Choice(&["published", "server"]);

/// Every setting of this version, in the order in which they are documented.
pub(crate) const KEYS: &[SettingKey] = &[
    SettingKey::new("listen", Text, "127.0.0.1:8080", "TCP address with its port, or `unix:/path`"),
    SettingKey::found(
        "admin_listen",
        "none",
        "A second listener, for operators, written as `listen` is: `/metrics`. Whoever reaches it may read",
    ),
    SettingKey::found(
        "public_url",
        "`http://<listen>` when that is loopback; else required",
        "Where people reach the service, https unless loopback: the only source of links",
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
        "Whether `serve` migrates a PostgreSQL, MySQL or MariaDB database by itself; SQLite always is",
    ),
    SettingKey::new("database.connections", Integer, "10", "Connections of this process; SQLite has its own number"),
    SettingKey::new(
        "database.connect_timeout",
        Duration,
        "5s",
        "Longest time to connect to one server, and longest wait for a connection to be free",
    ),
    SettingKey::new("database.statement_timeout", Duration, "5s", "Longest time for one statement"),
    SettingKey::new(
        "database.pooler",
        Choice(&["none", "transaction"]),
        "none",
        "`transaction` behind PgBouncer in transaction mode; PostgreSQL alone",
    ),
    SettingKey::new(
        "mail_url",
        Text,
        "file://mail",
        "`smtp://[user:pass@]host[:port]` (STARTTLS when offered; `?tls=required` insists), `smtps://…`, \
         `file://DIR` (one `.eml` file a mail), `stdout:`",
    )
    .secrecy(Secrecy::Userinfo),
    SettingKey::found(
        "mail_fallback_url",
        "none",
        "A second such URL, for mails that the first does not take for now: see \"Mail\" below",
    )
    .secrecy(Secrecy::Userinfo),
    SettingKey::new("mail_from", Text, "Polyreset <no-reply@localhost>", "Sender of every mail"),
    SettingKey::new(
        "mail.locale",
        Text,
        "en",
        "Language of mails to whoever has none, or one that there are no texts in: `en`, `de`, `es`, `fr`, `ja`, `zh`, or \
         one that is whole in `mail.templates`",
    ),
    SettingKey::new(
        "mail.per_domain",
        Integer,
        "4",
        "Mails at once to one recipient's domain, over SMTP; 6 is all that there are at once",
    ),
    SettingKey::found(
        "mail.templates",
        "ours alone",
        "Directory of templates that take the place of ours: see \"Mail\" below",
    ),
    SettingKey::found(
        "secret",
        "on SQLite: `reset.secret` beside the database, made at first start with mode 0600; else required",
        "At least 32 bytes as hex or base64; every other key is derived from it",
    )
    .secrecy(Secrecy::Secret),
    SettingKey::found(
        "secret_previous",
        "on SQLite: `reset.secret.previous` beside the database, where there is one; else none",
        "Secrets that `secret` took the place of, the latest first, at most three: what is out under them stays valid",
    )
    .list()
    .secrecy(Secrecy::Secret),
    SettingKey::new(
        "profile",
        Choice(&["compatible", "hardened"]),
        "compatible",
        "`compatible` serves every client of the dialects; `hardened` closes what their contracts leave open",
    ),
    SettingKey::new("body_limit", Size, "64 KiB", "Largest request body; over it: 413 in the dialect's envelope"),
    SettingKey::new("cors_origins", List, "", "Origins whose pages may call, such as `https://app.example.com`"),
    SettingKey::new(
        "trusted_proxies",
        List,
        "",
        "Networks such as `10.0.0.0/8` of the proxies whose `X-Forwarded-For` or `Forwarded` is believed; where it is \
         not empty, whoever connects to a Unix socket is one",
    ),
    SettingKey::new("log", Text, "info", "Log filter: a level, or `target=level,…`; libraries tell nothing below `info`"),
    SettingKey::new("px0.enabled", Boolean, "true", "Whether px0 is served"),
    SettingKey::new(
        "px0.wire",
        WIRE,
        "published",
        "Whose bytes: the published contract's; others are not offered yet",
    ),
    SettingKey::new("px0.code_ttl", Duration, "15m", "Life of a code").hardened("10m"),
    SettingKey::new("px0.disclose_unknown", Boolean, "true", "Whether an unknown address gets the contract's 404")
        .hardened("false"),
    SettingKey::new("worthai.enabled", Boolean, "true", "Whether worthai is served"),
    SettingKey::new("worthai.base_path", Text, "/auth/api/v1", "Path under which its two operations are served"),
    SettingKey::found(
        "worthai.page_url",
        "`<public_url>/reset`",
        "Page of the mailed link; `?reset_token=` is added",
    ),
    SettingKey::new("worthai.token_ttl", Duration, "30m", "Life of a token"),
    SettingKey::found(
        "worthai.jwt_secret",
        "derived from `secret`",
        "Signs the tokens; at least 32 bytes, taken as written",
    )
    .secrecy(Secrecy::Secret),
    SettingKey::found(
        "worthai.jwt_secret_previous",
        "derived from `secret_previous` where `worthai.jwt_secret` is not set; else none",
        "The secret that it took the place of: tokens that this one signed stay valid",
    )
    .secrecy(Secrecy::Secret),
    SettingKey::new("strapi.enabled", Boolean, "true", "Whether Strapi users-permissions is served"),
    SettingKey::new(
        "strapi.wire",
        Choice(&["published", "server", "v3", "v4", "v5"]),
        "published",
        "Whose bytes: the published contract's; others are not offered yet",
    ),
    SettingKey::found("strapi.page_url", "`<public_url>/reset`", "Page of the mailed link; `?code=` is added"),
    SettingKey::new("strapi.token_ttl", Duration, "1h", "Life of a code").hardened("30m"),
    SettingKey::found(
        "strapi.jwt_secret",
        "derived from `secret`",
        "Signs the session token in the answer, the host's `JWT_SECRET`; at least 16 bytes, taken as written",
    )
    .secrecy(Secrecy::Secret),
    SettingKey::new("strapi.jwt_ttl", Duration, "30d", "Life of that session token"),
    SettingKey::new("strapi.issue_jwt", Boolean, "true", "Whether the answer carries a session token")
        .hardened("false"),
    SettingKey::new("strapi.public", Boolean, "true", "Whether the public role may reset; if not, 403"),
    SettingKey::new("insforge.enabled", Boolean, "true", "Whether InsForge is served"),
    SettingKey::new(
        "insforge.wire",
        WIRE,
        "published",
        "Whose bytes: the published contract's; others are not offered yet",
    ),
    SettingKey::new("insforge.method", Choice(&["code", "link"]), "code", "What is mailed").hardened("link"),
    SettingKey::new(
        "insforge.allowed_redirect_urls",
        List,
        "",
        "Where a link may lead; an empty list allows nothing, so `method=link` needs one",
    ),
    SettingKey::new("insforge.code_ttl", Duration, "15m", "Life of a code").hardened("10m"),
    SettingKey::new("insforge.token_ttl", Duration, "1h", "Life of a link, or of the token that a code became")
        .hardened("30m"),
    SettingKey::new("insforge.max_attempts", Integer, "3", "Guesses for one code"),
    SettingKey::new(
        "pages.enabled",
        Boolean,
        "true",
        "Whether our own pages are served: `/forgot`, `/reset`, `/not-me`. Without them a notice has no link, and \
         `worthai.page_url` and `strapi.page_url` have to be set",
    ),
    SettingKey::new("pages.token_ttl", Duration, "30m", "Life of a link that was asked for on `/forgot`"),
    SettingKey::new(
        "pages.language",
        Text,
        "en",
        "Language of the pages for browsers that ask for none of ours: `en`, `de`, `es`, `fr`, `ja`, `zh`",
    ),
    SettingKey::found("pages.name", "the display name in `mail_from`, else `Polyreset`", "Whose service it is"),
    SettingKey::found(
        "pages.logo",
        "the name",
        "Picture in the place of the name: a file of at most 64 KiB, `.svg`, `.png`, `.webp` or `.jpg`",
    ),
    SettingKey::found(
        "pages.accent",
        "`#1d4ed8`",
        "Colour of buttons and links, `#rrggbb`; its contrast with white has to be at least 4.5:1",
    ),
    SettingKey::found("pages.support", "nothing", "Where people get help: a mail address, an https URL or a text"),
    SettingKey::found("pages.home", "no link", "URL of the page where people sign in, the way on after a reset"),
    SettingKey::found("pages.footer", "nothing", "A line at the end of each page"),
    SettingKey::found(
        "pages.stylesheet",
        "ours alone",
        "Style sheet behind ours: a file of at most 64 KiB that loads nothing",
    ),
    SettingKey::new(
        "password.hash",
        Choice(&["argon2id", "bcrypt", "pbkdf2-sha256", "scrypt"]),
        "argon2id",
        "How new passwords are stored; the others for tables that another system reads: `bcrypt` for most (at most \
         72 bytes), `pbkdf2-sha256` and `scrypt` in Django's form",
    )
    .adopted("bcrypt"),
    SettingKey::new("password.argon2_m_kib", Integer, "47104", "Argon2id memory in KiB"),
    SettingKey::new("password.argon2_t", Integer, "1", "Argon2id passes"),
    SettingKey::new("password.argon2_p", Integer, "1", "Argon2id lanes"),
    SettingKey::new("password.bcrypt_cost", Integer, "12", "bcrypt cost; a row's own is kept where it is higher")
        .adopted("10"),
    SettingKey::new(
        "password.bcrypt_version",
        Choice(&["2a", "2b", "2y"]),
        "2b",
        "Prefix of a bcrypt hash: `2a` as Go and bcryptjs 2 write it, `2y` as PHP does",
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
        "scrypt blocks, a power of two; these three defaults are Django's. It takes 128 bytes times `n` times `r`",
    ),
    SettingKey::new("password.scrypt_r", Integer, "8", "scrypt block size"),
    SettingKey::new("password.scrypt_p", Integer, "5", "scrypt lanes, worked off one after the other"),
    SettingKey::new(
        "password.memory_mib",
        Integer,
        "512",
        "Memory that all hashing together may take: it and the number of cores bound how many run at once",
    ),
    SettingKey::new("password.min_length", Integer, "8", "Least length of a new password").hardened("15"),
    SettingKey::new(
        "password.denylist",
        Choice(&["on", "off"]),
        "on",
        "Whether the hundred thousand most common passwords are refused, in any case of their letters, and those made \
         of the account's name or address, of `public_url`'s host, of `mail_from`'s name or of `context_words`",
    ),
    SettingKey::new("password.context_words", List, "", "Names of your app or company, of which no password is to be made"),
    SettingKey::new(
        "limits.enabled",
        Boolean,
        "true",
        "`false` lifts every limit of this section, for load tests; `insforge.max_attempts` stays",
    ),
    SettingKey::new("limits.px0_live_codes", Integer, "10", "Live px0 codes of six digits; further ones are long"),
    SettingKey::new(
        "limits.request_spacing",
        Duration,
        "60s",
        "Least time between two resets asked for with one address, over all dialects; silent",
    ),
    SettingKey::new("limits.requests_per_hour", Integer, "3", "Resets asked for with one address in an hour; silent"),
    SettingKey::new("limits.requests_per_day", Integer, "6", "The same in a day; silent"),
    SettingKey::new("limits.mails_per_hour", Integer, "1000", "Reset mails in an hour; further ones wait"),
    SettingKey::new(
        "limits.px0_wrong_per_10m",
        Integer,
        "5",
        "Wrong px0 codes of six digits in ten minutes, from everybody together; then such codes are frozen and new \
         ones long",
    ),
    SettingKey::new("limits.px0_wrong_per_day", Integer, "20", "The same in a day"),
    SettingKey::new(
        "limits.insforge_wrong_per_day",
        Integer,
        "10",
        "Wrong InsForge codes for one address in a day, over all its codes; silent",
    ),
    SettingKey::new("limits.insforge_wrong_per_30d", Integer, "25", "The same in thirty days"),
    SettingKey::new(
        "limits.insforge_wrong_per_day_all",
        Integer,
        "100",
        "Wrong InsForge codes in a day, for all addresses together; silent",
    ),
    SettingKey::new(
        "limits.client_requests_per_15m",
        Integer,
        "5",
        "Resets that one client asks for in 15 minutes: an IPv4 address or an IPv6 /64, in each process or, \
         with `redis_url`, in all together; then 429",
    ),
    SettingKey::new("limits.client_requests_per_day", Integer, "20", "The same in a day"),
    SettingKey::new(
        "limits.client_px0_wrong_per_hour",
        Integer,
        "5",
        "Wrong px0 codes of six digits from one client in an hour; then 429",
    ),
    SettingKey::new("limits.client_px0_wrong_per_day", Integer, "10", "The same in a day"),
    SettingKey::new("limits.network_px0_wrong_per_day", Integer, "20", "The same from one /24 or /48"),
    SettingKey::new(
        "limits.client_insforge_wrong_per_15m",
        Integer,
        "10",
        "Wrong InsForge codes from one client in 15 minutes; then 429",
    ),
    SettingKey::new(
        "limits.client_wrong_per_hour",
        Integer,
        "60",
        "Other wrong secrets from one client in an hour: long codes, tokens, links; then 429",
    ),
    SettingKey::found(
        "limits.redis_url",
        "each process counts for itself",
        "`redis://[user:password@]host[:port][/database]`: where all replicas count clients together (`client_…`, \
         `network_…`)",
    )
    .secrecy(Secrecy::Userinfo),
    SettingKey::new(
        "users.preset",
        Choice(&["own", "px0", "insforge", "strapi-v4", "strapi-v3", "custom"]),
        "own",
        "Whose users table: polyreset's own, or the one of another system in the same database (`strapi-v4` is v5's, too)",
    ),
    SettingKey::found("users.schema", PRESETS, "Schema of that table; on MariaDB its database"),
    SettingKey::found("users.table", PRESETS, "Table"),
    SettingKey::found("users.id", PRESETS, "Column of the key: uuid, integer or text"),
    SettingKey::found("users.email", PRESETS, "Column of the address"),
    SettingKey::found(
        "users.email_match",
        "the preset's; `ascii-lower` for `custom`",
        "`exact` for addresses stored in lower case; `ascii-lower` finds capitals, too, and wants an index on \
         `lower(column)`",
    )
    .choice(&["exact", "ascii-lower"]),
    SettingKey::found("users.password", PRESETS, "Column of the hash"),
    SettingKey::found("users.username", PRESETS, "Column of the login name"),
    SettingKey::found("users.name", PRESETS, "Column of the name for people to read"),
    SettingKey::found("users.locale", PRESETS, "Column of the language"),
    SettingKey::found("users.blocked", PRESETS, "Column that is true for blocked accounts"),
    SettingKey::found("users.active", PRESETS, "Column that is false for blocked accounts, instead of `blocked`"),
    SettingKey::found("users.verified", PRESETS, "Column that is true for confirmed addresses"),
    SettingKey::found("users.provider", PRESETS, "Column that tells logins with a password from others"),
    SettingKey::found("users.provider_value", "`local`", "Its value for logins with a password"),
    SettingKey::found("users.created_at", PRESETS, "Column of the time when the row was made"),
    SettingKey::found("users.updated_at", PRESETS, "Column that is set to the time of a reset"),
    SettingKey::found("users.password_changed_at", PRESETS, "Another such column"),
    SettingKey::found("users.token_version", PRESETS, "Column that is raised by one, so that older sessions end"),
    SettingKey::new("users.cleared", List, "", "Columns that become NULL with a reset; the preset's where not set"),
    SettingKey::found("users.sessions.table", "none", "Table of sessions, whose rows of the account are deleted"),
    SettingKey::found("users.sessions.account", "none", "Its column that holds the account's id"),
    SettingKey::found("users.sessions.schema", "the users table's", "Its schema"),
    SettingKey::new("notify.password_changed", Boolean, "true", "Mail to the owner after a reset"),
    SettingKey::found("notify.webhook_url", "nobody is told", "Where the event `password.reset` is posted")
        .secrecy(Secrecy::Userinfo),
    SettingKey::found("notify.webhook_secret", "required with `webhook_url`", "Signs events: `whsec_` and base64")
        .secrecy(Secrecy::Secret),
    SettingKey::new(
        "audit.retention",
        Duration,
        "90d",
        "How long events are kept: what `trace` shows and `audit` exports; a reset takes about ten",
    ),
];
