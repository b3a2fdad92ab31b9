-- Points in time are whole milliseconds since the Unix epoch. Truth is 0 or 1.

-- Our own users table, for deployments that have none of their own.
CREATE TABLE users (
    -- AUTOINCREMENT: the key of a deleted account is never given to another person.
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    -- As it was written, capitals and all: where mail goes.
    email               TEXT    NOT NULL,
    -- Canonical form: what is compared, byte for byte.
    email_key           TEXT    NOT NULL COLLATE BINARY UNIQUE,
    -- What people log in with and are called; both may be absent.
    username            TEXT,
    name                TEXT,
    -- BCP 47 tag of the mails' language.
    locale              TEXT,
    -- A PHC string (Argon2id) or `$2b$` (bcrypt).
    password_hash       TEXT    NOT NULL,
    -- Whether the address was ever confirmed.
    confirmed           INTEGER NOT NULL DEFAULT 1 CHECK (confirmed IN (0, 1)),
    blocked             INTEGER NOT NULL DEFAULT 0 CHECK (blocked IN (0, 1)),
    -- Counts password changes; tickets and sessions of an earlier epoch are void.
    credential_epoch    INTEGER NOT NULL DEFAULT 0,
    password_changed_at INTEGER NOT NULL,
    created_at          INTEGER NOT NULL,
    updated_at          INTEGER NOT NULL
) STRICT;

-- The right of one account to set one new password through one dialect. Holds digests, never secrets.
CREATE TABLE tickets (
    id          TEXT    PRIMARY KEY,
    -- The account's key as text, without a foreign key: the users table may be somebody else's one day.
    account     TEXT    NOT NULL,
    dialect     TEXT    NOT NULL,
    -- `code`, `long-code` or `token`.
    kind        TEXT    NOT NULL,
    -- HMAC-SHA-256 of the secret, under a key that is not in the database.
    digest      BLOB    NOT NULL CHECK (length(digest) = 32),
    -- Canonical address and epoch of the account at issue; a ticket is good only while both still hold.
    email       TEXT    NOT NULL,
    epoch       INTEGER NOT NULL,
    -- The job that mailed it, and that job's `seq`: a later ask beats an earlier one. A job issues
    -- one ticket only. A token that took a code's place names itself as job and keeps the code's `seq`.
    job      TEXT    NOT NULL UNIQUE,
    job_seq  INTEGER NOT NULL,
    -- Which draw of the secret this is; more than 0 after a collision.
    nonce       INTEGER NOT NULL,
    -- Where its link is to lead.
    redirect_to TEXT,
    -- Guesses spent on it.
    attempts    INTEGER NOT NULL DEFAULT 0,
    issued_at   INTEGER NOT NULL,
    -- When the secret was last made for mailing.
    minted_at   INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    -- When it set a password or was exchanged for a token.
    spent_at    INTEGER,
    -- When a newer ticket, a completed reset or a block voided it. With `spent_at` it says whether a ticket is
    -- open; a ticket is live while it is open and not expired.
    voided_at   INTEGER
) STRICT, WITHOUT ROWID;

-- Two live secrets of a dialect never collide. An index cannot know the time, so an expired ticket holds its
-- place until one with the same digest is issued, which voids it.
CREATE UNIQUE INDEX tickets_open_digest ON tickets (dialect, digest) WHERE spent_at IS NULL AND voided_at IS NULL;
-- A presented secret finds its ticket, dead or alive.
CREATE INDEX tickets_digest ON tickets (dialect, digest);
-- An account has one open ticket in a dialect; a new one voids it. Guesses find theirs by it.
CREATE UNIQUE INDEX tickets_open_account ON tickets (account, dialect) WHERE spent_at IS NULL AND voided_at IS NULL;
-- Whether a later ask was served already.
CREATE INDEX tickets_account ON tickets (account, dialect, job_seq);
-- How many guessable codes of a dialect are live.
CREATE INDEX tickets_open_kind ON tickets (dialect, kind, expires_at) WHERE spent_at IS NULL AND voided_at IS NULL;

-- What was accepted and is still to be done, in the order of asking.
CREATE TABLE jobs (
    -- AUTOINCREMENT: the order of asking outlives the rows that are purged.
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT    NOT NULL UNIQUE,
    -- What a person quotes to the help desk.
    reference   TEXT    NOT NULL,
    dialect     TEXT    NOT NULL,
    -- A reset: the canonical address that somebody typed, whether or not it has an account, and where the link
    -- is to lead.
    email       TEXT,
    redirect_to TEXT,
    -- A notice: the account whose owner is told, and the address at the moment of the reset. Exactly one of
    -- `email` and `account` is set.
    account     TEXT,
    recipient   TEXT,
    created_at  INTEGER NOT NULL,
    -- How often it has been tried.
    attempts    INTEGER NOT NULL DEFAULT 0,
    -- When it is to be tried; while `taken`, the end of the worker's lease.
    due_at      INTEGER NOT NULL,
    taken       INTEGER NOT NULL DEFAULT 0 CHECK (taken IN (0, 1)),
    finished_at INTEGER,
    -- How it ended, in the words of `reset_core::job::Outcome`.
    outcome     TEXT,
    -- The mail server's last reply, a code without prose.
    reply       TEXT,
    CHECK ((email IS NULL) <> (account IS NULL)),
    CHECK ((account IS NULL) = (recipient IS NULL))
) STRICT;

-- What is due, in the order of asking, and when the next one will be. The worker reads these alone.
CREATE INDEX jobs_unfinished ON jobs (seq) WHERE finished_at IS NULL;
CREATE INDEX jobs_due ON jobs (due_at) WHERE finished_at IS NULL;
-- Whether an earlier one for the same address goes first.
CREATE INDEX jobs_of_address ON jobs (dialect, email, seq) WHERE finished_at IS NULL;
-- What may be forgotten.
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;

-- How many guesses at typed codes were checked. Counted for every guess, whether or not there was anything to guess:
-- each costs one commit, and the time of an answer tells nothing.
CREATE TABLE guesses (
    dialect TEXT    NOT NULL PRIMARY KEY,
    taken   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
