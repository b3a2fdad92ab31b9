//! A commit that is answered with a conflict, a driver that panics, and the authentication plugins of accounts.

use std::{
    error::Error,
    io::{Read, Write},
    net::TcpListener,
    sync::{
        Arc, Once,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use conformance::databases::skipped;
use diesel::{QueryResult, RunQueryDsl, connection::SimpleConnection, dsl::sql, select, sql_types::Integer};

use super::{
    Server, at, error_chain, job,
    outage::with_short_timeouts,
    servers::{Fresh, postgres},
};
use crate::{
    Database, Options, SchemaDifference,
    foreign_users::{Extent, Mapping, MappingError, Plan, Survey},
    postgres::Postgres,
    server::{ConnectionPurpose, ServerEngine, ServerStore},
};

/// Two commits are answered with the error; `nextval` is not rolled back.
#[tokio::test(flavor = "multi_thread")]
async fn commit_that_is_answered_with_a_conflict_is_run_again() {
    for (code, message) in [("40001", "could not serialize access"), ("40P01", "deadlock detected")] {
        let Some(fresh) = Server::Postgres.fresh().await else { return };
        fresh.execute(&format!(
            "CREATE SEQUENCE commits; \
             CREATE FUNCTION conflict() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
               IF nextval('commits') <= 2 THEN RAISE EXCEPTION '{message}' USING ERRCODE = '{code}'; END IF; \
               RETURN NULL; END $$; \
             CREATE CONSTRAINT TRIGGER conflict AFTER INSERT ON polyreset.jobs \
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION conflict()"
        ));
        let store = fresh.database().open().await.unwrap();
        store.push(&job("one")).await.unwrap_or_else(|error| panic!("{code}: {}", error_chain(&error)));
        let claimed = store.claim_accepted(10, at(0), at(1)).await.unwrap();
        assert_eq!(claimed.len(), 1, "{code}: the job is stored once");
    }
}

/// A PostgreSQL server whose driver panics in the first attempts to connect.
struct PanickingDriver {
    server: Postgres,
    panics: Arc<AtomicU32>,
}

impl ServerEngine for PanickingDriver {
    type Db = <Postgres as ServerEngine>::Db;
    const NAME: &str = "PostgreSQL";

    fn options(&self) -> &Options {
        self.server.options()
    }

    fn connect(&self, purpose: ConnectionPurpose) -> Result<Self::Db, String> {
        let left = self.panics.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        assert!(left.is_err(), "the driver panics in this test");
        self.server.connect(purpose)
    }

    fn begin(&self, db: &mut Self::Db) -> QueryResult<()> {
        self.server.begin(db)
    }

    fn reads_without_transaction(&self) -> bool {
        self.server.reads_without_transaction()
    }

    fn schema_difference(db: &mut Self::Db) -> QueryResult<SchemaDifference> {
        Postgres::schema_difference(db)
    }

    fn migrate(db: &mut Self::Db) -> Result<Vec<String>, Box<dyn Error + Send + Sync>> {
        Postgres::migrate(db)
    }

    fn plan(db: &mut Self::Db, mapping: &Mapping) -> QueryResult<Result<Plan, MappingError>> {
        Postgres::plan(db, mapping)
    }

    fn survey(
        db: &mut Self::Db,
        mapping: &Mapping,
        extent: &Extent,
    ) -> QueryResult<Result<Survey, MappingError>> {
        Postgres::survey(db, mapping, extent)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_thread_survives_a_driver_that_panics_while_connecting() {
    let Some(fresh) = Server::Postgres.fresh().await else { return };
    // The only thread must survive.
    let options = Options { connections: 1, ..Options::default() };
    let panics = Arc::new(AtomicU32::new(1));
    let driver =
        || PanickingDriver { server: postgres(&fresh.url(), options.clone()), panics: panics.clone() };
    let error = error_chain(&ServerStore::open(driver(), None).await.err().unwrap());
    assert!(error.contains("the database driver panicked while it connected"), "{error}");

    let store = ServerStore::open(driver(), None).await.unwrap();
    let read = || store.read(|db| select(sql::<Integer>("1")).get_result::<i32>(db));
    assert_eq!(read().await.unwrap(), 1);
    panics.store(2, Ordering::Relaxed);
    fresh.close_connections();
    for _ in 0..2 {
        let error = error_chain(&read().await.unwrap_err());
        assert!(error.contains("the database driver panicked while it connected"), "{error}");
    }
    // A task that is queued while the thread still reports the last failure fails with it.
    let begun = Instant::now();
    while read().await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(10), "the thread has ended");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Installs an authentication plugin on the MariaDB server of the tests. Returns `false` if the server does not have it.
fn install(fresh: &Fresh, library: &str) -> bool {
    static REPORTED: Once = Once::new();
    let check = format!(
        "BEGIN NOT ATOMIC IF NOT EXISTS (SELECT 1 FROM information_schema.plugins \
         WHERE plugin_library LIKE '{library}%' AND plugin_status = 'ACTIVE') THEN SIGNAL SQLSTATE '45000'; \
         END IF; END"
    );
    let installed = fresh.mysql(|db| {
        // Fails if it is installed already.
        let _ = db.batch_execute(&format!("INSTALL SONAME '{library}'"));
        db.batch_execute(&check).is_ok()
    });
    if !installed {
        let reason = format!("the tests of MariaDB's {library}, because the server does not have it");
        skipped(&REPORTED, &reason);
    }
    installed
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_account_with_ed25519_connects_and_a_wrong_password_does_not() {
    let Some(fresh) = Server::Mariadb.fresh().await else { return };
    if !install(&fresh, "auth_ed25519") {
        return;
    }
    let account = format!("ed{}", std::process::id());
    fresh.execute(&format!(
        "CREATE USER {account}@'%' IDENTIFIED VIA ed25519 USING PASSWORD('the password'); \
         GRANT ALL ON {}.* TO {account}@'%'",
        fresh.name()
    ));
    let url = |password: &str| fresh.url_of(&format!("{account}:{password}"));
    let opened = Database::at(&url("the%20password")).unwrap().open().await;
    let rejected = Database::at(&url("another")).unwrap().open().await.err();
    fresh.execute(&format!("DROP USER {account}@'%'"));
    opened.unwrap().ready().await.unwrap();
    let rejected = error_chain(&rejected.unwrap());
    assert!(rejected.contains("Access denied") && !rejected.contains("another"), "{rejected}");
}

/// A server that asks each client for the authentication plugin of GSSAPI.
fn server_with_gssapi() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let packet = |number: u8, payload: &[u8]| {
        let length = u8::try_from(payload.len()).unwrap();
        [&[length, 0, 0, number], payload].concat()
    };
    // Protocol 10, capabilities PROTOCOL_41, SECURE_CONNECTION and PLUGIN_AUTH, and a challenge of 20 bytes.
    let greeting = [
        &b"\x0a10.11.0-MariaDB\0\x01\0\0\0challeng\0\x08\xa2\x21\x02\0\x08\0\x15"[..],
        &[0; 10],
        b"and the rest\0mysql_native_password\0",
    ]
    .concat();
    let (greeting, switch) = (packet(0, &greeting), packet(2, b"\xfeauth_gssapi_client\0principal\0"));
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            client.write_all(&greeting).unwrap();
            if client.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {
                client.write_all(&switch).unwrap();
            }
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn unsupported_authentication_plugin_of_an_account_is_named() {
    let url = format!("mysql://ann@127.0.0.1:{}/x", server_with_gssapi());
    let error = error_chain(&with_short_timeouts(&url).open().await.err().unwrap());
    assert!(error.contains("plugin `auth_gssapi_client`") && error.contains("ed25519"), "{error}");
}
