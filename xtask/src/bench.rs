//! `cargo xtask bench`: measures the release build, as ratios within one run.
//!
//! Absolute numbers depend on the machine and its other load, so the variants under comparison run alternately.

mod backlog;
mod front_ends;
mod replicas;

use std::{
    net::SocketAddr,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use argon2::{Algorithm, Argon2, Block, Params, Version};
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
/// Rounds of resets.
const ROUNDS: usize = 7;
/// Requests of the comparison between known and unknown addresses.
const REQUESTS: usize = 10_000;
/// Concurrent connections of a throughput measurement.
const CONNECTIONS: usize = 16;

pub(crate) fn run() -> anyhow::Result<()> {
    build()?;
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
    mail_after_trigger(&deployment, &server)?;
    known_against_unknown(&server)?;
    triggers(&server)?;
    wait_until_idle(&deployment)?;
    resets(&deployment, &server)?;
    drop(server);
    front_ends::run()
}

/// Runs `cargo xtask bench replicas`.
pub(crate) fn replicas(args: &[&str]) -> anyhow::Result<()> {
    match args {
        [] => build()?,
        ["--built"] => {}
        _ => anyhow::bail!("usage: cargo xtask bench replicas [--built]"),
    }
    replicas::run()
}

/// Runs `cargo xtask bench backlog`.
pub(crate) fn backlog(args: &[&str]) -> anyhow::Result<()> {
    let (built, sizes): (Vec<&str>, Vec<&str>) = args.iter().partition(|arg| **arg == "--built");
    let sizes = sizes.iter().map(|size| size.parse()).collect::<Result<Vec<usize>, _>>();
    let sizes = sizes.context("usage: cargo xtask bench backlog [--built] [NUMBER OF WAITING JOBS]...")?;
    if built.is_empty() {
        build()?;
    }
    backlog::run(&sizes)
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

fn triggers(server: &Server) -> anyhow::Result<()> {
    let client = requesting_client();
    let rate = throughput(server.address, 200, |connection, turn| {
        request(connection, &client, &format!("nobody{turn}@example.com"))
    })?;
    println!("triggers on {CONNECTIONS} connections, each committed to disk: {rate:.0}/s");
    Ok(())
}

/// Measures requests per second over [`CONNECTIONS`] connections with `each` requests on every one.
fn throughput(
    address: SocketAddr,
    each: usize,
    send: impl Fn(&mut Connection, usize) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<f64> {
    let begun = Instant::now();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS)
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
    Ok(precise(CONNECTIONS * each) / begun.elapsed().as_secs_f64())
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

/// Measures resets relative to bare Argon2 hashing on all cores, alternately.
fn resets(deployment: &TestDeployment, server: &Server) -> anyhow::Result<()> {
    let (mut ratios, client) = (Vec::new(), redeeming_client());
    for round in 0..ROUNDS {
        std::fs::remove_dir_all(deployment.mails()).context("removing old mails")?;
        let mut connection = Connection::open(server.address)?;
        for number in 0..ACCOUNTS {
            request(&mut connection, &client, &address(number))?;
        }
        let codes = (0..ACCOUNTS).map(|number| {
            let mail =
                mails::wait_for(&deployment.mails(), &address(number), Duration::from_secs(20), |_| true)?;
            mail.code().map(ToOwned::to_owned).context("the mail has no code")
        });
        let codes: Vec<String> = codes.collect::<anyhow::Result<_>>()?;
        let begun = Instant::now();
        redeem(server.address, &client, &codes, round)?;
        let resets = precise(ACCOUNTS) / begun.elapsed().as_secs_f64();
        let ceiling = bare_argon2()?;
        println!("resets: {resets:.1}/s, bare Argon2: {ceiling:.1}/s, ratio {:.3}", resets / ceiling);
        ratios.push(resets / ceiling);
    }
    ratios.sort_by(f64::total_cmp);
    println!("resets vs. bare Argon2: median ratio {:.3} of {ROUNDS} rounds", ratios[ROUNDS / 2]);
    Ok(())
}

/// Redeems the codes over a few connections.
fn redeem(address: SocketAddr, client: &Client, codes: &[String], round: usize) -> anyhow::Result<()> {
    thread::scope(|scope| {
        let threads: Vec<_> = codes
            .chunks(codes.len().div_ceil(8))
            .map(|codes| {
                scope.spawn(move || {
                    let mut connection = Connection::open(address)?;
                    codes.iter().try_for_each(|code| {
                        let step = client.redeem_with(code, &format!("New Password {round}!"));
                        let response = connection.post(&step.path, &step.body)?;
                        ensure!(response.status == 200, "{}", response.body);
                        Ok(())
                    })
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("no panic"))
    })
}

/// Measures hashes per second with reused memory on every core: the upper bound of any reset service.
fn bare_argon2() -> anyhow::Result<f64> {
    let (m, t, p) = HASH;
    let cores = thread::available_parallelism()?.get();
    let each = ACCOUNTS / cores;
    let params = Params::new(m, t, p, Some(32)).map_err(|error| anyhow::anyhow!("{error}"))?;
    let mut memories = vec![vec![Block::default(); params.block_count()]; cores];
    // The first of the two passes takes the page faults, as the start of the server does.
    let mut elapsed = Duration::ZERO;
    for _ in 0..2 {
        let begun = Instant::now();
        thread::scope(|scope| {
            for memory in &mut memories {
                let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
                scope.spawn(move || {
                    for _ in 0..each {
                        let mut tag = [0; 32];
                        argon2
                            .hash_password_into_with_memory(
                                b"New Password 1!",
                                &[7; 16],
                                &mut tag,
                                &mut memory[..],
                            )
                            .expect("the parameters are valid");
                    }
                });
            }
        });
        elapsed = begun.elapsed();
    }
    Ok(precise(each * cores) / elapsed.as_secs_f64())
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn precise(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("counts are small"))
}
