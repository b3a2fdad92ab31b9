//! `cargo xtask bench`: how fast the release build is, as ratios within one run.
//!
//! Absolute figures change with the machine and its neighbours; what is compared here runs in turns.

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
    http::Connection,
    mails,
    server::{Deployment, Server},
};

use crate::root;

/// Default parameters of the hash (interface.md): KiB, passes, lanes.
const HASH: (u32, u32, u32) = (47_104, 1, 1);
/// Accounts that are reset in one round.
const ACCOUNTS: usize = 120;
/// Rounds of resets.
const ROUNDS: usize = 7;
/// Requests for known and unknown addresses.
const REQUESTS: usize = 10_000;
/// Connections that send at once where throughput is measured.
const CONNECTIONS: usize = 16;

pub(crate) fn run() -> anyhow::Result<()> {
    build()?;
    let folder = tempfile::tempdir()?;
    let mut deployment = Deployment::new(root().join("target/release/server-axum"), folder.path());
    deployment.set("POLYRESET_LIMITS__ENABLED", "false");
    deployment.set("POLYRESET_NOTIFY__PASSWORD_CHANGED", "false");
    deployment.set("POLYRESET_LOG", "warn");
    // Accounts are made with small hashes, resets with the default ones.
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

/// `cargo xtask bench replicas`.
pub(crate) fn replicas(args: &[&str]) -> anyhow::Result<()> {
    match args {
        [] => build()?,
        ["--built"] => {}
        _ => anyhow::bail!("usage: cargo xtask bench replicas [--built]"),
    }
    replicas::run()
}

/// Builds what is measured.
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

/// From the start of the process until `/readyz` answers 200.
fn start(deployment: &Deployment) -> anyhow::Result<()> {
    let mut times = Vec::new();
    for _ in 0..9 {
        let begun = Instant::now();
        let server = deployment.start()?;
        let answer = conformance::http::get(server.address, "/readyz")?;
        ensure!(answer.status == 200, "not ready");
        times.push(begun.elapsed());
    }
    println!("start until ready: median {:?} of 9", median(&mut times));
    Ok(())
}

/// From the answer of a trigger until the whole mail is there.
fn mail_after_trigger(deployment: &Deployment, server: &Server) -> anyhow::Result<()> {
    let mut connection = Connection::open(server.address)?;
    let mut times = Vec::new();
    for _ in 0..50 {
        let before = mails::all(&deployment.mails())?.len();
        ask_strapi(&mut connection, &address(0))?;
        let answered = Instant::now();
        while std::fs::read_dir(deployment.mails()).map_or(0, count_mails) <= before {
            ensure!(answered.elapsed() < Duration::from_secs(10), "no mail");
        }
        times.push(answered.elapsed());
    }
    println!("mail (a file, fsynced) after its trigger's answer: median {:?} of 50", median(&mut times));
    Ok(())
}

fn count_mails(entries: std::fs::ReadDir) -> usize {
    entries
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "eml"))
        .count()
}

/// Uniform triggers on one connection, a coin deciding each time whether the address is known. Told are the
/// medians by the address itself, and by the one before: what the worker still does for the last request must
/// not show in the next one either.
fn known_against_unknown(server: &Server) -> anyhow::Result<()> {
    let mut connection = Connection::open(server.address)?;
    let mut times = [(); 4].map(|()| Vec::new());
    let (mut coin, mut before) = (0x9e37_79b9_7f4a_7c15_u64, false);
    for request in 0..REQUESTS {
        coin ^= coin << 13;
        coin ^= coin >> 7;
        coin ^= coin << 17;
        let known = coin & 1 == 0;
        let name = if known { "user" } else { "ghost" };
        let email = format!("{name}{}@example.com", request % ACCOUNTS);
        let begun = Instant::now();
        ask_strapi(&mut connection, &email)?;
        let took = begun.elapsed();
        times[usize::from(known)].push(took);
        times[2 + usize::from(before)].push(took);
        before = known;
    }
    let [unknown, known, after_unknown, after_known] = times.each_mut().map(|times| median(times));
    let ratio = |one: Duration, other: Duration| one.as_secs_f64() / other.as_secs_f64();
    println!(
        "known against unknown address, {REQUESTS} requests: medians {known:?} and {unknown:?}, ratio {:.3}",
        ratio(known, unknown)
    );
    println!(
        "the request after a known against after an unknown one: {after_known:?} and {after_unknown:?}, ratio {:.3}",
        ratio(after_known, after_unknown)
    );
    Ok(())
}

