//! SQL statements of an administrator, bypassing the servers.

use conformance::databases::DatabaseServer;
use mysql_async::prelude::Queryable;

/// Runs statements at `url`.
pub(crate) fn execute(server: DatabaseServer, url: &str, statements: &str) {
    block_on(async {
        match server {
            DatabaseServer::Postgres => postgres(url).await.batch_execute(statements).await.unwrap(),
            DatabaseServer::Mariadb => {
                let mut db = mysql_async::Conn::from_url(url).await.unwrap();
                db.query_drop(statements).await.unwrap();
                db.disconnect().await.unwrap();
            }
        }
    });
}

/// Returns the one number that a query selects.
pub(crate) fn number(server: DatabaseServer, url: &str, query: &str) -> i64 {
    block_on(async {
        match server {
            DatabaseServer::Postgres => postgres(url).await.query_one(query, &[]).await.unwrap().get(0),
            DatabaseServer::Mariadb => {
                let mut db = mysql_async::Conn::from_url(url).await.unwrap();
                // On a cluster, wait until this node has applied what other nodes have committed.
                db.query_drop("SET SESSION wsrep_sync_wait = 1").await.unwrap();
                let number = db.query_first(query).await.unwrap().unwrap();
                db.disconnect().await.unwrap();
                number
            }
        }
    })
}

/// Returns the one number that a query selects on a MariaDB node, or `None` if the node does not answer.
pub(crate) fn number_if_any(url: &str, query: &str) -> Option<i64> {
    block_on(async {
        let mut db = mysql_async::Conn::from_url(url).await.ok()?;
        let number = db.query_first(query).await.ok()?;
        db.disconnect().await.ok()?;
        number
    })
}

/// Runs statements, each in its own transaction, on one connection to a MariaDB node. Returns the errors.
pub(crate) fn errors(url: &str, statements: &[String]) -> Vec<String> {
    block_on(async {
        let mut db = mysql_async::Conn::from_url(url).await.unwrap();
        let mut errors = Vec::new();
        for statement in statements {
            errors.extend(db.query_drop(statement).await.err().map(|error| error.to_string()));
        }
        db.disconnect().await.unwrap();
        errors
    })
}

async fn postgres(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}
