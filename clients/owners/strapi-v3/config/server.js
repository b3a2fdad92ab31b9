// The admin panel is not built and not served: only the API is needed.

module.exports = ({ env }) => ({
  host: '127.0.0.1',
  port: env.int('OWNER_PORT'),
  admin: { auth: { secret: 'admin-secret-for-tests-only' }, serveAdminPanel: false, autoOpen: false },
});
