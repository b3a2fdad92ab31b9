//! The settings of the HTTP side: listeners, public URL, proxies and request limits.

use std::time::Duration;

use reset_settings::{Choice, Key, List, Secrecy, Size, Text};

pub(crate) static LISTEN: Key<Text> =
    Key::new("listen", "127.0.0.1:8080", "TCP address and port, or `unix:/path`");
pub(crate) static ADMIN_LISTEN: Key<Text> = Key::found(
    "admin_listen",
    "none",
    "Second listener, for operators, in the same form as `listen`. It serves `/metrics`, to everyone who can reach it \
         unless `admin_token` is set",
);
pub(crate) static ADMIN_TOKEN: Key<Text> = Key::found(
    "admin_token",
    "none",
    "Token that every request to `admin_listen` must present, as `Authorization: Bearer TOKEN`; otherwise 401. At least \
         16 letters, digits and `-._~+/=`, such as `openssl rand -hex 32` prints",
)
.secrecy(Secrecy::Secret);
pub(crate) static PUBLIC_URL: Key<Text> = Key::found(
    "public_url",
    "`http://<listen>` if that is loopback; otherwise required",
    "Public base URL of the service. Every link is built from it. Must be https unless it is loopback",
);
pub(crate) static BODY_LIMIT: Key<Size> =
    Key::new("body_limit", "64 KiB", "Maximum request body. Over it: 413 in the dialect's envelope");
pub(crate) static CORS_ORIGINS: Key<List> = Key::new(
    "cors_origins",
    "",
    "Allowed browser origins, such as `https://app.example.com`; or `upstream`, to answer as the back end behind \
         `upstream_url` does",
);
pub(crate) static UPSTREAM_URL: Key<Text> = Key::found(
    "upstream_url",
    "none",
    "The back end that answers every request which is not polyreset's, such as `http://127.0.0.1:1337`; see \
         `docs/deploy.md`",
);
pub(crate) static UPSTREAM_MODE: Key<Choice> = Key::choice(
    "upstream_mode",
    &["pass", "shadow"],
    "pass",
    "Who answers the operations of the dialects: polyreset (`pass`), or the back end (`shadow`), while polyreset compares its \
         own responses, mails nothing and changes nothing; see `docs/deploy.md`",
);
pub(crate) static UPSTREAM_HOST: Key<Choice> = Key::choice(
    "upstream_host",
    &["request", "upstream"],
    "request",
    "`Host` that the back end receives: that of the request, or that of `upstream_url`, as hosted platforms need it",
);
pub(crate) static UPSTREAM_CONNECT_TIMEOUT: Key<Duration> =
    Key::new("upstream_connect_timeout", "5s", "Timeout for connecting to the back end");
pub(crate) static UPSTREAM_TIMEOUT: Key<Duration> = Key::new(
    "upstream_timeout",
    "60s",
    "How long the back end may be silent before its response, and within it. A request body that makes progress extends it",
);
pub(crate) static CORS_HEADERS: Key<List> = Key::new(
    "cors_headers",
    "content-type,authorization,x-requested-with,x-xsrf-token,baggage,sentry-trace,traceparent,tracestate",
    "Request headers that scripts of those origins may set",
);
pub(crate) static TRUSTED_PROXIES: Key<List> = Key::new(
    "trusted_proxies",
    "",
    "Addresses or networks of the proxies alone, such as `10.0.0.7` or `10.0.5.0/28`, and no client's network: \
         their `X-Forwarded-For` or `Forwarded` header gives the client's address, and a client in such a network could \
         claim any. If the list is not empty, every peer on a Unix socket is trusted too",
);
