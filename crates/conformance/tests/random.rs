//! Compares the servers with each other on random requests.
//!
//! `CONFORMANCE_SEED` and `CONFORMANCE_REQUESTS` override the default seed and number of requests. With fewer requests
//! than the default, the test does not check how much of each route they reach.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue panics")]

mod bench;
mod stage;

use std::collections::BTreeSet;

use bench::{FRONT_ENDS, RunningServer};
use conformance::{
    clients,
    differ::{Front, Report, Run},
    endpoint::ServerAddress,
    http,
    random::{self, Row},
};
use stage::staged;

/// Number of random requests per route and method.
const REQUESTS_PER_ROUTE: usize = 550;

fn variable_or<T: std::str::FromStr>(name: &str, default: T) -> T {
    #[expect(clippy::disallowed_methods, reason = "the seed of a test is not a setting of the server")]
    let text = std::env::var(name);
    text.ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn all_servers_respond_alike_to_random_requests() {
    let rows = random::rows(&staged(&[]));
    // Enough to reach the checks of every route, however many dialects there are.
    let thorough = REQUESTS_PER_ROUTE * rows.len();
    let run = Run {
        seed: variable_or("CONFORMANCE_SEED", 1),
        probes: variable_or("CONFORMANCE_REQUESTS", thorough),
        threads: 48,
    };
    println!("seed {}, {} requests", run.seed, run.probes);
    let servers: Vec<RunningServer> =
        FRONT_ENDS.iter().map(|front_end| RunningServer::start(front_end, staged(&[]))).collect();
    let fronts: Vec<Front> = FRONT_ENDS
        .iter()
        .zip(&servers)
        .map(|(front_end, bench)| Front { name: front_end.0, place: ServerAddress::from(bench.address) })
        .collect();
    let report = run.against(&fronts, &rows).unwrap();

    print_report(&report, &rows);
    assert!(report.differences.is_empty(), "{} kinds of differences", report.differences.len());
    for bench in &servers {
        assert_eq!(http::get(bench.address, "/healthz").unwrap().status, 200);
        // No random request was for an account. A request for one still sends a mail.
        assert_eq!(bench.memory.mailer.take().len(), 0);
        let strapi = clients::named("strapi");
        let answer = http::send(bench.address, &strapi.request_for("user@example.com"));
        assert_eq!(answer.unwrap().status, 200);
        assert!(strapi.secret_in(&bench.next_mail().secret).is_some());
    }
    for ((status, body), number) in &report.failures {
        let body = String::from_utf8_lossy(body);
        assert!(
            *status == 500 && body.contains("\"invalid signature\""),
            "{status} {body} at probe {number}"
        );
    }
    let seen = |status: u16| report.statuses.keys().any(|(_, seen)| *seen == status);
    // 302 needs a live link, and no secret here is valid.
    for status in [200, 202, 204, 303, 400, 401, 404, 405, 413, 415, 431, 500] {
        assert!(run.probes < thorough || seen(status), "no {status}");
    }
    let pairs: BTreeSet<(&str, u16)> =
        report.statuses.keys().map(|(row, status)| (rows[*row].dialect.as_str(), *status)).collect();
    assert!(run.probes < thorough || pairs.len() >= 30, "{pairs:?}");
    for (number, row) in rows.iter().enumerate() {
        // A route must respond with more statuses than the checks before it do: for the method and the path, and for the
        // body of other methods than GET.
        let least = if row.method == "GET" { 4 } else { 5 };
        let statuses = report.statuses.keys().filter(|(row, _)| *row == number).count();
        assert!(
            run.probes < thorough || statuses >= least,
            "{} {}: {statuses} statuses",
            row.method,
            row.path
        );
    }
}

fn print_report(report: &Report, rows: &[Row]) {
    let Report { probes, took, silent, unsteady, .. } = report;
    println!("{probes} requests in {took:?}, {silent} silent, {} unsteady", unsteady.len());
    unsteady.iter().take(3).for_each(|story| println!("unsteady: {story}"));
    report.differences.iter().for_each(|story| println!("DIFFERENT: {story}"));
    for (number, row) in rows.iter().enumerate() {
        let seen = report.statuses.iter().filter(|((row, _), _)| *row == number);
        let seen: Vec<String> = seen.map(|((_, status), times)| format!("{status}x{times}")).collect();
        println!("{} {}: {}", row.method, row.path, seen.join(" "));
    }
}
