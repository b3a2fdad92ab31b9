-- The table as it was before, with what it could hold.
CREATE TABLE jobs_anew (
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

INSERT INTO jobs_anew (seq, id, reference, dialect, email, redirect_to, account, recipient, created_at, attempts,
                          due_at, taken, finished_at, outcome, reply)
SELECT seq, id, reference, dialect, email, redirect_to, account, recipient, created_at, attempts,
       due_at, taken, finished_at, outcome, reply
FROM jobs
-- The version before knows of no webhook.
WHERE email IS NOT NULL OR recipient IS NOT NULL;

-- The newest rows may be gone already; the order of asking goes on behind them all the same.
DELETE FROM sqlite_sequence WHERE name = 'jobs_anew';
INSERT INTO sqlite_sequence (name, seq) SELECT 'jobs_anew', seq FROM sqlite_sequence WHERE name = 'jobs';

DROP TABLE jobs;
ALTER TABLE jobs_anew RENAME TO jobs;

-- What is due, in the order of asking, and when the next one will be. The worker reads these alone.
CREATE INDEX jobs_unfinished ON jobs (seq) WHERE finished_at IS NULL;
CREATE INDEX jobs_due ON jobs (due_at) WHERE finished_at IS NULL;
-- Whether an earlier one for the same address goes first.
CREATE INDEX jobs_of_address ON jobs (dialect, email, seq) WHERE finished_at IS NULL;
-- What may be forgotten.
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;
