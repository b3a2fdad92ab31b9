-- What happened to each reset. Rows are added and, when their time is over, forgotten from the beginning; never changed.
CREATE TABLE polyreset.events (
    seq       BIGINT  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        BIGINT  NOT NULL,
    -- In the words of `reset_core::event::EventKind`.
    kind      TEXT    NOT NULL,
    -- The dialect, the reset and the job that it belongs to, and the account, as far as they are known.
    dialect   TEXT    NOT NULL,
    reference TEXT,
    job    TEXT,
    account   TEXT,
    -- A keyed tag of the address that was asked for: never the address.
    address   TEXT,
    -- Who asked: an IPv4 address, or an IPv6 /64.
    network   TEXT,
    -- Reply codes and words of ours.
    detail    TEXT    NOT NULL,
    -- The place in the chain, without gaps, and the tag over the event and the seal before it; both NULL until it is
    -- sealed.
    place     BIGINT  UNIQUE,
    seal      BYTEA   CHECK (octet_length(seal) = 32),
    CHECK ((place IS NULL) = (seal IS NULL))
);

-- The time line of one reset.
CREATE INDEX events_reference ON polyreset.events (reference, seq) WHERE reference IS NOT NULL;
-- What was asked with an address.
CREATE INDEX events_address ON polyreset.events (address, seq) WHERE address IS NOT NULL;
-- What is still to be sealed.
CREATE INDEX events_unsealed ON polyreset.events (seq) WHERE place IS NULL;

-- Two marks of the chain: `head`, its last, which whoever seals locks, and `base`, the last that was forgotten. Made with
-- the first seal; the tag is keyed like the seals, so that nobody moves a mark but us.
CREATE TABLE polyreset.marks (
    name  TEXT   NOT NULL PRIMARY KEY,
    place BIGINT NOT NULL,
    seal  BYTEA  NOT NULL CHECK (octet_length(seal) = 32),
    tag   BYTEA  NOT NULL CHECK (octet_length(tag) = 32)
);

-- The right of an owner to say that a reset was somebody else's, and what became of it.
CREATE TABLE polyreset.disputes (
    -- The job of the notice whose link it is.
    id        TEXT   NOT NULL PRIMARY KEY,
    account   TEXT   NOT NULL,
    -- The reset, and its dialect.
    reference TEXT   NOT NULL,
    dialect   TEXT   NOT NULL,
    -- Canonical address that the notice went to: while a dispute stands, resets are mailed there alone.
    mailbox   TEXT   NOT NULL,
    -- When the link ends.
    until     BIGINT NOT NULL,
    opened_at BIGINT,
    -- When a reset or an administrator ended it.
    closed_at BIGINT
);

-- Whether one stands against an account.
CREATE INDEX disputes_opened ON polyreset.disputes (account, opened_at) WHERE opened_at IS NOT NULL;
-- Whose mailbox an address is.
CREATE INDEX disputes_mailbox ON polyreset.disputes (mailbox, opened_at) WHERE opened_at IS NOT NULL;
-- What may be forgotten.
CREATE INDEX disputes_until ON polyreset.disputes (until);

-- The reset that a ticket belongs to; unknown for tickets of an older program.
ALTER TABLE polyreset.tickets ADD COLUMN reference TEXT;
-- The language that a client asked for: a BCP 47 tag.
ALTER TABLE polyreset.jobs ADD COLUMN locale TEXT;
-- How often in a row a worker took it and was never heard of again.
ALTER TABLE polyreset.jobs ADD COLUMN lost BIGINT NOT NULL DEFAULT 0;

COMMENT ON TABLE polyreset.events IS 'What happened to each reset; added to, forgotten from the beginning, never changed';
COMMENT ON COLUMN polyreset.events.address IS 'A keyed tag of the address that was asked for: never the address';
COMMENT ON COLUMN polyreset.events.seal IS 'A keyed tag over the event and the seal before it; the key is not in the database';
COMMENT ON TABLE polyreset.marks IS 'The last mark of the chain of events, and the last that was forgotten';
COMMENT ON TABLE polyreset.disputes IS 'The right of an owner to say that a reset was somebody else''s';
