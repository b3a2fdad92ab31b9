//! `verify-enumeration`: measures from outside whether a running server lets an attacker tell known addresses from unknown
//! ones. It needs nothing of the server but its URL; the servers' own command of this name is the same measurement.

use std::{
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use clap::Parser;
use reset_core::time::Timestamp;
use reset_probe::VerifyEnumerationArgs;

/// Measures whether a running server lets an attacker tell known addresses from unknown ones.
///
/// The exit code is 0 if known and unknown addresses are equivalent, 1 if they differ, and 2 if the run is inconclusive or
/// fails.
#[derive(Parser)]
#[command(name = "verify-enumeration", version)]
struct CommandLine {
    #[command(flatten)]
    arguments: VerifyEnumerationArgs,
}

fn main() -> ExitCode {
    let CommandLine { arguments } = CommandLine::parse();
    #[expect(clippy::disallowed_methods, reason = "this program has no Clock port: it only dates its report")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
    // The seed orders requests and is no secret. It only has to differ from run to run.
    match reset_probe::run(&arguments, now, since.subsec_nanos()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, error::ErrorKind};

    use super::*;

    #[test]
    fn every_dialect_of_the_registry_can_be_named() {
        CommandLine::command().debug_assert();
        let parse = |dialect| {
            let arguments =
                ["verify-enumeration", "http://127.0.0.1:1", "--known", "a@b.org", "--dialect", dialect];
            CommandLine::try_parse_from(arguments).map(|_| ())
        };
        for name in reset_dialects::names() {
            assert!(parse(name).is_ok(), "{name}");
        }
        assert_eq!(parse("nothing").unwrap_err().kind(), ErrorKind::InvalidValue);
    }
}
