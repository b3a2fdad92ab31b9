//! Users tables of the systems whose dialects we speak, made as their owners make them: reset through every dialect,
//! each step at another process, in the hash that the owner's login reads.

use conformance::{databases, dialects::DIALECTS, http::post, mails};

use crate::{
    TIMEOUT,
    site::{Site, exchanged},
};

/// bcrypt at cost 10, of a password that nobody knows.
const HASH: &str = "10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";

/// A preset, its table and the statements that make it, the column of the hash, and the letter of its rows.
const PRESETS: [(&str, &str, &str, &str, &str); 4] = [
    (
        "px0",
        "users",
        "CREATE TABLE users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), email varchar(255) NOT NULL UNIQUE, \
         password_hash text NOT NULL, created_at timestamptz DEFAULT now(), is_admin boolean NOT NULL DEFAULT false, \
         is_verified boolean NOT NULL DEFAULT false)",
        "password_hash",
        "$2a$",
    ),
    (
        "insforge",
        "auth.users",
        "CREATE SCHEMA auth; CREATE TABLE auth.users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), \
         email text UNIQUE NOT NULL, password text, email_verified boolean DEFAULT false, profile jsonb, \
         metadata jsonb, created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now())",
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
fn each_presets_table_is_reset_through_each_dialect_in_the_hash_of_its_rows() {
    for (preset, table, made, column, letter) in PRESETS {
        let Some(mut site) = Site::on(databases::DatabaseServer::Postgres) else { return };
        site.database.execute(made);
        for dialect in DIALECTS {
            // As it was typed at the sign-up, where the system keeps that.
            let name = if preset.starts_with("strapi") { "user" } else { "User" };
            site.database.execute(&format!(
                "INSERT INTO {table} (email, {column}) VALUES ('{name}.{}@example.com', '{letter}{HASH}')",
                dialect.name
            ));
        }
        site.set("POLYRESET_USERS__PRESET", preset);
        let servers = site.start();
        for (number, dialect) in DIALECTS.iter().enumerate() {
            let at = |step: usize| servers[(number + step) % 3].address;
            let email = format!("user.{}@example.com", dialect.name);
            let stored =
                if preset.starts_with("strapi") { email.clone() } else { format!("U{}", &email[1..]) };
            // Mail goes to the address as it is stored, whatever was typed.
            let asked = post(at(0), dialect.ask, &format!(r#"{{"email":"{email}"}}"#)).unwrap();
            assert!(asked.status < 300, "{preset}, {}: {}", dialect.name, asked.body);
            let wanted = |letter: &mails::ReceivedMail| (dialect.secret)(letter).is_some();
            let mail = mails::wait_for(&site.mails(), &stored, TIMEOUT, wanted).unwrap();
            let secret = (dialect.secret)(&mail).unwrap().to_owned();
            let secret = exchanged(dialect, at(1), &email, secret);
            // bcrypt reads 72 bytes: one more is refused, and the secret is unspent.
            let longest = "Aa1!".repeat(18);
            let over = post(at(2), dialect.reset, &(dialect.body)(&secret, &format!("{longest}x"))).unwrap();
            assert_eq!(over.status, 400, "{preset}, {}: {}", dialect.name, over.body);
            let done = post(at(2), dialect.reset, &(dialect.body)(&secret, &longest)).unwrap();
            assert_eq!(done.status, 200, "{preset}, {}: {}", dialect.name, done.body);
            assert!(site.deployments[0].accepts(&email, &longest).unwrap(), "{preset}, {}", dialect.name);
            let form = format!(
                "SELECT COUNT(*) FROM {table} WHERE lower(email) = '{email}' AND {column} LIKE '{letter}10$%' \
                 AND {column} <> '{letter}{HASH}'"
            );
            assert_eq!(site.number(&form), 1, "{preset}, {}: the row's letter and cost", dialect.name);
        }
    }
}
