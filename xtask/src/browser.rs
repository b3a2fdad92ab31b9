//! `cargo xtask browser`: tests the hosted pages of each of the three servers in Chromium.
//!
//! The suites in `clients/` drive the browser: `browser.test.mjs` on the hosted pages, `docs.test.mjs` on `/docs`,
//! `demo.test.mjs` on a demo, `brands.test.mjs` on a demo with each brand of `docs/brands`, and `mails.test.mjs` on the
//! HTML parts of the mails, which are the same on each server. They leave screenshots of every page in
//! `clients/screenshots`, and compare those of mails and branded pages with `clients/expected`. Deployments and packages
//! are shared with [`clients`].

use std::{ffi::OsStr, path::PathBuf, time::Instant};

use anyhow::{Context, bail, ensure};
use conformance::{
    programs::{command, find},
    server::TestDeployment,
};

use crate::{
    clients::{self, FRONT_ENDS, NEW, OLD, Tally},
    packages, root,
    servers::install,
};

/// Names of the Chromium program on different systems.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
/// A package of Debian with a font for Japanese and Chinese. Without one, pages and mails show boxes in place of letters.
const FONT: &str = "fonts-wqy-zenhei";
/// Suites on a deployment, run one after another so that they do not slow each other down.
const SUITES: [&str; 2] = ["browser.test.mjs", "docs.test.mjs"];
/// The suite on a demo server, which creates its own accounts.
const DEMO: &str = "demo.test.mjs";
/// The suite on a demo server with a brand of `docs/brands`, which `CLIENTS_BRAND` names.
const BRANDS: &str = "brands.test.mjs";
/// The suite on previews of mails.
const MAILS: &str = "mails.test.mjs";
/// Kinds of mails and languages, as `templates preview` names them.
const KINDS: [&str; 3] = ["reset-code", "reset-link", "password-changed"];
const LANGUAGES: [&str; 7] = ["en", "de", "es", "fr", "ja", "zh", "ar"];
/// Accounts that the suites reset.
const ACCOUNTS: [&str; 13] = [
    "link-on@example.com",
    "link-off@example.com",
    "code-on@example.com",
    "code-off@example.com",
    "keyboard@example.com",
    "paste@example.com",
    "wire@example.com",
    "tabs-one@example.com",
    "tabs-other@example.com",
    "double-on@example.com",
    "double-off@example.com",
    "axe@example.com",
    "docs@example.com",
];

/// What can be named to run only a part: a server, or the mails.
const PARTS: [&str; 4] = [FRONT_ENDS[0], FRONT_ENDS[1], FRONT_ENDS[2], "mails"];

pub(crate) fn run(parts: &[&str]) -> anyhow::Result<()> {
    if let Some(unknown) = parts.iter().find(|part| !PARTS.contains(part)) {
        bail!("`{unknown}` is not a part; the parts are {}", PARTS.join(", "));
    }
    let is_chosen = |part: &str| parts.is_empty() || parts.contains(&part);
    let chromium = chromium();
    let missing = match &chromium {
        Some(_) => clients::missing()?,
        None => Some("Chromium is not installed (apt-get install -y chromium)".to_owned()),
    };
    let (Some(chromium), None) = (chromium, &missing) else {
        let reason = missing.unwrap_or_default();
        ensure!(!packages::in_ci(), "the browser tests cannot run, and CI must not skip them: {reason}");
        println!("SKIPPED the browser tests: {reason}");
        return Ok(());
    };
    if !has_letters() {
        let installed = install(&[FONT]);
        ensure!(installed.is_ok() || !packages::in_ci(), "no font for Japanese: {installed:?}");
        if installed.is_err() {
            println!("no font for Japanese and Chinese ({FONT}): screenshots in these languages differ");
        }
    }
    // All suites are type-checked together, and some of them import the generated clients.
    clients::script("generate").context("generating clients from openapi/")?;
    clients::script("check").context("the suites have type errors")?;
    clients::build()?;
    let mut all = Tally::default();
    for front_end in FRONT_ENDS.into_iter().filter(|front_end| is_chosen(front_end)) {
        let begun = Instant::now();
        let tally = run_suites(front_end, chromium.as_os_str()).with_context(|| front_end.to_owned())?;
        println!("{front_end}: {tally} ({:.1} s)", begun.elapsed().as_secs_f64());
        all.add(tally);
    }
    if is_chosen("mails") {
        let tally = run_mails(chromium.as_os_str()).context("mails")?;
        println!("mails: {tally}");
        all.add(tally);
    }
    println!("{all}; screenshots are in clients/screenshots");
    ensure!(all.failed == 0, "browser tests failed");
    Ok(())
}

/// Returns whether a font has the letters of every language, those of Chinese among them.
fn has_letters() -> bool {
    let list = command("fc-list").arg(":lang=ja").output();
    list.is_ok_and(|output| output.status.success() && !output.stdout.is_empty())
}

