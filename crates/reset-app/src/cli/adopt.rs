//! `adopt`: what adopting another system's users table would mean, before anything does.

use std::{fmt::Write as _, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::Args;
use reset_core::hasher::Scheme;
use reset_diesel::foreign_users::Survey;

use super::print;
use crate::settings::Settings;

#[derive(Args)]
pub(super) struct AdoptArgs {
    /// Show the table as it is, the mapping, the SQL, the privileges and who could not reset; change nothing
    #[arg(long)]
    dry_run: bool,
    /// The database role that will serve, for the GRANT statements (on MariaDB `user@host`)
    #[arg(long, value_name = "ROLE", default_value = "polyreset")]
    role: String,
}

pub(super) async fn run(settings: Settings, arguments: AdoptArgs) -> Result<ExitCode> {
    if settings.users.is_none() {
        bail!("users.preset is own: there is no other system's table to adopt");
    }
    if !arguments.dry_run {
        bail!("the settings adopt the table, not this command: `adopt --dry-run` shows what they mean");
    }
    let survey = settings.database.address.survey(&arguments.role).await.context("database_url")?;
    let survey = survey.context("users.preset: the database has no other system's tables")?;
    print(&report(&survey, settings.passwords.scheme));
    Ok(ExitCode::SUCCESS)
}

fn report(survey: &Survey, scheme: Scheme) -> String {
    let Survey { table, rows, columns, statements, grants, hashes, refused, advice } = survey;
    let mut text = format!("{table}: {rows} rows\n\ncolumns\n");
    for (role, column, kind) in columns {
        let _ = writeln!(text, "  {role:<20} {column} ({kind})");
    }
    text.push_str("\nSQL that will run; $1, $2 and ? are bound values\n");
    for statement in statements {
        let _ = writeln!(text, "  {statement};");
    }
    text.push_str("\nprivileges that are enough for serve; migrate is the owner's\n");
    for grant in grants {
        let _ = writeln!(text, "  {grant};");
    }
    text.push_str("\nforms of hashes\n");
    for (form, number) in hashes {
        let _ = writeln!(text, "  {form:<40} {number}");
    }
    let _ = writeln!(text, "  a new password becomes {}", written(scheme));
    text.push_str("\nrows that cannot reset, with no difference to be seen from outside\n");
    for (why, number) in refused {
        let _ = writeln!(text, "  {why:<40} {number}");
    }
    for advice in advice.iter().chain(&mismatch(hashes, scheme)) {
        let _ = write!(text, "\nadvice: {advice}");
    }
    text.push_str(if advice.is_empty() { "\nnothing was changed\n" } else { "\n\nnothing was changed\n" });
    text
}

/// The form of new hashes in words.
fn written(scheme: Scheme) -> String {
    match scheme {
        Scheme::Argon2id { .. } => "argon2id".to_owned(),
        Scheme::Bcrypt { version, cost } => format!(
            "bcrypt, with its row's prefix and cost; ${}$ where that was something else, cost {cost} at least",
            version.name()
        ),
        Scheme::Pbkdf2Sha256 { .. } => "pbkdf2-sha256, as Django writes it".to_owned(),
        Scheme::Scrypt { .. } => "scrypt, as Django writes it".to_owned(),
    }
}

/// A table whose rows are mostly of another form is read by something that may not read ours.
fn mismatch(hashes: &[(String, i64)], scheme: Scheme) -> Option<String> {
    let word = match scheme {
        Scheme::Argon2id { .. } => "argon2id",
        Scheme::Bcrypt { .. } => "bcrypt",
        Scheme::Pbkdf2Sha256 { .. } => "pbkdf2-sha256",
        Scheme::Scrypt { .. } => "scrypt",
    };
    let (most, _) = hashes.iter().find(|(form, _)| form != "none")?;
    let other = !most.starts_with(word);
    other.then(|| format!("most hashes are {most}, and new ones would be {word}: does the login read both?"))
}

#[cfg(test)]
mod tests {
    use reset_core::hasher::BcryptVersion;

    use super::*;

    #[test]
    fn a_report_has_every_part_and_warns_of_another_algorithm() {
        let survey = Survey {
            table: "\"users\"".to_owned(),
            rows: 3,
            columns: vec![("id", "id".to_owned(), "uuid")],
            statements: vec!["SELECT 1".to_owned()],
            grants: vec!["GRANT x".to_owned()],
            hashes: vec![("none".to_owned(), 2), ("bcrypt $2a$10$".to_owned(), 1)],
            refused: vec![("blocked", 0)],
            advice: Vec::new(),
        };
        let text = report(&survey, Scheme::Argon2id { m_kib: 8, t: 1, p: 1 });
        for part in
            ["\"users\": 3 rows", "id (uuid)", "  SELECT 1;", "  GRANT x;", "bcrypt $2a$10$", "blocked"]
        {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(
            text.contains("advice: most hashes are bcrypt $2a$10$, and new ones would be argon2id"),
            "{text}"
        );
        let bcrypt = Scheme::Bcrypt { version: BcryptVersion::A, cost: 10 };
        assert!(!report(&survey, bcrypt).contains("advice"));
    }
}
