//! `doctor`: checks everything that a deployment needs, and prints one line per check: `ok`, `WARN`, or `FAIL` with the fix.

mod report;
mod sender_domain;

use std::{net::SocketAddr, path::Path, process::ExitCode};

use anyhow::{Context, Result};
use clap::Args;
use http::uri::Scheme;
use reset_core::{encoding::hex, ports::random};
use reset_http::upstream::UpstreamOptions;
use reset_mail::{DiagnosisStep, MailService};
use tokio::{net::TcpStream, time::timeout};

use self::{report::Report, sender_domain::Lookup};
use super::{GlobalArgs, adopt::NewHashes, user::address};
use crate::{
    counters, deployment,
    settings::{Settings, without_number},
    shadow::SHADOW_NOTICE,
};

#[derive(Args)]
pub(super) struct DoctorArgs {
    /// Also print the takeover bounds, the growth bound, and every known weakness with the number of its requirement
    #[arg(long, short)]
    verbose: bool,
    /// Send a sample mail to this address, print the mail server's reply, and look up SPF, DKIM and DMARC of the sender's
    /// domain
    #[arg(long, value_name = "ADDRESS")]
    send_to: Option<String>,
    /// Selector of the sender's DKIM key, the s= of the header DKIM-Signature
    #[arg(long, value_name = "S", requires = "send_to")]
    dkim_selector: Option<String>,
    /// DNS server to ask instead of the system's, such as 1.1.1.1:53
    #[arg(long, value_name = "IP:PORT", requires = "send_to")]
    dns_server: Option<SocketAddr>,
}

pub(super) async fn run(global: &GlobalArgs, arguments: &DoctorArgs) -> Result<ExitCode> {
    let mut report = Report::default();
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
            match settings.check_mail_is_deliverable() {
                Err(error) => report.line("mail", Err(error)),
                Ok(()) => {
                    if let Some(sentence) = settings.mail_warning() {
                        report.warn("mail", &sentence);
                    }
                }
            }
            match deployment::mail(&settings, vec![settings.mail.transport.clone()], &url) {
                Err(error) => report.line("mail", Err(error)),
                Ok(mail) => {
                    let steps = mail.diagnose().await;
                    let works = steps.iter().all(|step| step.result.is_ok());
                    mail_steps(steps, &mut report);
                    if let Some(to) = arguments.send_to.as_deref().filter(|_| works) {
                        send_sample(&mail, to, &mut report).await;
                    }
                }
            }
            if arguments.send_to.is_some() {
                sender_domain(&settings, arguments, &mut report).await;
            }
            security(&settings, arguments, &mut report)?;
        }
        Err(error) => report.line("settings", Err(error)),
    }
    Ok(if report.healthy() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn mail_steps(steps: Vec<DiagnosisStep>, report: &mut Report) {
    for DiagnosisStep { setting, name, result } in steps {
        let of = if setting == "mail_url" { "mail" } else { setting };
        report.line(&format!("{of} {name}"), result.map_err(anyhow::Error::msg));
    }
}

/// Sends a sample mail through every transport.
async fn send_sample(mail: &MailService, to: &str, report: &mut Report) {
    match address(to) {
        Err(error) => report.line("mail sample", Err(error.context("--send-to"))),
        Ok(to) => {
            let id = hex(&random::<16>(&*deployment::entropy()));
            mail_steps(mail.send_sample(&to, &id).await, report);
        }
    }
}

/// Looks up what receivers check about the sender's domain.
async fn sender_domain(settings: &Settings, arguments: &DoctorArgs, report: &mut Report) {
    let domain = settings.mail.sender_domain();
    if settings.mail.sender_is_unreachable() || !domain.contains('.') {
        return report
            .warn("dns", &format!("not checked: {domain}, the domain of mail_from, is not on the internet"));
    }
    match Lookup::new(arguments.dns_server) {
        Ok(lookup) => sender_domain::check(&lookup, domain, arguments.dkim_selector.as_deref(), report).await,
        Err(error) => report.warn("dns", &format!("not checked: {error:#}")),
    }
}

/// Reports the known weaknesses that are open.
fn security(settings: &Settings, arguments: &DoctorArgs, report: &mut Report) -> Result<()> {
    let open = settings.open_weaknesses()?;
    let shown = |weakness: &str| {
        if arguments.verbose { weakness.to_owned() } else { without_number(weakness).to_owned() }
    };
    for weakness in &open.deployment {
        report.warn("security", &shown(weakness));
    }
    if !arguments.verbose {
        if let Some(sentence) = settings.contracts_summary(open.contracts.len()) {
            report.warn("contracts", &sentence);
        }
        return Ok(());
    }
    for weakness in &open.contracts {
        report.warn("contracts", weakness);
    }
    for bound in settings.bounds()? {
        report.line("takeover bound", Ok(bound));
    }
    report.line("growth bound", Ok(settings.growth()));
    Ok(())
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
    let schema = database.schema().await.context("database_url")?;
    deployment::check_not_newer(&schema)?;
    let pending = schema.pending;
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
        report.warn("users", &advice);
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
