//! `templates`: validates the mail templates and previews mails.

use std::{fmt::Write as _, io::Write as _, process::ExitCode};

use anyhow::Result;
use clap::{Subcommand, ValueEnum, builder::PossibleValuesParser};
use reset_mail::{MailKind, Templates, TransportConfig};

use super::print;
use crate::{deployment, settings::Settings};

#[derive(Subcommand)]
pub(super) enum TemplatesCommand {
    /// Validate every template in every language it applies to; print one line per file and language
    Check,
    /// Print a mail with sample data
    Preview {
        /// Kind of mail: reset-code, reset-link or password-changed
        #[arg(long, value_name = "K", default_value = "reset-code", value_parser = kind)]
        kind: MailKind,
        /// Language tag such as de or pt-BR; defaults to mail.locale
        #[arg(long, value_name = "L")]
        locale: Option<String>,
        /// Dialect whose templates to use, named as in the settings; defaults to the common templates
        #[arg(long, value_name = "D", value_parser = PossibleValuesParser::new(reset_dialects::names()))]
        dialect: Option<String>,
        /// Part to print: subject and text, the HTML page, or the whole message
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Format {
    Text,
    Html,
    Eml,
}

fn kind(name: &str) -> Result<MailKind, String> {
    MailKind::of(name)
        .ok_or_else(|| format!("expected one of {}", MailKind::ALL.map(MailKind::name).join(", ")))
}

pub(super) fn run(settings: &Settings, command: TemplatesCommand) -> Result<ExitCode> {
    match command {
        TemplatesCommand::Check => {
            let (report, valid) = check(settings);
            print(&report);
            Ok(if valid { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        TemplatesCommand::Preview { kind, locale, dialect, format } => {
            let mail = preview(settings, kind, locale.as_deref(), dialect.as_deref(), format)?;
            let mut stdout = std::io::stdout().lock();
            let _ = stdout.write_all(&mail).and_then(|()| stdout.flush());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Returns one line per template and language, and whether all templates are valid. Checking continues after an error,
/// so that one run reports every error.
fn check(settings: &Settings) -> (String, bool) {
    let mail = &settings.mail;
    let (templates, trials) = Templates::tried(
        &mail.locale,
        mail.templates.as_deref(),
        &reset_dialects::names().collect::<Vec<_>>(),
    );
    let (mut report, mut valid) = (String::new(), true);
    for trial in trials {
        let file = trial.file.as_deref().unwrap_or("built-in");
        let locale = trial.locale.map(|locale| format!(" ({locale})")).unwrap_or_default();
        let _ = match trial.outcome {
            Ok(()) => writeln!(report, "ok    {file}{locale}"),
            Err(fault) => {
                valid = false;
                writeln!(report, "FAIL  {fault}{locale}")
            }
        };
    }
    if !templates.speaks(&mail.locale) {
        valid = false;
        let _ =
            writeln!(report, "FAIL  mail.locale: not every kind of mail has a template in {:?}", mail.locale);
    }
    (report, valid)
}

fn preview(
    settings: &Settings,
    kind: MailKind,
    locale: Option<&str>,
    dialect: Option<&str>,
    format: Format,
) -> Result<Vec<u8>> {
    let public_url = settings.likely_url();
    let mail = deployment::mail(settings, vec![TransportConfig::Stdout], &public_url)?;
    let mail = mail.preview(kind, dialect.unwrap_or_default(), locale, &public_url, settings.has_disputes()?);
    Ok(match format {
        Format::Text => format!("Subject: {}\n\n{}\n", mail.subject, mail.text.trim_end()).into_bytes(),
        Format::Html => mail.html.into_bytes(),
        Format::Eml => mail.message,
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::settings::Inputs;

    fn settings(set: &[(&str, &str)]) -> Settings {
        let environment = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Settings::read(Inputs { environment, ..Inputs::default() }).unwrap()
    }

    fn with(directory: &Path) -> Settings {
        settings(&[("POLYRESET_MAIL__TEMPLATES", directory.to_str().unwrap())])
    }

    #[test]
    fn check_prints_one_line_per_file_and_language() {
        let (report, valid) = check(&settings(&[]));
        assert!(valid);
        insta::assert_snapshot!(report, @r"
        ok    built-in (en)
        ok    built-in (de)
        ok    built-in (es)
        ok    built-in (fr)
        ok    built-in (ja)
        ok    built-in (zh)
        ok    built-in (ar)
        ");
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("px0")).unwrap();
        fs::write(dir.path().join("px0/reset-code.de-CH.txt.j2"), "Grüezi\n\n{{ code }}").unwrap();
        fs::write(dir.path().join("reset-code.fr.txt.j2"), "Code : {{ code }}").unwrap();
        fs::write(dir.path().join("notes.txt"), "").unwrap();
        let (report, valid) = check(&with(dir.path()));
        assert!(!valid);
        let lines: Vec<&str> = report.lines().filter(|line| !line.contains("built-in")).collect();
        assert_eq!(lines.len(), 3, "{report}");
        assert!(lines[0].starts_with("FAIL  notes.txt: unexpected file name"), "{report}");
        assert_eq!(lines[1], "ok    px0/reset-code.de-CH.txt.j2 (de-CH)");
        assert_eq!(
            lines[2],
            "FAIL  reset-code.fr.txt.j2: the code or the link must stand alone on its line (fr)"
        );
    }

    #[test]
    fn preview_prints_the_mail_as_it_would_be_sent() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("px0")).unwrap();
        fs::write(
            dir.path().join("px0/reset-code.de.txt.j2"),
            "Hallo{% if name %} {{ name }}{% endif %}\n\n{{ code }}",
        )
        .unwrap();
        let settings = with(dir.path());
        let preview_text = |kind, locale, dialect, format| {
            String::from_utf8(preview(&settings, kind, locale, dialect, format).unwrap()).unwrap()
        };
        assert_eq!(
            preview_text(MailKind::ResetCode, Some("de-AT"), Some("px0"), Format::Text),
            "Subject: Ihr Code für ein neues Passwort bei Polyreset\n\nHallo Ada Lovelace\n\n482913\n"
        );
        assert!(
            preview_text(MailKind::ResetCode, Some("de"), None, Format::Text)
                .contains("Guten Tag Ada Lovelace,")
        );
        assert!(
            preview_text(MailKind::PasswordChanged, None, None, Format::Html).starts_with("<!doctype html>")
        );
        let notice = preview_text(MailKind::PasswordChanged, None, None, Format::Text);
        assert!(notice.contains("\nhttp://127.0.0.1:8080/not-me?token="), "{notice}");
        let message = preview_text(MailKind::ResetLink, Some("ja"), None, Format::Eml);
        assert!(message.starts_with("From: Polyreset <no-reply@localhost>\r\n"), "{message}");
    }

    #[test]
    fn preview_shows_the_brand_and_no_link_that_mails_would_not_have() {
        let settings = settings(&[
            ("POLYRESET_BRAND__NAME", "Acme"),
            ("POLYRESET_BRAND__SUPPORT", "help@example.com"),
            ("POLYRESET_NOTIFY__PASSWORD_CHANGED", "false"),
        ]);
        let shown = preview(&settings, MailKind::PasswordChanged, None, None, Format::Eml).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        assert!(shown.contains("Subject: Your Acme password was changed\r\n"), "{shown}");
        assert!(shown.contains("Reply-To: help@example.com\r\n") && !shown.contains("/not-me"), "{shown}");
    }

    #[test]
    fn invalid_template_stops_the_start_and_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("reset-link.html.j2"), "<p>\n{{ link }}</p>").unwrap();
        let result = deployment::mail(&with(dir.path()), vec![TransportConfig::Stdout], "http://localhost");
        let error = format!("{:#}", result.err().unwrap());
        assert_eq!(error, "mail.templates: reset-link.html.j2 line 2: unknown variable link");
        fs::remove_file(dir.path().join("reset-link.html.j2")).unwrap();
        let italian =
            [("POLYRESET_MAIL__TEMPLATES", dir.path().to_str().unwrap()), ("POLYRESET_MAIL__LOCALE", "it")];
        let result = deployment::mail(&settings(&italian), vec![TransportConfig::Stdout], "http://localhost");
        let error = format!("{:#}", result.err().unwrap());
        assert_eq!(error, "mail.locale is \"it\", but mail.templates lacks a kind of mail in this language");
    }
}
