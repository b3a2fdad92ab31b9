//! Settings of mail delivery.

use std::time::Duration;

use reset_settings::{Integer, Key, Secrecy, Text};

pub(crate) static MAIL_URL: Key<Text> = Key::new(
    "mail_url",
    "file://mail",
    "`smtp://[user:pass@]host[:port]` (STARTTLS if offered; `?tls=required` makes it mandatory), `smtps://…`, \
         `file://DIR` (one `.eml` file per mail), `stdout:`. For relays with a certificate of their own see `docs/mail.md`",
)
.secrecy(Secrecy::Userinfo);
pub(crate) static MAIL_FALLBACK_URL: Key<Text> = Key::found(
    "mail_fallback_url",
    "none",
    "Fallback URL, in the same form, for mail that `mail_url` temporarily rejects; see `docs/mail.md`",
)
.secrecy(Secrecy::Userinfo);
pub(crate) static MAIL_FROM: Key<Text> =
    Key::new("mail_from", "Polyreset <no-reply@localhost>", "Sender of every mail");
pub(crate) static MAIL_LOCALE: Key<Text> = Key::new(
    "mail.locale",
    "en",
    "Fallback language of mails, for recipients without a language or with an unsupported one: `en`, `de`, `es`, `fr`, \
         `ja`, `zh`, `ar`, or any language that `mail.templates` covers completely",
);
pub(crate) static MAIL_CONNECTIONS: Key<Integer> = Key::new(
    "mail.connections",
    "6",
    "Maximum concurrent connections per mail server, 1 to 64. It is lowered while the server accepts fewer",
);
pub(crate) static MAIL_RATE: Key<Text> = Key::found(
    "mail.rate",
    "no limit",
    "Maximum mails by SMTP per period and process, such as `100/1h` or `14/1s`, for providers with a quota. Others wait",
);
pub(crate) static MAIL_TIMEOUT: Key<Duration> = Key::found(
    "mail.timeout",
    "RFC 5321's timeouts; with `mail_fallback_url`: `20s`",
    "Maximum wait for each step of an SMTP conversation before the message is transferred, 1s to 5m",
);
pub(crate) static MAIL_PER_DOMAIN: Key<Integer> = Key::found(
    "mail.per_domain",
    "two thirds of `mail.connections`: `4`",
    "Maximum concurrent SMTP deliveries per recipient domain, at most `mail.connections`",
);
pub(crate) static MAIL_TEMPLATES: Key<Text> = Key::found(
    "mail.templates",
    "built-in templates",
    "Directory of templates that override the built-in ones; see `docs/mail.md`",
);
pub(crate) static MAIL_DKIM_KEY: Key<Text> = Key::found(
    "mail.dkim_key",
    "mails are not signed: the mail server does it",
    "Private key that signs mails with DKIM, in PEM: RSA of 2048 to 4096 bits, or Ed25519; see `docs/mail.md`",
)
.secrecy(Secrecy::Secret);
pub(crate) static MAIL_DKIM_SELECTOR: Key<Text> = Key::found(
    "mail.dkim_selector",
    "required with `mail.dkim_key`",
    "DKIM selector: the public key is at `<selector>._domainkey.<domain>` in DNS",
);
pub(crate) static MAIL_DKIM_DOMAIN: Key<Text> = Key::found(
    "mail.dkim_domain",
    "the domain of `mail_from`",
    "DKIM domain: that of `mail_from`, or one above it",
);
