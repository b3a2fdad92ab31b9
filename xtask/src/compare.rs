//! `cargo xtask compare`: runs one reset through every dialect and prints the HTTP exchanges side by side.
//!
//! A client requests a reset, tries a wrong secret and a weak password, sets the new password, and repeats that request.
//! By default the command starts a server in a temporary folder; `--url` uses a running one.

use std::{
    collections::BTreeSet,
    net::{SocketAddr, ToSocketAddrs},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use conformance::{
    clients::{self, Client, Step},
    http::{self, RawResponse},
    mails::{self, ReceivedMail},
    server::TestDeployment,
};

use crate::root;

/// Usage line of this command.
const USAGE: &str = "usage: cargo xtask compare [--url http://HOST:PORT --mails DIR --email ADDRESS]";
/// A password that is too short for every policy.
const WEAK: &str = "short";
/// Longest text in a body that is printed in full.
const FULL_MAX: usize = 64;

/// The stages of a reset, in order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Unknown,
    Request,
    Wrong,
    Exchange,
    Weak,
    Right,
    Replay,
}

const STAGES: [(Stage, &str); 7] = [
    (Stage::Unknown, "request for an unknown address"),
    (Stage::Request, "request for a known address"),
    (Stage::Wrong, "wrong secret"),
    (Stage::Exchange, "exchange of the code for a token"),
    (Stage::Weak, "right secret, weak password"),
    (Stage::Right, "right secret, good password"),
    (Stage::Replay, "same request again"),
];

/// One request and its response.
struct Exchange {
    stage: Stage,
    request: Step,
    response: RawResponse,
    /// The code or link in the resulting mail.
    mail: Option<String>,
}

/// The exchanges of one dialect.
struct Run {
    dialect: &'static str,
    exchanges: Vec<Exchange>,
}

/// The server under comparison, and the folder of its mails.
struct Target {
    address: SocketAddr,
    mails: PathBuf,
}

pub(crate) fn run(args: &[&str]) -> anyhow::Result<()> {
    if args.is_empty() {
        return run_on_own_server();
    }
    let [url, mails, email] = options(args)?;
    let target = Target { address: address(url)?, mails: PathBuf::from(mails) };
    let plain = |c: char| c.is_ascii_graphic() && !"\"\\".contains(c);
    ensure!(email.contains('@') && email.chars().all(plain), "--email {email}: not a plain address");
    let clients = clients::all();
    let runs = clients.iter().map(|client| run_dialect(client, &target, email));
    print(&runs.collect::<anyhow::Result<Vec<_>>>()?);
    Ok(())
}

/// Starts a server with one account per dialect, and stops it after the comparison.
fn run_on_own_server() -> anyhow::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "starting cargo is what this command is for")]
    let mut cargo = Command::new("cargo");
    let built = cargo.args(["build", "--locked", "-p", "server-axum"]).current_dir(root()).status()?;
    ensure!(built.success(), "the build failed");
    // Cargo puts the server's binary beside this program.
    let xtask = std::env::current_exe().context("locating this program")?;
    let folder = tempfile::tempdir()?;
    let mut deployment = TestDeployment::new(xtask.with_file_name("server-axum"), folder.path());
    deployment.set("POLYRESET_LIMITS__ENABLED", "false");
    let clients = clients::all();
    let email = |client: &Client| format!("{}@example.com", client.dialect);
    for client in &clients {
        deployment.add_user(&email(client), "a password to begin with")?;
    }
    let server = deployment.start()?;
    let target = Target { address: server.address, mails: deployment.mails() };
    let runs = clients.iter().map(|client| run_dialect(client, &target, &email(client)));
    print(&runs.collect::<anyhow::Result<Vec<_>>>()?);
    for client in &clients {
        let accepted = deployment.accepts(&email(client), &password(client.dialect))?;
        ensure!(accepted, "{}: the stored hash does not accept the new password", client.dialect);
    }
    println!("\nThe stored hash of each account accepts the new password.");
    Ok(())
}

