ALTER TABLE polyreset_jobs DROP COLUMN lost;
ALTER TABLE polyreset_jobs DROP COLUMN locale;
ALTER TABLE polyreset_tickets DROP COLUMN reference;
DROP TABLE polyreset_disputes;
DROP TABLE polyreset_marks;
DROP TABLE polyreset_events;
