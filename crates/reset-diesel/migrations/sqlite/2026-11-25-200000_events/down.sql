ALTER TABLE jobs DROP COLUMN lost;
ALTER TABLE jobs DROP COLUMN locale;
ALTER TABLE tickets DROP COLUMN reference;
DROP TABLE objections;
DROP TABLE marks;
DROP TABLE events;
