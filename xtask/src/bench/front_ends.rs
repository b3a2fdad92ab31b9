//! The three front-ends against one another, and each against a bare application of its framework: requests
//! that are refused before any query, by rate and by the processor time that each costs the server.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, ensure};
use conformance::server::Deployment;

use super::{CONNECTIONS, precise, throughput};
use crate::root;

/// Requests on each connection in one round, and rounds.
const EACH: usize = 1_500;
const ROUNDS: usize = 5;

/// A running server and what was measured of it in each round: requests per second, microseconds per request.
struct Runner {
    name: String,
    address: SocketAddr,
    path: &'static str,
    process: Child,
    rates: Vec<f64>,
    costs: Vec<f64>,
}

pub(super) fn run() -> anyhow::Result<()> {
    let release = root().join("target/release");
    let folder = tempfile::tempdir()?;
    let mut runners = Vec::new();
    for framework in ["axum", "actix", "warp"] {
        let place = folder.path().join(framework);
        fs::create_dir(&place)?;
        let mut deployment = Deployment::new(release.join(format!("server-{framework}")), place);
        deployment.set("POLYRESET_LOG", "error");
        deployment.set("POLYRESET_LIMITS__ENABLED", "false");
        let ours = deployment.command(&["serve"]);
        runners.push(Runner::start(framework.to_owned(), ours, "/api/auth/email/reset-password")?);
        #[expect(clippy::disallowed_methods, reason = "running what is measured is what this is for")]
        let bare = Command::new(release.join(format!("examples/bare-{framework}")));
        runners.push(Runner::start(format!("bare {framework}"), bare, "/refuse")?);
    }
    for _ in 0..ROUNDS {
        for runner in &mut runners {
            runner.measure()?;
        }
    }
    let fastest = runners.iter().step_by(2).map(Runner::rate).fold(0.0, f64::max);
    for pair in runners.chunks(2) {
        let [ours, bare] = pair else { continue };
        println!(
            "refusals on {}: {:.0}/s, {:.2} of bare, {:.2} of the fastest of ours; {:.1} us of processor each, {:.2} of bare",
            ours.name,
            ours.rate(),
            ours.rate() / bare.rate(),
            ours.rate() / fastest,
            median(&ours.costs),
            median(&ours.costs) / median(&bare.costs)
        );
    }
    Ok(())
}

impl Runner {
    fn start(name: String, mut command: Command, path: &'static str) -> anyhow::Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut process = child.with_context(|| format!("starting {name}"))?;
        let stdout = process.stdout.take().context("a pipe was asked for")?;
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let address = lines.find_map(|line| line.strip_prefix("listening on http://")?.parse().ok());
        let address = address.with_context(|| format!("{name} did not listen"))?;
        Ok(Self { name, address, path, process, rates: Vec::new(), costs: Vec::new() })
    }

    fn measure(&mut self) -> anyhow::Result<()> {
        let body = format!(r#"{{"newPassword":"a new password","otp":"{}"}}"#, "0".repeat(64));
        let before = processor_time(self.process.id())?;
        let rate = throughput(self.address, EACH, |connection, _| {
            let answer = connection.post(self.path, &body)?;
            ensure!(answer.status == 401, "{} {}", answer.status, answer.body);
            Ok(())
        })?;
        let spent = processor_time(self.process.id())? - before;
        self.rates.push(rate);
        self.costs.push(spent * 1e6 / precise(EACH * CONNECTIONS));
        Ok(())
    }

    fn rate(&self) -> f64 {
        median(&self.rates)
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Seconds of processor that the process has used: fields 14 and 15 of its `stat`, in hundredths.
fn processor_time(id: u32) -> anyhow::Result<f64> {
    let stat = fs::read_to_string(Path::new("/proc").join(id.to_string()).join("stat"))?;
    // The name in field 2 may hold anything, so counting starts behind it.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|field| field.parse::<u32>().ok());
    let (user, system) = ticks(11).zip(ticks(12)).context("an unknown form of stat")?;
    Ok(f64::from(user + system) / 100.0)
}

pub(super) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
