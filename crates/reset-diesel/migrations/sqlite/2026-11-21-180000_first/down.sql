DROP TABLE guesses;
DROP TABLE errands;
DROP TABLE tickets;
DROP TABLE users;
