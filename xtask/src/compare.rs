//! `cargo xtask compare`: runs one reset through all four dialects and prints the HTTP exchanges side by side.
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
    dialects::{ClientDialect, DIALECTS, asked, text},
    http::{self, RawResponse},
    mails::{self, ReceivedMail},
    server::Deployment,
};

use crate::root;

/// Usage line of this command.
const USAGE: &str = "usage: cargo xtask compare [--url http://HOST:PORT --mails DIR --email ADDRESS]";
/// A password that is too short for every policy.
const WEAK: &str = "short";
/// Longest text in a body that is printed in full.
const FULL_MAX: usize = 64;

/// The steps, in order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Unknown,
    Request,
    Wrong,
    Exchange,
    Weak,
    Right,
    Replay,
}

const STEPS: [(Step, &str); 7] = [
    (Step::Unknown, "request for an unknown address"),
    (Step::Request, "request for a known address"),
    (Step::Wrong, "wrong secret"),
    (Step::Exchange, "exchange of the code for a token"),
    (Step::Weak, "right secret, weak password"),
    (Step::Right, "right secret, good password"),
    (Step::Replay, "same request again"),
];

/// One request and its response.
struct Exchange {
    step: Step,
    path: &'static str,
    request: String,
    response: RawResponse,
    /// The code or link in the resulting mail.
    mail: Option<String>,
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
    let runs = DIALECTS.iter().map(|dialect| run_dialect(dialect, &target, email));
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
    let mut deployment = Deployment::new(xtask.with_file_name("server-axum"), folder.path());
    deployment.set("POLYRESET_LIMITS__ENABLED", "false");
    let email = |dialect: &ClientDialect| format!("{}@example.com", dialect.name);
    for dialect in &DIALECTS {
        deployment.add_user(&email(dialect), "a password to begin with")?;
    }
    let server = deployment.start()?;
    let target = Target { address: server.address, mails: deployment.mails() };
    let runs = DIALECTS.iter().map(|dialect| run_dialect(dialect, &target, &email(dialect)));
    print(&runs.collect::<anyhow::Result<Vec<_>>>()?);
    for dialect in &DIALECTS {
        let accepted = deployment.accepts(&email(dialect), &password(dialect.name))?;
        ensure!(accepted, "{}: the stored hash does not accept the new password", dialect.name);
    }
    println!("\nThe stored hash of each account accepts the new password.");
    Ok(())
}

/// Runs the steps in one dialect, and stops early if a failed step makes the rest impossible.
fn run_dialect(dialect: &ClientDialect, target: &Target, email: &str) -> anyhow::Result<Vec<Exchange>> {
    let mut exchanges = Vec::new();
    let mut post = |step, path, request: String| {
        let response = http::post(target.address, path, &request).with_context(|| format!("POST {path}"))?;
        let succeeded = response.status < 300;
        let body = response.body.clone();
        exchanges.push(Exchange { step, path, request, response, mail: None });
        anyhow::Ok(succeeded.then_some(body))
    };
    let password = password(dialect.name);

    post(Step::Unknown, dialect.ask, asked(&format!("nobody.{email}")))?;
    let before: BTreeSet<String> = mails::all(&target.mails)?.into_iter().map(|mail| mail.id).collect();
    if post(Step::Request, dialect.ask, asked(email))?.is_none() {
        return Ok(exchanges);
    }
    let is_new = |mail: &ReceivedMail| !before.contains(&mail.id) && (dialect.secret)(mail).is_some();
    let mail = mails::wait_for(&target.mails, email, Duration::from_secs(20), is_new)
        .with_context(|| dialect.name)?;
    let mut secret = (dialect.secret)(&mail).context("the mail has no secret")?.to_owned();

    let wrong = altered(&secret);
    match dialect.exchange {
        None => post(Step::Wrong, dialect.reset, (dialect.body)(&wrong, &password))?,
        Some((path, body)) => {
            post(Step::Wrong, path, body(email, &wrong))?;
            let response = post(Step::Exchange, path, body(email, &secret))?;
            let Some(token) = response.as_deref().and_then(|body| text(body, "token")) else {
                return Ok(exchanges);
            };
            token.clone_into(&mut secret);
            None
        }
    };
    post(Step::Weak, dialect.reset, (dialect.body)(&secret, WEAK))?;
    post(Step::Right, dialect.reset, (dialect.body)(&secret, &password))?;
    post(Step::Replay, dialect.reset, (dialect.body)(&secret, &password))?;
    let mailed = mail.link().or(mail.code()).map(shortened);
    let requests = exchanges.iter_mut().filter(|exchange| exchange.step == Step::Request);
    requests.for_each(|exchange| exchange.mail.clone_from(&mailed));
    Ok(exchanges)
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

/// Prints every step in every dialect, and a table of all statuses.
fn print(runs: &[Vec<Exchange>]) {
    let find = |run: &'_ [Exchange], step| run.iter().position(|exchange| exchange.step == step);
    for (number, (step, title)) in (1..).zip(STEPS) {
        println!("\n{number}. {title}");
        for (dialect, run) in DIALECTS.iter().zip(runs) {
            let Some(exchange) = find(run, step).map(|index| &run[index]) else { continue };
            println!("\n   {:<9} > POST {}", dialect.name, exchange.path);
            println!("             > {}", body(&exchange.request));
            println!("             < {} {}", exchange.response.status, headers(&exchange.response));
            println!("             < {}", body(&exchange.response.body));
            if let Some(mail) = &exchange.mail {
                println!("             @ mail: {mail}");
            }
        }
    }
    let names = DIALECTS.each_ref().map(|dialect| format!("{:<10}", dialect.name)).concat();
    println!("\n{:<36}{}", "", names.trim_end());
    for (step, title) in STEPS {
        let statuses: Vec<String> = runs
            .iter()
            .map(|run| find(run, step).map_or("-".to_owned(), |index| run[index].response.status.to_string()))
            .map(|status| format!("{status:<10}"))
            .collect();
        println!("{title:<36}{}", statuses.concat().trim_end());
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
    fn token_is_extracted_from_a_response() {
        assert_eq!(text(r#"{"token":"abc","expiresAt":"x"}"#, "token"), Some("abc"));
        assert_eq!(text("{}", "token"), None);
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

    /// The paths of `conformance::dialects` are in the route tables.
    #[test]
    fn every_path_of_the_comparison_is_a_route() {
        let root = reset_core::keys::Key::root(&[0; 32]).unwrap();
        let served = reset_dialects::dialects(reset_dialects::DialectSettings::defaults(
            &root,
            "http://127.0.0.1:8080",
        ));
        for dialect in &DIALECTS {
            let rows = &served.iter().find(|served| served.name == dialect.name).unwrap().rows;
            let exchange = dialect.exchange.map(|(path, _)| path);
            for used in [Some(dialect.ask), exchange, Some(dialect.reset)].into_iter().flatten() {
                assert!(rows.iter().any(|(path, _)| path == used), "{used}");
            }
        }
    }
}
