// The admin panel is not built and not served: only the API is needed.

module.exports = () => ({
  serveAdminPanel: false,
  auth: { secret: 'admin-secret-for-tests-only' },
  apiToken: { salt: 'token-salt-for-tests-only' },
  transfer: { token: { salt: 'transfer-salt-for-tests-only' } },
  secrets: { encryptionKey: 'encryption-key-for-tests-only-32' },
});
