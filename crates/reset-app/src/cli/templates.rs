//! `templates`: whether the texts of mails can be used, and what they look like.

use std::{fmt::Write as _, io::Write as _, process::ExitCode};

use anyhow::{Result, bail};
use clap::{Subcommand, ValueEnum};
use reset_mail::{MailKind, Templates, TransportConfig};

use super::print;
use crate::{deployment, settings::Settings};

#[derive(Subcommand)]
pub(super) enum TemplatesCommand {
    /// Try every template in every language that it is for, a line each
    Check,
    /// Print a mail with made-up words
    Preview {
        /// What it is about: reset-code, reset-link or password-changed
        #[arg(long, value_name = "K", default_value = "reset-code", value_parser = kind)]
        kind: MailKind,
        /// In which language, as a tag such as de or pt-BR; mail.locale without it
        #[arg(long, value_name = "L")]
        locale: Option<String>,
        /// For which dialect: px0, worthai, strapi or insforge; for any without it
        #[arg(long, value_name = "D")]
        dialect: Option<String>,
        /// The subject and the text, the page, or the whole message
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
    MailKind::of(name).ok_or_else(|| format!("there are {}", MailKind::ALL.map(MailKind::name).join(", ")))
}

pub(super) fn run(settings: &Settings, command: TemplatesCommand) -> Result<ExitCode> {
    match command {
        TemplatesCommand::Check => {
            let (report, sound) = check(settings);
            print(&report);
            Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        TemplatesCommand::Preview { kind, locale, dialect, format } => {
            let shown = preview(settings, kind, locale.as_deref(), dialect.as_deref(), format)?;
            let mut stdout = std::io::stdout().lock();
            let _ = stdout.write_all(&shown).and_then(|()| stdout.flush());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// A line for each template in each language that it is for, and whether all can be used. All are tried, so that
/// whoever writes templates need not start once for each fault.
fn check(settings: &Settings) -> (String, bool) {
    let mail = &settings.mail;
    let (templates, trials) =
        Templates::tried(&mail.locale, mail.templates.as_deref(), &reset_dialects::NAMES);
    let (mut report, mut sound) = (String::new(), true);
    for trial in trials {
        let file = trial.file.as_deref().unwrap_or("our own");
        let locale = trial.locale.map(|locale| format!(" ({locale})")).unwrap_or_default();
        let _ = match trial.outcome {
            Ok(()) => writeln!(report, "ok    {file}{locale}"),
            Err(fault) => {
                sound = false;
                writeln!(report, "FAIL  {fault}{locale}")
            }
        };
    }
    if !templates.speaks(&mail.locale) {
        sound = false;
        let _ = writeln!(report, "FAIL  mail.locale: not every kind of mail is there in {:?}", mail.locale);
    }
    (report, sound)
}

fn preview(
    settings: &Settings,
    kind: MailKind,
    locale: Option<&str>,
    dialect: Option<&str>,
    format: Format,
) -> Result<Vec<u8>> {
    if let Some(dialect) = dialect.filter(|dialect| !reset_dialects::NAMES.contains(dialect)) {
        bail!("--dialect {dialect:?} is none; there are {}", reset_dialects::NAMES.join(", "));
    }
    let mail = deployment::mail(settings, vec![TransportConfig::Stdout], &settings.likely_url())?;
    let mail = mail.preview(kind, dialect.unwrap_or_default(), locale);
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
    fn a_check_has_a_line_for_each_file_and_language() {
        let (report, sound) = check(&settings(&[]));
        assert!(sound);
        insta::assert_snapshot!(report, @r"
        ok    our own (en)
        ok    our own (de)
        ok    our own (es)
        ok    our own (fr)
        ok    our own (ja)
        ok    our own (zh)
        ");
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("px0")).unwrap();
        fs::write(dir.path().join("px0/reset-code.de-CH.txt.j2"), "Grüezi\n\n{{ code }}").unwrap();
        fs::write(dir.path().join("reset-code.fr.txt.j2"), "Code : {{ code }}").unwrap();
        fs::write(dir.path().join("notes.txt"), "").unwrap();
        let (report, sound) = check(&with(dir.path()));
        assert!(!sound);
        let lines: Vec<&str> = report.lines().filter(|line| !line.contains("our own")).collect();
        assert_eq!(lines.len(), 3, "{report}");
        assert!(lines[0].starts_with("FAIL  notes.txt: unexpected file name"), "{report}");
        assert_eq!(lines[1], "ok    px0/reset-code.de-CH.txt.j2 (de-CH)");
        assert_eq!(
            lines[2],
            "FAIL  reset-code.fr.txt.j2: the code or the link must stand alone on its line (fr)"
        );
    }

    #[test]
    fn a_preview_is_the_mail_as_it_would_leave() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("px0")).unwrap();
        fs::write(
            dir.path().join("px0/reset-code.de.txt.j2"),
            "Hallo{% if name %} {{ name }}{% endif %}\n\n{{ code }}",
        )
        .unwrap();
        let settings = with(dir.path());
        let shown = |kind, locale, dialect, format| {
            String::from_utf8(preview(&settings, kind, locale, dialect, format).unwrap()).unwrap()
        };
        assert_eq!(
            shown(MailKind::ResetCode, Some("de-AT"), Some("px0"), Format::Text),
            "Subject: Ihr Code für ein neues Passwort\n\nHallo Ada Lovelace\n\n482913\n"
        );
        assert!(
            shown(MailKind::ResetCode, Some("de"), None, Format::Text).contains("Guten Tag Ada Lovelace,")
        );
        assert!(shown(MailKind::PasswordChanged, None, None, Format::Html).starts_with("<!doctype html>"));
        let message = shown(MailKind::ResetLink, Some("ja"), None, Format::Eml);
        assert!(message.starts_with("From: Polyreset <no-reply@localhost>\r\n"), "{message}");
        assert!(preview(&settings, MailKind::ResetCode, None, Some("px1"), Format::Text).is_err());
    }

    #[test]
    fn a_template_that_cannot_be_used_stops_the_start_with_its_name() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("reset-link.html.j2"), "<p>\n{{ link }}</p>").unwrap();
        let refused = deployment::mail(&with(dir.path()), vec![TransportConfig::Stdout], "http://localhost");
        let said = format!("{:#}", refused.err().unwrap());
        assert_eq!(said, "mail.templates: reset-link.html.j2 line 2: unknown variable link");
        fs::remove_file(dir.path().join("reset-link.html.j2")).unwrap();
        let italian =
            [("POLYRESET_MAIL__TEMPLATES", dir.path().to_str().unwrap()), ("POLYRESET_MAIL__LOCALE", "it")];
        let refused =
            deployment::mail(&settings(&italian), vec![TransportConfig::Stdout], "http://localhost");
        let said = format!("{:#}", refused.err().unwrap());
        assert_eq!(said, "mail.locale is \"it\", and mail.templates does not have every kind of mail in it");
    }
}
