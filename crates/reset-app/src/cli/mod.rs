//! The command line: one file a command.
//!
//! A command fails with one sentence on stderr. Exit codes: 0 done, 1 not, 2 wrong usage; `user verify`, `audit verify`
//! and `verify-enumeration` keep 1 for the answer no, and fail with 2.

mod adopt;
mod audit;
mod config;
mod doctor;
mod healthcheck;
mod link;
mod migrate;
mod openapi;
mod outbox;
mod secret;
mod serve;
mod templates;
mod trace;
mod user;

use std::{future::Future, io::Write, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand, error::ErrorKind};

use crate::{
    Serve, deployment,
    settings::{Inputs, Settings, environment},
};

/// Password resets in four API dialects: px0, worthai, Strapi and InsForge.
///
/// Without a command it serves. Settings come from flags, then the environment (RESET_…), then the file,
/// then defaults; `config show` prints what is in force.
#[derive(Parser)]
#[command(name = "polyreset", version)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Args)]
struct Global {
    /// Settings file (TOML); `POLYRESET_CONFIG` names it as well
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen: a TCP address with its port, or `unix:/path`
    #[arg(long, global = true, value_name = "ADDR")]
    listen: Option<String>,
    /// Any setting, such as `px0.code_ttl=10m`; may be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT; what runs without a command
    Serve(serve::ServeArgs),
    /// Apply the database migrations that this program brings
    Migrate(migrate::MigrateArgs),
    /// Show what adopting another system's users table would mean
    Adopt(adopt::AdoptArgs),
    /// Check settings, secret, database, public URL and mail, a line each with its fix
    Doctor,
    /// Exit 0 when the server of these settings is ready, 1 when it is not
    Healthcheck,
    /// Put a new secret in the place of one of our own making
    #[command(subcommand)]
    Secret(secret::SecretCommand),
    /// Create, check and block accounts of the users table
    #[command(subcommand)]
    User(user::UserCommand),
    /// Make a code or link without mail, to hand over oneself; it is printed once and written down
    Link(link::LinkArgs),
    /// Show what happened to one reset
    Trace(trace::TraceArgs),
    /// List, retry and remove mails that are still to be sent
    #[command(subcommand)]
    Outbox(outbox::OutboxCommand),
    /// Export what was written down, and check that nobody changed it
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Print the settings in force, or their JSON schema
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Check the templates of mails, or print a mail with made-up words
    #[command(subcommand)]
    Templates(templates::TemplatesCommand),
    /// Print the OpenAPI document of what is served
    Openapi(openapi::OpenApiArgs),
    /// Find out whether a running server lets strangers tell known addresses from unknown ones
    VerifyEnumeration(reset_probe::VerifyEnumerationArgs),
}

/// Runs the command line to its end.
pub(crate) fn run(serve: Serve) -> ExitCode {
    let Cli { global, command } = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error)
            if error.use_stderr() && error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand =>
        {
            return misused(&error);
        }
        Err(error) => error.exit(),
    };
    let command = command.unwrap_or(Command::Serve(serve::ServeArgs::default()));
    let failure = if command.is_a_question() { 2 } else { 1 };
    command.run(&global, serve).unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "error: {error:#}");
        ExitCode::from(failure)
    })
}

/// Says what was wrong with the command line in one sentence, as with everything else that is wrong.
fn misused(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    let first: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
    let _ = writeln!(std::io::stderr(), "{}; --help shows what there is", first.join(" "));
    ExitCode::from(2)
}

impl Command {
    /// Whether exit code 1 is an answer.
    fn is_a_question(&self) -> bool {
        matches!(
            self,
            Self::User(user::UserCommand::Verify { .. })
                | Self::Audit(audit::AuditCommand::Verify { .. })
                | Self::VerifyEnumeration(_)
        )
    }

    fn run(self, global: &Global, serve: Serve) -> Result<ExitCode> {
        match self {
            Self::Serve(arguments) => in_runtime(serve::run(global, arguments, serve)),
            Self::Migrate(arguments) => in_runtime(migrate::run(global.settings()?, arguments)),
            Self::Adopt(arguments) => in_runtime(adopt::run(global.settings()?, arguments)),
            Self::Doctor => in_runtime(doctor::run(global)),
            Self::Healthcheck => in_runtime(healthcheck::run(global.settings()?)),
            Self::Secret(command) => secret::run(&global.settings()?, &command),
            Self::User(command) => in_runtime(user::run(global.settings()?, command)),
            Self::Link(arguments) => in_runtime(link::run(global.settings()?, arguments)),
            Self::Trace(arguments) => in_runtime(trace::run(global.settings()?, arguments)),
            Self::Outbox(command) => in_runtime(outbox::run(global.settings()?, command)),
            Self::Audit(command) => in_runtime(audit::run(global.settings()?, command)),
            Self::Config(command) => config::run(global, &command),
            Self::Templates(command) => templates::run(&global.settings()?, command),
            Self::Openapi(arguments) => openapi::run(&global.settings()?, &arguments),
            Self::VerifyEnumeration(arguments) => {
                let mut seed = [0; 4];
                deployment::entropy().fill(&mut seed);
                reset_probe::run(&arguments, deployment::clock().now(), u32::from_le_bytes(seed))
            }
        }
    }
}

impl Global {
    fn settings(&self) -> Result<Settings> {
        Settings::read(self.inputs()?)
    }

    fn inputs(&self) -> Result<Inputs> {
        let listen = self.listen.iter().map(|listen| ("--listen", "listen".to_owned(), listen.clone()));
        let set = self.set.iter().map(|(key, value)| ("--set", key.clone(), value.clone()));
        let (flags, environment) = (set.chain(listen).collect(), environment::variables()?);
        Ok(Inputs { flags, environment, config: self.config.clone(), ..Inputs::default() })
    }
}

/// Runs a command on a runtime. What is still running when the command is done is not waited for.
fn in_runtime(command: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("the runtime cannot start")?;
    let done = runtime.block_on(command);
    runtime.shutdown_background();
    done
}

fn assignment(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

/// Prints to stdout. Whoever closed the other end does not want to read it.
fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_are_read_before_and_after_the_command() {
        for arguments in [
            ["polyreset", "--listen", "127.0.0.1:0", "--set", "px0.enabled=false", "serve"],
            ["polyreset", "serve", "--listen", "127.0.0.1:0", "--set", "px0.enabled=false"],
        ] {
            let Cli { global, command } = Cli::try_parse_from(arguments).unwrap();
            assert!(matches!(command, Some(Command::Serve(_))));
            assert_eq!(global.listen.as_deref(), Some("127.0.0.1:0"));
            assert_eq!(global.set, [("px0.enabled".to_owned(), "false".to_owned())]);
        }
        assert!(Cli::try_parse_from(["polyreset"]).unwrap().command.is_none());
        assert!(Cli::try_parse_from(["polyreset", "--set", "px0.enabled"]).is_err());
    }

    #[test]
    fn a_password_never_comes_from_the_command_line() {
        assert!(Cli::try_parse_from(["polyreset", "user", "add", "ann@example.org"]).is_err());
        assert!(
            Cli::try_parse_from(["polyreset", "user", "add", "ann@example.org", "--password-stdin"]).is_ok()
        );
    }
}
