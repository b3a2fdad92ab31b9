//! Every password hash format, written and verified by the commands and by a reset.

use conformance::http;
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query, sql_types::Text};

use super::{deployment, mailed_secret, px0};

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    password_hash: String,
}

#[test]
fn every_hash_format_is_written_verified_and_kept_by_a_reset() {
    for (settings, prefix) in [
        (&[("HASH", "argon2id")][..], "$argon2id$v=19$m=64,t=1,p=1$"),
        (&[("HASH", "bcrypt"), ("BCRYPT_COST", "4")], "$2b$04$"),
        (&[("HASH", "bcrypt"), ("BCRYPT_COST", "4"), ("BCRYPT_VERSION", "2a")], "$2a$04$"),
        (&[("HASH", "pbkdf2-sha256"), ("PBKDF2_ITERATIONS", "1000")], "pbkdf2_sha256$1000$"),
        (&[("HASH", "scrypt"), ("SCRYPT_N", "1024"), ("SCRYPT_P", "1")], "scrypt$1024$"),
    ] {
        let (mut deployment, _folder) = deployment();
        for (name, value) in settings {
            deployment.set(&format!("POLYRESET_PASSWORD__{name}"), value);
        }
        deployment.add_user("ann@example.com", "correct horse").unwrap();
        let mut database = SqliteConnection::establish(deployment.database().to_str().unwrap()).unwrap();
        let mut stored = || {
            let row: Row = sql_query("SELECT password_hash FROM users").get_result(&mut database).unwrap();
            row.password_hash
        };
        let first = stored();
        assert!(first.starts_with(prefix), "{first}");
        assert!(deployment.accepts("ann@example.com", "correct horse").unwrap());
        assert!(!deployment.accepts("ann@example.com", "wrong horse").unwrap());

        let server = deployment.start().unwrap();
        let code = mailed_secret(&deployment, server.address, &px0(), "ann@example.com");
        // 72 bytes, the maximum that bcrypt reads. One more is rejected.
        let longest = format!("New Password 1!{}", "a".repeat(57));
        let reset = |password: &str| http::send(server.address, &px0().redeem_with(&code, password)).unwrap();
        let is_bcrypt = prefix.starts_with("$2");
        if is_bcrypt {
            let refused = reset(&format!("{longest}a"));
            assert!(refused.status == 400 && refused.body.contains("at most 72 bytes"), "{}", refused.body);
        }
        let nul = reset("New Password 1!\0");
        assert!(nul.status == 400 && nul.body.contains("NUL"), "{}", nul.body);
        assert_eq!(reset(&longest).status, 200, "a rejected password does not spend the code");
        let second = stored();
        assert!(second.starts_with(prefix) && second != first, "{second}");
        assert!(deployment.accepts("ann@example.com", &longest).unwrap());
        assert!(!deployment.accepts("ann@example.com", &longest[..71]).unwrap());
    }
}

#[test]
fn a_foreign_hash_is_verified_regardless_of_the_settings() {
    let (deployment, _folder) = deployment();
    deployment.add_user("ann@example.com", "the first").unwrap();
    let mut database = SqliteConnection::establish(deployment.database().to_str().unwrap()).unwrap();
    // Vectors from reset-core's tests.
    for stored in [
        "$2a$04$o6b1SkXAsv1PODGa/WR9hOq05CKVBJVlglyEg8Zun2wYjlRjqQ8C.",
        "pbkdf2_sha256$1000$seasalt$LZKTtonyi6Mwg4S1T6mjYRsfh6B2cJTDIFNojUXEHrQ=",
        "bcrypt$$2b$04$5p0yOGy/RILvOuDaY/BuM.hNv/4S8753gRIXoia/t9KxBqW5k90Ju",
        "$H$B9rEqgdeNL3xK7KKp2c0nRUoLwreia/",
    ] {
        sql_query("UPDATE users SET password_hash = ?")
            .bind::<Text, _>(stored)
            .execute(&mut database)
            .unwrap();
        assert!(deployment.accepts("ann@example.com", "correct horse Ünï").unwrap(), "{stored}");
        assert!(!deployment.accepts("ann@example.com", "the first").unwrap(), "{stored}");
    }
    sql_query("UPDATE users SET password_hash = 'pbkdf2_sha256$4000000000$s$canary'")
        .execute(&mut database)
        .unwrap();
    let output = deployment.run(&["user", "verify", "ann@example.com", "--password-stdin"], "x").unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("has an unknown format") && !said.contains("canary"), "{said}");
}
