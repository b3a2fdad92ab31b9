//! `cargo xtask owners`: real owners of users tables, from sign-up to sign-in with the new password.
//!
//! Each owner is installed at a pinned version and creates its own database. People sign up with its API; polyreset
//! adopts the table by settings alone, as a role that has no privileges but those that `adopt` prints, and stands in
//! front of the owner. An owner on SQLite has a file instead of a role. Then the owner's clients reset passwords and
//! sign in, with polyreset's address as their one base URL. The owners' projects and the suites are in
//! `clients/owners/`.

mod catalog;
mod database;
mod process;
mod software;
mod sqlite;

use std::{ffi::OsStr, fs, path::PathBuf, time::Instant};

use anyhow::{Context, ensure};
use conformance::server::TestDeployment;

use self::{
    catalog::{OWNERS, Owner},
    database::{DatabaseServers, OwnerDatabase},
    process::{OwnerProcess, Place},
};
use crate::{
    clients::{self, Tally},
    packages::{self, in_ci, skipped, succeeded},
};

/// Key with which an owner signs its session tokens, and the root secret of polyreset.
const OWNER_SECRET: &str = "session-secret-for-tests-only";
const SECRET: &str = "4d0b6a1f93c25e78a4f60d1b87e39c524d0b6a1f93c25e78a4f60d1b87e39c52";

pub(crate) fn run(names: &[&str]) -> anyhow::Result<()> {
    let owners = chosen(names)?;
    let begun = Instant::now();
    if skipped("all owners", packages::npm(&clients::folder())?.as_deref())? {
        return Ok(());
    }
    clients::build()?;
    let mut servers = DatabaseServers::default();
    let (mut all, mut parts, mut failed) = (Tally::default(), Vec::new(), false);
    for owner in owners {
        let part = match drive(owner, &mut servers) {
            Ok(Outcome::Ran(version, tally)) => {
                all.add(tally);
                failed |= tally.failed > 0;
                format!("{} {version} {tally}", owner.title)
            }
            Ok(Outcome::Skipped(reason)) => {
                println!("SKIPPED {}: {reason}", owner.title);
                failed |= in_ci();
                format!("{} SKIPPED", owner.title)
            }
            // The other owners still run.
            Err(error) => {
                println!("{}: {error:#}", owner.title);
                failed = true;
                format!("{} FAILED", owner.title)
            }
        };
        parts.push(part);
    }
    println!("{}; in all {all} ({:.0} s)", parts.join("; "), begun.elapsed().as_secs_f64());
    ensure!(!failed, "tests with real owners failed, or were skipped in CI");
    Ok(())
}

/// Returns the named owners, or all.
fn chosen(names: &[&str]) -> anyhow::Result<Vec<&'static Owner>> {
    if names.is_empty() {
        return Ok(OWNERS.iter().collect());
    }
    let known = || OWNERS.map(|owner| owner.name).join(", ");
    let find = |name: &&str| {
        let owner = OWNERS.iter().find(|owner| owner.name == *name);
        owner.with_context(|| format!("there is no owner `{name}`; the owners are {}", known()))
    };
    names.iter().map(find).collect()
}

enum Outcome {
    /// The version of the owner, and the results.
    Ran(String, Tally),
    Skipped(String),
}

/// Installs and starts an owner, and runs its suites with each of its HTTP front-ends.
fn drive(owner: &Owner, servers: &mut DatabaseServers) -> anyhow::Result<Outcome> {
    let begun = Instant::now();
    if let Some(reason) = owner.install().context("installing")? {
        return Ok(Outcome::Skipped(reason));
    }
    let version = owner.version()?;
    let installed = begun.elapsed().as_secs_f64();
    let mut database = match servers.create(owner.database, owner.name)? {
        Ok(database) => database,
        Err(reason) => return Ok(Outcome::Skipped(reason)),
    };
    let process = OwnerProcess::start(owner, database.url())?;
    let started = begun.elapsed().as_secs_f64() - installed;
    println!("{} {version}: installed in {installed:.1} s, started in {started:.1} s", owner.title);
    let mut all = Tally::default();
    for front_end in owner.front_ends {
        let begun = Instant::now();
        let tally =
            reset(owner, front_end, &mut *database, &process).with_context(|| (*front_end).to_owned())?;
        println!("{} {version}, {front_end}: {tally} ({:.1} s)", owner.title, begun.elapsed().as_secs_f64());
        if tally.failed > 0 {
            println!("the last lines of {}:\n{}", owner.title, process.log());
        }
        all.add(tally);
    }
    Ok(Outcome::Ran(version, all))
}

