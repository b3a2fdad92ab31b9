//! Every setting of this version.

use super::{
    Key,
    Kind::{self, Boolean, Choice, Duration, Integer, List, Size, Text},
    Secrecy,
};

/// Where the names of another system's table come from.
const PRESETS: &str = "the preset's; an empty text takes it out";

const WIRE: Kind = Choice(&["published", "server"]);

/// Every setting of this version, in the order in which they are documented.
pub(crate) const KEYS: &[Key] = &[
    Key::new("listen", Text, "127.0.0.1:8080", "TCP address with its port, or `unix:/path`"),
    Key::found(
        "admin_listen",
        "none",
        "A second listener, for operators, written as `listen` is: `/metrics`. Whoever reaches it may read",
    ),
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
    Key::found(
        "mail_fallback_url",
        "none",
        "A second such URL, for mails that the first does not take for now: see \"Mail\" below",
    )
    .secrecy(Secrecy::Userinfo),
    Key::new("mail_from", Text, "Polyreset <no-reply@localhost>", "Sender of every mail"),
    Key::new(
        "mail.locale",
        Text,
        "en",
        "Language of mails to whoever has none, or one that there are no texts in: `en`, `de`, `es`, `fr`, `ja`, `zh`, or \
         one that is whole in `mail.templates`",
    ),
    Key::new(
        "mail.per_domain",
        Integer,
        "4",
        "Mails at once to one recipient's domain, over SMTP; 6 is all that there are at once",
    ),
    Key::found(
        "mail.templates",
        "ours alone",
        "Directory of templates that take the place of ours: see \"Mail\" below",
    ),
    Key::found(
        "secret",
        "on SQLite: `reset.secret` beside the database, made at first start with mode 0600; else required",
        "At least 32 bytes as hex or base64; every other key is derived from it",
    )
    .secrecy(Secrecy::Secret),
    Key::found(
        "secret_previous",
        "on SQLite: `reset.secret.previous` beside the database, where there is one; else none",
        "Secrets that `secret` took the place of, the latest first, at most three: what is out under them stays valid",
    )
    .list()
    .secrecy(Secrecy::Secret),
    Key::new(
        "profile",
        Choice(&["compatible", "hardened"]),
        "compatible",
        "`compatible` serves every client of the dialects; `hardened` closes what their contracts leave open",
    ),
    Key::new("body_limit", Size, "64 KiB", "Largest request body; over it: 413 in the dialect's envelope"),
    Key::new("cors_origins", List, "", "Origins whose pages may call, such as `https://app.example.com`"),
    Key::new(
        "trusted_proxies",
        List,
        "",
        "Networks such as `10.0.0.0/8` of the proxies whose `X-Forwarded-For` or `Forwarded` is believed; where it is \
         not empty, whoever connects to a Unix socket is one",
    ),
    Key::new("log", Text, "info", "Log filter: a level, or `target=level,…`; libraries tell nothing below `info`"),
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
    Key::found(
        "worthai.jwt_secret_previous",
        "derived from `secret_previous` where `worthai.jwt_secret` is not set; else none",
        "The secret that it took the place of: tokens that this one signed stay valid",
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
        "pages.enabled",
        Boolean,
        "true",
        "Whether our own pages are served: `/forgot`, `/reset`, `/not-me`. Without them a notice has no link, and \
         `worthai.page_url` and `strapi.page_url` have to be set",
    ),
    Key::new("pages.token_ttl", Duration, "30m", "Life of a link that was asked for on `/forgot`"),
    Key::new(
        "pages.language",
        Text,
        "en",
        "Language of the pages for browsers that ask for none of ours: `en`, `de`, `es`, `fr`, `ja`, `zh`",
    ),
    Key::found("pages.name", "the display name in `mail_from`, else `Polyreset`", "Whose service it is"),
    Key::found(
        "pages.logo",
        "the name",
        "Picture in the place of the name: a file of at most 64 KiB, `.svg`, `.png`, `.webp` or `.jpg`",
    ),
    Key::found(
        "pages.accent",
        "`#1d4ed8`",
        "Colour of buttons and links, `#rrggbb`; its contrast with white has to be at least 4.5:1",
    ),
    Key::found("pages.support", "nothing", "Where people get help: a mail address, an https URL or a text"),
    Key::found("pages.home", "no link", "URL of the page where people sign in, the way on after a reset"),
    Key::found("pages.footer", "nothing", "A line at the end of each page"),
    Key::found(
        "pages.stylesheet",
        "ours alone",
        "Style sheet behind ours: a file of at most 64 KiB that loads nothing",
    ),
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
        "Whether the hundred thousand most common passwords are refused, in any case of their letters, and those made \
         of the account's name or address, of `public_url`'s host, of `mail_from`'s name or of `context_words`",
    ),
    Key::new("password.context_words", List, "", "Names of your app or company, of which no password is to be made"),
    Key::new(
        "limits.enabled",
        Boolean,
        "true",
        "`false` lifts every limit of this section, for load tests; `insforge.max_attempts` stays",
    ),
    Key::new("limits.px0_live_codes", Integer, "10", "Live px0 codes of six digits; further ones are long"),
    Key::new(
        "limits.ask_spacing",
        Duration,
        "60s",
        "Least time between two resets asked for with one address, over all dialects; silent",
    ),
    Key::new("limits.asks_per_hour", Integer, "3", "Resets asked for with one address in an hour; silent"),
    Key::new("limits.asks_per_day", Integer, "6", "The same in a day; silent"),
    Key::new("limits.mails_per_hour", Integer, "1000", "Reset mails in an hour; further ones wait"),
    Key::new(
        "limits.px0_wrong_per_10m",
        Integer,
        "5",
        "Wrong px0 codes of six digits in ten minutes, from everybody together; then such codes are frozen and new \
         ones long",
    ),
    Key::new("limits.px0_wrong_per_day", Integer, "20", "The same in a day"),
    Key::new(
        "limits.insforge_wrong_per_day",
        Integer,
        "10",
        "Wrong InsForge codes for one address in a day, over all its codes; silent",
    ),
    Key::new("limits.insforge_wrong_per_30d", Integer, "25", "The same in thirty days"),
    Key::new(
        "limits.insforge_wrong_per_day_all",
        Integer,
        "100",
        "Wrong InsForge codes in a day, for all addresses together; silent",
    ),
    Key::new(
        "limits.client_asks_per_15m",
        Integer,
        "5",
        "Resets that one client asks for in 15 minutes: an IPv4 address or an IPv6 /64, in each process or, \
         with `redis_url`, in all together; then 429",
    ),
    Key::new("limits.client_asks_per_day", Integer, "20", "The same in a day"),
    Key::new(
        "limits.client_px0_wrong_per_hour",
        Integer,
        "5",
        "Wrong px0 codes of six digits from one client in an hour; then 429",
    ),
    Key::new("limits.client_px0_wrong_per_day", Integer, "10", "The same in a day"),
    Key::new("limits.network_px0_wrong_per_day", Integer, "20", "The same from one /24 or /48"),
    Key::new(
        "limits.client_insforge_wrong_per_15m",
        Integer,
        "10",
        "Wrong InsForge codes from one client in 15 minutes; then 429",
    ),
    Key::new(
        "limits.client_wrong_per_hour",
        Integer,
        "60",
        "Other wrong secrets from one client in an hour: long codes, tokens, links; then 429",
    ),
    Key::found(
        "limits.redis_url",
        "each process counts for itself",
        "`redis://[user:password@]host[:port][/database]`: where all replicas count clients together (`client_…`, \
         `network_…`)",
    )
    .secrecy(Secrecy::Userinfo),
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
    Key::new(
        "audit.retention",
        Duration,
        "90d",
        "How long events are kept: what `trace` shows and `audit` exports; a reset takes about ten",
    ),
];
