// Strapi's own defaults, except its rate limit: every test has the same client address.

module.exports = ({ env }) => ({
  'users-permissions': {
    config: {
      jwtSecret: env('OWNER_SECRET'),
      jwtManagement: env('OWNER_JWT_MANAGEMENT', 'legacy-support'),
      ratelimit: { enabled: false },
    },
  },
});
