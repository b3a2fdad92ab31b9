//! Settings of the database.

use super::{environment, sentence};

#[test]
fn database_server_requires_a_secret_and_its_url_is_never_quoted() {
    for url in ["postgres://reset:hunter2@db/reset", "mariadb://reset:hunter2@db/reset"] {
        let text = sentence(environment(&[("POLYRESET_DATABASE_URL", url)]));
        assert!(text.contains("secret is required") && text.contains("POLYRESET_SECRET"), "{text}");
        let secret = ("POLYRESET_SECRET", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
        let given = [("POLYRESET_DATABASE_URL", url), secret, ("POLYRESET_DATABASE__AUTO_MIGRATE", "true")];
        let settings = environment(&given).ok().unwrap();
        assert!(settings.database.auto_migrate && settings.database.address.file().is_none());
    }
    let text =
        sentence(environment(&[("POLYRESET_DATABASE_URL", "postgres://u:hunter2@db/x?sslmode=maybe")]));
    assert!(text.contains("verify-full") && !text.contains("hunter2"), "{text}");
    let text = sentence(environment(&[("POLYRESET_DATABASE__CONNECT_TIMEOUT", "0s")]));
    assert!(text.starts_with("database.connect_timeout"), "{text}");
}

#[test]
fn unverified_database_certificate_is_a_weakness() {
    let open = |url| {
        let secret = ("POLYRESET_SECRET", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
        let settings = environment(&[("POLYRESET_DATABASE_URL", url), secret]).unwrap();
        settings.weaknesses().unwrap().iter().any(|line| line.starts_with("R26") && line.contains("database"))
    };
    assert!(open("postgres://u@db/x") && open("mysql://u@db/x?ssl-mode=preferred"));
    assert!(!open("postgres://u@db/x?sslmode=verify-full") && !open("postgres://u@localhost/x"));
}

#[test]
fn transaction_pooler_requires_postgresql() {
    for url in ["mysql://u@db/x", "sqlite://x.db"] {
        let text = sentence(environment(&[
            ("POLYRESET_DATABASE_URL", url),
            ("POLYRESET_DATABASE__POOLER", "transaction"),
        ]));
        assert!(text.contains("database.pooler") && text.contains("only PostgreSQL"), "{text}");
    }
}

#[test]
fn id_column_must_differ_from_the_email_column() {
    let secret = ("POLYRESET_SECRET", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    let with_id = |id| {
        environment(&[
            ("POLYRESET_DATABASE_URL", "postgres://u@localhost/x"),
            secret,
            ("POLYRESET_USERS__PRESET", "custom"),
            ("POLYRESET_USERS__TABLE", "people"),
            ("POLYRESET_USERS__ID", id),
            ("POLYRESET_USERS__EMAIL", "email"),
            ("POLYRESET_USERS__PASSWORD", "hash"),
        ])
    };
    assert!(with_id("id").is_ok());
    let text = sentence(with_id("email"));
    assert!(text.starts_with("users.id") && text.contains("users.email"), "{text}");
}
