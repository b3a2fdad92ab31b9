//! Development tasks of the project; `cargo xtask help` lists them. Compiling this needs no build of the servers.

mod bench;
mod browser;
mod check;
mod clients;
mod compare;
mod dialects;
mod diff;
mod new_dialect;
mod openapi;
mod owners;
mod packages;
mod replicas;
mod servers;
mod test;
mod tidy;

use std::{path::PathBuf, process::ExitCode};

use reset_core::keys::HmacKey;
use reset_http::route::Dialect;
use reset_pages::hosted::PagesSettings;

const HELP: &str = "\
Development tasks of polyreset.

Usage: cargo xtask <COMMAND>

Before every commit:
  check             Check the format, run clippy, and run the unit tests
  tidy              Check the conventions that the compiler cannot check: file sizes, words, citations,
                    names, log fields, dependency reasons
  test [ARGS]       Run all tests, including those on PostgreSQL, MariaDB and Redis. Servers are installed
                    (as root, with apt-get) and started automatically; missing ones are skipped.
                    ARGS are passed to `cargo test`

To add a dialect:
  new-dialect NAME  Make crates/dialects/NAME from a template that works, and register it

After a change of routes or dialects:
  openapi           Generate openapi/ from the route tables
  openapi --check   Fail if openapi/ is out of date
  dialects          Generate the comparison in docs/dialects.md from the route tables
  dialects --check  Fail if the comparison is out of date

End-to-end tests:
  replicas [ARGS]   Run only the tests with an axum, an actix and a warp server on one database (part of
                    `test`). ARGS are passed to `cargo test`
  clients           Run real API clients against each of the three servers, compare them with Django's own
                    libraries, and check them against openapi/ with Schemathesis. Needs Node 20 and npm, and
                    Python 3.10
  browser [PART]... Test the hosted pages of each of the three servers, and the mails, in Chromium. Parts:
                    server-axum, server-actix, server-warp, mails. Needs Chromium, Node 20 and npm
  owners [NAME]...  Reset passwords in the users tables of real systems (Strapi, Django, ...) with their own
                    clients, behind polyreset. Needs Node 20 and npm, Python 3.10, PostgreSQL and MariaDB
  diff              Send random requests to all three servers, over TCP and Unix sockets, and compare the
                    responses. Options: --requests N (default 100000), --seed S (default 1)

Measurements:
  bench [PART]      Measure the release build; results are ratios within one run. Parts: server, front-ends,
                    accepted (requests a second), sustained (accepted and mailed), backlog [N]... (mails
                    a second beside N waiting jobs), replicas (only when named). --built skips the build
                    and uses target/release as it is

Exploration:
  compare           Run one reset through every dialect and print the HTTP exchanges side by side. Starts
                    a server, or uses a running one with
                    --url http://HOST:PORT --mails DIR --email ADDRESS

  help              Print this text";

/// Returns every dialect and every page with default settings, whether or not they are on by default.
fn every_dialect() -> Vec<Dialect> {
    // Nothing that a command shows is derived from the key.
    let (root, url) = (HmacKey::shared(&[0; 32]), "http://127.0.0.1:8080");
    let dialects = reset_dialects::with(&reset_dialects::all_on(), &root, url).expect("defaults are valid");
    reset_pages::complete(dialects, Some(PagesSettings::defaults(&root, url)), None)
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match args.as_slice() {
        ["check"] => check::run(),
        ["new-dialect", name] => new_dialect::run(name),
        ["test", rest @ ..] => test::run(rest),
        ["replicas", rest @ ..] => replicas::run(rest),
        ["openapi"] => openapi::write(),
        ["openapi", "--check"] => openapi::check(),
        ["dialects"] => dialects::write(),
        ["dialects", "--check"] => dialects::check(),
        ["compare", rest @ ..] => compare::run(rest),
        ["tidy"] => tidy::run(),
        ["diff", rest @ ..] => diff::run(rest),
        ["bench", rest @ ..] => bench::run(rest),
        ["clients"] => clients::run(),
        ["browser", parts @ ..] => browser::run(parts),
        ["owners", names @ ..] => owners::run(names),
        [] | ["help" | "--help" | "-h"] => {
            println!("{HELP}");
            Ok(())
        }
        _ => Err(anyhow::anyhow!("unknown command `{}`; see `cargo xtask help`", args.join(" "))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns the root of the workspace.
fn root() -> PathBuf {
    let package = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("xtask is a folder of the workspace").to_owned()
}
