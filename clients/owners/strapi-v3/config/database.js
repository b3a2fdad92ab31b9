// The database that `cargo xtask owners` has created. The connector takes the parts of its URL only.

module.exports = ({ env }) => {
  const { hostname, port, username, password, pathname } = new URL(env('OWNER_DATABASE_URL'));
  return {
    defaultConnection: 'default',
    connections: {
      default: {
        connector: 'bookshelf',
        settings: { client: 'postgres', host: hostname, port, username, password, database: pathname.slice(1) },
        options: {},
      },
    },
  };
};
