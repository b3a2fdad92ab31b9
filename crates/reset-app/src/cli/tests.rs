//! The command line as operators write it.

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

/// Returns the sentence that an invalid command line prints.
fn misused(arguments: &[&str]) -> String {
    let error =
        Cli::try_parse_from([&["polyreset"], arguments].concat()).err().expect("an invalid command line");
    usage_sentence(&error)
}

#[test]
fn misspelt_commands_flags_and_values_get_a_suggestion() {
    for (arguments, suggestion) in [
        (&["sevre"][..], "did you mean serve?"),
        (&["doctr"], "did you mean doctor?"),
        (&["doctor", "--verbos"], "did you mean --verbose?"),
        (&["link", "ann@example.org", "--dialect", "strappi"], "did you mean strapi?"),
        (&["openapi", "--format", "jsn"], "did you mean json?"),
        (&["config", "shw"], "did you mean show?"),
    ] {
        let sentence = misused(arguments);
        assert!(
            sentence.starts_with("error: ") && sentence.contains(suggestion),
            "{arguments:?}: {sentence}"
        );
        assert!(sentence.ends_with("; see --help") && sentence.lines().count() == 1, "{sentence}");
    }
    assert!(!misused(&["frobnicate"]).contains("did you mean"));
}

#[test]
fn flags_without_effect_on_verify_enumeration_are_rejected() {
    let global = |arguments: &[&str]| {
        let arguments = [
            &["polyreset", "verify-enumeration", "https://id.example.org", "--known", "ann@example.org"],
            arguments,
        ]
        .concat();
        Cli::try_parse_from(arguments).unwrap().global
    };
    assert!(global(&[]).reject_for("").is_ok());
    for arguments in [["--listen", "127.0.0.1:0"], ["--config", "x.toml"], ["--set", "log=warn"]] {
        let error = global(&arguments).reject_for("it measures another server").unwrap_err().to_string();
        assert_eq!(error, format!("{} has no effect here: it measures another server", arguments[0]));
    }
}

#[test]
fn flags_of_every_command_are_listed_apart_from_its_own() {
    for command in ["doctor", "openapi"] {
        let help = Cli::try_parse_from(["polyreset", command, "--help"]).err().unwrap().to_string();
        let (own, settings) = help.split_once("\nSettings:\n").expect("a heading of their own");
        for flag in ["--config", "--listen", "--set"] {
            assert!(settings.contains(flag) && !own.contains(flag), "{help}");
        }
    }
    let help = Cli::try_parse_from(["polyreset", "link", "--help"]).err().unwrap().to_string();
    assert!(help.contains("[possible values: px0, worthai, strapi, insforge, django]"), "{help}");
}
