//! Opening and configuring connections to PostgreSQL.

use std::{error::Error, fmt::Write, time::Duration};

use diesel::connection::{CacheSize, Connection, SimpleConnection};
use diesel_async::AsyncPgConnection;
use tokio::time::timeout;
use tokio_postgres::{Client, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Postgres, engine::Db};
use crate::{
    Pooler,
    server::{ConnectionPurpose, block_on},
};

/// Idle time before TCP keepalive probes.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// Interval of the probes, and the number of failed probes after which the connection is closed.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_PROBES: u32 = 3;

/// How statements are planned. A prepared statement is planned once, and on a new table, which is empty, a scan looks best;
/// it would be kept while the table grows. The compiler, which starts above a cost, could never pay.
pub(super) const PLANNING: &str = "SET enable_seqscan = off; SET jit = off";

/// Connects, on the runtime of this thread.
pub(super) fn connect(server: &Postgres, purpose: ConnectionPurpose) -> Result<Db, String> {
    let limit = server.options.connect_timeout;
    let connecting = async {
        let connected = timeout(limit * server.address.servers(), open(server)).await;
        connected.unwrap_or_else(|_| Err(format!("timeout: no response within {} s", limit.as_secs_f32())))
    };
    let mut db = block_on(connecting).map(Db::from)?;
    set_up(&mut db, server, purpose).map_err(|error| error.to_string())?;
    Ok(db)
}

async fn open(server: &Postgres) -> Result<AsyncPgConnection, String> {
    let limit = server.options.connect_timeout;
    let mut config = server.address.config.clone();
    // TCP_USER_TIMEOUT makes the system close the connection when the peer acknowledges nothing for that long; the
    // default is minutes.
    config.connect_timeout(limit).tcp_user_timeout(limit).keepalives_idle(KEEPALIVE);
    config.keepalives_interval(KEEPALIVE_INTERVAL).keepalives_retries(KEEPALIVE_PROBES);
    let client = match &server.tls {
        None => drive(config.connect(NoTls).await),
        Some(tls) => drive(config.connect(MakeRustlsConnect::new((**tls).clone())).await),
    };
    let client = client.map_err(|error| message(&error))?;
    // Diesel sets the session's time zone and encoding, which polyreset does not depend on. Behind a pooler the
    // session is shared, so the settings are made in a transaction that `set_up` rolls back.
    let pooled = server.options.pooler == Pooler::Transaction;
    if pooled {
        client.batch_execute("BEGIN").await.map_err(|error| message(&error))?;
    }
    let db = AsyncPgConnection::try_from(client).await.map_err(|error| error.to_string())?;
    Ok(db)
}

/// Spawns the connection's I/O on this thread's runtime.
fn drive<S>(
    connected: Result<(Client, tokio_postgres::Connection<tokio_postgres::Socket, S>), tokio_postgres::Error>,
) -> Result<Client, tokio_postgres::Error>
where
    S: tokio_postgres::tls::TlsStream + Unpin + Send + 'static,
{
    let (client, connection) = connected?;
    // If the connection fails, the next use of the client returns the error.
    tokio::spawn(connection);
    Ok(client)
}

fn set_up(db: &mut Db, server: &Postgres, purpose: ConnectionPurpose) -> diesel::QueryResult<()> {
    let limit = match purpose {
        ConnectionPurpose::Tasks => server.options.statement_timeout.as_millis(),
        ConnectionPurpose::Maintenance => 0,
    };
    match server.options.pooler {
        Pooler::None => db.batch_execute(&format!("SET statement_timeout = {limit}; {PLANNING}")),
        Pooler::Transaction => {
            // Each statement is prepared for one use and closed within its transaction, because the next transaction
            // may run in another session.
            db.set_prepared_statement_cache_size(CacheSize::Disabled);
            db.batch_execute("ROLLBACK")
        }
    }
}

/// Returns the message of an error and its causes. A server's message may quote the user and the database, but never
/// the password.
fn message(error: &tokio_postgres::Error) -> String {
    if let Some(error) = error.as_db_error() {
        return error.message().to_owned();
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
