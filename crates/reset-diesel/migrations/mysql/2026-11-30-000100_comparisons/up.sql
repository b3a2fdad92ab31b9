-- Shadow mode: how often polyreset's response differed from that of the back end, by route and finding. The rows hold names,
-- types and statuses, never a value of a request or a response. Their number is bounded.
CREATE TABLE IF NOT EXISTS polyreset_comparisons (
    -- Method and path of the route.
    route   VARCHAR(190) NOT NULL,
    -- The result of a comparison, such as `status 400 instead of 200`.
    finding VARCHAR(190) NOT NULL,
    -- How often it occurred.
    times   BIGINT NOT NULL,
    PRIMARY KEY (route, finding)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
