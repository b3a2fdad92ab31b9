DROP TABLE polyreset_turns;
DROP TABLE polyreset_guesses;
DROP TABLE polyreset_jobs;
DROP TABLE polyreset_tickets;
DROP TABLE polyreset_users;
