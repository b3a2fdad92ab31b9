DROP TABLE pending_jobs;
DROP TABLE pending_changes;
