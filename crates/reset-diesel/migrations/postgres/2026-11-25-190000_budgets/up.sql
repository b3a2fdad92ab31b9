-- How often something was done that may be done only so often within some time: resets asked for, mails, wrong guesses.
-- The limits themselves are settings.
CREATE TABLE polyreset.budgets (
    -- What is counted and, where it is somebody's, a keyed tag of the address: never the address.
    name    TEXT    NOT NULL PRIMARY KEY,
    -- When it was taken from: eight bytes each, milliseconds in network order. Bounded, for a refusal is no take.
    takes   BYTEA   NOT NULL,
    -- How often there was no room. Counted so that a refusal costs the commit that a take costs.
    refused BIGINT  NOT NULL,
    -- When the last take will have left every window.
    ends_at BIGINT  NOT NULL
);

-- What may be forgotten.
CREATE INDEX budgets_end ON polyreset.budgets (ends_at);

COMMENT ON TABLE polyreset.budgets IS 'How often something was done that may be done only so often within some time';
COMMENT ON COLUMN polyreset.budgets.name IS 'What is counted and, where it is somebody''s, a keyed tag of the address';
