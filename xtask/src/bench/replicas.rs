//! `cargo xtask bench replicas`: one, two and three servers on one PostgreSQL of the run's own, as ratios to one.
//!
//! Client, servers and database share the machine: on few cores this shows what sharing a database costs, and that
//! nothing is lost by it, rather than how far it scales.

use std::{
    net::SocketAddr,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use conformance::{
    dialects::{ClientDialect, DIALECTS, asked},
    http::Connection,
    mails,
    own_server::OwnServer,
    programs,
    server::{Deployment, Server},
};

use super::{
    ACCOUNTS, CONNECTIONS, HASH, ROUNDS, address, ask_strapi, front_ends::median, precise, throughput,
};
use crate::root;

/// The servers, in the order in which they join.
const SERVERS: [&str; 3] = ["server-axum", "server-actix", "server-warp"];
/// Requests on each connection: triggers, and refusals.
const TRIGGERS: usize = 60;
const REFUSALS: usize = 600;

/// What was measured of so many replicas, a rate for each round.
#[derive(Default)]
struct Measured {
    triggers: Vec<f64>,
    refusals: Vec<f64>,
    resets: Vec<f64>,
}

pub(crate) fn run() -> anyhow::Result<()> {
    // Durable, as a deployment's is; only the number of sessions is not the default.
    let postgres = OwnServer::with(&["max_connections=200"]);
    let folder = tempfile::tempdir()?;
    let deployments = SERVERS.map(|name| deployment(name, folder.path(), &postgres.url()));
    ensure!(deployments[0].run(&["migrate"], "")?.status.success(), "migrate failed");
    for number in 0..ACCOUNTS {
        deployments[0].add_user(&address(number), "a password to begin with")?;
    }
    let measure = deployments.map(|mut deployment| {
        deployment.set("POLYRESET_PASSWORD__ARGON2_M_KIB", &HASH.0.to_string());
        deployment
    });
    let mut all = [(); 3].map(|()| Measured::default());
    // In turns, so that what the machine's neighbours do falls on each alike.
    for round in 0..ROUNDS {
        for (replicas, measured) in (1..).zip(&mut all) {
            let servers: Vec<Server> =
                measure.iter().take(replicas).map(Deployment::start).collect::<anyhow::Result<_>>()?;
            one_round(&servers, &postgres, &measure[0], round, measured)?;
        }
    }
    let [one, ..] = &all;
    for (replicas, measured) in (1..).zip(&all) {
        let say = |what: &str, of: fn(&Measured) -> &Vec<f64>| {
            let each = of(measured).iter().zip(of(one)).map(|(this, base)| this / base);
            let ratio = median(&each.collect::<Vec<f64>>());
            println!("servers: {replicas}, {what}: {:.0}/s, {ratio:.2} of one", median(of(measured)));
        };
        say("triggers", |measured| &measured.triggers);
        say("forged tokens refused", |measured| &measured.refusals);
        say("complete resets", |measured| &measured.resets);
    }
    Ok(())
}

fn deployment(name: &str, folder: &Path, url: &str) -> Deployment {
    let mut deployment = Deployment::new(root().join("target/release").join(name), folder);
    deployment.set("POLYRESET_DATABASE_URL", url);
    deployment.set("POLYRESET_SECRET", &"07".repeat(32));
    deployment.set("POLYRESET_LIMITS__ENABLED", "false");
    deployment.set("POLYRESET_NOTIFY__PASSWORD_CHANGED", "false");
    deployment.set("POLYRESET_LOG", "error");
    deployment
}

fn one_round(
    servers: &[Server],
    postgres: &OwnServer,
    deployment: &Deployment,
    round: usize,
    measured: &mut Measured,
) -> anyhow::Result<()> {
    let places: Vec<SocketAddr> = servers.iter().map(|server| server.address).collect();
    let forged = format!(r#"{{"newPassword":"a new password","otp":"{}"}}"#, "0".repeat(64));
    measured.refusals.push(on_all(&places, REFUSALS, |connection, _| {
        let answer = connection.post("/api/auth/email/reset-password", &forged)?;
        ensure!(answer.status == 401, "{} {}", answer.status, answer.body);
        Ok(())
    })?);
    measured.resets.push(resets(&places, deployment, round)?);
    measured.triggers.push(on_all(&places, TRIGGERS, |connection, turn| {
        ask_strapi(connection, &format!("nobody{turn}@example.com"))
    })?);
    // The jobs are worked off before the servers end, lest they burden the next round.
    wait_until_worked_off(postgres)
}

/// Requests per second over [`CONNECTIONS`] connections to each server.
fn on_all(
    places: &[SocketAddr],
    each: usize,
    send: impl Fn(&mut Connection, usize) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<f64> {
    let begun = Instant::now();
    thread::scope(|scope| {
        let loads: Vec<_> =
            places.iter().map(|place| scope.spawn(|| throughput(*place, each, &send))).collect();
        loads.into_iter().try_for_each(|load| load.join().expect("no panic").map(drop))
    })?;
    Ok(precise(places.len() * CONNECTIONS * each) / begun.elapsed().as_secs_f64())
}

/// Complete resets per second: asked, mailed, and, what is timed, the password set.
fn resets(places: &[SocketAddr], deployment: &Deployment, round: usize) -> anyhow::Result<f64> {
    let px0: &ClientDialect = &DIALECTS[0];
    let folder = deployment.mails();
    if folder.is_dir() {
        std::fs::remove_dir_all(&folder).context("old mails")?;
    }
    let mut connection = Connection::open(places[0])?;
    for number in 0..ACCOUNTS {
        let answer = connection.post(px0.ask, &asked(&address(number)))?;
        ensure!(answer.status == 200, "{}", answer.body);
    }
    let mut codes = Vec::new();
    for number in 0..ACCOUNTS {
        let patience = Duration::from_secs(20);
        let letter = mails::wait_for(&folder, &address(number), patience, |letter| letter.code().is_some())?;
        codes.push(letter.code().context("a mail without a code")?.to_owned());
    }
    let begun = Instant::now();
    thread::scope(|scope| {
        let shares = codes.chunks(codes.len().div_ceil(places.len()));
        let spending: Vec<_> = shares
            .zip(places)
            .map(|(codes, place)| scope.spawn(|| super::spend(*place, codes, round)))
            .collect();
        spending.into_iter().try_for_each(|share| share.join().expect("no panic"))
    })?;
    Ok(precise(ACCOUNTS) / begun.elapsed().as_secs_f64())
}

/// Until no job is left.
fn wait_until_worked_off(postgres: &OwnServer) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let mut psql = programs::server("psql")?;
        psql.args(["-h", "127.0.0.1", "-U", "postgres", "-p", &postgres.port.to_string()]);
        psql.args(["-Atc", "SELECT COUNT(*) FROM polyreset.jobs WHERE finished_at IS NULL"]);
        let output = psql.output().context("starting psql")?;
        if output.stdout == b"0\n" {
            return Ok(());
        }
        ensure!(begun.elapsed() < Duration::from_secs(120), "jobs are left: {output:?}");
        thread::sleep(Duration::from_millis(200));
    }
}
