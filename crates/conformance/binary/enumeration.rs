//! The command `verify-enumeration`, which measures whether known addresses can be distinguished from unknown ones.
//!
//! Bytes are compared exactly. The threshold for response times is high, because all other tests run at the same time.
//! docs/enumeration.md shows results with a threshold of 100 µs.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::Output,
    thread,
    time::Duration,
};

use conformance::{clients, http, mails, server::TestDeployment};
use tempfile::TempDir;

use super::{TIMEOUT, deployment, limited};

const KNOWN: [&str; 4] =
    ["alice@example.com", "robert@example.com", "charlie@example.com", "danielle@example.com"];
/// Extra delay of the leaky server for known addresses.
const LEAK: Duration = Duration::from_millis(100);

/// Returns a deployment without limits that has the known accounts.
fn unlimited() -> (TestDeployment, TempDir) {
    let (mut deployment, folder) = deployment();
    deployment.set("POLYRESET_LIMITS__ENABLED", "false");
    for known in KNOWN {
        deployment.add_user(known, "correct horse").unwrap();
    }
    (deployment, folder)
}

fn verify(deployment: &TestDeployment, url: &str, more: &[&str]) -> Output {
    let mut arguments =
        vec!["verify-enumeration", url, "--threshold", "30ms", "--rest", "1ms", "--after", "1"];
    arguments.extend(KNOWN.iter().flat_map(|known| ["--known", known]));
    arguments.extend(more);
    deployment.run(&arguments, "").unwrap()
}

/// Runs the command, up to three times while the result is inconclusive on a busy machine.
fn verify_conclusively(deployment: &TestDeployment, url: &str, more: &[&str]) -> (Option<i32>, String) {
    let mut output = verify(deployment, url, more);
    for _ in 0..2 {
        if output.status.code() == Some(2) {
            output = verify(deployment, url, more);
        }
    }
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap());
    (output.status.code(), said.concat())
}

