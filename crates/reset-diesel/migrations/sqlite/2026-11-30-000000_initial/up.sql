-- Timestamps are whole milliseconds since the Unix epoch. Booleans are 0 or 1.

-- polyreset's own users table, for deployments that have no users table of their own.
CREATE TABLE users (
    -- AUTOINCREMENT: the id of a deleted account is never reused.
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    -- The address as entered, case preserved. Mail is sent to it.
    email               TEXT    NOT NULL,
    -- Canonical form of `email`, compared byte for byte.
    email_key           TEXT    NOT NULL COLLATE BINARY UNIQUE,
    -- Login name and display name, both optional.
    username            TEXT,
    name                TEXT,
    -- Language of mails, as a BCP 47 tag.
    locale              TEXT,
    -- A PHC string (Argon2id) or a `$2b$` string (bcrypt).
    password_hash       TEXT    NOT NULL,
    -- Whether the address was ever confirmed.
    confirmed           INTEGER NOT NULL DEFAULT 1 CHECK (confirmed IN (0, 1)),
    blocked             INTEGER NOT NULL DEFAULT 0 CHECK (blocked IN (0, 1)),
    -- Incremented by each password change, which invalidates tickets and sessions of earlier epochs.
    credential_epoch    INTEGER NOT NULL DEFAULT 0,
    password_changed_at INTEGER NOT NULL,
    created_at          INTEGER NOT NULL,
    updated_at          INTEGER NOT NULL
) STRICT;

-- A ticket lets one account set one new password through one dialect. The table holds digests, never secrets.
CREATE TABLE tickets (
    id          TEXT    PRIMARY KEY,
    -- The account's id as text, without a foreign key: the users table may belong to another system.
    account     TEXT    NOT NULL,
    dialect     TEXT    NOT NULL,
    -- `code`, `long-code` or `token`.
    kind        TEXT    NOT NULL,
    -- HMAC-SHA-256 of the secret. The key is not in the database.
    digest      BLOB    NOT NULL CHECK (length(digest) = 32),
    -- Canonical address and epoch of the account at issue. The ticket is valid only while neither has changed.
    email       TEXT    NOT NULL,
    epoch       INTEGER NOT NULL,
    -- Reference of the reset that the ticket belongs to; NULL if unknown.
    reference   TEXT,
    -- The job that mailed the ticket, and the job's `seq`: the ticket of a later request replaces that of an earlier
    -- one. A job issues only one ticket. A token that a code was exchanged for has its own id as `job` and keeps the
    -- code's `job_seq`.
    job         TEXT    NOT NULL UNIQUE,
    job_seq     INTEGER NOT NULL,
    -- Number of times the secret was drawn again because its digest collided.
    nonce       INTEGER NOT NULL,
    -- Target of the link.
    redirect_to TEXT,
    -- Guesses counted against the ticket.
    attempts    INTEGER NOT NULL DEFAULT 0,
    issued_at   INTEGER NOT NULL,
    -- When the secret was last generated for a mail.
    minted_at   INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    -- When the ticket set a password or was exchanged for a token.
    spent_at    INTEGER,
    -- When a newer ticket, a completed reset or a block voided the ticket. A ticket is open while `spent_at` and
    -- `voided_at` are NULL, and live while it is open and not expired.
    voided_at   INTEGER
) STRICT, WITHOUT ROWID;

-- Live secrets of a dialect are unique. An index cannot compare with the current time, so an expired ticket keeps its
-- entry until a ticket with the same digest is issued, which voids it.
CREATE UNIQUE INDEX tickets_open_digest ON tickets (dialect, digest) WHERE spent_at IS NULL AND voided_at IS NULL;
-- Finds the ticket of a presented secret, whatever its state.
CREATE INDEX tickets_digest ON tickets (digest, dialect);
-- An account has at most one open ticket per dialect: issuing a new one voids it. Guesses use this index.
CREATE UNIQUE INDEX tickets_open_account ON tickets (account, dialect) WHERE spent_at IS NULL AND voided_at IS NULL;
-- Finds out whether a later request already issued a ticket.
CREATE INDEX tickets_account ON tickets (account, dialect, job_seq);
-- Finds tickets to purge.
CREATE INDEX tickets_expires ON tickets (expires_at);
-- Counts the live short codes of a dialect.
CREATE INDEX tickets_kind ON tickets (dialect, kind, expires_at);

