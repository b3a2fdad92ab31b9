-- The table as it was before, with what it could hold.
CREATE TABLE errands_anew (
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
    -- When it is to be tried; while `taken`, the end of the courier's lease.
    due_at      INTEGER NOT NULL,
    taken       INTEGER NOT NULL DEFAULT 0 CHECK (taken IN (0, 1)),
    finished_at INTEGER,
    -- How it ended, in the words of `reset_core::errand::Outcome`.
    outcome     TEXT,
    -- The mail server's last reply, a code without prose.
    reply       TEXT,
    CHECK ((email IS NULL) <> (account IS NULL)),
    CHECK ((account IS NULL) = (recipient IS NULL))
) STRICT;

INSERT INTO errands_anew (seq, id, reference, dialect, email, redirect_to, account, recipient, created_at, attempts,
                          due_at, taken, finished_at, outcome, reply)
SELECT seq, id, reference, dialect, email, redirect_to, account, recipient, created_at, attempts,
       due_at, taken, finished_at, outcome, reply
FROM errands
-- The version before knows of no webhook.
WHERE email IS NOT NULL OR recipient IS NOT NULL;

-- The newest rows may be gone already; the order of asking goes on behind them all the same.
DELETE FROM sqlite_sequence WHERE name = 'errands_anew';
INSERT INTO sqlite_sequence (name, seq) SELECT 'errands_anew', seq FROM sqlite_sequence WHERE name = 'errands';

DROP TABLE errands;
ALTER TABLE errands_anew RENAME TO errands;

-- What is due, in the order of asking, and when the next one will be. The courier reads these alone.
CREATE INDEX errands_unfinished ON errands (seq) WHERE finished_at IS NULL;
CREATE INDEX errands_due ON errands (due_at) WHERE finished_at IS NULL;
-- Whether an earlier one for the same address goes first.
CREATE INDEX errands_of_address ON errands (dialect, email, seq) WHERE finished_at IS NULL;
-- What may be forgotten.
CREATE INDEX errands_finished ON errands (finished_at) WHERE finished_at IS NOT NULL;
