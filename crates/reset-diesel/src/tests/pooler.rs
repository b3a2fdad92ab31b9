//! PgBouncer in transaction mode, with two server connections for two processes of eight threads each.

use std::{
    net::{Ipv4Addr, TcpStream},
    process::{Child, Stdio},
    time::Duration,
};

use conformance::{
    ports,
    programs::{command, find, give_away, server},
};
use reset_core::{
    job::Outcome,
    ports::{Issued, PasswordChange},
    ticket::TicketKind,
};
use tempfile::TempDir;
use tokio::task::JoinSet;

use reset_testkit::contract::claim_any;

use super::{DIALECT, Server, account, at, event_at, job, servers::Fresh, ticket};
use crate::{Database, Options, Pooler};

/// Variable with the name and the pooler's URL for a client process of this test.
const CLIENT: &str = "TEST_POOLED_CLIENT";

struct PgBouncer {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl PgBouncer {
    fn in_front_of(fresh: &Fresh) -> Self {
        let address = url::Url::parse(&fresh.url()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let port = ports::free();
        let settings = format!(
            "[databases]\n* = host={} port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 2\n",
            address.host_str().unwrap(),
            address.port().unwrap_or(5432),
        );
        let settings = settings.replace("* = ", &format!("* = user={} ", address.username()));
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(&file, settings).unwrap();
        give_away(folder.path()).unwrap();
        let mut pooler = server("pgbouncer").unwrap();
        let child = pooler.arg("-q").arg(&file).stdout(Stdio::null()).spawn().unwrap();
        let pooler = Self { child, port, _folder: folder };
        for _ in 0..200 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return pooler;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("pgbouncer did not start within 10 s");
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pooled(url: &str) -> Database {
    let options = Options {
        connections: 8,
        connect_timeout: Duration::from_secs(20),
        pooler: Pooler::Transaction,
        ..Options::default()
    };
    Database::at(url).unwrap().with(options)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_share_the_connections_of_a_pooler() {
    let Some(fresh) = Server::Postgres.empty() else { return };
    if find("pgbouncer").is_none() {
        use std::io::Write;

        // The test harness captures the output of `eprintln!`, so this writes to stderr directly.
        let _ =
            writeln!(std::io::stderr(), "SKIPPED: the PgBouncer test, because pgbouncer is not installed");
        return;
    }
    let pooler = PgBouncer::in_front_of(&fresh);
    let name = fresh.url().rsplit_once('/').unwrap().1.to_owned();
    let url = format!("postgres://postgres@127.0.0.1:{}/{name}", pooler.port);
    let database = pooled(&url);
    assert!(!database.migrate().await.unwrap().is_empty(), "migrations work through the pooler");
    assert!(database.pending().await.unwrap().is_empty());
    // Separate processes, because only they use the same names for prepared statements.
    let clients: Vec<Child> = ["one", "two"]
        .map(|client| {
            let mut process = command(std::env::current_exe().unwrap());
            process.args(["--exact", "tests::pooler::pooler_client_process", "--nocapture"]);
            process.env(CLIENT, format!("{client} {url}")).stdout(Stdio::piped()).stderr(Stdio::piped());
            process.spawn().unwrap()
        })
        .into();
    for client in clients {
        let output = client.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    // The clients left nothing behind in the shared sessions.
    let store = database.open().await.unwrap();
    store.ready().await.unwrap();
}

/// The work of a client process. Does nothing if it runs as an ordinary test.
#[tokio::test(flavor = "multi_thread")]
async fn pooler_client_process() {
    #[expect(clippy::disallowed_methods, reason = "the parent process passes the work")]
    let Ok(arguments) = std::env::var(CLIENT) else { return };
    let (client, url) = arguments.split_once(' ').unwrap();
    let store = pooled(url).open().await.unwrap();
    let mut all = JoinSet::new();
    for number in 0..40 {
        let (store, name) = (store.clone(), format!("{client}{number}"));
        all.spawn(async move {
            let owner = account(&store, &name).await;
            store.push(&job(&name)).await.unwrap();
            let one = ticket(&owner, &name);
            assert_eq!(store.issue(&one, Some(1000), &event_at(at(0))).await.unwrap(), Issued::Live);
            let guess = store.take_guess(&owner.id, DIALECT, TicketKind::Code, 3, at(1)).await.unwrap();
            assert_eq!(guess.unwrap().attempts, 1);
            let found = store.ticket_with(DIALECT, &one.digest, at(1)).await.unwrap();
            assert_eq!(found.unwrap().id, one.id);
            let event = event_at(at(1));
            let redemption = || PasswordChange {
                ticket: &one.id,
                account: &one.account,
                password_hash: &name,
                jobs: &[],
                event: &event,
                now: at(1),
            };
            assert!(store.redeem(redemption()).await.unwrap());
            assert!(!store.redeem(redemption()).await.unwrap());
            assert_eq!(store.password_hash(&owner.id).await.unwrap(), Some(name));
            for job in claim_any(&store, 2, at(0), at(60)).await.unwrap() {
                store.finish(&job.id, Outcome::Mailed, "250", None, &event_at(at(1))).await.unwrap();
            }
        });
    }
    all.join_all().await;
}
