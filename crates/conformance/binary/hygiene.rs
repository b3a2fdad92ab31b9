//! Planted canaries: after resets in all dialects, the log at level `trace` holds no secret or address in any encoding
//! (R70), and the database holds no usable secret (R3).

use std::{fs, time::Duration};

use conformance::{
    canaries::forms_of_code,
    clients::{self, exchanged},
    http::{self, get, post},
    mails,
    server::TestDeployment,
    sink::Sink,
};
use diesel::{Connection as _, QueryableByName, RunQueryDsl, SqliteConnection, sql_query, sql_types::Text};

use super::{deployment, mailed_secret, px0};

const EMAIL: &str = "canary.address@example.com";
const PASSWORD: &str = "Canary-Password-1!";

/// Returns the text in several encodings.
fn encodings(text: &str) -> Vec<String> {
    let digits = text.bytes().flat_map(|byte| [byte >> 4, byte & 15]);
    let hex: String = digits.map(|digit| char::from_digit(digit.into(), 16).unwrap()).collect();
    let decimal = text.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ");
    vec![text.to_owned(), text.replace('@', "%40").replace('!', "%21"), hex, decimal]
}

#[test]
fn logs_and_database_hold_no_secret_or_address() {
    let (mut deployment, _folder) = deployment();
    deployment.set("POLYRESET_LOG", "trace");
    deployment.add_user(EMAIL, "the old password").unwrap();
    let server = deployment.start().unwrap();
    let mut secrets = Vec::new();
    let mut resets = Vec::new();
    for client in clients::all() {
        let mailed = mailed_secret(&deployment, server.address, &client, EMAIL);
        mails::clear(&deployment.mails()).unwrap();
        let secret = exchanged(&client, server.address, EMAIL, mailed.clone()).unwrap();
        // A secret with one more character is refused, and so is a password that is too short.
        let mut refused = vec![client.redeem_with(&format!("{secret}x"), PASSWORD)];
        refused.push(client.redeem_with(&secret, "Short-1"));
        for step in refused {
            let answer = http::send(server.address, &step).unwrap();
            assert!(answer.status >= 400, "{}: {}", client.dialect, answer.status);
        }
        resets.push(client.redeem_with(&secret, PASSWORD));
        secrets.extend([mailed, secret]);
    }
    let longest = secrets.iter().max_by_key(|secret| secret.len()).unwrap();
    for path in ["/api/auth/email/reset-password-link", "/nothing"] {
        get(server.address, &format!("{path}?token={longest}&email={EMAIL}")).unwrap();
    }
    // The database now holds the digests of live tickets, but no secret.
    let codes: Vec<&String> = secrets.iter().filter(|secret| secret.len() == 6).collect();
    assert!(codes.len() >= 2, "two dialects mail codes of six digits");
    let cells = cells(&deployment);
    assert!(cells.contains("'px0'") && cells.lines().count() > 20, "{cells}");
    for code in &codes {
        assert_eq!(forms_of_code(code, &cells), [""; 0], "a code in the database");
    }
    let database = [deployment.database(), deployment.database().with_extension("db-wal")]
        .iter()
        .filter_map(|path| fs::read(path).ok())
        .fold(String::new(), |all, bytes| all + &String::from_utf8_lossy(&bytes));
    for secret in long(&secrets) {
        assert!(!database.contains(secret), "a secret in the database");
        for encoding in encodings(secret) {
            assert!(!cells.to_lowercase().contains(&encoding.to_lowercase()), "{encoding} in the database");
        }
    }
    // Deleted cells, too, as far as they can be told from a longer number.
    for code in codes {
        let word = database.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == code);
        assert!(!word, "a code in the database file");
    }
    // A reset ends the secrets of all other dialects.
    let statuses = resets.iter().map(|step| http::send(server.address, step).unwrap().status);
    assert_eq!(statuses.filter(|status| http::is_success(*status)).count(), 1);
    mails::wait_for(&deployment.mails(), EMAIL, super::TIMEOUT, |_| true).unwrap();
    assert!(server.terminate().unwrap().success());

    let log = deployment.logged();
    assert!(log.contains("job mailed"), "the log does not cover this run");
    for text in long(&secrets).chain([EMAIL, PASSWORD]) {
        for encoding in encodings(text) {
            assert!(!log.to_lowercase().contains(&encoding.to_lowercase()), "{encoding} in the log");
        }
    }
    // A code of six digits may occur by chance within a longer number, but not as a word.
    for code in secrets.iter().filter(|secret| secret.len() == 6) {
        let word = log.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == code);
        assert!(!word, "a code in the log");
    }
}

#[derive(QueryableByName)]
struct Cell {
    #[diesel(sql_type = Text)]
    text: String,
}

/// Returns every cell of the database, a row per line: texts in quotes, numbers in decimal, bytes in hexadecimal.
fn cells(deployment: &TestDeployment) -> String {
    let mut db = SqliteConnection::establish(deployment.database().to_str().unwrap()).unwrap();
    let mut rows = |query: &str| -> Vec<String> {
        let found: Vec<Cell> = sql_query(query).load(&mut db).unwrap();
        found.into_iter().map(|cell| cell.text).collect()
    };
    let mut all = String::new();
    for table in rows("SELECT name AS text FROM sqlite_schema WHERE type = 'table'") {
        let columns = rows(&format!("SELECT name AS text FROM pragma_table_info('{table}')"));
        let quoted: Vec<String> = columns.iter().map(|column| format!("quote(\"{column}\")")).collect();
        for row in rows(&format!("SELECT {} AS text FROM \"{table}\"", quoted.join(" || ' ' || "))) {
            all += &(row + "\n");
        }
    }
    all
}