#[test]
fn known_and_unknown_addresses_are_equivalent_in_every_dialect() {
    let (mut deployment, folder) = unlimited();
    deployment.set("POLYRESET_PX0__DISCLOSE_UNKNOWN", "false");
    let server = deployment.start().unwrap();
    let url = format!("http://{}", server.address);
    let samples = folder.path().join("samples.csv");
    let (code, report) =
        verify_conclusively(&deployment, &url, &["--pairs", "120", "--samples", samples.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{report}");
    assert!(report.contains("**Equivalent") && !report.contains("MISSED"), "{report}");
    let clients = clients::all();
    for client in &clients {
        assert!(report.contains(&format!("\n## {}, ", client.dialect)), "{report}");
    }
    let samples = std::fs::read_to_string(samples).unwrap();
    assert!(report.contains("\n## pages, "), "{report}");
    // One probe for each path that requests a reset, and the guesses at InsForge's API and on the page, with three times
    // each, for 240 requests.
    let probes = clients.iter().map(|client| client.request.len()).sum::<usize>() + 2;
    assert_eq!(samples.lines().count(), 1 + probes * 3 * 240);
    for known in KNOWN {
        assert!(!report.contains(known) && !samples.contains(known));
    }
}

#[test]
fn px0s_404_is_reported_as_declared_by_contract() {
    let (deployment, folder) = unlimited();
    let server = deployment.start().unwrap();
    let url = format!("http://{}", server.address);
    let (code, report) = verify_conclusively(&deployment, &url, &["--dialect", "px0", "--pairs", "100"]);
    assert_eq!(code, Some(1), "{report}");
    assert!(
        report.contains("Declared by contract") && report.contains("px0's responses confirm"),
        "{report}"
    );
    let file = folder.path().join("report.json");
    let more = [
        "--dialect",
        "px0",
        "--pairs",
        "100",
        "--allow-declared",
        "--json",
        "--report",
        file.to_str().unwrap(),
    ];
    let (code, summary) = verify_conclusively(&deployment, &url, &more);
    assert_eq!(code, Some(0), "{summary}");
    let json = std::fs::read_to_string(file).unwrap();
    assert!(json.contains(r#""verdict": "declared""#) && summary.contains("declared"), "{json}\n{summary}");
    let none = verify(&deployment, &url, &["--dialect", "px0", "--known", "nobody@example.com"]);
    let error = String::from_utf8_lossy(&none.stderr);
    assert!(none.status.code() == Some(2) && error.contains("1 of 5 addresses have no account"), "{error}");
}

#[test]
fn a_rate_limited_server_is_not_measured_and_the_setting_is_named() {
    let (deployment, _folder) = limited();
    let server = deployment.start().unwrap();
    let output = verify(&deployment, &format!("http://{}", server.address), &["--dialect", "strapi"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && error.contains("POLYRESET_LIMITS__ENABLED=false"), "{error}");
}

/// A guess that a spent budget rejects writes the same rows for every address, and takes as long (R14).
#[test]
fn known_and_unknown_addresses_are_equivalent_after_their_budgets_are_spent() {
    let (mut deployment, _folder) = deployment();
    for limit in [
        "CLIENT_INSFORGE_WRONG_PER_15M",
        "CLIENT_PX0_WRONG_PER_HOUR",
        "CLIENT_PX0_WRONG_PER_DAY",
        "NETWORK_PX0_WRONG_PER_DAY",
        "CLIENT_WRONG_PER_HOUR",
    ] {
        deployment.set(&format!("POLYRESET_LIMITS__{limit}"), "10000");
    }
    deployment.set("POLYRESET_PX0__DISCLOSE_UNKNOWN", "false");
    for known in KNOWN {
        deployment.add_user(known, "correct horse").unwrap();
    }
    let server = deployment.start().unwrap();
    let url = format!("http://{}", server.address);
    let (code, report) = verify_conclusively(
        &deployment,
        &url,
        &["--pairs", "120", "--state", "spent", "--dialect", "insforge"],
    );
    assert_eq!(code, Some(0), "{report}");
    for part in
        ["code guess, budgets spent", "code guess on the page, budgets spent", "after 12 wrong codes: found"]
    {
        assert!(report.contains(part), "{part}\n{report}");
    }
    // The budgets are spent indeed: the next mail has a link instead of a code.
    let requested = http::send(server.address, &clients::named("insforge").request_for(KNOWN[0])).unwrap();
    assert_eq!(requested.status, 202);
    mails::wait_for(&deployment.mails(), KNOWN[0], TIMEOUT, |mail| mail.link().is_some()).unwrap();
}

#[test]
fn known_and_unknown_addresses_are_equivalent_to_a_client_over_its_limit() {
    let (mut deployment, _folder) = limited();
    deployment.set("POLYRESET_PX0__DISCLOSE_UNKNOWN", "false");
    for known in KNOWN {
        deployment.add_user(known, "correct horse").unwrap();
    }
    let server = deployment.start().unwrap();
    let url = format!("http://{}", server.address);
    let (code, report) = verify_conclusively(&deployment, &url, &["--pairs", "120", "--state", "limited"]);
    assert_eq!(code, Some(0), "{report}");
    for part in
        ["reset request, client over its limit", "on the page, client over its limit", "a longer wait: found"]
    {
        assert!(report.contains(part), "{part}\n{report}");
    }
}

#[test]
fn a_timing_leak_is_detected() {
    let (deployment, _folder) = deployment();
    let (code, report) =
        verify_conclusively(&deployment, &leaky(), &["--dialect", "worthai", "--pairs", "100"]);
    assert_eq!(code, Some(1), "{report}");
    assert!(report.contains("**Different") && report.contains("no difference."), "{report}");
}

/// Starts a server that sends the same response to every address, but later to known ones. Returns its URL.
fn leaky() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // The client closes the connection at the end.
            let _ = leak(&stream);
        }
    });
    url
}

fn leak(mut stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    loop {
        let (mut length, mut line) = (0, String::new());
        while reader.read_line(&mut line)? > 0 && line != "\r\n" {
            if let Some(number) = line.strip_prefix("content-length: ") {
                length = number.trim().parse().unwrap();
            }
            line.clear();
        }
        if line.is_empty() {
            return Ok(());
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        if KNOWN.iter().any(|known| String::from_utf8_lossy(&body).contains(known)) {
            thread::sleep(LEAK);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")?;
    }
}
