//! `cargo xtask browser`: a real browser on the pages of every front-end.
//!
//! Chromium, driven by suites of `clients/`: `browser.test.mjs` on the pages, `docs.test.mjs` on `/docs`, and
//! `demo.test.mjs` on a demo. Their pictures of every page lie in `clients/screenshots` afterwards. Deployments and packages
//! are those of [`clients`].

use std::{ffi::OsStr, path::PathBuf, time::Instant};

use anyhow::{Context, ensure};
use conformance::{programs::find, server::Deployment};

use crate::{
    clients::{self, FRONT_ENDS, NEW, OLD, Tally},
    servers::install,
};

/// What Chromium is called, here and elsewhere.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
/// One file after the other, so that none is slow because of another.
const SUITES: [&str; 2] = ["browser.test.mjs", "docs.test.mjs"];
/// Needs a demo, which has accounts of its own.
const DEMO: &str = "demo.test.mjs";
/// Accounts that the suites reset.
const ACCOUNTS: [&str; 11] = [
    "link-on@example.com",
    "link-off@example.com",
    "code-on@example.com",
    "code-off@example.com",
    "keyboard@example.com",
    "paste@example.com",
    "wire@example.com",
    "tabs-one@example.com",
    "tabs-other@example.com",
    "axe@example.com",
    "docs@example.com",
];

pub(crate) fn run() -> anyhow::Result<()> {
    let chromium = chromium();
    let lacking = match &chromium {
        Some(_) => clients::lacking()?,
        None => Some("Chromium is not installed (apt-get install -y chromium)".to_owned()),
    };
    let (Some(chromium), None) = (chromium, &lacking) else {
        let reason = lacking.unwrap_or_default();
        ensure!(!clients::in_ci(), "no browser was run: {reason}; in CI that is a failure");
        println!("SKIPPED, no browser was run: {reason}");
        return Ok(());
    };
    // The suites are type-checked together, and some of them need the generated clients.
    clients::script("generate").context("generating clients from openapi/")?;
    clients::script("check").context("the suites do not fit the types of their packages")?;
    clients::build()?;
    let mut all = Tally::default();
    for front_end in FRONT_ENDS {
        let begun = Instant::now();
        let tally = drive(front_end, chromium.as_os_str()).with_context(|| front_end.to_owned())?;
        println!("{front_end}: {tally} ({:.1} s)", begun.elapsed().as_secs_f64());
        all.add(tally);
    }
    println!("{all}; pictures in clients/screenshots");
    ensure!(all.failed == 0, "the browser met something that it should not");
    Ok(())
}

/// Chromium, installed where that is possible and it is not there.
fn chromium() -> Option<PathBuf> {
    let there = || NAMES.iter().find_map(|name| find(name));
    there().or_else(|| {
        if let Err(error) = install(&["chromium"]) {
            println!("{error:#}");
        }
        there()
    })
}

/// Runs the suites against one front-end.
fn drive(front_end: &str, chromium: &OsStr) -> anyhow::Result<Tally> {
    let folder = tempfile::tempdir()?;
    let mut deployment = Deployment::new(clients::binary(front_end), folder.path());
    deployment.set("POLYRESET_LIMITS__ENABLED", "false");
    for account in ACCOUNTS {
        deployment.add_user(account, OLD)?;
    }
    let server = clients::start(&mut deployment, Deployment::start)?;
    let base = format!("http://{}", server.address);
    let pictures = clients::folder().join("screenshots").join(front_end);
    let more = [("CLIENTS_CHROMIUM", chromium), ("CLIENTS_SCREENSHOTS", pictures.as_os_str())];
    let mut tally = Tally::default();
    for suite in SUITES {
        tally.add(clients::suites(&[suite], &base, &deployment.mails(), &more)?);
    }
    // What the person was told is what is stored.
    for account in ACCOUNTS {
        let stored = deployment.accepts(account, NEW)?;
        if !stored {
            println!("{front_end}: {account} does not have its new password");
        }
        tally.count(stored);
    }
    let folder = tempfile::tempdir()?;
    let mut deployment = Deployment::new(clients::binary(front_end), folder.path());
    let server = clients::start(&mut deployment, Deployment::start_demo)?;
    let base = format!("http://{}", server.address);
    tally.add(clients::suites(&[DEMO], &base, &deployment.mails(), &more)?);
    Ok(tally)
}
