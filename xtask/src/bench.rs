//! `cargo xtask bench`: measures the release build, as ratios within one run.
//!
//! Absolute numbers depend on the machine and its other load, so the variants under comparison run alternately.

mod accepted;
mod backlog;
mod database;
mod front_ends;
mod replicas;
mod resets;
mod sink;
mod sustained;

use std::{
    net::SocketAddr,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use conformance::{
    clients::{self, Client},
    http::Connection,
    mails,
    server::{Server, TestDeployment},
};

use crate::root;

/// Default parameters of Argon2id (docs/settings.md): memory in KiB, passes, lanes.
const HASH: (u32, u32, u32) = (47_104, 1, 1);
/// Accounts to reset per round.
const ACCOUNTS: usize = 120;
/// Rounds of the comparison of replicas.
const ROUNDS: usize = 7;
/// Requests of the comparison between known and unknown addresses.
const REQUESTS: usize = 10_000;
/// Concurrent connections of a throughput measurement.
const CONNECTIONS: usize = 16;

/// The parts of the benchmark, in the order in which they run. `replicas` runs only when it is named.
const PARTS: [&str; 6] = ["server", "front-ends", "accepted", "sustained", "backlog", "replicas"];

/// Runs `cargo xtask bench [--built] [PART [NUMBER OF WAITING JOBS]...]`.
pub(crate) fn run(args: &[&str]) -> anyhow::Result<()> {
    const USAGE: &str = "usage: cargo xtask bench [--built] \
                         [server|front-ends|accepted|sustained|replicas|backlog [NUMBER OF WAITING JOBS]...]";
    let (built, args): (Vec<&str>, Vec<&str>) = args.iter().partition(|arg| **arg == "--built");
    let (parts, sizes): (&[&str], &[&str]) = match args.as_slice() {
        [] => (&PARTS[..5], &[]),
        [part, sizes @ ..] if PARTS.contains(part) && (*part == "backlog" || sizes.is_empty()) => {
            (&args[..1], sizes)
        }
        _ => anyhow::bail!(USAGE),
    };
    let sizes: Vec<usize> = sizes.iter().map(|size| size.parse()).collect::<Result<_, _>>().context(USAGE)?;
    if built.is_empty() {
        build()?;
    }
    for part in parts {
        match *part {
            "server" => server()?,
            "front-ends" => front_ends::run()?,
            "accepted" => accepted::run()?,
            "sustained" => sustained::run()?,
            "backlog" => backlog::run(&sizes)?,
            _ => replicas::run()?,
        }
    }
    Ok(())
}

/// Measures one server on SQLite.
fn server() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut deployment = TestDeployment::new(root().join("target/release/server-axum"), folder.path());
    deployment.set("POLYRESET_LIMITS__ENABLED", "false");
    deployment.set("POLYRESET_NOTIFY__PASSWORD_CHANGED", "false");
    deployment.set("POLYRESET_LOG", "warn");
    // Create accounts with cheap hashes, and reset them with the default ones.
    for number in 0..ACCOUNTS {
        deployment.add_user(&address(number), "a password to begin with")?;
    }
    deployment.set("POLYRESET_PASSWORD__ARGON2_M_KIB", &HASH.0.to_string());

    start(&deployment)?;
    let server = deployment.start()?;
    let idle = memory(&server)?;
    mail_after_trigger(&deployment, &server)?;
    known_against_unknown(&server)?;
    wait_until_idle(&deployment)?;
    drop(server);
    resets::run(&deployment)?;

    let server = deployment.start()?;
    resets::once(&deployment, &server)?;
    let loaded = memory(&server)?;
    // Longer than the threads that hash keep their memory.
    thread::sleep(Duration::from_secs(65));
    println!(
        "memory: {idle} MB after the start, {loaded} MB after resets, {} MB a minute later",
        memory(&server)?
    );
    Ok(())
}

/// Returns the resident memory of a server in megabytes.
fn memory(server: &Server) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id()))?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    Ok(resident.context("unknown format of status")?.trim().parse::<u64>()? / 1000)
}

/// Builds the servers and the bare applications in release mode.
fn build() -> anyhow::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "starting cargo is what this command is for")]
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--locked", "--bins", "--examples"]);
    let built = cargo.args(["-p", "server-axum", "-p", "server-actix", "-p", "server-warp"]);
    ensure!(built.current_dir(root()).status()?.success(), "the release build failed");
    Ok(())
}

fn address(number: usize) -> String {
    format!("user{number}@example.com")
}

