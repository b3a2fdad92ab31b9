//! `cargo xtask bench accepted`: measures how many reset requests a second are accepted, relative to the database alone.
//!
//! The yardsticks write the same rows (job, budget, event): on SQLite over one connection, a commit each, or 64 rows of
//! each kind per commit; on PostgreSQL with `pgbench`, one prepared statement each over as many connections. Requests
//! name unknown addresses and come from a network each, with the default limits on.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use conformance::{
    http::Connection,
    own_server::OwnServer,
    programs::{command, find},
};
use diesel::{Connection as _, SqliteConnection, connection::SimpleConnection, insert_into, prelude::*};

use super::{
    database::{Database, Engine, deploy},
    front_ends::median,
    precise, requesting_client, throughput_over,
};

/// Numbers of connections.
const CLIENTS: [usize; 3] = [1, 16, 64];
/// Rounds.
const ROUNDS: usize = 5;
/// Requests per round.
const REQUESTS: usize = 4096;
/// Requests of a group, in the yardstick that commits in groups.
const GROUP: usize = 64;

mod tables {
    diesel::table! {
        jobs (id) {
            id -> Text,
            reference -> Text,
            dialect -> Text,
            email -> Text,
            created_at -> BigInt,
            turn -> BigInt,
            network -> BigInt,
            due_at -> BigInt,
        }
    }
    diesel::table! {
        budgets (name) {
            name -> Text,
            takes -> Binary,
            refused -> BigInt,
            ends_at -> BigInt,
        }
    }
    diesel::table! {
        events (seq) {
            seq -> BigInt,
            at -> BigInt,
            kind -> Text,
            dialect -> Text,
            reference -> Text,
            job -> Text,
            address -> Text,
            network -> Text,
            detail -> Text,
        }
    }
}

pub(super) fn run() -> anyhow::Result<()> {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let mut ratios = vec![[Vec::new(), Vec::new(), Vec::new()]; CLIENTS.len()];
        for round in 0..ROUNDS {
            let folder = tempfile::tempdir()?;
            let settings = [("POLYRESET_TRUSTED_PROXIES", "127.0.0.1/32")];
            for (index, clients) in CLIENTS.into_iter().enumerate() {
                let place = folder.path().join(clients.to_string());
                fs::create_dir(&place)?;
                let (deployment, database) = deploy(engine, &place, &settings)?;
                let yardsticks = match &database {
                    Database::Sqlite(path) => vec![raw_commits(path, 1)?, raw_commits(path, GROUP)?],
                    Database::Postgres(server) => vec![pgbench(server, clients, &place)?],
                    Database::Mariadb(_) => Vec::new(),
                };
                let server = deployment.start()?;
                let (each, client) = (REQUESTS / clients, requesting_client());
                let rate = throughput_over(server.address, clients, each, |connection, number| {
                    request_from(connection, &client, round * REQUESTS + number)
                })?;
                server.kill();
                ratios[index][0].push(rate);
                for (which, yardstick) in yardsticks.into_iter().enumerate() {
                    ratios[index][which + 1].push(rate / yardstick);
                }
            }
        }
        for (clients, [rates, one, two]) in CLIENTS.into_iter().zip(&ratios) {
            print!("{engine:?}, accepted over {clients} connections: {:.0}/s, ", median(rates));
            match engine {
                Engine::Sqlite => {
                    println!(
                        "{:.2} of single commits, {:.2} of commits of {GROUP}",
                        median(one),
                        median(two)
                    );
                }
                _ => println!("{:.2} of pgbench over as many", median(one)),
            }
        }
    }
    Ok(())
}

/// Requests a reset for an unknown address from a network of its own.
fn request_from(
    connection: &mut Connection,
    client: &conformance::clients::Client,
    number: usize,
) -> anyhow::Result<()> {
    let step = client.request_for(&format!("nobody{number}@example.com"));
    let request = format!(
        "POST {} HTTP/1.1\r\nhost: test\r\nx-forwarded-for: 2a00:{:x}:{:x}::1\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{}",
        step.path,
        number >> 16,
        number & 0xffff,
        step.body.len(),
        step.body
    );
    let response = connection.send(request.as_bytes())?;
    ensure!(response.status == 200, "{} {}", response.status, response.body);
    Ok(())
}

