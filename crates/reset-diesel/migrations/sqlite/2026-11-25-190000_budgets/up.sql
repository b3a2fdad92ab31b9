-- How often something was done that may be done only so often within some time: resets asked for, mails, wrong guesses.
-- The limits themselves are settings.
CREATE TABLE budgets (
    -- What is counted and, where it is somebody's, a keyed tag of the address: never the address.
    name    TEXT    NOT NULL PRIMARY KEY,
    -- When it was taken from: eight bytes each, milliseconds in network order. Bounded, for a refusal is no take.
    takes   BLOB    NOT NULL,
    -- How often there was no room. Counted so that a refusal costs the commit that a take costs.
    refused INTEGER NOT NULL,
    -- When the last take will have left every window.
    ends_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What may be forgotten.
CREATE INDEX budgets_end ON budgets (ends_at);