fn ask_strapi(connection: &mut Connection, email: &str) -> anyhow::Result<()> {
    let answer = connection.post("/auth/forgot-password", &format!(r#"{{"email":"{email}"}}"#))?;
    ensure!(answer.status == 200, "{}", answer.body);
    Ok(())
}

fn triggers(server: &Server) -> anyhow::Result<()> {
    let rate = throughput(server.address, 200, |connection, turn| {
        ask_strapi(connection, &format!("nobody{turn}@example.com"))
    })?;
    println!("triggers on {CONNECTIONS} connections, each committed to disk: {rate:.0}/s");
    Ok(())
}

/// Requests per second over [`CONNECTIONS`] connections with `each` requests on every one.
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

/// Until every mail of the rounds before is written.
fn wait_until_idle(deployment: &Deployment) -> anyhow::Result<()> {
    let mut seen = usize::MAX;
    loop {
        let now = std::fs::read_dir(deployment.mails()).map_or(0, count_mails);
        if now == seen {
            return Ok(());
        }
        seen = now;
        thread::sleep(Duration::from_secs(1));
    }
}

/// Complete resets against nothing but Argon2 on as many threads, in turns.
fn resets(deployment: &Deployment, server: &Server) -> anyhow::Result<()> {
    let mut ratios = Vec::new();
    for round in 0..ROUNDS {
        std::fs::remove_dir_all(deployment.mails()).context("old mails")?;
        let mut connection = Connection::open(server.address)?;
        for number in 0..ACCOUNTS {
            let body = format!(r#"{{"email":"{}"}}"#, address(number));
            let answer = connection.post("/v1/auth/password-reset/trigger", &body)?;
            ensure!(answer.status == 200, "{}", answer.body);
        }
        let codes = (0..ACCOUNTS).map(|number| {
            let letter =
                mails::wait_for(&deployment.mails(), &address(number), Duration::from_secs(20), |_| true)?;
            letter.code().map(ToOwned::to_owned).context("a mail without a code")
        });
        let codes: Vec<String> = codes.collect::<anyhow::Result<_>>()?;
        let begun = Instant::now();
        spend(server.address, &codes, round)?;
        let ours = precise(ACCOUNTS) / begun.elapsed().as_secs_f64();
        let ceiling = pure_argon2()?;
        println!("resets: {ours:.1}/s, Argon2 alone: {ceiling:.1}/s, ratio {:.3}", ours / ceiling);
        ratios.push(ours / ceiling);
    }
    ratios.sort_by(f64::total_cmp);
    println!("resets against Argon2 alone: median ratio {:.3} of {ROUNDS} rounds", ratios[ROUNDS / 2]);
    Ok(())
}

/// Spends each code on one of a few connections.
fn spend(address: SocketAddr, codes: &[String], round: usize) -> anyhow::Result<()> {
    thread::scope(|scope| {
        let threads: Vec<_> = codes
            .chunks(codes.len().div_ceil(8))
            .map(|codes| {
                scope.spawn(move || {
                    let mut connection = Connection::open(address)?;
                    codes.iter().try_for_each(|code| {
                        let body = format!(r#"{{"code":"{code}","new_password":"New Password {round}!"}}"#);
                        let answer = connection.post("/v1/auth/password-reset/reset", &body)?;
                        ensure!(answer.status == 200, "{}", answer.body);
                        Ok(())
                    })
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("no panic"))
    })
}

/// Hashes per second with reused memory on every core: what no reset service can exceed.
fn pure_argon2() -> anyhow::Result<f64> {
    let (m, t, p) = HASH;
    let cores = thread::available_parallelism()?.get();
    let each = ACCOUNTS / cores;
    let params = Params::new(m, t, p, Some(32)).map_err(|error| anyhow::anyhow!("{error}"))?;
    let mut memories = vec![vec![Block::default(); params.block_count()]; cores];
    // The first pass takes the page faults, as the server's start does.
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
                            .expect("sound parameters");
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
    f64::from(u32::try_from(count).expect("small counts"))
}
