DROP TABLE guesses;
DROP TABLE jobs;
DROP TABLE tickets;
DROP TABLE users;
