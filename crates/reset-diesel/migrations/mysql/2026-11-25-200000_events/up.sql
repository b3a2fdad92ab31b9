-- What happened to each reset. Rows are added and, when their time is over, forgotten from the beginning; never changed.
CREATE TABLE IF NOT EXISTS polyreset_events (
    seq       BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
    at        BIGINT       NOT NULL,
    -- In the words of `reset_core::event::EventKind`.
    kind      VARCHAR(32)  NOT NULL,
    -- The dialect, the reset and the job that it belongs to, and the account, as far as they are known.
    dialect   VARCHAR(64)  NOT NULL,
    reference VARCHAR(64),
    job    VARCHAR(64),
    account   VARCHAR(255),
    -- A keyed tag of the address that was asked for: never the address.
    address   VARCHAR(64),
    -- Who asked: an IPv4 address, or an IPv6 /64.
    network   VARCHAR(64),
    -- Reply codes and words of ours.
    detail    TEXT         NOT NULL,
    -- The place in the chain, without gaps, and the tag over the event and the seal before it; both NULL until it is
    -- sealed.
    place     BIGINT       UNIQUE,
    seal      BINARY(32),
    CHECK ((place IS NULL) = (seal IS NULL)),
    -- The time line of one reset.
    INDEX polyreset_events_reference (reference, seq),
    -- What was asked with an address.
    INDEX polyreset_events_address (address, seq)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Two marks of the chain: `head`, its last, which whoever seals locks, and `base`, the last that was forgotten. Made with
-- the first seal; the tag is keyed like the seals, so that nobody moves a mark but us.
CREATE TABLE IF NOT EXISTS polyreset_marks (
    name  VARCHAR(16) NOT NULL PRIMARY KEY,
    place BIGINT      NOT NULL,
    seal  BINARY(32)  NOT NULL,
    tag   BINARY(32)  NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The right of an owner to say that a reset was somebody else's, and what became of it.
CREATE TABLE IF NOT EXISTS polyreset_disputes (
    -- The job of the notice whose link it is.
    id        VARCHAR(64)  NOT NULL PRIMARY KEY,
    account   VARCHAR(255) NOT NULL,
    -- The reset, and its dialect.
    reference VARCHAR(64)  NOT NULL,
    dialect   VARCHAR(64)  NOT NULL,
    -- Canonical address that the notice went to: while a dispute stands, resets are mailed there alone.
    mailbox   VARCHAR(320) NOT NULL,
    -- When the link ends.
    until     BIGINT       NOT NULL,
    opened_at BIGINT,
    -- When a reset or an administrator ended it.
    closed_at BIGINT,
    -- Whether one stands against an account.
    INDEX polyreset_disputes_opened (account, opened_at),
    -- Whose mailbox an address is.
    INDEX polyreset_disputes_mailbox (mailbox, opened_at),
    -- What may be forgotten.
    INDEX polyreset_disputes_until (until)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- MariaDB alone knows ADD COLUMN IF NOT EXISTS, and each statement must bear to be run again.
-- The reset that a ticket belongs to; unknown for tickets of an older program.
SET @step = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE()
                AND table_name = 'polyreset_tickets' AND column_name = 'reference') = 0,
               'ALTER TABLE polyreset_tickets ADD COLUMN reference VARCHAR(64)', 'DO 0');
PREPARE step FROM @step;
EXECUTE step;
-- The language that a client asked for: a BCP 47 tag.
SET @step = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE()
                AND table_name = 'polyreset_jobs' AND column_name = 'locale') = 0,
               'ALTER TABLE polyreset_jobs ADD COLUMN locale VARCHAR(64)', 'DO 0');
PREPARE step FROM @step;
EXECUTE step;
-- How often in a row a worker took it and was never heard of again.
SET @step = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE()
                AND table_name = 'polyreset_jobs' AND column_name = 'lost') = 0,
               'ALTER TABLE polyreset_jobs ADD COLUMN lost BIGINT NOT NULL DEFAULT 0', 'DO 0');
PREPARE step FROM @step;
EXECUTE step;
DEALLOCATE PREPARE step;
