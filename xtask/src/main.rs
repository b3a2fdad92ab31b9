//! Project chores: `cargo xtask help` lists them. No build of the servers is needed to compile this.

mod bench;
mod browser;
mod clients;
mod compare;
mod dialects;
mod diff;
mod openapi;
mod replicas;
mod servers;
mod test;
mod tidy;

use std::{path::PathBuf, process::ExitCode};

const HELP: &str = "\
cargo xtask <command>

  test [ARGS]       every test, on database servers of its own where their programs are or can be installed;
                    ARGS go to `cargo test`
  replicas [ARGS]   of these, those with an axum, an actix and a warp process on one database; ARGS as above
  openapi           writes openapi/ from the dialects' rows
  openapi --check   fails when openapi/ differs from the rows
  dialects          writes the comparison into docs/dialects.md from the dialects' rows
  dialects --check  fails when the comparison differs from the rows
  compare           one story through all four dialects, HTTP beside HTTP; by itself on a server of its own,
                    or with --url http://HOST:PORT --mails DIR --email ADDRESS on one that runs
  tidy              the rules of docs/ARCHITECTURE.md that a compiler cannot check
  diff              the three servers on requests that nobody wrote, over TCP and Unix sockets;
                    --requests N (default 100000), --seed S
  bench             speed of the release build, as ratios within one run
  bench replicas    one, two and three servers on one PostgreSQL, as ratios to one; --built takes
                    target/release as it is
  clients           real clients against every front-end; needs Node 20 and npm
  browser           a real browser on the pages of every front-end; needs Chromium, Node 20 and npm
  help              this text";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["test", rest @ ..] => test::run(rest),
        ["replicas", rest @ ..] => replicas::run(rest),
        ["openapi"] => openapi::write(),
        ["openapi", "--check"] => openapi::check(),
        ["dialects"] => dialects::write(),
        ["dialects", "--check"] => dialects::check(),
        ["compare", rest @ ..] => compare::run(rest),
        ["tidy"] => tidy::run(),
        ["diff", rest @ ..] => diff::run(rest),
        ["bench"] => bench::run(),
        ["bench", "replicas", rest @ ..] => bench::replicas(rest),
        ["clients"] => clients::run(),
        ["browser"] => browser::run(),
        [] | ["help" | "--help" | "-h"] => {
            println!("{HELP}");
            Ok(())
        }
        _ => Err(anyhow::anyhow!("no such command; try `cargo xtask help`")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the workspace.
fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("xtask lies in the workspace").to_owned()
}
