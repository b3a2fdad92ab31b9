-- Changes of passwords in another system's SQLite file. A transaction cannot span two files, so a change is noted here
-- first, then written to the other file, and then completed here. What is left of an interrupted change is completed or
-- dropped, depending on the password that the other file has.
CREATE TABLE pending_changes (
    -- The ticket that is redeemed, or the dispute that is opened.
    id        TEXT    PRIMARY KEY,
    -- `redeem` or `dispute`.
    change    TEXT    NOT NULL,
    account   TEXT    NOT NULL,
    -- Canonical address: of the account that redeems, or of the owner who opens the dispute.
    mailbox   TEXT    NOT NULL,
    -- Of a dispute, the end of its link; otherwise 0.
    until     INTEGER NOT NULL,
    -- The first eight bytes of the SHA-256 of the stored hash before and after the change. The hashes themselves are not
    -- copied.
    before    INTEGER NOT NULL,
    after     INTEGER NOT NULL,
    -- The event to record, as in `events`.
    at        INTEGER NOT NULL,
    kind      TEXT    NOT NULL,
    dialect   TEXT    NOT NULL,
    reference TEXT,
    job       TEXT,
    address   TEXT,
    network   TEXT,
    detail    TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- The jobs to add to the outbox, as in `jobs`.
CREATE TABLE pending_jobs (
    id         TEXT    PRIMARY KEY,
    change     TEXT    NOT NULL,
    reference  TEXT    NOT NULL,
    dialect    TEXT    NOT NULL,
    account    TEXT    NOT NULL,
    recipient  TEXT,
    created_at INTEGER NOT NULL,
    turn       INTEGER NOT NULL,
    due_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
