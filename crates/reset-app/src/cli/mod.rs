//! The command line: one file per command.
//!
//! A command that fails prints one sentence to stderr. Exit codes: 0 success, 1 failure, 2 usage error. For
//! `user verify`, `audit verify` and `verify-enumeration`, 1 means "no", and every failure is 2.

mod adopt;
mod audit;
mod config;
mod doctor;
mod healthcheck;
mod link;
mod migrate;
mod openapi;
mod outbox;
mod routes;
mod secret;
mod serve;
mod shadow;
mod shell;
mod templates;
mod trace;
mod user;

use std::{future::Future, io::Write, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::{
    Args, Parser, Subcommand,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::{
    Serve, deployment,
    settings::{Inputs, Settings},
    threads,
};

/// Password resets through the APIs that existing clients speak.
///
/// Without a command, polyreset serves. Settings come from flags, the environment (POLYRESET_…), the settings file and
/// defaults, in this order; `config show` prints the values in force.
#[derive(Parser)]
#[command(name = "polyreset", version)]
struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Heading of the flags that every command has, apart from the command's own.
const SETTINGS_HEADING: &str = "Settings";

#[derive(Args)]
struct GlobalArgs {
    /// Settings file (TOML); also read from `POLYRESET_CONFIG`
    #[arg(long, global = true, value_name = "FILE", help_heading = SETTINGS_HEADING)]
    config: Option<PathBuf>,
    /// Address to listen on: a TCP address and port, or `unix:/path`
    #[arg(long, global = true, value_name = "ADDR", help_heading = SETTINGS_HEADING)]
    listen: Option<String>,
    /// Any setting, such as `px0.code_ttl=10m`; can be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = parse_key_value, help_heading = SETTINGS_HEADING)]
    set: Vec<(String, String)>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT (the default command)
    Serve(serve::ServeArgs),
    /// Apply the bundled database migrations
    Migrate(migrate::MigrateArgs),
    /// Report on another system's users table: mapping, SQL, privileges and accounts that cannot reset
    Adopt(adopt::AdoptArgs),
    /// Check settings, secret, database, public URL and mail; print one line per check: ok, WARN, or FAIL with the fix
    Doctor(doctor::DoctorArgs),
    /// Exit 0 if the server configured by these settings is ready, 1 if not
    Healthcheck,
    /// Rotate the generated secret
    #[command(subcommand)]
    Secret(secret::SecretCommand),
    /// Create, verify and block accounts, and close disputes
    #[command(subcommand)]
    User(user::UserCommand),
    /// Issue a code or link to deliver yourself instead of by mail; printed once and audit-logged
    Link(link::LinkArgs),
    /// Show the events of one reset, or the recent resets of an address
    Trace(trace::TraceArgs),
    /// List, retry and remove the jobs of the outbox: mails, notices and webhooks
    #[command(subcommand)]
    Outbox(outbox::OutboxCommand),
    /// Export the audit log, or verify its integrity
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Write a settings file, print the settings in force, or print the JSON schema of the file
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Check the mail templates, or preview a mail with sample data
    #[command(subcommand)]
    Templates(templates::TemplatesCommand),
    /// Print the OpenAPI document of the served endpoints
    Openapi(openapi::OpenApiArgs),
    /// Print the paths to send to polyreset, as the configuration of a proxy or as a table
    Routes(routes::RoutesArgs),
    /// Print how polyreset's responses differ from those of the back end (`upstream_mode = "shadow"`)
    #[command(subcommand)]
    Shadow(shadow::ShadowCommand),
    /// Measure whether a running server lets an attacker tell known addresses from unknown ones
    VerifyEnumeration(reset_probe::VerifyEnumerationArgs),
    /// Print the completion script of a shell
    Completions(shell::CompletionsArgs),
    /// Print the man page
    Man,
}

/// Parses the arguments, runs the command and returns its exit code.
pub(crate) fn run(serve: Serve) -> ExitCode {
    let Cli { global, command } = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error)
            if error.use_stderr() && error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand =>
        {
            let _ = writeln!(std::io::stderr(), "{}", usage_sentence(&error));
            return ExitCode::from(2);
        }
        Err(error) => error.exit(),
    };
    let command = command.unwrap_or(Command::Serve(serve::ServeArgs::default()));
    let failure = if command.is_predicate() { 2 } else { 1 };
    command.run(&global, serve).unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "error: {error:#}");
        ExitCode::from(failure)
    })
}

