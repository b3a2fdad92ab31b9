<?php
// Debian's WordPress as `cargo xtask owners` starts it: the address is the one of the request, so that the site works
// behind polyreset, and nothing runs in the background.

$database = parse_url(getenv('OWNER_DATABASE_URL'));
define('DB_NAME', substr($database['path'], 1));
define('DB_USER', $database['user']);
define('DB_PASSWORD', $database['pass'] ?? '');
define('DB_HOST', $database['host'] . ':' . ($database['port'] ?? 3306));
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');
foreach (['AUTH', 'SECURE_AUTH', 'LOGGED_IN', 'NONCE'] as $name) {
    define($name . '_KEY', $name . '-key-' . getenv('OWNER_SECRET'));
    define($name . '_SALT', $name . '-salt-' . getenv('OWNER_SECRET'));
}
define('WP_HOME', 'http://' . $_SERVER['HTTP_HOST']);
define('WP_SITEURL', WP_HOME);
define('COOKIEHASH', 'owners');
define('DISABLE_WP_CRON', true);
define('WP_HTTP_BLOCK_EXTERNAL', true);
define('AUTOMATIC_UPDATER_DISABLED', true);
define('WP_DEBUG', false);
$table_prefix = 'wp_';
if (!defined('ABSPATH')) {
    define('ABSPATH', __DIR__ . '/');
}
// No mail leaves: the installation would mail its administrator.
function wp_mail() {
    return true;
}
require_once ABSPATH . 'wp-settings.php';
