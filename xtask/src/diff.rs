//! `cargo xtask diff`: sends random requests to the three servers, over TCP and Unix sockets, and compares the
//! responses.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, ensure};
use conformance::{
    differ::{Front, Run},
    endpoint::ServerAddress,
    random::{self, Row},
    server::{Server, TestDeployment},
};

use crate::root;

/// The servers, in the order that the comparison expects.
const FRONT_ENDS: [&str; 3] = ["axum", "actix", "warp"];
/// Concurrent connections to each server.
const THREADS: usize = 32;

pub(crate) fn run(args: &[&str]) -> anyhow::Result<()> {
    let (mut probes, mut seed) = (100_000, 1);
    for pair in args.chunks(2) {
        match pair {
            ["--requests", text] => probes = text.parse().context("--requests: expected a number")?,
            ["--seed", text] => seed = text.parse().context("--seed: expected a number")?,
            _ => anyhow::bail!("usage: cargo xtask diff [--requests N] [--seed S]"),
        }
    }
    #[expect(clippy::disallowed_methods, reason = "starting cargo is what this command is for")]
    let mut cargo = Command::new("cargo");
    let packages = FRONT_ENDS.map(|name| format!("-pserver-{name}"));
    let built = cargo.args(["build", "--release", "--locked"]).args(packages).current_dir(root()).status()?;
    ensure!(built.success(), "the release build failed");

    let mut differences = 0;
    for unix in [false, true] {
        differences += round(unix, &Run { seed, probes: probes / 2, threads: THREADS })?;
    }
    ensure!(differences == 0, "found {differences} kinds of differences");
    Ok(())
}

/// Sends half of the requests over one kind of socket, and returns the number of kinds of differences.
fn round(unix: bool, run: &Run) -> anyhow::Result<usize> {
    let folders: Vec<tempfile::TempDir> =
        FRONT_ENDS.iter().map(|_| tempfile::tempdir()).collect::<Result<_, _>>()?;
    let servers: Vec<(Server, ServerAddress)> = FRONT_ENDS
        .iter()
        .zip(&folders)
        .map(|(name, folder)| start(name, folder.path(), unix))
        .collect::<anyhow::Result<_>>()?;
    let fronts: Vec<Front> = FRONT_ENDS
        .iter()
        .zip(&servers)
        .map(|(name, (_, place))| Front { name, place: place.clone() })
        .collect();
    // Warm up first: memory that a process allocates once does not count as growth.
    Run { probes: run.probes / 10, ..run.clone() }.against(&fronts, &rows())?;
    let before = memories(&servers)?;
    let report = run.against(&fronts, &rows())?;
    let after = memories(&servers)?;

    println!("{}, seed {}", if unix { "unix sockets" } else { "TCP" }, run.seed);
    let rate = f64::from(u32::try_from(report.probes)?) / report.took.as_secs_f64();
    println!(
        "  {} requests to each, {rate:.0}/s, {} kinds of differences, {} unsteady, {} silent",
        report.probes,
        report.differences.len(),
        report.unsteady.len(),
        report.silent
    );
    for ((name, before), after) in FRONT_ENDS.iter().zip(before).zip(after) {
        println!("  memory of {name}: {before} KiB before, {after} KiB after");
    }
    report.differences.iter().for_each(|difference| println!("{difference}"));
    Ok(report.differences.len())
}

fn start(name: &str, folder: &Path, unix: bool) -> anyhow::Result<(Server, ServerAddress)> {
    let mut deployment = TestDeployment::new(root().join(format!("target/release/server-{name}")), folder);
    deployment.set("POLYRESET_LIMITS__ENABLED", "false");
    deployment.set("POLYRESET_LOG", "error");
    if !unix {
        let server = deployment.start()?;
        let place = ServerAddress::Tcp(server.address);
        return Ok((server, place));
    }
    let socket = folder.join("reset.sock");
    deployment.set("POLYRESET_LISTEN", &format!("unix:{}", socket.display()));
    let server = deployment.start_on_socket()?;
    Ok((server, ServerAddress::Unix(socket)))
}

/// Returns every method of every path that the servers serve.
fn rows() -> Vec<Row> {
    random::rows(&crate::every_dialect())
}

/// Returns the resident memory of each process in KiB.
fn memories(servers: &[(Server, ServerAddress)]) -> anyhow::Result<Vec<u64>> {
    servers
        .iter()
        .map(|(server, _)| {
            let status = fs::read_to_string(format!("/proc/{}/status", server.id()))?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
            Ok(line.trim().trim_end_matches(" kB").parse()?)
        })
        .collect()
}