/// Runs the stages in one dialect, and stops early if a failed stage makes the rest impossible. A server given by `--url`
/// may not serve the dialect; then its responses show that.
fn run_dialect(client: &Client, target: &Target, email: &str) -> anyhow::Result<Run> {
    let mut run = Run { dialect: client.dialect, exchanges: Vec::new() };
    let exchanges = &mut run.exchanges;
    let mut send = |stage, request: Step| {
        let response =
            http::send(target.address, &request).with_context(|| format!("POST {}", request.path))?;
        let body = (response.status < 300).then(|| response.body.clone());
        exchanges.push(Exchange { stage, request, response, mail: None });
        anyhow::Ok(body)
    };
    let password = password(client.dialect);

    send(Stage::Unknown, client.request_for(&format!("nobody.{email}")))?;
    let before: BTreeSet<String> = mails::all(&target.mails)?.into_iter().map(|mail| mail.id).collect();
    if send(Stage::Request, client.request_for(email))?.is_none() {
        return Ok(run);
    }
    let is_new =
        |mail: &ReceivedMail| !before.contains(&mail.id) && clients::secret_in(client, mail).is_some();
    let mail = mails::wait_for(&target.mails, email, Duration::from_secs(20), is_new)
        .with_context(|| client.dialect)?;
    let mut secret = clients::secret_in(client, &mail).context("the mail has no secret")?;

    let wrong = altered(&secret);
    match (client.exchange_of(email, &wrong), client.exchange_of(email, &secret)) {
        (Some(wrong), Some(right)) => {
            send(Stage::Wrong, wrong)?;
            let response = send(Stage::Exchange, right)?;
            let Some(token) = response.and_then(|body| client.token_in(&body)) else {
                return Ok(run);
            };
            secret = token;
        }
        _ => {
            send(Stage::Wrong, client.redeem_with(&wrong, &password))?;
        }
    }
    send(Stage::Weak, client.redeem_with(&secret, WEAK))?;
    send(Stage::Right, client.redeem_with(&secret, &password))?;
    send(Stage::Replay, client.redeem_with(&secret, &password))?;
    let mailed = mail.link().or(mail.code()).map(shortened);
    let requests = run.exchanges.iter_mut().filter(|exchange| exchange.stage == Stage::Request);
    requests.for_each(|exchange| exchange.mail.clone_from(&mailed));
    Ok(run)
}

/// Returns a password that satisfies the policies of every dialect in both profiles.
fn password(name: &str) -> String {
    format!("A-new-passw0rd-for-{name}")
}

/// Changes one character of `secret`, at a place that stays visible when the secret is shortened.
fn altered(secret: &str) -> String {
    let place = secret.len().saturating_sub(8);
    let (before, rest) = secret.split_at(place);
    let other = if rest.starts_with('0') { '1' } else { '0' };
    format!("{before}{other}{}", rest.get(1..).unwrap_or_default())
}

/// Prints every stage in every dialect, and a table of all statuses.
fn print(runs: &[Run]) {
    let find = |run: &Run, stage| run.exchanges.iter().position(|exchange| exchange.stage == stage);
    let width = runs.iter().map(|run| run.dialect.len()).max().unwrap_or_default().max(8) + 2;
    let indent = " ".repeat(width + 3);
    for (number, (stage, title)) in (1..).zip(STAGES) {
        println!("\n{number}. {title}");
        for run in runs {
            let Some(exchange) = find(run, stage).map(|index| &run.exchanges[index]) else { continue };
            let Exchange { request, response, mail, .. } = exchange;
            println!("\n   {:<width$}> POST {}", run.dialect, request.path);
            println!("{indent}> {}", body(&request.body));
            println!("{indent}< {} {}", response.status, headers(response));
            println!("{indent}< {}", body(&response.body));
            if let Some(mail) = mail {
                println!("{indent}@ mail: {mail}");
            }
        }
    }
    let names: Vec<String> = runs.iter().map(|run| format!("{:<width$}", run.dialect)).collect();
    println!("\n{:<36}{}", "", names.concat().trim_end());
    for (stage, title) in STAGES {
        let statuses = runs.iter().map(|run| {
            let status = find(run, stage)
                .map_or("-".to_owned(), |index| run.exchanges[index].response.status.to_string());
            format!("{status:<width$}")
        });
        println!("{title:<36}{}", statuses.collect::<Vec<_>>().concat().trim_end());
    }
}

