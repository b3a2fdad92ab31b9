//! `adopt`: reports what using another system's users table means, before it is used.

use std::{fmt::Write as _, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::Args;
use reset_core::hasher::Scheme;
use reset_diesel::foreign_users::{HashCount, Survey};

use super::print;
use crate::{
    deployment::setting_of,
    settings::{PasswordSettings, Settings},
};

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
    let survey = settings.database.address.survey(Some(&arguments.role)).await.map_err(setting_of)?;
    let survey = survey.context("users.preset: the database has no other system's tables")?;
    let new = NewHashes::of(&settings.passwords);
    print(&report(&survey, &new));
    match new.problems(&survey).len() {
        0 => Ok(ExitCode::SUCCESS),
        number => bail!(
            "{number} of the lines above report a problem that users of this table, or the start, would meet: solve it first"
        ),
    }
}

/// The hashes of new passwords.
pub(super) struct NewHashes {
    scheme: Scheme,
    keeps_forms: bool,
}

impl NewHashes {
    pub(super) fn of(passwords: &PasswordSettings) -> Self {
        Self { scheme: passwords.scheme, keeps_forms: passwords.own_forms.is_some() }
    }

    fn describe(&self) -> String {
        if self.keeps_forms {
            return "the form of the row's hash, because password.hash is not set".to_owned();
        }
        match self.scheme {
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

    /// Reports that most rows have hashes of another algorithm: their login may not accept the new ones.
    fn mismatch(&self, hashes: &[HashCount]) -> Option<String> {
        let most = hashes.iter().find(|count| count.replaceable)?;
        let algorithm = most.algorithm?;
        let differs = !self.keeps_forms && algorithm != self.scheme.name();
        differs.then(|| {
            format!(
                "password.hash: most hashes are {}, but new ones would be {}: set password.hash to what the login reads, \
                 or remove it to keep the form of each row",
                most.form,
                self.scheme.name()
            )
        })
    }

    /// Returns what the first users of the table would find.
    pub(super) fn problems(&self, survey: &Survey) -> Vec<String> {
        survey.problems.iter().cloned().chain(self.mismatch(&survey.hashes)).collect()
    }
}

fn report(survey: &Survey, new: &NewHashes) -> String {
    let Survey { table, view_of, rows, columns, statements, grants, hashes, refused, advice, .. } = survey;
    let view = if view_of.is_empty() { String::new() } else { format!(", a view of {}", view_of.join(", ")) };
    let mut text = format!("{table}{view}: {rows} rows\n\ncolumns\n");
    for (role, column, kind) in columns {
        let _ = writeln!(text, "  {role:<20} {column} ({kind})");
    }
    text.push_str("\nSQL statements; $1, $2 and ? are bound values\n");
    for statement in statements {
        let _ = writeln!(text, "  {statement};");
    }
    if grants.is_empty() {
        text.push_str("\nprivileges for serve\n  write permission for the file and its directory\n");
    } else {
        text.push_str("\nminimum privileges for serve; run migrate as the owner\n");
    }
    for grant in grants {
        let _ = writeln!(text, "  {grant};");
    }
    text.push_str("\npassword hashes\n");
    for HashCount { form, replaceable, rows, .. } in hashes {
        let kept = if *replaceable || form == "none" { "" } else { ", not replaced" };
        let _ = writeln!(text, "  {:<40} {rows}", format!("{form}{kept}"));
    }
    let _ = writeln!(text, "  new passwords: {}", new.describe());
    text.push_str("\nrows that cannot reset (clients see no difference)\n");
    for (reason, number) in refused {
        let _ = writeln!(text, "  {reason:<40} {number}");
    }
    let problems = new.problems(survey);
    for problem in &problems {
        let _ = write!(text, "\nproblem: {problem}");
    }
    for advice in advice {
        let _ = write!(text, "\nadvice: {advice}");
    }
    let noted = !(problems.is_empty() && advice.is_empty());
    text.push_str(if noted { "\n\nnothing was changed\n" } else { "\nnothing was changed\n" });
    text
}

#[cfg(test)]
mod tests {
    use reset_core::hasher::BcryptVersion;

    use super::*;

    fn survey() -> Survey {
        let count = |form: &str, algorithm, rows| HashCount {
            form: form.to_owned(),
            algorithm,
            replaceable: algorithm.is_some(),
            rows,
        };
        Survey {
            table: "\"users\"".to_owned(),
            view_of: vec!["people".to_owned()],
            rows: 4,
            columns: vec![("id", "id".to_owned(), "uuid")],
            statements: vec!["SELECT 1".to_owned()],
            grants: vec!["GRANT x".to_owned()],
            hashes: vec![
                count("none", None, 2),
                count("unknown form", None, 1),
                count("bcrypt $2a$10$", Some("bcrypt"), 1),
            ],
            refused: vec![("blocked".to_owned(), 0)],
            problems: vec!["users.where: deleted".to_owned()],
            advice: Vec::new(),
        }
    }

    #[test]
    fn report_has_every_part_and_marks_hashes_that_are_not_replaced() {
        let new = NewHashes { scheme: Scheme::Argon2id { m_kib: 8, t: 1, p: 1 }, keeps_forms: false };
        let text = report(&survey(), &new);
        for part in [
            "\"users\", a view of people: 4 rows",
            "id (uuid)",
            "  SELECT 1;",
            "  GRANT x;",
            "bcrypt $2a$10$",
            "unknown form, not replaced",
            "blocked",
            "problem: users.where: deleted",
            "problem: password.hash: most hashes are bcrypt $2a$10$, but new ones would be argon2id",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn report_on_a_file_has_permissions_instead_of_grants() {
        let new = NewHashes { scheme: Scheme::Argon2id { m_kib: 8, t: 1, p: 1 }, keeps_forms: true };
        let text = report(&Survey { grants: Vec::new(), ..survey() }, &new);
        assert!(text.contains("write permission for the file") && !text.contains("as the owner"), "{text}");
    }

    #[test]
    fn hash_of_the_rows_own_form_or_algorithm_is_no_problem() {
        let bcrypt = Scheme::Bcrypt { version: BcryptVersion::A, cost: 10 };
        let argon2id = Scheme::Argon2id { m_kib: 8, t: 1, p: 1 };
        for new in [
            NewHashes { scheme: bcrypt, keeps_forms: false },
            NewHashes { scheme: argon2id, keeps_forms: true },
        ] {
            assert_eq!(new.problems(&survey()), ["users.where: deleted"]);
        }
    }
}
