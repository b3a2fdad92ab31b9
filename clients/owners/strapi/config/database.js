// The database that `cargo xtask owners` has created, or the path of a new SQLite file.

module.exports = ({ env }) => {
  const url = env('OWNER_DATABASE_URL');
  const [, filename] = url.split('sqlite://');
  if (filename) {
    return { connection: { client: 'sqlite', connection: { filename }, useNullAsDefault: true } };
  }
  return {
    connection: { client: 'postgres', connection: { connectionString: url }, pool: { min: 0, max: 4 } },
  };
};
