-- What happened to each reset. Rows are added and, when their time is over, forgotten from the beginning; never changed.
CREATE TABLE events (
    -- AUTOINCREMENT: the order of writing outlives the rows that are forgotten.
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    at        INTEGER NOT NULL,
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
    place     INTEGER UNIQUE,
    seal      BLOB    CHECK (length(seal) = 32),
    CHECK ((place IS NULL) = (seal IS NULL))
) STRICT;

-- The time line of one reset.
CREATE INDEX events_reference ON events (reference, seq) WHERE reference IS NOT NULL;
-- What was asked with an address.
CREATE INDEX events_address ON events (address, seq) WHERE address IS NOT NULL;
-- What is still to be sealed.
CREATE INDEX events_unsealed ON events (seq) WHERE place IS NULL;

-- Two marks of the chain: `head`, its last, and `base`, the last that was forgotten. Made with the first seal; the tag is
-- keyed like the seals, so that nobody moves a mark but us.
CREATE TABLE marks (
    name  TEXT    NOT NULL PRIMARY KEY,
    place INTEGER NOT NULL,
    seal  BLOB    NOT NULL CHECK (length(seal) = 32),
    tag   BLOB    NOT NULL CHECK (length(tag) = 32)
) STRICT;

-- The right of an owner to say that a reset was somebody else's, and what became of it.
CREATE TABLE disputes (
    -- The job of the notice whose link it is.
    id        TEXT    NOT NULL PRIMARY KEY,
    account   TEXT    NOT NULL,
    -- The reset, and its dialect.
    reference TEXT    NOT NULL,
    dialect   TEXT    NOT NULL,
    -- Canonical address that the notice went to: while a dispute stands, resets are mailed there alone.
    mailbox   TEXT    NOT NULL,
    -- When the link ends.
    until     INTEGER NOT NULL,
    opened_at INTEGER,
    -- When a reset or an administrator ended it.
    closed_at INTEGER
) STRICT;

-- Whether one stands against an account.
CREATE INDEX disputes_opened ON disputes (account, opened_at) WHERE opened_at IS NOT NULL;
-- Whose mailbox an address is.
CREATE INDEX disputes_mailbox ON disputes (mailbox, opened_at) WHERE opened_at IS NOT NULL;
-- What may be forgotten.
CREATE INDEX disputes_until ON disputes (until);

-- The reset that a ticket belongs to; unknown for tickets of an older program.
ALTER TABLE tickets ADD COLUMN reference TEXT;
-- The language that a client asked for: a BCP 47 tag.
ALTER TABLE jobs ADD COLUMN locale TEXT;
-- How often in a row a worker took it and was never heard of again.
ALTER TABLE jobs ADD COLUMN lost INTEGER NOT NULL DEFAULT 0;
