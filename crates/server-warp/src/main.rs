//! The standalone server on warp.

use std::process::ExitCode;

fn main() -> ExitCode {
    reset_app::run(server_warp::serve)
}
