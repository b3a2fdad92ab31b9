DROP TABLE disputes;
DROP TABLE marks;
DROP TABLE events;
DROP TABLE budgets;
DROP TABLE guesses;
DROP TABLE jobs;
DROP TABLE tickets;
DROP TABLE users;
