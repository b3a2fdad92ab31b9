-- Points in time are whole milliseconds since the Unix epoch. The tables may lie beside a host application's, so
-- each has the prefix `polyreset_`. DDL is not transactional here: every statement may be run again.
--
-- The table `polyreset_migrations` is made before the first migration.

-- Our own users table, for deployments that have none of their own.
CREATE TABLE IF NOT EXISTS polyreset_users (
    -- The key of a deleted account is never given to another person.
    id                  BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
    -- As it was written, capitals and all: where mail goes.
    email               VARCHAR(320) NOT NULL,
    -- Canonical form: what is compared, byte for byte.
    email_key           VARCHAR(320) NOT NULL UNIQUE,
    -- What people log in with and are called; both may be absent.
    username            VARCHAR(255),
    name                VARCHAR(255),
    -- BCP 47 tag of the mails' language.
    locale              VARCHAR(64),
    -- The hash in any form that is read; a reset writes the one that `password.hash` names.
    password_hash       VARCHAR(512) NOT NULL,
    -- Whether the address was ever confirmed.
    confirmed           BOOLEAN      NOT NULL DEFAULT TRUE,
    blocked             BOOLEAN      NOT NULL DEFAULT FALSE,
    -- Counts password changes; tickets and sessions of an earlier epoch are void.
    credential_epoch    BIGINT       NOT NULL DEFAULT 0,
    password_changed_at BIGINT       NOT NULL,
    created_at          BIGINT       NOT NULL,
    updated_at          BIGINT       NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The right of one account to set one new password through one dialect. Holds digests, never secrets.
CREATE TABLE IF NOT EXISTS polyreset_tickets (
    id           VARCHAR(64)  NOT NULL PRIMARY KEY,
    -- The account's key as text, without a foreign key: the users table may be somebody else's one day.
    account      VARCHAR(255) NOT NULL,
    dialect      VARCHAR(64)  NOT NULL,
    -- `code`, `long-code` or `token`.
    kind         VARCHAR(32)  NOT NULL,
    -- HMAC-SHA-256 of the secret, under a key that is not in the database.
    digest       BINARY(32)   NOT NULL,
    -- Canonical address and epoch of the account at issue; a ticket is good only while both still hold.
    email        VARCHAR(320) NOT NULL,
    epoch        BIGINT       NOT NULL,
    -- The job that mailed it, and that job's `seq`: a later ask beats an earlier one. A job issues
    -- one ticket only. A token that took a code's place names itself as job and keeps the code's `seq`.
    job       VARCHAR(64)  NOT NULL UNIQUE,
    job_seq   BIGINT       NOT NULL,
    -- Which draw of the secret this is; more than 0 after a collision.
    nonce        BIGINT       NOT NULL,
    -- Where its link is to lead.
    redirect_to  TEXT,
    -- Guesses spent on it.
    attempts     BIGINT       NOT NULL DEFAULT 0,
    issued_at    BIGINT       NOT NULL,
    -- When the secret was last made for mailing.
    minted_at    BIGINT       NOT NULL,
    expires_at   BIGINT       NOT NULL,
    -- When it set a password or was exchanged for a token.
    spent_at     BIGINT,
    -- When a newer ticket, a completed reset or a block voided it. With `spent_at` it says whether a ticket is
    -- open; a ticket is live while it is open and not expired.
    voided_at    BIGINT,
    -- There is no index over some of the rows alone. These are NULL once the ticket is no longer open, and NULLs
    -- are never equal.
    open_digest  BINARY(32)   GENERATED ALWAYS AS (IF(spent_at IS NULL AND voided_at IS NULL, digest, NULL)) STORED,
    open_account VARCHAR(255) GENERATED ALWAYS AS (IF(spent_at IS NULL AND voided_at IS NULL, account, NULL)) STORED,
    -- Two live secrets of a dialect never collide. An index cannot know the time, so an expired ticket holds its
    -- place until one with the same digest is issued, which voids it.
    UNIQUE INDEX polyreset_tickets_open_digest (dialect, open_digest),
    -- A presented secret finds its ticket, dead or alive.
    INDEX polyreset_tickets_digest (dialect, digest),
    -- An account has one open ticket in a dialect; a new one voids it. Guesses find theirs by it.
    UNIQUE INDEX polyreset_tickets_open_account (open_account, dialect),
    -- Whether a later ask was served already; what a reset voids.
    INDEX polyreset_tickets_account (account, dialect, job_seq),
    -- How many guessable codes of a dialect are live.
    INDEX polyreset_tickets_kind (dialect, kind, expires_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What was accepted and is still to be done, in the order of asking.
CREATE TABLE IF NOT EXISTS polyreset_jobs (
    -- Never given twice: the order of asking outlives the rows that are purged.
    seq         BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
    id          VARCHAR(64)  NOT NULL UNIQUE,
    -- What a person quotes to the help desk.
    reference   VARCHAR(64)  NOT NULL,
    dialect     VARCHAR(64)  NOT NULL,
    -- A reset: the canonical address that somebody typed, whether or not it has an account, and where the link
    -- is to lead.
    email       VARCHAR(320),
    redirect_to TEXT,
    -- A notice: the account whose owner is told, and the address at the moment of the reset. A webhook: the
    -- account alone. Exactly one of `email` and `account` is set.
    account     VARCHAR(255),
    recipient   VARCHAR(320),
    created_at  BIGINT       NOT NULL,
    -- How often it has been tried.
    attempts    BIGINT       NOT NULL DEFAULT 0,
    -- When it is to be tried; while `taken`, the end of the worker's lease.
    due_at      BIGINT       NOT NULL,
    taken       BOOLEAN      NOT NULL DEFAULT FALSE,
    finished_at BIGINT,
    -- How it ended, in the words of `reset_core::job::Outcome`.
    outcome     VARCHAR(32),
    -- The mail server's last reply, a code without prose.
    reply       TEXT,
    CHECK ((email IS NULL) <> (account IS NULL)),
    CHECK (recipient IS NULL OR account IS NOT NULL),
    -- What is unfinished, in the order of asking: the worker's query reads and locks along it, and what it need
    -- not look at it does not lock. What may be forgotten.
    INDEX polyreset_jobs_unfinished (finished_at, seq),
    -- Whether an earlier one for the same address goes first.
    INDEX polyreset_jobs_address (dialect, email, finished_at, seq)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- How many guesses at typed codes were checked. Counted for every guess, whether or not there was anything to guess:
-- each costs one commit, and the time of an answer tells nothing.
CREATE TABLE IF NOT EXISTS polyreset_guesses (
    dialect VARCHAR(64) NOT NULL PRIMARY KEY,
    taken   BIGINT      NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Workers that count the live tickets of a dialect take turns: each locks the dialect's row.
CREATE TABLE IF NOT EXISTS polyreset_turns (
    dialect VARCHAR(64) NOT NULL PRIMARY KEY
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
