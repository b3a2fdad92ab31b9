//! `doctor`: checks everything that a deployment needs, and prints one line per check, with a fix on failure.

use std::{path::Path, process::ExitCode};

use anyhow::{Context, Result};
use http::uri::Scheme;
use reset_http::upstream::UpstreamOptions;
use tokio::{net::TcpStream, time::timeout};

use super::{GlobalArgs, adopt::NewHashes, print};
use crate::{counters, deployment, settings::Settings, shadow::SHADOW_NOTICE};

pub(super) async fn run(global: &GlobalArgs) -> Result<ExitCode> {
    let mut report = Report { healthy: true };
    match global.settings() {
        Ok(settings) => {
            report.line("settings", Ok("valid".to_owned()));
            report.line("secret", secret(&settings).await);
            let database = database(&settings).await;
            let reachable = database.is_ok();
            report.line("database", database);
            if reachable && settings.users.is_some() {
                users(&settings, &mut report).await;
            }
            if let Some(url) = &settings.limits.redis_url {
                let checked = counters::check(url, &*deployment::clock()).await;
                report.line("redis", checked.map(|()| "accepts the per-client counters".to_owned()));
            }
            if let Some(upstream) = &settings.http.upstream {
                report.line("upstream_url", back_end(upstream).await);
            }
            if settings.http.shadow {
                report.line("upstream_mode", Ok(SHADOW_NOTICE.to_owned()));
            }
            let url = settings.likely_url();
            report.line("public_url", Ok(url.clone()));
            match deployment::mail(&settings, vec![settings.mail.transport.clone()], &url) {
                Err(error) => report.line("mail", Err(error)),
                Ok(mail) => {
                    for step in mail.diagnose().await {
                        let of = if step.setting == "mail_url" { "mail" } else { step.setting };
                        report.line(&format!("{of} {}", step.name), step.result.map_err(anyhow::Error::msg));
                    }
                }
            }
        }
        Err(error) => report.line("settings", Err(error)),
    }
    Ok(if report.healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Report {
    healthy: bool,
}

impl Report {
    fn line(&mut self, check: &str, result: Result<String>) {
        match result {
            Ok(state) => print(&format!("ok    {check}: {state}\n")),
            Err(error) => {
                self.healthy = false;
                print(&format!("FAIL  {check}: {error:#}\n"));
            }
        }
    }
}

/// Reads the secret; never creates one.
async fn secret(settings: &Settings) -> Result<String> {
    let secret = &settings.database.secret;
    deployment::check_secret(settings).await?;
    if let Some(path) = secret.generated().filter(|path| !path.exists()) {
        check_directory_of(path)?;
        return Ok(format!("{} will be created at the first start", path.display()));
    }
    let roots = secret.roots(&*deployment::entropy())?;
    Ok(match roots.all().len() - 1 {
        0 => "at least 32 bytes".to_owned(),
        previous => format!("at least 32 bytes; previous secrets still accepted: {previous}"),
    })
}

/// Connects to the back end and sends nothing.
async fn back_end(upstream: &UpstreamOptions) -> Result<String> {
    let origin = &upstream.origin;
    let host = origin.host().unwrap_or_default().trim_matches(['[', ']']);
    let default = if origin.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
    let connected = TcpStream::connect((host, origin.port_u16().unwrap_or(default)));
    let connected = timeout(upstream.connect_timeout, connected).await.context("no connection in time");
    connected.and_then(|connected| Ok(connected?)).context("the back end cannot be reached")?;
    Ok("the back end accepts connections".to_owned())
}

/// Checks the database; never creates one.
async fn database(settings: &Settings) -> Result<String> {
    let database = &settings.database.address;
    if let Some(path) = database.file().filter(|path| !path.exists()) {
        check_directory_of(path)?;
        return Ok(format!("{} will be created at the first start", path.display()));
    }
    if let Some(damage) = database.damage().await.context("database_url")? {
        anyhow::bail!(
            "database_url: the file is damaged ({damage}): stop the server and restore a backup, or recover what is \
             readable with `sqlite3 OLD .recover | sqlite3 NEW`"
        );
    }
    let pending = database.pending().await.context("database_url")?;
    if pending.is_empty() {
        database.open().await?.ready().await?;
        return Ok(match database.file() {
            Some(_) => "intact and writable, and its schema is up to date",
            None => "reachable and writable, and its schema is up to date",
        }
        .to_owned());
    }
    let pending = pending.join(", ");
    match database.file() {
        Some(_) => Ok(format!("migrations are pending and will be applied at the next start: {pending}")),
        None => anyhow::bail!("migrations are pending: {pending}; run the command `migrate`"),
    }
}

/// Checks what the first users of another system's table would find. The start has already checked privileges, column
/// types and row-level security.
async fn users(settings: &Settings, report: &mut Report) {
    let survey = match settings.database.address.survey(None).await.map_err(deployment::setting_of) {
        Ok(Some(survey)) => survey,
        Ok(None) => return,
        Err(error) => return report.line("users", Err(error)),
    };
    let problems = NewHashes::of(&settings.passwords).problems(&survey);
    if problems.is_empty() {
        report.line("users", Ok(format!("{} rows in {}", survey.rows, survey.table)));
    }
    for problem in problems {
        report.line("users", Err(anyhow::Error::msg(problem)));
    }
    for advice in survey.advice {
        print(&format!("warn  users: {advice}\n"));
    }
}

/// Fails if the directory of `path` does not exist.
fn check_directory_of(path: &Path) -> Result<()> {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() && !dir.is_dir() => {
            anyhow::bail!("the directory {} does not exist: create it", dir.display())
        }
        _ => Ok(()),
    }
}