/// Measures the time from the start of the process until `/readyz` returns 200.
fn start(deployment: &TestDeployment) -> anyhow::Result<()> {
    let mut times = Vec::new();
    for _ in 0..9 {
        let begun = Instant::now();
        let server = deployment.start()?;
        let response = conformance::http::get(server.address, "/readyz")?;
        ensure!(response.status == 200, "/readyz returned {}", response.status);
        times.push(begun.elapsed());
    }
    println!("start until ready: median {:?} of 9", median(&mut times));
    Ok(())
}

/// Measures the time from the response to a reset request until the mail file is complete.
fn mail_after_trigger(deployment: &TestDeployment, server: &Server) -> anyhow::Result<()> {
    let (mut connection, client) = (Connection::open(server.address)?, requesting_client());
    let mut times = Vec::new();
    for _ in 0..50 {
        let before = mails::all(&deployment.mails())?.len();
        request(&mut connection, &client, &address(0))?;
        let responded = Instant::now();
        while std::fs::read_dir(deployment.mails()).map_or(0, count_mails) <= before {
            ensure!(responded.elapsed() < Duration::from_secs(10), "no mail within 10 s");
        }
        times.push(responded.elapsed());
    }
    println!("mail file (fsynced) after the response: median {:?} of 50", median(&mut times));
    Ok(())
}

fn count_mails(entries: std::fs::ReadDir) -> usize {
    entries
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "eml"))
        .count()
}

/// Sends reset requests on one connection, for a known or an unknown address at random. Prints the medians by the kind
/// of the address, and by the kind of the previous one: the worker's remaining work for a request must not be visible in
/// the next one either.
fn known_against_unknown(server: &Server) -> anyhow::Result<()> {
    let (mut connection, client) = (Connection::open(server.address)?, requesting_client());
    let mut times = [(); 4].map(|()| Vec::new());
    let (mut coin, mut previous) = (0x9e37_79b9_7f4a_7c15_u64, false);
    for number in 0..REQUESTS {
        coin ^= coin << 13;
        coin ^= coin >> 7;
        coin ^= coin << 17;
        let known = coin & 1 == 0;
        let name = if known { "user" } else { "ghost" };
        let email = format!("{name}{}@example.com", number % ACCOUNTS);
        let begun = Instant::now();
        request(&mut connection, &client, &email)?;
        let elapsed = begun.elapsed();
        times[usize::from(known)].push(elapsed);
        times[2 + usize::from(previous)].push(elapsed);
        previous = known;
    }
    let [unknown, known, after_unknown, after_known] = times.each_mut().map(|times| median(times));
    let ratio = |one: Duration, other: Duration| one.as_secs_f64() / other.as_secs_f64();
    println!(
        "known vs. unknown address, {REQUESTS} requests: medians {known:?} and {unknown:?}, ratio {:.3}",
        ratio(known, unknown)
    );
    println!(
        "request after a known vs. after an unknown one: {after_known:?} and {after_unknown:?}, ratio {:.3}",
        ratio(after_known, after_unknown)
    );
    Ok(())
}

/// Returns the client whose requests are measured: a dialect that mails links and discloses no account.
fn requesting_client() -> Client {
    clients::named("strapi")
}

/// Returns the client whose codes are redeemed: a dialect whose code sets the password without an exchange.
fn redeeming_client() -> Client {
    clients::named("px0")
}

fn request(connection: &mut Connection, client: &Client, email: &str) -> anyhow::Result<()> {
    let step = client.request_for(email);
    let response = connection.post(&step.path, &step.body)?;
    ensure!(response.status == 200, "{}", response.body);
    Ok(())
}

/// Measures requests per second over [`CONNECTIONS`] connections with `each` requests on every one.
fn throughput(
    address: SocketAddr,
    each: usize,
    send: impl Fn(&mut Connection, usize) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<f64> {
    throughput_over(address, CONNECTIONS, each, send)
}

/// Measures requests per second over that many connections with `each` requests on every one.
fn throughput_over(
    address: SocketAddr,
    connections: usize,
    each: usize,
    send: impl Fn(&mut Connection, usize) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<f64> {
    let begun = Instant::now();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..connections)
            .map(|number| {
                let send = &send;
                scope.spawn(move || {
                    let mut connection = Connection::open(address)?;
                    (0..each).try_for_each(|turn| send(&mut connection, number * each + turn))
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("no panic"))
    })?;
    Ok(precise(connections * each) / begun.elapsed().as_secs_f64())
}

/// Waits until every mail of the previous measurements is written.
fn wait_until_idle(deployment: &TestDeployment) -> anyhow::Result<()> {
    let mut last = usize::MAX;
    loop {
        let now = std::fs::read_dir(deployment.mails()).map_or(0, count_mails);
        if now == last {
            return Ok(());
        }
        last = now;
        thread::sleep(Duration::from_secs(1));
    }
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn precise(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("counts are small"))
}