-- The outbox: accepted jobs in the order of their requests.
CREATE TABLE jobs (
    -- AUTOINCREMENT: numbers of purged rows are never reused, so `seq` always gives the order of requests.
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT    NOT NULL UNIQUE,
    -- Reference that a user quotes to support.
    reference   TEXT    NOT NULL,
    dialect     TEXT    NOT NULL,
    -- Reset jobs: the requested address in canonical form, whether or not it has an account; the target of the link;
    -- and the client's language as a BCP 47 tag.
    email       TEXT,
    redirect_to TEXT,
    locale      TEXT,
    -- Notice jobs: the account, and its address at the time of the reset. Webhook jobs: only the account. Exactly one
    -- of `email` and `account` is set.
    account     TEXT,
    recipient   TEXT,
    created_at  INTEGER NOT NULL,
    -- Where the job is, as `queries/stage.rs` numbers it: accepted, ready, postponed, suspect, resolving or sending.
    -- NULL once the job is finished.
    stage       INTEGER DEFAULT 0,
    -- Order within a stage. Each waiting job of a client's network has a later turn than the one before it, so networks
    -- are served in turn.
    turn        INTEGER NOT NULL DEFAULT 0,
    -- The network of the client as a number: an IPv6 /48 or an IPv4 /24.
    network     INTEGER,
    -- Postponed: when the job is due. Claimed: when the worker's lease expires. Otherwise when it was created.
    due_at      INTEGER NOT NULL,
    -- Number of times a worker claimed the job. A worker whose lease expired has a lower number and changes nothing.
    claims      INTEGER NOT NULL DEFAULT 0,
    -- Number of attempts at its delivery, the current one included.
    attempts    INTEGER NOT NULL DEFAULT 0,
    -- Number of attempts whose mail may have been accepted although no reply came.
    unconfirmed INTEGER NOT NULL DEFAULT 0,
    -- Number of consecutive claims whose lease expired without a result, which usually means that the worker crashed.
    crashes     INTEGER NOT NULL DEFAULT 0,
    finished_at INTEGER,
    -- A name of `reset_core::job::Outcome`.
    outcome     TEXT,
    -- The last reply of the mail server or the webhook: its code, without text.
    reply       TEXT,
    CHECK ((email IS NULL) <> (account IS NULL)),
    CHECK (recipient IS NULL OR account IS NOT NULL)
) STRICT;

-- The next jobs of a stage, in turn.
CREATE INDEX jobs_turn ON jobs (stage, turn, seq) WHERE stage IS NOT NULL;
-- Postponed jobs that are due, leases that expired, and the oldest waiting job.
CREATE INDEX jobs_due ON jobs (stage, due_at) WHERE stage IS NOT NULL;
-- Finds finished jobs to purge.
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;

