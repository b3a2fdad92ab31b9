//! Options that other programs put into database URLs and that polyreset rejects, each with what to do instead.
//!
//! An error for any other unknown option does not name it: in a malformed URL, its name may be a part of the password.

/// Names in lower case, and what to do.
const OPTIONS: [(&str, &str); 18] = [
    (
        "schema",
        "remove ?schema= (Prisma): polyreset's own tables need no schema option, and users.table may name one",
    ),
    (
        "currentschema",
        "remove ?currentSchema= (JDBC): polyreset's own tables need no schema option, and users.table may name one",
    ),
    (
        "pgbouncer",
        "remove ?pgbouncer= (Prisma), and set database.pooler = \"transaction\" for a pooler in transaction mode",
    ),
    ("connection_limit", "remove ?connection_limit= (Prisma): the setting is database.connections"),
    ("pool_timeout", "remove ?pool_timeout= (Prisma): the setting is database.connect_timeout"),
    ("socket_timeout", "remove ?socket_timeout= (Prisma): the setting is database.statement_timeout"),
    (
        "statement_cache_size",
        "remove ?statement_cache_size= (Prisma): set database.pooler = \"transaction\" instead",
    ),
    (
        "statement-cache-capacity",
        "remove ?statement-cache-capacity= (sqlx): set database.pooler = \"transaction\" instead",
    ),
    ("preparethreshold", "remove ?prepareThreshold= (JDBC): set database.pooler = \"transaction\" instead"),
    (
        "prepared_statements",
        "remove ?prepared_statements= (Rails): set database.pooler = \"transaction\" instead",
    ),
    ("pool", "remove ?pool= (Rails): the setting is database.connections"),
    ("sslaccept", "remove ?sslaccept= (Prisma): ?sslmode= or ?ssl-mode= selects how the server is verified"),
    ("sslidentity", "remove ?sslidentity= (Prisma): write the client certificate and its key as PEM files"),
    ("ssl", "remove ?ssl=: ?sslmode= (PostgreSQL) or ?ssl-mode= (MySQL) selects encryption"),
    ("usessl", "remove ?useSSL= (JDBC): ?ssl-mode= selects encryption"),
    ("charset", "remove ?charset=: polyreset always uses utf8mb4"),
    ("parsetime", "remove ?parseTime= (Go): polyreset needs no such option"),
    ("servertimezone", "remove ?serverTimezone= (JDBC): polyreset does not depend on the time zone"),
];

/// Returns what to do about the first option of a URL that is known from another program.
pub(crate) fn advice(url: &str) -> Option<&'static str> {
    let (_, query) = url.split_once('?')?;
    query.split('&').find_map(|pair| {
        let name = pair.split('=').next().unwrap_or_default().to_ascii_lowercase();
        OPTIONS.iter().find(|(known, _)| *known == name).map(|(_, advice)| *advice)
    })
}

#[cfg(test)]
mod tests {
    use crate::Database;

    #[test]
    fn option_of_another_program_is_rejected_by_name_and_with_the_right_setting() {
        for (url, name, instead) in [
            ("postgres://u:hunter2@db/x?schema=public", "?schema=", "users.table"),
            ("postgresql://u:hunter2@db/x?sslmode=require&pgbouncer=true", "?pgbouncer=", "database.pooler"),
            ("postgres://u:hunter2@db/x?connection_limit=5", "?connection_limit=", "database.connections"),
            ("mysql://u:hunter2@db/x?useSSL=true", "?useSSL=", "ssl-mode"),
            ("mysql://u:hunter2@db/x?charset=utf8", "?charset=", "utf8mb4"),
        ] {
            let error = Database::at(url).expect_err("the URL is rejected").to_string();
            assert!(error.contains(name) && error.contains(instead) && !error.contains("hunter2"), "{error}");
        }
    }
}
