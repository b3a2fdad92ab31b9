//! `cargo xtask bench replicas`: measures one, two and three servers on one temporary PostgreSQL, relative to one server.
//!
//! Client, servers and database share the machine. On few cores the ratios show the cost of a shared database rather than
//! how far it scales.

use std::{
    net::SocketAddr,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use conformance::{
    clients,
    http::Connection,
    mails::{self, ReceivedMail},
    own_server::OwnServer,
    programs,
    server::{Server, TestDeployment},
};

use super::{
    ACCOUNTS, CONNECTIONS, HASH, ROUNDS, address,
    front_ends::{forged_client, median},
    precise, redeeming_client, request, requesting_client, throughput,
};
use crate::root;

/// The servers, in the order in which they join.
const SERVERS: [&str; 3] = ["server-axum", "server-actix", "server-warp"];
/// Reset requests per connection.
const TRIGGERS: usize = 60;
/// Requests with forged tokens per connection.
const REJECTIONS: usize = 600;

/// Rates per round, with a fixed number of replicas.
#[derive(Default)]
struct Rates {
    triggers: Vec<f64>,
    rejections: Vec<f64>,
    resets: Vec<f64>,
}

pub(crate) fn run() -> anyhow::Result<()> {
    // Durable like a production database; only the number of connections differs from the default.
    let postgres = OwnServer::with(&["max_connections=200"]);
    let folder = tempfile::tempdir()?;
    let deployments = SERVERS.map(|name| deployment(name, folder.path(), &postgres.url()));
    ensure!(deployments[0].run(&["migrate"], "")?.status.success(), "migrate failed");
    for number in 0..ACCOUNTS {
        deployments[0].add_user(&address(number), "a password to begin with")?;
    }
    let deployments = deployments.map(|mut deployment| {
        deployment.set("POLYRESET_PASSWORD__ARGON2_M_KIB", &HASH.0.to_string());
        deployment
    });
    let mut all = [(); 3].map(|()| Rates::default());
    // Alternate, so that other load on the machine affects all variants alike.
    for round in 0..ROUNDS {
        for (replicas, rates) in (1..).zip(&mut all) {
            let servers: Vec<Server> = deployments
                .iter()
                .take(replicas)
                .map(TestDeployment::start)
                .collect::<anyhow::Result<_>>()?;
            run_round(&servers, &postgres, &deployments[0], round, rates)?;
        }
    }
    let [one, ..] = &all;
    for (replicas, rates) in (1..).zip(&all) {
        let print = |name: &str, rates_of: fn(&Rates) -> &Vec<f64>| {
            let ratios = rates_of(rates).iter().zip(rates_of(one)).map(|(this, base)| this / base);
            let ratio = median(&ratios.collect::<Vec<f64>>());
            println!("servers: {replicas}, {name}: {:.0}/s, {ratio:.2} of one", median(rates_of(rates)));
        };
        print("triggers", |rates| &rates.triggers);
        print("forged tokens rejected", |rates| &rates.rejections);
        print("complete resets", |rates| &rates.resets);
    }
    Ok(())
}

fn deployment(name: &str, folder: &Path, url: &str) -> TestDeployment {
    let mut deployment = TestDeployment::new(root().join("target/release").join(name), folder);
    deployment.set("POLYRESET_DATABASE_URL", url);
    deployment.set("POLYRESET_SECRET", &"0801020304050607".repeat(4));
    deployment.set("POLYRESET_LIMITS__ENABLED", "false");
    deployment.set("POLYRESET_NOTIFY__PASSWORD_CHANGED", "false");
    deployment.set("POLYRESET_LOG", "error");
    deployment
}

fn run_round(
    servers: &[Server],
    postgres: &OwnServer,
    deployment: &TestDeployment,
    round: usize,
    rates: &mut Rates,
) -> anyhow::Result<()> {
    let addresses: Vec<SocketAddr> = servers.iter().map(|server| server.address).collect();
    let client = forged_client();
    let forged = client.redeem_with(&client.forged, "a new password");
    rates.rejections.push(on_all(&addresses, REJECTIONS, |connection, _| {
        let response = connection.post(&forged.path, &forged.body)?;
        ensure!(response.status == client.refused, "{} {}", response.status, response.body);
        Ok(())
    })?);
    rates.resets.push(resets(&addresses, deployment, round)?);
    let client = requesting_client();
    rates.triggers.push(on_all(&addresses, TRIGGERS, |connection, turn| {
        request(connection, &client, &format!("nobody{turn}@example.com"))
    })?);
    // Wait for the jobs before the servers stop, so that they do not slow the next round down.
    wait_for_jobs(postgres)
}

/// Measures requests per second over [`CONNECTIONS`] connections to each server.
fn on_all(
    addresses: &[SocketAddr],
    each: usize,
    send: impl Fn(&mut Connection, usize) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<f64> {
    let begun = Instant::now();
    thread::scope(|scope| {
        let loads: Vec<_> =
            addresses.iter().map(|address| scope.spawn(|| throughput(*address, each, &send))).collect();
        loads.into_iter().try_for_each(|load| load.join().expect("no panic").map(drop))
    })?;
    Ok(precise(addresses.len() * CONNECTIONS * each) / begun.elapsed().as_secs_f64())
}

/// Measures complete resets per second. Requests and mails come first; only setting the passwords is timed.
fn resets(addresses: &[SocketAddr], deployment: &TestDeployment, round: usize) -> anyhow::Result<f64> {
    let client = redeeming_client();
    mails::clear(&deployment.mails()).context("removing old mails")?;
    let mut connection = Connection::open(addresses[0])?;
    for number in 0..ACCOUNTS {
        request(&mut connection, &client, &address(number))?;
    }
    let mut codes = Vec::new();
    for number in 0..ACCOUNTS {
        let timeout = Duration::from_secs(20);
        let has_code = |mail: &ReceivedMail| clients::secret_in(&client, mail).is_some();
        let mail = mails::wait_for(&deployment.mails(), &address(number), timeout, has_code)?;
        codes.push(clients::secret_in(&client, &mail).context("the mail has no code")?);
    }
    let begun = Instant::now();
    thread::scope(|scope| {
        let shares = codes.chunks(codes.len().div_ceil(addresses.len()));
        let redeeming: Vec<_> = shares
            .zip(addresses)
            .map(|(codes, address)| scope.spawn(|| super::resets::redeem(*address, &client, codes, round)))
            .collect();
        redeeming.into_iter().try_for_each(|share| share.join().expect("no panic"))
    })?;
    Ok(precise(ACCOUNTS) / begun.elapsed().as_secs_f64())
}

/// Waits until no unfinished job is left.
fn wait_for_jobs(postgres: &OwnServer) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let mut psql = programs::server("psql")?;
        psql.args(["-h", "127.0.0.1", "-U", "postgres", "-p", &postgres.port.to_string()]);
        psql.args(["-Atc", "SELECT COUNT(*) FROM polyreset.jobs WHERE finished_at IS NULL"]);
        let output = psql.output().context("starting psql")?;
        if output.stdout == b"0\n" {
            return Ok(());
        }
        ensure!(
            begun.elapsed() < Duration::from_secs(120),
            "jobs are still unfinished after 120 s: {output:?}"
        );
        thread::sleep(Duration::from_millis(200));
    }
}