/// Lets people sign up at the owner, adopts its table, and resets their passwords.
fn reset(
    owner: &Owner,
    front_end: &str,
    database: &mut dyn OwnerDatabase,
    process: &OwnerProcess,
) -> anyhow::Result<Tally> {
    let folder = tempfile::tempdir()?;
    let mut deployment = TestDeployment::new(clients::binary(front_end), folder.path());
    let upstream = process.url();
    let mut tally = suite(owner, "before", front_end, &upstream, &upstream, &deployment.mails())?;

    // The preset or the settings of the owner say which dialects are on.
    for name in reset_dialects::names() {
        deployment.unset(&conformance::clients::variable(&format!("{name}.enabled")));
    }
    for (name, value) in owner.settings {
        deployment.set(&conformance::clients::variable(name), value);
    }
    deployment.unset("POLYRESET_PASSWORD__ARGON2_M_KIB");
    deployment.set("POLYRESET_SECRET", SECRET);
    deployment.set("POLYRESET_UPSTREAM_URL", &upstream);
    deployment.set("POLYRESET_CORS_ORIGINS", "upstream");
    let report = database.adopt(&mut deployment)?;

    let server = clients::start(&mut deployment, TestDeployment::start)?;
    let base = format!("http://{}", server.address);
    let doctor = deployment.run(&["doctor"], "")?;
    tally.count(doctor.status.success());
    if !doctor.status.success() {
        println!("{front_end}: doctor failed\n{}", String::from_utf8_lossy(&doctor.stdout));
    }
    let mut results = suite(owner, "after", front_end, &upstream, &base, &deployment.mails())?;
    if let Some(check) = database.check() {
        results.count(check.is_ok());
        if let Err(error) = check {
            println!("{front_end}: {error:#}");
        }
    }
    if results.failed > 0 {
        println!("adopt printed:\n{report}\n{front_end} logged:\n{}", deployment.logged());
    }
    tally.add(results);
    Ok(tally)
}

/// Runs `adopt --dry-run` with further arguments, and returns its report.
fn adopt(deployment: &TestDeployment, arguments: &[&str]) -> anyhow::Result<String> {
    succeeded(&deployment.run(&[&["adopt", "--dry-run"], arguments].concat(), "")?).context("adopt")
}

/// Runs a suite of an owner with Node's test runner.
fn suite(
    owner: &Owner,
    stage: &str,
    front_end: &str,
    upstream: &str,
    base: &str,
    mails: &std::path::Path,
) -> anyhow::Result<Tally> {
    let file = format!("owners/{}/{stage}.test.mjs", owner.suites);
    let installation = owner.folder();
    let variables = [
        ("OWNERS_URL", OsStr::new(upstream)),
        ("OWNERS_INSTALLATION", installation.as_os_str()),
        ("OWNERS_FRONT_END", OsStr::new(front_end)),
        ("OWNERS_SECRET", OsStr::new(OWNER_SECRET)),
    ];
    clients::suites(&[&file], base, mails, &variables)
}

/// Returns the folder with the project of an owner and its suites.
fn sources(name: &str) -> PathBuf {
    clients::folder().join("owners").join(name)
}

/// Returns the folder where an owner is installed and runs.
fn installation(name: &str) -> PathBuf {
    clients::target().join("owners").join(name)
}

/// Copies the files of a folder and its subfolders.
fn copy_files(from: &std::path::Path, to: &std::path::Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_files(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_owner_has_its_suites_and_a_pinned_version() {
        for owner in &OWNERS {
            for stage in ["before", "after"] {
                assert!(sources(owner.suites).join(format!("{stage}.test.mjs")).is_file(), "{}", owner.name);
            }
            assert!(owner.pinned().unwrap(), "{} is not pinned", owner.name);
        }
    }

    #[test]
    fn owners_are_chosen_by_name() {
        assert_eq!(chosen(&[]).unwrap().len(), OWNERS.len());
        assert_eq!(chosen(&["strapi"]).unwrap()[0].title, "Strapi");
        let error = chosen(&["strapy"]).err().expect("an unknown owner is an error");
        assert!(error.to_string().contains("the owners are strapi"), "{error}");
    }
}
