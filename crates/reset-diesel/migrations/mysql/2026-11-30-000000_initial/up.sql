-- Timestamps are whole milliseconds since the Unix epoch. The tables may be in a host application's database, so each
-- name has the prefix `polyreset_`. DDL is not transactional here, so every statement must be safe to run again. The
-- program creates the table `polyreset_migrations` before it applies this migration.

-- polyreset's own users table, for deployments that have no users table of their own.
CREATE TABLE IF NOT EXISTS polyreset_users (
    -- The id of a deleted account is never reused.
    id                  BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    -- The address as entered, case preserved. Mail is sent to it.
    email               VARCHAR(320) NOT NULL,
    -- Canonical form of `email`, compared byte for byte.
    email_key           VARCHAR(320) NOT NULL UNIQUE,
    -- Login name and display name, both optional.
    username            VARCHAR(255),
    name                VARCHAR(255),
    -- Language of mails, as a BCP 47 tag.
    locale              VARCHAR(64),
    -- A hash in any supported format. A reset writes the format of the setting `password.hash`.
    password_hash       VARCHAR(512) NOT NULL,
    -- Whether the address was ever confirmed.
    confirmed           BOOLEAN NOT NULL DEFAULT TRUE,
    blocked             BOOLEAN NOT NULL DEFAULT FALSE,
    -- Incremented by each password change, which invalidates tickets and sessions of earlier epochs.
    credential_epoch    BIGINT NOT NULL DEFAULT 0,
    password_changed_at BIGINT NOT NULL,
    created_at          BIGINT NOT NULL,
    updated_at          BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- A ticket lets one account set one new password through one dialect. The table holds digests, never secrets.
CREATE TABLE IF NOT EXISTS polyreset_tickets (
    id          VARCHAR(64) NOT NULL PRIMARY KEY,
    -- The account's id as text, without a foreign key: the users table may belong to another system.
    account     VARCHAR(255) NOT NULL,
    dialect     VARCHAR(64) NOT NULL,
    -- `code`, `long-code` or `token`.
    kind        VARCHAR(32) NOT NULL,
    -- HMAC-SHA-256 of the secret. The key is not in the database.
    digest      BINARY(32) NOT NULL,
    -- Canonical address and epoch of the account at issue. The ticket is valid only while neither has changed.
    email       VARCHAR(320) NOT NULL,
    epoch       BIGINT NOT NULL,
    -- Reference of the reset that the ticket belongs to; NULL if unknown.
    reference   VARCHAR(64),
    -- The job that mailed the ticket, and the job's `seq`: the ticket of a later request replaces that of an earlier
    -- one. A job issues only one ticket. A token that a code was exchanged for has its own id as `job` and keeps the
    -- code's `job_seq`.
    job         VARCHAR(64) NOT NULL UNIQUE,
    job_seq     BIGINT NOT NULL,
    -- Number of times the secret was drawn again because its digest collided.
    nonce       BIGINT NOT NULL,
    -- Target of the link.
    redirect_to TEXT,
    -- Guesses counted against the ticket.
    attempts    BIGINT NOT NULL DEFAULT 0,
    issued_at   BIGINT NOT NULL,
    -- When the secret was last generated for a mail.
    minted_at   BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    -- When the ticket set a password or was exchanged for a token.
    spent_at    BIGINT,
    -- When a newer ticket, a completed reset or a block voided the ticket. A ticket is open while `spent_at` and
    -- `voided_at` are NULL, and live while it is open and not expired.
    voided_at   BIGINT,
    -- MySQL has no partial indexes. Each of these columns is the whole key of a unique index and NULL once the ticket is
    -- no longer open; NULLs never collide. A key of two columns, one of them NULL, would conflict on Galera: it compares
    -- the parts of concurrent transactions' keys that are not NULL, so any two closed tickets of a dialect would collide.
    open_digest  VARBINARY(288)
        GENERATED ALWAYS AS (IF(spent_at IS NULL AND voided_at IS NULL, CONCAT(digest, dialect), NULL)) STORED,
    open_account VARCHAR(320)
        GENERATED ALWAYS AS (IF(spent_at IS NULL AND voided_at IS NULL, CONCAT(dialect, '/', account), NULL)) STORED,
    -- Live secrets of a dialect are unique. An index cannot compare with the current time, so an expired ticket keeps
    -- its entry until a ticket with the same digest is issued, which voids it.
    UNIQUE INDEX polyreset_tickets_open_digest (open_digest),
    -- Finds the ticket of a presented secret, whatever its state.
    INDEX polyreset_tickets_digest (digest, dialect),
    -- An account has at most one open ticket per dialect: issuing a new one voids it.
    UNIQUE INDEX polyreset_tickets_open_account (open_account),
    -- Finds out whether a later request already issued a ticket, and finds the tickets that a guess is for or that a
    -- reset voids.
    INDEX polyreset_tickets_account (account, dialect, job_seq),
    -- Finds tickets to purge.
    INDEX polyreset_tickets_expires (expires_at),
    -- Counts the live short codes of a dialect.
    INDEX polyreset_tickets_kind (dialect, kind, expires_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The outbox: accepted jobs in the order of their requests.
CREATE TABLE IF NOT EXISTS polyreset_jobs (
    -- Numbers of purged rows are never reused, so `seq` always gives the order of requests.
    seq         BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    id          VARCHAR(64) NOT NULL UNIQUE,
    -- Reference that a user quotes to support.
    reference   VARCHAR(64) NOT NULL,
    dialect     VARCHAR(64) NOT NULL,
    -- Reset jobs: the requested address in canonical form, whether or not it has an account; the target of the link;
    -- and the client's language as a BCP 47 tag.
    email       VARCHAR(320),
    redirect_to TEXT,
    locale      VARCHAR(64),
    -- Notice jobs: the account, and its address at the time of the reset. Webhook jobs: only the account. Exactly one
    -- of `email` and `account` is set.
    account     VARCHAR(255),
    recipient   VARCHAR(320),
    created_at  BIGINT NOT NULL,
    -- Where the job is, as `queries/stage.rs` numbers it: accepted, ready, postponed, suspect, resolving or sending.
    -- NULL once the job is finished.
    stage       SMALLINT DEFAULT 0,
    -- Order within a stage. Each waiting job of a client's network has a later turn than the one before it, so networks
    -- are served in turn.
    turn        BIGINT NOT NULL DEFAULT 0,
    -- The network of the client as a number: an IPv6 /48 or an IPv4 /24.
    network     BIGINT,
    -- Postponed: when the job is due. Claimed: when the worker's lease expires. Otherwise when it was created.
    due_at      BIGINT NOT NULL,
    -- Number of times a worker claimed the job. A worker whose lease expired has a lower number and changes nothing.
    claims      BIGINT NOT NULL DEFAULT 0,
    -- Number of attempts at its delivery, the current one included.
    attempts    BIGINT NOT NULL DEFAULT 0,
    -- Number of attempts whose mail may have been accepted although no reply came.
    unconfirmed BIGINT NOT NULL DEFAULT 0,
    -- Number of consecutive claims whose lease expired without a result, which usually means that the worker crashed.
    crashes     BIGINT NOT NULL DEFAULT 0,
    finished_at BIGINT,
    -- A name of `reset_core::job::Outcome`.
    outcome     VARCHAR(32),
    -- The last reply of the mail server or the webhook: its code, without text.
    reply       TEXT,
    CHECK ((email IS NULL) <> (account IS NULL)),
    CHECK (recipient IS NULL OR account IS NOT NULL),
    -- The next jobs of a stage, in turn.
    INDEX polyreset_jobs_turn (stage, turn, seq),
    -- Postponed jobs that are due, leases that expired, and the oldest waiting job.
    INDEX polyreset_jobs_due (stage, due_at),
    -- Finds finished jobs to purge.
    INDEX polyreset_jobs_finished (finished_at),
    -- Counts quarantined jobs.
    INDEX polyreset_jobs_outcome (outcome)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Number of checked guesses at codes, per dialect. Every guess is counted, even if there is no ticket to guess at: each
-- costs one commit, so the response time reveals nothing.
CREATE TABLE IF NOT EXISTS polyreset_guesses (
    dialect VARCHAR(64) NOT NULL PRIMARY KEY,
    taken   BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- One row per dialect. A worker locks its dialect's row before it counts the live tickets, so counts do not race.
CREATE TABLE IF NOT EXISTS polyreset_dialect_locks (
    dialect VARCHAR(64) NOT NULL PRIMARY KEY
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Usage of limited actions: reset requests, mails and wrong guesses. The limits themselves are settings.
CREATE TABLE IF NOT EXISTS polyreset_budgets (
    -- The counted action and, for a limit per address, a keyed tag of the address: never the address itself.
    name    VARCHAR(128) NOT NULL PRIMARY KEY,
    -- Times of the takes: eight bytes each, milliseconds in network byte order. The length is bounded by the limit,
    -- because a refused take is not stored.
    takes   MEDIUMBLOB NOT NULL,
    -- Number of refused takes. It is counted so that a refusal costs the same commit as a take.
    refused BIGINT NOT NULL,
    -- When the last take leaves its longest window.
    ends_at BIGINT NOT NULL,
    -- Finds budgets to purge.
    INDEX polyreset_budgets_end (ends_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The audit log of resets. Rows are appended, and the oldest are deleted after the retention time. Their contents never
-- change.
CREATE TABLE IF NOT EXISTS polyreset_events (
    -- Numbers of deleted rows are never reused.
    seq       BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    at        BIGINT NOT NULL,
    -- A name of `reset_core::event::EventKind`.
    kind      VARCHAR(32) NOT NULL,
    -- Dialect, reset, job and account of the event, as far as they are known.
    dialect   VARCHAR(64) NOT NULL,
    reference VARCHAR(64),
    job       VARCHAR(64),
    account   VARCHAR(255),
    -- A keyed tag of the requested address: never the address itself.
    address   VARCHAR(64),
    -- Network of the client: an IPv4 address or an IPv6 /64.
    network   VARCHAR(64),
    -- Reply codes and fixed words, never text of a client or a server.
    detail    TEXT NOT NULL,
    -- Position in the chain, without gaps, and the seal: a keyed tag over the event and the seal before it. Both are
    -- NULL until the event is sealed.
    place     BIGINT UNIQUE,
    seal      BINARY(32),
    CHECK ((place IS NULL) = (seal IS NULL)),
    -- Lists the events of one reset.
    INDEX polyreset_events_reference (reference, seq),
    -- Lists the resets requested for an address.
    INDEX polyreset_events_address (address, seq)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The two ends of the chain of events: `head` is the last sealed event, `base` the last deleted one. The process that
-- seals locks `head`. The first seal inserts both rows. `tag` is keyed like a seal, so only polyreset can move an end.
CREATE TABLE IF NOT EXISTS polyreset_marks (
    name  VARCHAR(16) NOT NULL PRIMARY KEY,
    place BIGINT NOT NULL,
    seal  BINARY(32) NOT NULL,
    tag   BINARY(32) NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The owner's right to dispute one reset ("this wasn't me"), and whether it was used.
CREATE TABLE IF NOT EXISTS polyreset_disputes (
    -- The job of the notice that carries the link.
    id        VARCHAR(64) NOT NULL PRIMARY KEY,
    account   VARCHAR(255) NOT NULL,
    -- The disputed reset and its dialect.
    reference VARCHAR(64) NOT NULL,
    dialect   VARCHAR(64) NOT NULL,
    -- Canonical address that the notice was sent to. While the dispute is open, resets are mailed only to it.
    mailbox   VARCHAR(320) NOT NULL,
    -- When the link expires.
    until     BIGINT NOT NULL,
    opened_at BIGINT,
    -- When a reset or an administrator closed the dispute.
    closed_at BIGINT,
    -- Finds the open dispute of an account.
    INDEX polyreset_disputes_opened (account, opened_at),
    -- Finds the open dispute of a mailbox.
    INDEX polyreset_disputes_mailbox (mailbox, opened_at),
    -- Finds disputes to purge.
    INDEX polyreset_disputes_until (until)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The readiness check changes a row, because only a write shows that the database can be written to.
CREATE TABLE IF NOT EXISTS polyreset_probes (
    -- Chosen at random by each server, so that their checks rarely change the same row.
    slot   BIGINT NOT NULL PRIMARY KEY,
    writes BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