/// Formats the headers that differ between dialects.
fn headers(response: &RawResponse) -> String {
    let names = ["content-type", "retry-after", "x-reset-reference"];
    let headers =
        names.iter().filter_map(|name| response.header(name).map(|value| format!("{name}: {value}")));
    headers.collect::<Vec<_>>().join("  ")
}

/// Shortens each long string in a body.
fn body(body: &str) -> String {
    body.split('"').map(shortened).collect::<Vec<_>>().join("\"")
}

/// Shortens a long secret to its beginning and end; other long text stays as it is.
fn shortened(text: &str) -> String {
    let (start, secret) = text.rsplit_once('=').map_or(("", text), |(start, secret)| (start, secret));
    if secret.len() <= FULL_MAX || !secret.is_ascii() || secret.contains(' ') {
        return text.to_owned();
    }
    let separator = if start.is_empty() { "" } else { "=" };
    format!("{start}{separator}{}…{}", &secret[..24], &secret[secret.len() - 8..])
}

/// Returns the values of `--url`, `--mails` and `--email`; each is required exactly once.
fn options<'a>(args: &[&'a str]) -> anyhow::Result<[&'a str; 3]> {
    let names = ["--url", "--mails", "--email"];
    let value = |name: &str| {
        let pairs = args.chunks(2).filter(|pair| pair[0] == name);
        let values: Vec<&'a str> = pairs.filter_map(|pair| pair.get(1).copied()).collect();
        match values.as_slice() {
            [only] => Ok(*only),
            _ => bail!("{name} is required exactly once, with a value; {USAGE}"),
        }
    };
    ensure!(args.len() == 6, "{USAGE}");
    let [url, mails, email] = names.map(value);
    let mails = mails?;
    ensure!(Path::new(mails).is_dir(), "--mails {mails}: not a folder");
    Ok([url?, mails, email?])
}

/// Resolves the address in a server's URL.
fn address(url: &str) -> anyhow::Result<SocketAddr> {
    let host = url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
    let Some(host) = host.filter(|host| !host.contains('/')) else {
        bail!("--url {url}: expected http://HOST:PORT");
    };
    let host = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let mut addresses = host.to_socket_addrs().with_context(|| format!("--url {url}"))?;
    addresses.next().with_context(|| format!("--url {url}: the host has no address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn altered_secret_differs_in_one_visible_character() {
        assert_eq!(altered("123456"), "023456");
        assert_eq!(altered("023456"), "123456");
        assert_eq!(altered("aa.bb.ccccccccc"), "aa.bb.c0ccccccc");
        assert_eq!(altered("XXXX-XXXX-XXXX-C"), "XXXX-XXX0-XXXX-C");
    }

    #[test]
    fn long_secrets_are_shortened_and_sentences_are_not() {
        let token = "a".repeat(100);
        let short = format!("{}…{}", "a".repeat(24), "a".repeat(8));
        assert_eq!(body(&format!(r#"{{"token":"{token}"}}"#)), format!(r#"{{"token":"{short}"}}"#));
        assert_eq!(shortened(&format!("http://x/?t={token}")), format!("http://x/?t={short}"));
        let sentence = "a sentence ".repeat(20);
        assert_eq!(body(&sentence), sentence);
    }

    #[test]
    fn options_are_required_together() {
        let folder = tempfile::tempdir().unwrap();
        let mails = folder.path().to_str().unwrap();
        let all = ["--email", "a@b.example", "--url", "http://127.0.0.1:1", "--mails", mails];
        assert_eq!(options(&all).unwrap(), ["http://127.0.0.1:1", mails, "a@b.example"]);
        assert!(options(&all[..4]).is_err());
        assert!(options(&["--url", "x", "--url", "x", "--mails", mails]).is_err());
        assert!(options(&["--email", "a", "--url", "x", "--mails", "/nowhere/at/all"]).is_err());
    }

    #[test]
    fn url_is_a_host_and_a_port() {
        assert_eq!(address("http://127.0.0.1:8080/").unwrap(), SocketAddr::from(([127, 0, 0, 1], 8080)));
        assert_eq!(address("http://127.0.0.1").unwrap().port(), 80);
        assert!(address("https://127.0.0.1").is_err());
        assert!(address("http://127.0.0.1/path").is_err());
    }
}
