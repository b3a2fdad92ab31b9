//! The standalone server on actix-web.

use std::process::ExitCode;

fn main() -> ExitCode {
    reset_app::run(server_actix::serve)
}
