//! Complete resets relative to Argon2 alone, and requests beside them: the server has all processors but the last, on
//! which the clients run. On one processor they share it.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use conformance::{
    clients::Client,
    http::Connection,
    mails,
    server::{Server, TestDeployment},
};
use rustix::thread::{CpuSet, sched_setaffinity};

use super::{ACCOUNTS, HASH, address, precise, redeeming_client, request, requesting_client};

/// Rounds of resets.
const ROUNDS: usize = 7;

/// Measures resets relative to bare Argon2 hashing on the server's processors, alternately, and the time of requests
/// beside the resets.
pub(super) fn run(deployment: &TestDeployment) -> anyhow::Result<()> {
    let processors = thread::available_parallelism()?.get();
    let servers = (processors - 1).max(1);
    pin(0..servers)?;
    let server = deployment.start()?;
    let (mut ratios, client) = (Vec::new(), redeeming_client());
    for round in 0..ROUNDS {
        pin(processors - 1..processors)?;
        let codes = codes(deployment, &server, &client)?;
        let begun = Instant::now();
        redeem(server.address, &client, &codes, round)?;
        let resets = precise(ACCOUNTS) / begun.elapsed().as_secs_f64();
        pin(0..servers)?;
        let ceiling = bare_argon2(servers)?;
        println!("resets: {resets:.1}/s, Argon2 alone: {ceiling:.1}/s, ratio {:.3}", resets / ceiling);
        ratios.push(resets / ceiling);
    }
    let codes = codes(deployment, &server, &client)?;
    let mut requests = requests_beside(server.address, || redeem(server.address, &client, &codes, ROUNDS))?;
    pin(0..processors)?;
    drop(server);
    ratios.sort_by(f64::total_cmp);
    requests.sort();
    println!(
        "resets on {servers} of {processors} processors: median {:.3} of Argon2 alone, of {ROUNDS} rounds",
        ratios[ROUNDS / 2]
    );
    println!(
        "requests beside them: median {:?}, p99 {:?} of {}",
        requests[requests.len() / 2],
        requests[requests.len() * 99 / 100],
        requests.len()
    );
    Ok(())
}

/// Resets each account once.
pub(super) fn once(deployment: &TestDeployment, server: &Server) -> anyhow::Result<()> {
    let client = redeeming_client();
    redeem(server.address, &client, &codes(deployment, server, &client)?, ROUNDS + 1)
}

/// Lets this thread, and the threads and processes that it starts, run on these processors only.
fn pin(processors: std::ops::Range<usize>) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    for processor in processors {
        set.set(processor);
    }
    Ok(sched_setaffinity(None, &set)?)
}

/// Requests a code for each account, and returns the codes.
fn codes(deployment: &TestDeployment, server: &Server, client: &Client) -> anyhow::Result<Vec<String>> {
    mails::clear(&deployment.mails()).context("removing old mails")?;
    let mut connection = Connection::open(server.address)?;
    for number in 0..ACCOUNTS {
        request(&mut connection, client, &address(number))?;
    }
    let codes = (0..ACCOUNTS).map(|number| {
        let mail = mails::wait_for(&deployment.mails(), &address(number), Duration::from_secs(20), |_| true)?;
        mail.code().map(ToOwned::to_owned).context("the mail has no code")
    });
    codes.collect()
}

/// Redeems the codes over a few connections.
pub(super) fn redeem(
    address: SocketAddr,
    client: &Client,
    codes: &[String],
    round: usize,
) -> anyhow::Result<()> {
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

/// Does `work`, and returns how long each of the reset requests took that one connection sent in the meantime.
fn requests_beside(
    address: SocketAddr,
    work: impl FnOnce() -> anyhow::Result<()> + Send,
) -> anyhow::Result<Vec<Duration>> {
    thread::scope(|scope| {
        let worker = scope.spawn(work);
        let (mut connection, client) = (Connection::open(address)?, requesting_client());
        let mut times = Vec::new();
        while !worker.is_finished() {
            let begun = Instant::now();
            request(&mut connection, &client, "nobody@example.com")?;
            times.push(begun.elapsed());
            // Few enough that the resets keep the processors.
            thread::sleep(Duration::from_millis(20));
        }
        worker.join().expect("no panic")?;
        Ok(times)
    })
}

/// Measures hashes per second with reused memory on that many processors: the upper bound of any reset service.
fn bare_argon2(processors: usize) -> anyhow::Result<f64> {
    let (m, t, p) = HASH;
    let each = ACCOUNTS / processors;
    let params = Params::new(m, t, p, Some(32)).map_err(|error| anyhow::anyhow!("{error}"))?;
    let mut memories = vec![vec![Block::default(); params.block_count()]; processors];
    // The first of the two passes takes the page faults, as the first reset of the server does.
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
    Ok(precise(each * processors) / elapsed.as_secs_f64())
}
