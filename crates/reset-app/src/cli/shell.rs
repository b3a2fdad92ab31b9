//! `completions` and `man`: what a shell and a manual know about the command line, generated from its definition.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use reset_settings::environment::program_name;

use super::{Cli, print_bytes};

#[derive(Args)]
pub(super) struct CompletionsArgs {
    /// Shell that reads the script
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the completion script, for the name that this program was started with.
pub(super) fn completions(arguments: &CompletionsArgs) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), program_name("polyreset"), &mut script);
    print_bytes(&script);
    ExitCode::SUCCESS
}

/// Prints the man page, with the flags of every command.
pub(super) fn man() -> Result<ExitCode> {
    let mut page = Vec::new();
    let command = Cli::command();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
        let man = clap_mangen::Man::new(subcommand.clone());
        page.extend(format!(".SH COMMAND {}\n", subcommand.get_name().to_uppercase()).bytes());
        man.render_description_section(&mut page)?;
        man.render_options_section(&mut page)?;
    }
    print_bytes(&page);
    Ok(ExitCode::SUCCESS)
}
