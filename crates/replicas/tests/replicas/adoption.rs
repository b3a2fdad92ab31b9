//! Foreign users tables of the systems whose dialects polyreset speaks: every dialect resets their passwords, with each step
//! at another process, and stores the hash format of the owning system.

use std::{
    thread,
    time::{Duration, Instant},
};

use conformance::{clients, databases, http};

use crate::{
    TIMEOUT,
    site::{Site, exchanged, mailed},
};

/// A bcrypt hash at cost 10 of an unknown password, without its version prefix.
const HASH: &str = "10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";

/// Per preset: its name, its table, the statements that create it, the hash column, and the bcrypt version prefix.
const PRESETS: [(&str, &str, &str, &str, &str); 4] = [
    (
        "px0",
        "users",
        "CREATE TABLE users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), email varchar(255) NOT NULL UNIQUE, \
         password_hash text NOT NULL, created_at timestamptz DEFAULT now(), is_admin boolean NOT NULL DEFAULT false, \
         is_verified boolean NOT NULL DEFAULT false); CREATE TABLE sessions (token text, user_id uuid); \
         CREATE TABLE password_resets (code varchar(10), user_id uuid)",
        "password_hash",
        "$2a$",
    ),
    (
        "insforge",
        "auth.users",
        "CREATE SCHEMA auth; CREATE TABLE auth.users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), \
         email text UNIQUE NOT NULL, password text, email_verified boolean DEFAULT false, profile jsonb, \
         metadata jsonb, created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now()); \
         CREATE TABLE auth.email_otps (email text NOT NULL, purpose text NOT NULL)",
        "password",
        "$2b$",
    ),
    (
        "strapi-v4",
        "up_users",
        "CREATE TABLE up_users (id serial PRIMARY KEY, username varchar(255), email varchar(255), \
         provider varchar(255) DEFAULT 'local', password varchar(255), reset_password_token varchar(255), \
         confirmation_token varchar(255), confirmed boolean DEFAULT true, blocked boolean DEFAULT false, \
         created_at timestamp(6), updated_at timestamp(6))",
        "password",
        "$2a$",
    ),
    (
        "strapi-v3",
        "\"users-permissions_user\"",
        "CREATE TABLE \"users-permissions_user\" (id serial PRIMARY KEY, username varchar(255), email varchar(255), \
         provider varchar(255) DEFAULT 'local', password varchar(255), \"resetPasswordToken\" varchar(255), \
         \"confirmationToken\" varchar(255), confirmed boolean DEFAULT true, blocked boolean DEFAULT false, \
         created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now())",
        "password",
        "$2a$",
    ),
];

#[test]
fn every_dialect_resets_every_presets_table_in_its_hash_format() {
    let clients = clients::all();
    for (preset, table, schema, column, version) in PRESETS {
        let Some(mut site) = Site::on(databases::DatabaseServer::Postgres) else { return };
        site.database.execute(schema);
        for client in &clients {
            // Strapi stores the address in lower case, the others as typed at sign-up.
            let name = if preset.starts_with("strapi") { "user" } else { "User" };
            site.database.execute(&format!(
                "INSERT INTO {table} (email, {column}) VALUES ('{name}.{}@example.com', '{version}{HASH}')",
                client.dialect
            ));
        }
        site.set("POLYRESET_USERS__PRESET", preset);
        for client in &clients {
            // A preset serves its own dialect alone.
            site.set(&format!("POLYRESET_{}__ENABLED", client.dialect.to_uppercase()), "true");
        }
        let servers = site.start();
        for (number, client) in clients.iter().enumerate() {
            let dialect = client.dialect;
            let at = |step: usize| servers[(number + step) % 3].address;
            let email = format!("user.{dialect}@example.com");
            let stored =
                if preset.starts_with("strapi") { email.clone() } else { format!("U{}", &email[1..]) };
            // Mail goes to the address as stored, not as typed in the request.
            let response = http::send(at(0), &client.request_for(&email)).unwrap();
            assert!(response.status < 300, "{preset}, {dialect}: {}", response.body);
            let secret = mailed(client, &site.mails(), &stored);
            let secret = exchanged(client, at(1), &email, secret);
            // bcrypt reads 72 bytes: a longer password is rejected without spending the secret.
            let longest = "Aa1!".repeat(18);
            let too_long = http::send(at(2), &client.redeem_with(&secret, &format!("{longest}x"))).unwrap();
            assert_eq!(too_long.status, 400, "{preset}, {dialect}: {}", too_long.body);
            let reset = http::send(at(2), &client.redeem_with(&secret, &longest)).unwrap();
            assert!(reset.is_success(), "{preset}, {dialect}: {}", reset.body);
            assert!(site.deployments[0].accepts(&email, &longest).unwrap(), "{preset}, {dialect}");
            let updated = format!(
                "SELECT COUNT(*) FROM {table} WHERE lower(email) = '{email}' AND {column} LIKE '{version}10$%' \
                 AND {column} <> '{version}{HASH}'"
            );
            assert_eq!(site.number(&updated), 1, "{preset}, {dialect}: bcrypt version and cost");
        }
    }
}

/// People would be told that their password was changed, and their login would refuse it.
#[test]
fn start_warns_of_hashes_that_the_settings_do_not_fit() {
    let Some(mut site) = Site::on(databases::DatabaseServer::Postgres) else { return };
    site.database.execute(
        "CREATE TABLE people (id serial PRIMARY KEY, email text NOT NULL, hash text); \
         INSERT INTO people (email) VALUES ('ann@example.com')",
    );
    site.database.execute(&format!("UPDATE people SET hash = '$2a${HASH}'"));
    for (name, value) in [
        ("POLYRESET_USERS__PRESET", "custom"),
        ("POLYRESET_USERS__TABLE", "people"),
        ("POLYRESET_USERS__ID", "id"),
        ("POLYRESET_USERS__EMAIL", "email"),
        ("POLYRESET_USERS__PASSWORD", "hash"),
        ("POLYRESET_PASSWORD__HASH", "argon2id"),
    ] {
        site.set(name, value);
    }
    let servers = site.start();
    let warning = "most hashes are bcrypt $2a$10$, but new ones would be argon2id";
    for deployment in &site.deployments {
        let begun = Instant::now();
        while !deployment.logged().contains(warning) {
            assert!(begun.elapsed() < TIMEOUT, "{}", deployment.logged());
            thread::sleep(Duration::from_millis(20));
        }
        assert!(!deployment.logged().contains("ann@example.com"));
    }
    drop(servers);
}
