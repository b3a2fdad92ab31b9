DROP TABLE polyreset.turns;
DROP TABLE polyreset.guesses;
DROP TABLE polyreset.jobs;
DROP TABLE polyreset.tickets;
DROP TABLE polyreset.users;
