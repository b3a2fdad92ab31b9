//! `cargo xtask bench backlog`: measures how fast mail leaves while jobs wait, relative to a short queue.
//!
//! The jobs are written into the database before the server starts: one account and one job each, as if that many people
//! had requested a reset while no worker ran. A mail server in this process counts the mails. The yardstick is lettre
//! alone, over as many connections, to the same mail server.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, ensure};
use conformance::{
    http::Connection,
    own_server::OwnServer,
    programs::command,
    server::{Server, TestDeployment},
};
use diesel::{Connection as _, SqliteConnection, connection::SimpleConnection};

use super::{front_ends::median, precise, request, requesting_client};
use crate::root;

/// Rounds per size.
const ROUNDS: usize = 5;
/// Mails per measurement; also the size of the short queue.
const MAILS: usize = 1000;
/// Connections to the mail server: the default of `mail.connections`.
const CONNECTIONS: usize = 6;
/// Number of waiting jobs, without an argument.
const SIZES: [usize; 2] = [MAILS, 100_000];

pub(super) fn run(sizes: &[usize]) -> anyhow::Result<()> {
    let sizes = if sizes.is_empty() { &SIZES[..] } else { sizes };
    let sink = CountingSink::start()?;
    let alone: Vec<f64> = (0..ROUNDS).map(|_| lettre_alone(&sink)).collect::<anyhow::Result<_>>()?;
    let alone = median(&alone);
    println!("lettre alone over {CONNECTIONS} connections: {alone:.0} mails/s");
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let mut first = None;
        for size in sizes {
            let (mut rates, mut fresh) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                let (rate, waited) = drain(&sink, engine, *size)?;
                rates.push(rate);
                fresh.push(waited.as_secs_f64());
            }
            let (rate, base) = (median(&rates), *first.get_or_insert(median(&rates)));
            println!(
                "{engine:?}, {size} waiting: {rate:.0} mails/s, {:.2} of lettre alone, {:.2} of the rate with {}; a fresh \
                 request was mailed after {:.2} s",
                rate / alone,
                rate / base,
                sizes[0],
                median(&fresh)
            );
        }
    }
    Ok(())
}

/// The database of a measurement.
#[derive(Clone, Copy, Debug)]
enum Engine {
    Sqlite,
    Postgres,
}

/// Returns the rate at which the first mails leave, and how long a fresh request waited for its mail beside the queue.
fn drain(sink: &CountingSink, engine: Engine, size: usize) -> anyhow::Result<(f64, Duration)> {
    let folder = tempfile::tempdir()?;
    let mut deployment = TestDeployment::new(root().join("target/release/server-axum"), folder.path());
    for (name, value) in [
        ("POLYRESET_LIMITS__ENABLED", "false"),
        ("POLYRESET_LOG", "error"),
        ("POLYRESET_MAIL_FROM", "Polyreset <no-reply@example.com>"),
    ] {
        deployment.set(name, value);
    }
    deployment.set("POLYRESET_MAIL_URL", &format!("smtp://{}", sink.address));
    let postgres = match engine {
        Engine::Sqlite => None,
        Engine::Postgres => {
            let postgres = OwnServer::with(&["max_connections=200"]);
            deployment.set("POLYRESET_DATABASE_URL", &postgres.url());
            deployment.set("POLYRESET_SECRET", &"0801020304050607".repeat(4));
            Some(postgres)
        }
    };
    ensure!(deployment.run(&["migrate"], "")?.status.success(), "migrate failed");
    // Several people of one network, and others: a fresh request is from a network of its own.
    match &postgres {
        None => fill_sqlite(&deployment.database(), size)?,
        Some(postgres) => fill_postgres(postgres, size)?,
    }
    let before = sink.count();
    let server = deployment.start()?;
    let begun = Instant::now();
    let waited = fresh_request(sink, &server)?;
    while sink.count() < before + MAILS.min(size) {
        ensure!(begun.elapsed() < Duration::from_secs(300), "the queue does not drain");
        thread::sleep(Duration::from_millis(1));
    }
    let rate = precise(sink.count() - before) / begun.elapsed().as_secs_f64();
    Ok((rate, waited))
}

/// Requests a reset for an account that is not in the queue, and waits for its mail.
fn fresh_request(sink: &CountingSink, server: &Server) -> anyhow::Result<Duration> {
    const OWNER: &str = "owner@example.com";
    let mut connection = Connection::open(server.address)?;
    *sink.awaited.lock().expect("no panic") = Some((OWNER.to_owned(), None));
    request(&mut connection, &requesting_client(), OWNER)?;
    let begun = Instant::now();
    loop {
        if let Some((_, Some(arrived))) = *sink.awaited.lock().expect("no panic") {
            return Ok(arrived.saturating_duration_since(begun));
        }
        ensure!(begun.elapsed() < Duration::from_secs(120), "a fresh request was not mailed");
        thread::sleep(Duration::from_millis(1));
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark runs in real time")]
fn now() -> anyhow::Result<u128> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())
}

