ALTER TABLE polyreset.jobs DROP COLUMN lost;
ALTER TABLE polyreset.jobs DROP COLUMN locale;
ALTER TABLE polyreset.tickets DROP COLUMN reference;
DROP TABLE polyreset.disputes;
DROP TABLE polyreset.marks;
DROP TABLE polyreset.events;
