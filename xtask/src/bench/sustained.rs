//! `cargo xtask bench sustained`: measures how many resets a second are accepted and mailed over SMTP while the queue
//! does not grow, relative to lettre alone.
//!
//! The clients stop while more than [`WAITING_MAX`] accepted requests are without a mail, so the rate is that of the
//! slower of the two ends.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::ensure;
use conformance::http::Connection;

use super::{
    CONNECTIONS, address,
    database::{Engine, deploy_mailing},
    front_ends::median,
    precise, request, requesting_client,
    sink::{CountingSink, lettre_alone},
};

/// Length of a measurement.
const SPAN: Duration = Duration::from_secs(60);
/// Accepted requests that may be without a mail.
const WAITING_MAX: usize = 1000;
/// Accounts, so many that none gets two mails in a measurement.
const ACCOUNTS: usize = 300_000;

pub(super) fn run() -> anyhow::Result<()> {
    let sink = CountingSink::start()?;
    for engine in Engine::available() {
        let folder = tempfile::tempdir()?;
        let (deployment, database) = deploy_mailing(engine, folder.path(), &sink)?;
        database.fill(ACCOUNTS, 0)?;
        let alone: Vec<f64> = (0..5).map(|_| lettre_alone(&sink)).collect::<anyhow::Result<_>>()?;
        let server = deployment.start()?;
        let before = sink.count();
        let rate = accept_and_mail(&sink, &server, before)?;
        server.kill();
        println!(
            "{engine:?}: {rate:.0} resets/s accepted and mailed for {SPAN:?}, {:.2} of lettre alone",
            rate / median(&alone)
        );
    }
    Ok(())
}

/// Requests resets for [`SPAN`], and returns the rate of the mails.
fn accept_and_mail(
    sink: &CountingSink,
    server: &conformance::server::Server,
    before: usize,
) -> anyhow::Result<f64> {
    let accepted = AtomicUsize::new(0);
    let begun = Instant::now();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                scope.spawn(|| {
                    let (mut connection, client) = (Connection::open(server.address)?, requesting_client());
                    while begun.elapsed() < SPAN {
                        if accepted.load(Ordering::Relaxed) + before > sink.count() + WAITING_MAX {
                            thread::sleep(Duration::from_millis(1));
                            continue;
                        }
                        let number = accepted.fetch_add(1, Ordering::Relaxed);
                        ensure!(number < ACCOUNTS, "every account has a mail already");
                        request(&mut connection, &client, &address(number + 1))?;
                    }
                    Ok(())
                })
            })
            .collect();
        clients.into_iter().try_for_each(|client| client.join().expect("no panic"))
    })?;
    Ok(precise(sink.count() - before) / begun.elapsed().as_secs_f64())
}