/// Returns the parts of `secrets` that are too long to occur anywhere by chance.
fn long(secrets: &[String]) -> impl Iterator<Item = &str> {
    secrets.iter().flat_map(|secret| secret.split('/')).filter(|part| part.len() > 6)
}

/// Replies as many mail servers do, quoting the address.
fn reply_with_address(command: &str, recipient: &str) -> Option<String> {
    match (command, recipient.split('@').next()?) {
        (".", "canary.later") => Some(format!("451 4.3.0 <{recipient}> try later, says {recipient}")),
        (".", _) => Some(format!("250 2.0.0 queued for {recipient} as canary")),
        (_, "canary.unknown") if command.starts_with("RCPT") => {
            Some(format!("550 5.1.1 <{recipient}> unknown"))
        }
        (_, "canary.grey") if command.starts_with("RCPT") => {
            Some(format!("451-4.7.1 {recipient}\r\n451 4.7.1 greylisted: {recipient}"))
        }
        _ => None,
    }
}

#[test]
fn addresses_in_mail_server_replies_are_not_logged() {
    let (mut deployment, _folder) = deployment();
    let sink = Sink::start(Duration::ZERO, reply_with_address).unwrap();
    deployment.set("POLYRESET_LOG", "trace");
    deployment.set("POLYRESET_MAIL_URL", &sink.url());
    let people = ["canary.unknown", "canary.later", "canary.grey", "canary.fine"];
    for name in people {
        deployment.add_user(&format!("{name}@example.com"), "the old password").unwrap();
    }
    let server = deployment.start().unwrap();
    for name in people {
        let request = px0().request_for(&format!("{name}@example.com"));
        assert_eq!(http::send(server.address, &request).unwrap().status, 200);
        sink.wait_for(&format!("RCPT TO:<{name}@example.com>"), 1);
    }
    sink.wait_for(".", 2);
    assert!(server.terminate().unwrap().success());
    let log = deployment.logged();
    for reply in ["550", "451", "job mailed"] {
        assert!(log.contains(reply), "{reply} is not logged:\n{log}");
    }
    let line = log.lines().find(|line| line.to_lowercase().contains("canary"));
    assert_eq!(line, None, "an address in the log");
}

/// Returns whether `line` starts with a timestamp and a level.
fn is_log_line(line: &str) -> bool {
    let (time, rest) = line.split_at_checked(27).unwrap_or_default();
    let level = rest.trim_start().split(' ').next().unwrap_or_default();
    time.ends_with('Z')
        && time.as_bytes().get(10) == Some(&b'T')
        && ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].contains(&level)
}

#[test]
fn clients_cannot_inject_log_lines() {
    const HOSTILE: [&str; 7] = [
        "\n{\"level\":\"error\",\"planted\":1}",
        "\r\n2026-01-01T00:00:00.000000Z ERROR planted: planted",
        "\u{1b}[31mplanted\u{1b}[0m",
        "\u{2028}planted",
        "\u{85}planted",
        "\0planted",
        "%0aplanted%0d%0aplanted",
    ];
    let (deployment, _folder) = deployment();
    deployment.add_user("user@example.com", "the old password").unwrap();
    let server = deployment.start().unwrap();
    let clients = clients::all();
    for hostile in HOSTILE {
        let json = hostile.chars().fold(String::new(), |json, c| match c {
            '"' => json + "\\\"",
            c if c < ' ' => json + &format!("\\u{:04x}", u32::from(c)),
            c => json + c.encode_utf8(&mut [0; 4]),
        });
        let object = format!(r#"{{"{json}":"{json}"}}"#);
        for step in clients.iter().flat_map(clients::steps) {
            // Every placeholder of the body is the hostile text.
            let body = clients::fields(step).into_iter().fold(step.body.clone(), |body, (_, placeholder)| {
                body.replace(placeholder, &format!("\"{json}@example.com\""))
            });
            for body in [&body, &object] {
                post(server.address, &step.path, body).unwrap();
            }
        }
        let plain: String = hostile.chars().filter(char::is_ascii_graphic).collect();
        let head =
            format!("POST /v1/{plain} HTTP/1.1\r\nhost: test\r\nuser-agent: {plain}\r\nreferer: {plain}");
        // The raw bytes are invalid HTTP, so the server may close the connection.
        let raw = format!(
            "POST /v1/auth/x HTTP/1.1\r\nhost: test\r\nuser-agent: {hostile}\r\ncontent-length: 0\r\n\r\n"
        );
        for request in [format!("{head}\r\ncontent-length: 0\r\n\r\n"), raw] {
            let _ = conformance::http::Connection::open(server.address).unwrap().send(request.as_bytes());
        }
    }
    assert!(server.terminate().unwrap().success());
    let log = deployment.logged();
    for line in log.lines() {
        assert!(is_log_line(line), "{line:?}");
        assert!(!line.contains("planted") && !line.contains('\u{1b}'), "{line:?}");
    }
    assert!(log.lines().count() > 5 && log.is_ascii(), "{log}");
}