/// Formats a usage error as one sentence, in the style of every other error.
fn usage_sentence(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let first: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
    let suggested =
        [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue];
    let suggestion = suggested.into_iter().find_map(|kind| match error.get(kind)? {
        ContextValue::String(one) => Some(one.clone()),
        // The parser lists the most similar one last.
        ContextValue::Strings(several) => several.last().cloned(),
        _ => None,
    });
    let hint = suggestion.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
    format!("{}{hint}; see --help", first.join(" "))
}

impl Command {
    /// Whether exit code 1 means "no" rather than "failed".
    fn is_predicate(&self) -> bool {
        matches!(
            self,
            Self::User(user::UserCommand::Verify { .. })
                | Self::Audit(audit::AuditCommand::Verify { .. })
                | Self::VerifyEnumeration(_)
        )
    }

    fn run(self, global: &GlobalArgs, serve: Serve) -> Result<ExitCode> {
        match self {
            Self::Serve(arguments) => block_on(serve::run(global, arguments, serve)),
            Self::Migrate(arguments) => block_on(migrate::run(global.settings()?, arguments)),
            Self::Adopt(arguments) => block_on(adopt::run(global.settings()?, arguments)),
            Self::Doctor(arguments) => block_on(doctor::run(global, &arguments)),
            Self::Healthcheck => block_on(healthcheck::run(global.settings()?)),
            Self::Secret(command) => secret::run(&global.settings()?, &command),
            Self::User(command) => block_on(user::run(global.settings()?, command)),
            Self::Link(arguments) => block_on(link::run(global.settings()?, arguments)),
            Self::Trace(arguments) => block_on(trace::run(global.settings()?, arguments)),
            Self::Outbox(command) => block_on(outbox::run(global.settings()?, command)),
            Self::Audit(command) => block_on(audit::run(global.settings()?, command)),
            Self::Config(command) => config::run(global, &command),
            Self::Templates(command) => templates::run(&global.settings()?, command),
            Self::Openapi(arguments) => openapi::run(&global.settings()?, &arguments),
            Self::Routes(arguments) => routes::run(&global.settings()?, &arguments),
            Self::Shadow(command) => block_on(shadow::run(global.settings()?, command)),
            Self::Completions(arguments) => Ok(shell::completions(&arguments)),
            Self::Man => shell::man(),
            Self::VerifyEnumeration(arguments) => {
                global.reject_for("verify-enumeration measures the server at the given URL")?;
                let mut seed = [0; 4];
                deployment::entropy().fill(&mut seed);
                reset_probe::run(&arguments, deployment::clock().now(), u32::from_le_bytes(seed))
            }
        }
    }
}

impl GlobalArgs {
    /// Fails if a flag is given that has no effect, for this reason.
    fn reject_for(&self, reason: &str) -> Result<()> {
        let given = [
            ("--config", self.config.is_some()),
            ("--listen", self.listen.is_some()),
            ("--set", !self.set.is_empty()),
        ];
        match given.into_iter().find(|(_, given)| *given) {
            Some((flag, _)) => bail!("{flag} has no effect here: {reason}"),
            None => Ok(()),
        }
    }

    fn settings(&self) -> Result<Settings> {
        Settings::read(self.inputs()?)
    }

    fn inputs(&self) -> Result<Inputs> {
        let listen = self.listen.iter().map(|listen| ("--listen", "listen".to_owned(), listen.clone()));
        let set = self.set.iter().map(|(key, value)| ("--set", key.clone(), value.clone()));
        let (flags, environment) = (set.chain(listen).collect(), reset_settings::environment::variables()?);
        Ok(Inputs { flags, environment, config: self.config.clone(), ..Inputs::default() })
    }
}

/// Runs a command on a new runtime. Background tasks that still run when the command returns are not awaited.
fn block_on(command: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    threads::check()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("the async runtime cannot start")?;
    let result = runtime.block_on(command);
    runtime.shutdown_background();
    result
}

fn parse_key_value(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

/// Prints to stdout. Write errors, such as a closed pipe, are ignored.
fn print(text: &str) {
    print_bytes(text.as_bytes());
}

/// As [`print()`], for output that may not be text.
fn print_bytes(bytes: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
}

#[cfg(test)]
mod tests;
