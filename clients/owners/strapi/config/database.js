// The database that `cargo xtask owners` has created.

module.exports = ({ env }) => ({
  connection: {
    client: 'postgres',
    connection: { connectionString: env('OWNER_DATABASE_URL') },
    pool: { min: 0, max: 4 },
  },
});