-- Number of checked guesses at codes, per dialect. Every guess is counted, even if there is no ticket to guess at: each
-- costs one commit, so the response time reveals nothing.
CREATE TABLE guesses (
    dialect TEXT    NOT NULL PRIMARY KEY,
    taken   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Usage of limited actions: reset requests, mails and wrong guesses. The limits themselves are settings.
CREATE TABLE budgets (
    -- The counted action and, for a limit per address, a keyed tag of the address: never the address itself.
    name    TEXT    NOT NULL PRIMARY KEY,
    -- Times of the takes: eight bytes each, milliseconds in network byte order. The length is bounded by the limit,
    -- because a refused take is not stored.
    takes   BLOB    NOT NULL,
    -- Number of refused takes. It is counted so that a refusal costs the same commit as a take.
    refused INTEGER NOT NULL,
    -- When the last take leaves its longest window.
    ends_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Finds budgets to purge.
CREATE INDEX budgets_end ON budgets (ends_at);

-- The audit log of resets. Rows are appended, and the oldest are deleted after the retention time. Their contents never
-- change.
CREATE TABLE events (
    -- AUTOINCREMENT: numbers of deleted rows are never reused, so `seq` always gives the order of insertion.
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    at        INTEGER NOT NULL,
    -- A name of `reset_core::event::EventKind`.
    kind      TEXT    NOT NULL,
    -- Dialect, reset, job and account of the event, as far as they are known.
    dialect   TEXT    NOT NULL,
    reference TEXT,
    job       TEXT,
    account   TEXT,
    -- A keyed tag of the requested address: never the address itself.
    address   TEXT,
    -- Network of the client: an IPv4 address or an IPv6 /64.
    network   TEXT,
    -- Reply codes and fixed words, never text of a client or a server.
    detail    TEXT    NOT NULL,
    -- Position in the chain, without gaps, and the seal: a keyed tag over the event and the seal before it. Both are
    -- NULL until the event is sealed.
    place     INTEGER UNIQUE,
    seal      BLOB    CHECK (length(seal) = 32),
    CHECK ((place IS NULL) = (seal IS NULL))
) STRICT;

-- Lists the events of one reset.
CREATE INDEX events_reference ON events (reference, seq) WHERE reference IS NOT NULL;
-- Lists the resets requested for an address.
CREATE INDEX events_address ON events (address, seq) WHERE address IS NOT NULL;
-- Finds events to seal.
CREATE INDEX events_unsealed ON events (seq) WHERE place IS NULL;

-- The two ends of the chain of events: `head` is the last sealed event, `base` the last deleted one. The first seal
-- inserts both rows. `tag` is keyed like a seal, so only polyreset can move an end.
CREATE TABLE marks (
    name  TEXT    NOT NULL PRIMARY KEY,
    place INTEGER NOT NULL,
    seal  BLOB    NOT NULL CHECK (length(seal) = 32),
    tag   BLOB    NOT NULL CHECK (length(tag) = 32)
) STRICT;

-- The owner's right to dispute one reset ("this wasn't me"), and whether it was used.
CREATE TABLE disputes (
    -- The job of the notice that carries the link.
    id        TEXT    NOT NULL PRIMARY KEY,
    account   TEXT    NOT NULL,
    -- The disputed reset and its dialect.
    reference TEXT    NOT NULL,
    dialect   TEXT    NOT NULL,
    -- Canonical address that the notice was sent to. While the dispute is open, resets are mailed only to it.
    mailbox   TEXT    NOT NULL,
    -- When the link expires.
    until     INTEGER NOT NULL,
    opened_at INTEGER,
    -- When a reset or an administrator closed the dispute.
    closed_at INTEGER
) STRICT;

-- Finds the open dispute of an account.
CREATE INDEX disputes_opened ON disputes (account, opened_at) WHERE opened_at IS NOT NULL;
-- Finds the open dispute of a mailbox.
CREATE INDEX disputes_mailbox ON disputes (mailbox, opened_at) WHERE opened_at IS NOT NULL;
-- Finds disputes to purge.
CREATE INDEX disputes_until ON disputes (until);

-- The readiness check changes a row, because only a write shows that the database can be written to.
CREATE TABLE probes (
    -- Chosen at random by each server, so that their checks rarely change the same row.
    slot   INTEGER NOT NULL PRIMARY KEY,
    writes INTEGER NOT NULL
) STRICT;

-- Counts quarantined jobs.
CREATE INDEX jobs_quarantined ON jobs (outcome) WHERE outcome = 'quarantined';