/// Returns the rate at which SQLite alone stores the rows of requests, with `group` requests per commit.
fn raw_commits(database: &Path, group: usize) -> anyhow::Result<f64> {
    // The server must find its database as it was.
    let copy = database.with_extension(format!("copy{group}"));
    fs::copy(database, &copy)?;
    let mut connection = SqliteConnection::establish(copy.to_str().context("a path in UTF-8")?)?;
    connection.batch_execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")?;
    let (commits, begun) = (REQUESTS / group, Instant::now());
    for commit in 0..commits {
        connection.immediate_transaction(|connection| {
            (0..group).try_for_each(|one| insert_raw(connection, commit * group + one))
        })?;
    }
    Ok(precise(commits * group) / begun.elapsed().as_secs_f64())
}

fn insert_raw(connection: &mut SqliteConnection, number: usize) -> QueryResult<()> {
    use tables::{budgets, events, jobs};
    let number = i64::try_from(number).expect("a small number");
    let (id, address) = (format!("{number:032x}"), format!("{number:032}"));
    insert_into(jobs::table)
        .values((
            jobs::id.eq(&id),
            jobs::reference.eq("K7Q2-M4"),
            jobs::dialect.eq("strapi"),
            jobs::email.eq(format!("nobody{number}@example.com")),
            jobs::created_at.eq(number),
            jobs::turn.eq(number),
            jobs::network.eq(number),
            jobs::due_at.eq(number),
        ))
        .execute(connection)?;
    insert_into(budgets::table)
        .values((
            budgets::name.eq(format!("requests/{address}")),
            budgets::takes.eq([0_u8; 8].as_slice()),
            budgets::refused.eq(0),
            budgets::ends_at.eq(number),
        ))
        .execute(connection)?;
    insert_into(events::table)
        .values((
            events::at.eq(number),
            events::kind.eq("accepted"),
            events::dialect.eq("strapi"),
            events::reference.eq("K7Q2-M4"),
            events::job.eq(&id),
            events::address.eq(&address),
            events::network.eq("2a00:0:0::/48"),
            events::detail.eq(""),
        ))
        .execute(connection)?;
    Ok(())
}

/// Returns the rate at which `pgbench` stores the rows of requests.
fn pgbench(server: &OwnServer, clients: usize, folder: &Path) -> anyhow::Result<f64> {
    let script = folder.join("request.sql");
    fs::write(
        &script,
        "\\set n random(1, 1000000000000000)\n\
         WITH budget AS (INSERT INTO polyreset.budgets (name, takes, refused, ends_at) \
         VALUES ('requests/' || :n::bigint, '\\x0000000000000000', 0, 0)), \
         event AS (INSERT INTO polyreset.events (at, kind, dialect, reference, job, address, network, detail) \
         VALUES (0, 'accepted', 'strapi', 'K7Q2-M4', 'job' || :n::bigint, 'address' || :n::bigint, '2a00::/48', '')) \
         INSERT INTO polyreset.jobs (id, reference, dialect, email, created_at, turn, network, due_at, stage, finished_at) \
         VALUES ('job' || :n::bigint, 'K7Q2-M4', 'strapi', 'nobody' || :n::bigint || '@example.com', 0, 0, 0, 0, NULL, 0);\n",
    )?;
    let mut pgbench = command(find("pgbench").context("pgbench is not installed")?);
    let clients = clients.to_string();
    let seconds = Duration::from_secs(3).as_secs().to_string();
    pgbench.args(["-n", "-M", "prepared", "-c", &clients, "-j", "2", "-T", &seconds, "-f"]).arg(&script);
    let output = pgbench.arg(server.url()).output()?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let rate =
        printed.lines().find_map(|line| line.strip_prefix("tps = ")?.split_whitespace().next()?.parse().ok());
    rate.with_context(|| format!("pgbench failed: {printed}{}", String::from_utf8_lossy(&output.stderr)))
}
