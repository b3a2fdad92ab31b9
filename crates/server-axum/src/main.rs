//! The standalone server on axum.

use std::process::ExitCode;

fn main() -> ExitCode {
    reset_app::run(server_axum::serve)
}