fn fill_sqlite(database: &Path, size: usize) -> anyhow::Result<()> {
    let (now, path) = (now()?, database.to_str().context("a path in UTF-8")?);
    SqliteConnection::establish(path)?.batch_execute(&format!(
        "BEGIN;
         WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {size})
         INSERT INTO users (email, email_key, password_hash, password_changed_at, created_at, updated_at)
         SELECT e, e, '', 0, 0, 0 FROM (SELECT iif(i = 0, 'owner', 'user' || i) || '@example.com' AS e FROM n);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {size})
         INSERT INTO jobs (id, reference, dialect, email, created_at, turn, network, due_at)
         SELECT 'job' || i, 'R' || i, 'strapi', 'user' || i || '@example.com', {now}, i, 1, {now} FROM n;
         COMMIT;"
    ))?;
    Ok(())
}

fn fill_postgres(postgres: &OwnServer, size: usize) -> anyhow::Result<()> {
    let now = now()?;
    let statements = format!(
        "INSERT INTO polyreset.users (email, email_key, password_hash, password_changed_at, created_at, updated_at)
         SELECT e, e, '', 0, 0, 0 FROM (SELECT CASE i WHEN 0 THEN 'owner' ELSE 'user' || i END || '@example.com' AS e
         FROM generate_series(0, {size}) i) n;
         INSERT INTO polyreset.jobs (id, reference, dialect, email, created_at, turn, network, due_at)
         SELECT 'job' || i, 'R' || i, 'strapi', 'user' || i || '@example.com', {now}, i, 1, {now}
         FROM generate_series(1, {size}) i"
    );
    let filled = command("psql").arg(postgres.url()).args(["-q", "-c", &statements]).status()?;
    ensure!(filled.success(), "psql failed");
    Ok(())
}

/// Sends mails with lettre over as many connections as the server, and returns the rate.
fn lettre_alone(sink: &CountingSink) -> anyhow::Result<f64> {
    use lettre::{
        Address,
        message::Message,
        transport::smtp::{client::AsyncSmtpConnection, extension::ClientId},
    };
    let message = Message::builder()
        .from("Polyreset <no-reply@example.com>".parse()?)
        .to("user1@example.com".parse()?)
        .subject("Reset your password")
        .body("x".repeat(2000))?
        .formatted();
    let envelope = lettre::address::Envelope::new(
        Some("no-reply@example.com".parse::<Address>()?),
        vec!["user1@example.com".parse()?],
    )?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let begun = Instant::now();
    runtime.block_on(async {
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..CONNECTIONS {
            let (message, envelope, address) = (message.clone(), envelope.clone(), sink.address);
            all.spawn(async move {
                let tcp = tokio::net::TcpStream::connect(address).await?;
                tcp.set_nodelay(true)?;
                let hello = ClientId::Domain("localhost".to_owned());
                let mut connection =
                    AsyncSmtpConnection::connect_with_transport(Box::new(tcp), &hello).await?;
                for _ in 0..MAILS / CONNECTIONS {
                    connection.send(&envelope, &message).await?;
                }
                connection.quit().await?;
                anyhow::Ok(())
            });
        }
        while let Some(one) = all.join_next().await {
            one??;
        }
        anyhow::Ok(())
    })?;
    Ok(precise(MAILS / CONNECTIONS * CONNECTIONS) / begun.elapsed().as_secs_f64())
}

/// An address, and when the first mail to it arrived.
type Awaited = Mutex<Option<(String, Option<Instant>)>>;

/// A mail server that counts.
struct CountingSink {
    address: SocketAddr,
    mails: Arc<AtomicUsize>,
    awaited: Arc<Awaited>,
}

impl CountingSink {
    fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let sink = Self { address: listener.local_addr()?, mails: Arc::default(), awaited: Arc::default() };
        let (mails, awaited) = (sink.mails.clone(), sink.awaited.clone());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (mails, awaited) = (mails.clone(), awaited.clone());
                // A client may close the connection at any time.
                thread::spawn(move || serve(stream, &mails, &awaited).ok());
            }
        });
        Ok(sink)
    }

    fn count(&self) -> usize {
        self.mails.load(Ordering::Relaxed)
    }
}

fn serve(mut stream: TcpStream, mails: &AtomicUsize, awaited: &Awaited) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    stream.write_all(b"220 sink\r\n")?;
    let mut recipient = String::new();
    while let Some(line) = lines.next().transpose()? {
        let reply = match line.get(..4).unwrap_or_default() {
            "DATA" => {
                stream.write_all(b"354 go on\r\n")?;
                while lines.next().transpose()?.is_some_and(|line| line != ".") {}
                mails.fetch_add(1, Ordering::Relaxed);
                if let Some((address, arrived @ None)) = awaited.lock().expect("no panic").as_mut()
                    && recipient.contains(address.as_str())
                {
                    *arrived = Some(Instant::now());
                }
                "250 2.0.0 kept"
            }
            "QUIT" => {
                stream.write_all(b"221 bye\r\n")?;
                return Ok(());
            }
            "RCPT" => {
                recipient = line;
                "250 2.1.5 ok"
            }
            _ => "250 ok",
        };
        stream.write_all(reply.as_bytes())?;
        stream.write_all(b"\r\n")?;
    }
    Ok(())
}
