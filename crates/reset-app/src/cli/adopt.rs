//! `adopt`: reports what using another system's users table means, before it is used.

use std::{fmt::Write as _, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::Args;
use reset_core::hasher::Scheme;
use reset_diesel::foreign_users::Survey;

use super::print;
use crate::settings::Settings;

#[derive(Args)]
pub(super) struct AdoptArgs {
    /// Print the table, the column mapping, the SQL, the privileges and the rows that cannot reset; change nothing
    #[arg(long)]
    dry_run: bool,
    /// Database role of the server, for the GRANT statements (on MySQL and MariaDB, `user@host`)
    #[arg(long, value_name = "ROLE", default_value = "polyreset")]
    role: String,
}

pub(super) async fn run(settings: Settings, arguments: AdoptArgs) -> Result<ExitCode> {
    if settings.users.is_none() {
        bail!("users.preset is own: set it to the system whose table to adopt");
    }
    if !arguments.dry_run {
        bail!("the settings select the table, not this command: use `adopt --dry-run` to check them");
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
    text.push_str("\nSQL statements; $1, $2 and ? are bound values\n");
    for statement in statements {
        let _ = writeln!(text, "  {statement};");
    }
    text.push_str("\nminimum privileges for serve; run migrate as the owner\n");
    for grant in grants {
        let _ = writeln!(text, "  {grant};");
    }
    text.push_str("\npassword hashes\n");
    for (form, number) in hashes {
        let _ = writeln!(text, "  {form:<40} {number}");
    }
    let _ = writeln!(text, "  new passwords: {}", describe(scheme));
    text.push_str("\nrows that cannot reset (clients see no difference)\n");
    for (reason, number) in refused {
        let _ = writeln!(text, "  {reason:<40} {number}");
    }
    for advice in advice.iter().chain(&mismatch(hashes, scheme)) {
        let _ = write!(text, "\nadvice: {advice}");
    }
    text.push_str(if advice.is_empty() { "\nnothing was changed\n" } else { "\n\nnothing was changed\n" });
    text
}

/// Describes the hashes of new passwords.
fn describe(scheme: Scheme) -> String {
    match scheme {
        Scheme::Argon2id { .. } => "argon2id".to_owned(),
        Scheme::Bcrypt { version, cost } => format!(
            "bcrypt, with the prefix of the row's present hash (${}$ if that is not bcrypt) and cost {cost} or the \
             row's higher one",
            version.name()
        ),
        Scheme::Pbkdf2Sha256 { .. } => "pbkdf2-sha256, in Django's format".to_owned(),
        Scheme::Scrypt { .. } => "scrypt, in Django's format".to_owned(),
    }
}

/// Advises to check the login if most rows have another hash: it may not accept the new ones.
fn mismatch(hashes: &[(String, i64)], scheme: Scheme) -> Option<String> {
    let name = match scheme {
        Scheme::Argon2id { .. } => "argon2id",
        Scheme::Bcrypt { .. } => "bcrypt",
        Scheme::Pbkdf2Sha256 { .. } => "pbkdf2-sha256",
        Scheme::Scrypt { .. } => "scrypt",
    };
    let (most, _) = hashes.iter().find(|(form, _)| form != "none")?;
    let other = !most.starts_with(name);
    other.then(|| {
        format!("most hashes are {most}, but new ones will be {name}: check that the login accepts both")
    })
}

#[cfg(test)]
mod tests {
    use reset_core::hasher::BcryptVersion;

    use super::*;

    #[test]
    fn report_has_every_part_and_warns_about_another_algorithm() {
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
            text.contains("advice: most hashes are bcrypt $2a$10$, but new ones will be argon2id"),
            "{text}"
        );
        let bcrypt = Scheme::Bcrypt { version: BcryptVersion::A, cost: 10 };
        assert!(!report(&survey, bcrypt).contains("advice"));
    }
}
