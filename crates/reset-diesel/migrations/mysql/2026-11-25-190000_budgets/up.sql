-- How often something was done that may be done only so often within some time: resets asked for, mails, wrong guesses.
-- The limits themselves are settings.
CREATE TABLE IF NOT EXISTS polyreset_budgets (
    -- What is counted and, where it is somebody's, a keyed tag of the address: never the address.
    name    VARCHAR(128) NOT NULL PRIMARY KEY,
    -- When it was taken from: eight bytes each, milliseconds in network order. Bounded, for a refusal is no take.
    takes   MEDIUMBLOB   NOT NULL,
    -- How often there was no room. Counted so that a refusal costs the commit that a take costs.
    refused BIGINT       NOT NULL,
    -- When the last take will have left every window.
    ends_at BIGINT       NOT NULL,
    -- What may be forgotten.
    INDEX polyreset_budgets_end (ends_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
