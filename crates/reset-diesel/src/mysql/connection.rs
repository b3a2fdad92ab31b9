//! Opening and configuring connections to MySQL and MariaDB.

use diesel_async::AsyncMysqlConnection;
use mysql_async::{Conn, DriverError, Error, Opts, Row, prelude::Queryable};
use tokio::time::timeout;

use super::{Mysql, engine::Db};
use crate::server::{ConnectionPurpose, block_on};

/// Selects 1 if the server is read-only, else 0. The variable is a number, or a word on MariaDB 12.
const READ_ONLY: &str = "SELECT CAST(@@global.read_only AS CHAR) NOT IN ('0', 'OFF')";

/// Connects, on the runtime of this thread, to the first server that is writable.
pub(super) fn connect(server: &Mysql, purpose: ConnectionPurpose) -> Result<Db, String> {
    let limit = server.options.connect_timeout;
    let several = server.servers.len() > 1;
    let connecting = async {
        let mut reason = String::new();
        for options in &server.servers {
            match timeout(limit, open(options, server, purpose, several)).await {
                Ok(Ok(conn)) => {
                    return AsyncMysqlConnection::try_from(conn).await.map_err(|error| error.to_string());
                }
                Ok(Err(error)) => reason = error,
                Err(_) => reason = format!("timeout: no response within {} s", limit.as_secs_f32()),
            }
        }
        Err(reason)
    };
    block_on(connecting).map(Db::from)
}

async fn open(
    options: &[Opts],
    server: &Mysql,
    purpose: ConnectionPurpose,
    several: bool,
) -> Result<Conn, String> {
    for one in options {
        match Conn::new(one.clone()).await {
            // The server supports no TLS. Continue with the options without it.
            Err(Error::Driver(DriverError::NoClientSslFlagFromServer)) if options.len() > 1 => {}
            Err(error) => return Err(message(&error)),
            Ok(mut conn) => {
                set_up(&mut conn, server, purpose, several).await?;
                return Ok(conn);
            }
        }
    }
    Err("the server offers no encryption".to_owned())
}

async fn set_up(
    conn: &mut Conn,
    server: &Mysql,
    purpose: ConnectionPurpose,
    several: bool,
) -> Result<(), String> {
    let limit = server.options.statement_timeout;
    let mut settings = vec![
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED".to_owned(),
        // Independent of the server's default mode: values that do not fit are rejected instead of truncated.
        "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'".to_owned(),
        "SET NAMES utf8mb4 COLLATE utf8mb4_bin".to_owned(),
        "SET SESSION autocommit = 1".to_owned(),
    ];
    if purpose == ConnectionPurpose::Tasks {
        settings.push(format!("SET SESSION innodb_lock_wait_timeout = {}", limit.as_secs().max(1)));
    }
    for setting in &settings {
        conn.query_drop(setting).await.map_err(|error| message(&error))?;
    }
    if purpose == ConnectionPurpose::Tasks {
        // MariaDB has `max_statement_time`, in seconds. MySQL has `max_execution_time`, which applies only to queries.
        let mariadb = format!("SET SESSION max_statement_time = {}", limit.as_secs_f64());
        if conn.query_drop(mariadb).await.is_err() {
            let mysql = format!("SET SESSION max_execution_time = {}", limit.as_millis());
            conn.query_drop(mysql).await.map_err(|error| message(&error))?;
        }
    }
    set_up_for_galera(conn).await?;
    if several {
        let read_only: Option<Row> = conn.query_first(READ_ONLY).await.map_err(|error| message(&error))?;
        if read_only.and_then(|row| row.get_opt::<i64, _>(0)).and_then(Result::ok) != Some(0) {
            return Err("the server is read-only".to_owned());
        }
    }
    Ok(())
}

/// On a node of a Galera cluster, checks that the node executes statements, and makes reads wait until the node has
/// applied what other nodes have committed before: without that, a token that one node issued is unknown to another node
/// for a moment. A node that is cut off from the majority is not `read_only`; it only refuses statements.
async fn set_up_for_galera(conn: &mut Conn) -> Result<(), String> {
    let is_on =
        |row: Option<(String, String)>| row.is_some_and(|(_, value)| value.eq_ignore_ascii_case("ON"));
    // The variable does not exist on other servers and is off on a MariaDB server without a cluster. SHOW is one of the
    // statements that a node executes at any time.
    let in_cluster = conn.query_first("SHOW GLOBAL VARIABLES LIKE 'wsrep_on'").await;
    if !is_on(in_cluster.map_err(|error| message(&error))?) {
        return Ok(());
    }
    let ready = conn.query_first("SHOW GLOBAL STATUS LIKE 'wsrep_ready'").await;
    if !is_on(ready.map_err(|error| message(&error))?) {
        return Err("the cluster node is not ready: wsrep_ready is off".to_owned());
    }
    conn.query_drop("SET SESSION wsrep_sync_wait = 1").await.map_err(|error| message(&error))
}

/// Returns the message of an error. A server's message may quote the user and the database, but never the password.
fn message(error: &Error) -> String {
    match error {
        Error::Server(error) => error.message.clone(),
        Error::Driver(DriverError::UnknownAuthPlugin { name }) => format!(
            "the account uses the authentication plugin `{name}`, which is not supported: use \
             mysql_native_password, caching_sha2_password or, on MariaDB, ed25519"
        ),
        error => error.to_string(),
    }
}
