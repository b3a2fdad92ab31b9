module.exports = ({ env }) => ({
  host: '127.0.0.1',
  port: env.int('OWNER_PORT'),
  app: { keys: ['first-key-for-tests-only', 'second-key-for-tests-only'] },
  logger: { updates: { enabled: false }, startup: { enabled: false } },
});
