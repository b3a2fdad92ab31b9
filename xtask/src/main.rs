//! Project chores: `cargo xtask help` lists them. No build of the servers is needed to compile this.

mod bench;
mod openapi;
mod test;
mod tidy;

use std::{path::PathBuf, process::ExitCode};

const HELP: &str = "\
cargo xtask <command>

  test [ARGS]       every test; ARGS go to `cargo test`
  openapi           writes openapi/ from the dialects' rows
  openapi --check   fails when openapi/ differs from the rows
  tidy              the rules of docs/ARCHITECTURE.md that a compiler cannot check
  bench             speed of the release build, as ratios within one run
  help              this text";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["test", rest @ ..] => test::run(rest),
        ["openapi"] => openapi::write(),
        ["openapi", "--check"] => openapi::check(),
        ["tidy"] => tidy::run(),
        ["bench"] => bench::run(),
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
