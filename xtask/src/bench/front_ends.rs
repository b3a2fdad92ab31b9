//! Compares the three servers with each other, and each with a bare application of its framework. The requests are
//! rejected before any query; the results are throughput and processor time per request.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, ensure};
use conformance::{
    clients::{self, Client, Step},
    server::TestDeployment,
};

use super::{CONNECTIONS, precise, throughput};
use crate::root;

/// Requests per connection and round.
const EACH: usize = 1_500;
const ROUNDS: usize = 5;

/// A running server and its measurements per round: requests per second, and microseconds of processor per request.
struct Runner {
    name: String,
    address: SocketAddr,
    request: Step,
    process: Child,
    rates: Vec<f64>,
    costs: Vec<f64>,
}

pub(super) fn run() -> anyhow::Result<()> {
    let release = root().join("target/release");
    let folder = tempfile::tempdir()?;
    let client = forged_client();
    let request = client.redeem_with(&client.forged, "a new password");
    let mut runners = Vec::new();
    for framework in ["axum", "actix", "warp"] {
        let data = folder.path().join(framework);
        fs::create_dir(&data)?;
        let mut deployment = TestDeployment::new(release.join(format!("server-{framework}")), data);
        deployment.set("POLYRESET_LOG", "error");
        deployment.set("POLYRESET_LIMITS__ENABLED", "false");
        let server = deployment.command(&["serve"]);
        runners.push(Runner::start(framework.to_owned(), server, request.clone())?);
        #[expect(clippy::disallowed_methods, reason = "this command starts the programs to measure")]
        let bare = Command::new(release.join(format!("examples/bare-{framework}")));
        runners.push(Runner::start(
            format!("bare {framework}"),
            bare,
            Step { path: "/refuse".into(), ..request.clone() },
        )?);
    }
    for _ in 0..ROUNDS {
        for runner in &mut runners {
            runner.measure()?;
        }
    }
    let fastest = runners.iter().step_by(2).map(Runner::rate).fold(0.0, f64::max);
    for pair in runners.chunks(2) {
        let [server, bare] = pair else { continue };
        println!(
            "rejected tokens on {}: {:.0}/s, {:.2} of bare, {:.2} of the fastest server; {:.1} us of processor each, \
             {:.2} of bare",
            server.name,
            server.rate(),
            server.rate() / bare.rate(),
            server.rate() / fastest,
            median(&server.costs),
            median(&server.costs) / median(&bare.costs)
        );
    }
    Ok(())
}

/// Returns the client whose forged tokens are measured: a dialect that rejects them without a query.
pub(super) fn forged_client() -> Client {
    clients::named("insforge")
}

impl Runner {
    fn start(name: String, mut command: Command, request: Step) -> anyhow::Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut process = child.with_context(|| format!("starting {name}"))?;
        let stdout = process.stdout.take().context("stdout is not a pipe")?;
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let address = lines.find_map(|line| line.strip_prefix("listening on http://")?.parse().ok());
        let address = address.with_context(|| format!("{name} did not print its address"))?;
        Ok(Self { name, address, request, process, rates: Vec::new(), costs: Vec::new() })
    }

    fn measure(&mut self) -> anyhow::Result<()> {
        let before = processor_time(self.process.id())?;
        let rate = throughput(self.address, EACH, |connection, _| {
            let response = connection.post(&self.request.path, &self.request.body)?;
            ensure!(response.status == 401, "{} {}", response.status, response.body);
            Ok(())
        })?;
        let used = processor_time(self.process.id())? - before;
        self.rates.push(rate);
        self.costs.push(used * 1e6 / precise(EACH * CONNECTIONS));
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

/// Returns the seconds of processor time that a process has used: fields 14 and 15 of its `stat`, in hundredths.
fn processor_time(id: u32) -> anyhow::Result<f64> {
    let stat = fs::read_to_string(Path::new("/proc").join(id.to_string()).join("stat"))?;
    // The name in field 2 may contain spaces, so counting starts after it.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u32>().ok());
    let (user, system) = ticks(11).zip(ticks(12)).context("unknown format of stat")?;
    Ok(f64::from(user + system) / 100.0)
}

pub(super) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
