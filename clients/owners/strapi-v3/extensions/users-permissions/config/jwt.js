module.exports = { jwtSecret: process.env.OWNER_SECRET };
