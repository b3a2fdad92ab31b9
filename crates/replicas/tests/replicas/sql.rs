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
                let number = db.query_first(query).await.unwrap().unwrap();
                db.disconnect().await.unwrap();
                number
            }
        }
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
