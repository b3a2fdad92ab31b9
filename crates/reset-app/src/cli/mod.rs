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
mod templates;
mod trace;
mod user;

use std::{future::Future, io::Write, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand, error::ErrorKind};

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

#[derive(Args)]
struct GlobalArgs {
    /// Settings file (TOML); also read from `POLYRESET_CONFIG`
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address to listen on: a TCP address and port, or `unix:/path`
    #[arg(long, global = true, value_name = "ADDR")]
    listen: Option<String>,
    /// Any setting, such as `px0.code_ttl=10m`; can be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = parse_key_value)]
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
    /// Check settings, secret, database, public URL and mail; print one line per check, with a fix on failure
    Doctor,
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
    /// Print the settings in force, or their JSON schema
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
}

/// Parses the arguments, runs the command and returns its exit code.
pub(crate) fn run(serve: Serve) -> ExitCode {
    let Cli { global, command } = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error)
            if error.use_stderr() && error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand =>
        {
            return usage_error(&error);
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

/// Prints a usage error as one sentence, in the style of every other error.
fn usage_error(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    let first: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
    let _ = writeln!(std::io::stderr(), "{}; see --help", first.join(" "));
    ExitCode::from(2)
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
            Self::Doctor => block_on(doctor::run(global)),
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
            Self::VerifyEnumeration(arguments) => {
                let mut seed = [0; 4];
                deployment::entropy().fill(&mut seed);
                reset_probe::run(&arguments, deployment::clock().now(), u32::from_le_bytes(seed))
            }
        }
    }
}

impl GlobalArgs {
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
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use reset_settings::Secrecy;

    use super::*;
    use crate::settings::keys;

    #[test]
    fn command_line_definition_is_valid() {
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

    /// Returns every argument of the command and its subcommands that takes a password or another secret as its value.
    fn secret_arguments(command: &clap::Command) -> Vec<String> {
        let mut found = Vec::new();
        for argument in command.get_arguments().filter(|argument| argument.get_action().takes_values()) {
            let names = argument.get_value_names().unwrap_or_default().iter().map(ToString::to_string);
            let names = names.chain(argument.get_long().map(ToOwned::to_owned));
            let names: Vec<String> = names.chain([argument.get_id().to_string()]).collect();
            let is_secret = |name: &String| {
                let words = ["pass", "secret", "token", "credential", "code", "pin", "hash"];
                words.iter().any(|word| name.to_ascii_lowercase().contains(word))
            };
            if names.iter().any(is_secret) {
                found.push(format!("{} {}", command.get_name(), argument.get_id()));
            }
        }
        found.extend(command.get_subcommands().flat_map(secret_arguments));
        found
    }

    /// Every user of the machine can read the arguments of a process (`ps`).
    #[test]
    fn no_argument_of_any_command_takes_a_password_or_a_secret() {
        assert_eq!(secret_arguments(&Cli::command()), [""; 0]);
        let count = |command: &clap::Command| command.get_subcommands().count();
        assert!(count(&Cli::command()) > 12 && count(Cli::command().find_subcommand("user").unwrap()) > 4);
        let planted = [
            clap::Arg::new("x").long("password").num_args(1),
            clap::Arg::new("x").long("x").value_name("NEW_PASSWORD"),
            clap::Arg::new("api_token"),
        ];
        for argument in planted {
            let nested = clap::Command::new("set").arg(argument);
            let command = Cli::command().subcommand(clap::Command::new("deep").subcommand(nested));
            assert_eq!(secret_arguments(&command).len(), 1);
        }
        // The flag takes no value, and the command does not work without it.
        assert!(Cli::try_parse_from(["polyreset", "user", "add", "ann@example.org"]).is_err());
        for trailing in [&[][..], &["a password"], &["--password", "x"], &["--password-stdin=x"]] {
            let arguments = ["polyreset", "user", "add", "ann@example.org", "--password-stdin"];
            let parsed = Cli::try_parse_from(arguments.iter().chain(trailing));
            assert_eq!(parsed.is_ok(), trailing.is_empty(), "{trailing:?}");
        }
    }

    /// `--set` reaches every setting.
    #[test]
    fn every_secret_setting_is_rejected_as_a_flag() {
        let mut secrets = 0;
        for key in keys::table().iter().filter(|key| key.secrecy != Secrecy::Open) {
            let value = if key.secrecy == Secrecy::Secret { "c0ffee" } else { "smtp://u:c0ffee@h" };
            let flags = vec![("--set", key.name.to_owned(), value.to_owned())];
            let error = Settings::read(Inputs { flags, ..Inputs::default() }).err().unwrap();
            let text = format!("{error:#}");
            assert!(text.starts_with(&format!("{} (--set) ", key.name)), "{text}");
            assert!(text.contains(&reset_settings::variable(key.name)) && !text.contains("c0ffee"), "{text}");
            secrets += 1;
        }
        assert!(secrets > 8, "{secrets}");
    }

    #[test]
    fn close_dispute_has_the_alias_lift() {
        for name in ["close-dispute", "lift"] {
            let cli = Cli::try_parse_from(["polyreset", "user", name, "ann@example.org"]).unwrap();
            let Some(Command::User(user::UserCommand::CloseDispute { email })) = cli.command else {
                panic!("user {name} is another command");
            };
            assert_eq!(email, "ann@example.org");
        }
        let help = Cli::try_parse_from(["polyreset", "user", "--help"]).err().unwrap().to_string();
        assert!(help.contains("close-dispute") && help.contains("[alias: lift]"), "{help}");
    }

    #[test]
    fn config_schema_is_a_command() {
        assert!(Cli::try_parse_from(["polyreset", "config", "schema"]).is_ok());
    }
}
