//! `cargo xtask bench backlog`: measures how fast mail leaves while jobs wait, relative to a short queue.
//!
//! The jobs are written into the database before the server starts: one account and one job each, as if that many people
//! had requested a reset while no worker ran. A mail server in this process counts the mails. The yardstick is lettre
//! alone, over as many connections, to the same mail server.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::ensure;
use conformance::{http::Connection, server::Server};

use super::{
    database::{Engine, deploy_mailing},
    front_ends::median,
    precise, request, requesting_client,
    sink::{CONNECTIONS, CountingSink, lettre_alone},
};

/// Rounds per size.
const ROUNDS: usize = 5;
/// Mails per measurement.
const MAILS: usize = 3000;
/// Number of waiting jobs, without an argument.
const SIZES: [usize; 2] = [MAILS, 100_000];

pub(super) fn run(sizes: &[usize]) -> anyhow::Result<()> {
    let sizes = if sizes.is_empty() { &SIZES[..] } else { sizes };
    let sink = CountingSink::start()?;
    let alone: Vec<f64> = (0..ROUNDS).map(|_| lettre_alone(&sink)).collect::<anyhow::Result<_>>()?;
    let alone = median(&alone);
    println!("lettre alone over {CONNECTIONS} connections: {alone:.0} mails/s");
    for engine in Engine::available() {
        let mut rates = vec![Vec::new(); sizes.len()];
        let mut fresh = rates.clone();
        for _ in 0..ROUNDS {
            for (index, size) in sizes.iter().enumerate() {
                let (rate, waited) = drain(&sink, engine, *size)?;
                rates[index].push(rate);
                fresh[index].push(waited.as_secs_f64());
            }
        }
        for (index, size) in sizes.iter().enumerate() {
            println!(
                "{engine:?}, {size} waiting: {:.0} mails/s, {:.2} of lettre alone, {:.2} of the rate with {}; a fresh \
                 request was mailed after {:.2} s",
                median(&rates[index]),
                median(&rates[index]) / alone,
                median(&rates[index]) / median(&rates[0]),
                sizes[0],
                median(&fresh[index])
            );
        }
    }
    Ok(())
}

/// Returns the rate at which the first mails leave, and how long a fresh request waited for its mail beside the queue.
fn drain(sink: &CountingSink, engine: Engine, size: usize) -> anyhow::Result<(f64, Duration)> {
    let folder = tempfile::tempdir()?;
    let (deployment, database) = deploy_mailing(engine, folder.path(), sink)?;
    database.fill(size, size)?;
    let before = sink.count();
    let server = deployment.start()?;
    let begun = Instant::now();
    let waited = fresh_request(sink, &server)?;
    while sink.count() < before + MAILS.min(size) {
        ensure!(begun.elapsed() < Duration::from_secs(300), "the queue does not drain");
        thread::sleep(Duration::from_millis(1));
    }
    let rate = precise(sink.count() - before) / begun.elapsed().as_secs_f64();
    server.kill();
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
