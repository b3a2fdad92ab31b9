-- Shadow mode: how often polyreset's response differed from that of the back end, by route and finding. The rows hold names,
-- types and statuses, never a value of a request or a response. Their number is bounded.
CREATE TABLE comparisons (
    -- Method and path of the route.
    route   TEXT    NOT NULL,
    -- The result of a comparison, such as `status 400 instead of 200`.
    finding TEXT    NOT NULL,
    -- How often it occurred.
    times   INTEGER NOT NULL,
    PRIMARY KEY (route, finding)
) STRICT, WITHOUT ROWID;