/// Returns the path of Chromium, and installs it if it is missing and that is possible.
fn chromium() -> Option<PathBuf> {
    let locate = || NAMES.iter().find_map(|name| find(name));
    locate().or_else(|| {
        if let Err(error) = install(&["chromium"]) {
            println!("{error:#}");
        }
        locate()
    })
}

/// Runs the suite of the mails, on a preview of each kind in each language, with a brand and without.
fn run_mails(chromium: &OsStr) -> anyhow::Result<Tally> {
    let folder = tempfile::tempdir()?;
    let previews = folder.path().join("previews");
    std::fs::create_dir(&previews)?;
    let logos = root().join("crates/reset-mail/tests");
    let (light, dark) = (logos.join("logo.png"), logos.join("logo-dark.png"));
    let acme = [
        ("POLYRESET_BRAND__NAME", "Acme"),
        ("POLYRESET_BRAND__LOGO", light.to_str().context("the path is UTF-8")?),
        ("POLYRESET_BRAND__LOGO_DARK", dark.to_str().context("the path is UTF-8")?),
        ("POLYRESET_BRAND__ACCENT", "#0f766e"),
        ("POLYRESET_BRAND__SUPPORT", "help@example.com"),
        ("POLYRESET_BRAND__ADDRESS", "Acme Ltd, 1 Example Street, London EC1A 1AA"),
    ];
    for (brand, settings) in [("acme", &acme[..]), ("bare", &[])] {
        let mut deployment = TestDeployment::new(clients::binary(FRONT_ENDS[0]), folder.path());
        for (name, value) in settings {
            deployment.set(name, value);
        }
        for (kind, language) in KINDS.iter().flat_map(|kind| LANGUAGES.map(|language| (kind, language))) {
            let preview = ["templates", "preview", "--kind", kind, "--locale", language, "--format", "html"];
            let output = deployment.run(&preview, "")?;
            ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            std::fs::write(previews.join(format!("{brand}-{kind}-{language}.html")), output.stdout)?;
        }
    }
    let screenshots = clients::folder().join("screenshots/mails");
    let variables = [
        ("CLIENTS_CHROMIUM", chromium),
        ("CLIENTS_SCREENSHOTS", screenshots.as_os_str()),
        ("CLIENTS_MAIL_PREVIEWS", previews.as_os_str()),
    ];
    clients::suites(&[MAILS], "http://127.0.0.1:9", folder.path(), &variables)
}

/// Runs the suites against one server.
fn run_suites(front_end: &str, chromium: &OsStr) -> anyhow::Result<Tally> {
    let folder = tempfile::tempdir()?;
    let mut deployment = TestDeployment::new(clients::binary(front_end), folder.path());
    deployment.set("POLYRESET_LIMITS__ENABLED", "false");
    for account in ACCOUNTS {
        deployment.add_user(account, OLD)?;
    }
    let server = clients::start(&mut deployment, TestDeployment::start)?;
    let base = format!("http://{}", server.address);
    let screenshots = clients::folder().join("screenshots").join(front_end);
    let variables = [("CLIENTS_CHROMIUM", chromium), ("CLIENTS_SCREENSHOTS", screenshots.as_os_str())];
    let mut tally = Tally::default();
    for suite in SUITES {
        tally.add(clients::suites(&[suite], &base, &deployment.mails(), &variables)?);
    }
    // The pages reported success; check that the new password is stored.
    for account in ACCOUNTS {
        let stored = deployment.accepts(account, NEW)?;
        if !stored {
            println!("{front_end}: {account} does not have its new password");
        }
        tally.count(stored);
    }
    let folder = tempfile::tempdir()?;
    let mut deployment = TestDeployment::new(clients::binary(front_end), folder.path());
    let server = clients::start(&mut deployment, TestDeployment::start_demo)?;
    let base = format!("http://{}", server.address);
    tally.add(clients::suites(&[DEMO], &base, &deployment.mails(), &variables)?);
    drop(server);
    for brand in brands()? {
        let folder = tempfile::tempdir()?;
        let mut deployment = TestDeployment::new(clients::binary(front_end), folder.path());
        let path = brand.to_string_lossy().into_owned();
        let start = |deployment: &TestDeployment| deployment.start_demo_with(&["--brand", &path]);
        let server = clients::start(&mut deployment, start)?;
        let base = format!("http://{}", server.address);
        let name = brand.file_stem().unwrap_or_default();
        let variables = [variables[0], variables[1], ("CLIENTS_BRAND", name)];
        tally.add(clients::suites(&[BRANDS], &base, &deployment.mails(), &variables)?);
    }
    Ok(tally)
}

/// Returns the settings files of the example brands.
fn brands() -> anyhow::Result<Vec<PathBuf>> {
    let folder = clients::folder().join("../docs/brands");
    let files = std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
    let paths: Vec<PathBuf> = files.map(|file| Ok(file?.path())).collect::<anyhow::Result<_>>()?;
    let mut brands: Vec<PathBuf> =
        paths.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "toml")).collect();
    brands.sort();
    ensure!(!brands.is_empty(), "no brands in {}", folder.display());
    Ok(brands)
}
