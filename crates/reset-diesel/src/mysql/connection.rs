//! Connections to MySQL and MariaDB: how each is made and set up.

use diesel_async::AsyncMysqlConnection;
use mysql_async::{Conn, DriverError, Error, Opts, Row, prelude::Queryable};
use tokio::time::timeout;

use super::{Mysql, engine::Db};
use crate::server::{ConnectionPurpose, block_on};

/// Whether nothing can be written: 0 or 1, whatever the variable is. MariaDB 12 has words for it.
const READ_ONLY: &str = "SELECT CAST(@@global.read_only AS CHAR) NOT IN ('0', 'OFF')";

/// Connects, on the runtime of this thread, to the first server that can be written to.
pub(super) fn connect(server: &Mysql, purpose: ConnectionPurpose) -> Result<Db, String> {
    let limit = server.options.connect_timeout;
    let several = server.servers.len() > 1;
    let connecting = async {
        let mut reason = String::new();
        for ways in &server.servers {
            match timeout(limit, open(ways, server, purpose, several)).await {
                Ok(Ok(conn)) => {
                    return AsyncMysqlConnection::try_from(conn).await.map_err(|error| error.to_string());
                }
                Ok(Err(said)) => reason = said,
                Err(_) => reason = format!("no answer within {} s", limit.as_secs_f32()),
            }
        }
        Err(reason)
    };
    block_on(connecting).map(Db::from)
}

async fn open(
    ways: &[Opts],
    server: &Mysql,
    purpose: ConnectionPurpose,
    several: bool,
) -> Result<Conn, String> {
    for way in ways {
        match Conn::new(way.clone()).await {
            // Encryption was offered to the server, and it has none.
            Err(Error::Driver(DriverError::NoClientSslFlagFromServer)) if ways.len() > 1 => {}
            Err(error) => return Err(told(&error)),
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
        // Whatever the server's own mode is: nothing that does not fit is cut off and kept.
        "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'".to_owned(),
        "SET NAMES utf8mb4 COLLATE utf8mb4_bin".to_owned(),
        "SET SESSION autocommit = 1".to_owned(),
    ];
    if purpose == ConnectionPurpose::Tasks {
        settings.push(format!("SET SESSION innodb_lock_wait_timeout = {}", limit.as_secs().max(1)));
    }
    for setting in &settings {
        conn.query_drop(setting).await.map_err(|error| told(&error))?;
    }
    if purpose == ConnectionPurpose::Tasks {
        // The one that MariaDB knows, in seconds; else the one that MySQL does, for queries alone.
        let maria = format!("SET SESSION max_statement_time = {}", limit.as_secs_f64());
        if conn.query_drop(maria).await.is_err() {
            let mysql = format!("SET SESSION max_execution_time = {}", limit.as_millis());
            conn.query_drop(mysql).await.map_err(|error| told(&error))?;
        }
    }
    if several {
        let asked: Option<Row> = conn.query_first(READ_ONLY).await.map_err(|error| told(&error))?;
        if asked.and_then(|row| row.get_opt::<i64, _>(0)).and_then(Result::ok) != Some(0) {
            return Err("the server is read-only".to_owned());
        }
    }
    Ok(())
}

/// The error in words. A server quotes the user and the database in it, and never the password.
fn told(error: &Error) -> String {
    match error {
        Error::Server(error) => error.message.clone(),
        error => error.to_string(),
    }
}
