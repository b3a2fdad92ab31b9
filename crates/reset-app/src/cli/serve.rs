//! `serve`: builds the service, runs it, and shuts it down in the right order.

use std::{future::pending, io, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::Args;
use reset_diesel::Database;
use reset_http::Api;
use reset_listen::{Bound, ListenAddress, SocketFile, bind};
use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::{task::JoinHandle, time::sleep};
use tracing::{error, info, warn};

use super::{GlobalArgs, adopt::NewHashes, print};
use crate::{
    Serve, brand_preview,
    demo::{self, Demo},
    deployment,
    service::Service,
    settings::{Settings, without_number},
    shadow::SHADOW_NOTICE,
    shutdown::{NOTICE, Shutdown, TIMEOUT},
    telemetry,
};

#[derive(Args, Default)]
pub(super) struct ServeArgs {
    /// Try polyreset: a temporary database with two accounts, mails on the terminal and in ./mail
    #[arg(long)]
    demo: bool,
    /// With --demo: a TOML file with the keys of `[brand]`, to see a brand before it is deployed
    #[arg(long, value_name = "FILE", requires = "demo")]
    brand: Option<PathBuf>,
}

pub(super) async fn run(global: &GlobalArgs, arguments: ServeArgs, serve: Serve) -> Result<ExitCode> {
    let undumpable = forbid_core_dumps();
    let mut inputs = global.inputs()?;
    if let Some(brand) = &arguments.brand {
        inputs.flags.extend(brand_preview::flags(brand)?);
    }
    let demo = if arguments.demo { Some(Demo::new(&mut inputs)?) } else { None };
    let settings = Settings::read(inputs)?;
    telemetry::log(&settings.log);
    settings.unread.log();
    if let Err(error) = undumpable {
        warn!(
            error = &error as &dyn std::error::Error,
            "core dumps stay possible: a crash could write secrets to a file"
        );
    }
    let shutdown = Shutdown::on_signals()?;
    if demo.is_some() {
        Demo::check_database(&settings)?;
    }
    let server = BoundServer::new(&settings, demo.as_ref()).await?;
    // A demo says what to open instead, before the log: the socket is bound, so a browser that comes early only waits.
    if demo.is_some() {
        print(&demo::invitation(&settings.http.public_url.of(&server.bound.at)));
    } else {
        info!("{}", summary(&settings, &server.bound.at)?);
    }
    for weakness in settings.open_weaknesses()?.deployment {
        warn!("{}", without_number(&weakness));
    }
    if demo.is_none() {
        // The defaults are a contract, so such a deployment starts; nobody should have to look for the reason.
        match (settings.check_mail_is_deliverable(), settings.mail_warning()) {
            (Err(sentence), _) => error!("{sentence}"),
            (Ok(()), Some(sentence)) => warn!("{sentence}"),
            (Ok(()), None) => {}
        }
    }
    if settings.users.is_some() {
        // Beside the service, because it reads rows and says the same at every start.
        let (database, new) = (settings.database.address.clone(), NewHashes::of(&settings.passwords));
        tokio::spawn(async move { warn_of_hashes(&database, &new).await });
    }
    if settings.http.shadow {
        warn!("{SHADOW_NOTICE}; see the command `shadow report`");
    }
    if let Some(demo) = &demo {
        let at = &server.bound.at;
        let public_url = settings.http.public_url.of(at);
        let dialects = settings.stand_in_at(&public_url)?;
        demo.introduce(&server.service.resets, at, &public_url, &dialects).await?;
    }
    let ended = server.run(serve, shutdown).await;
    if let Some(demo) = demo {
        demo.remove()?;
    }
    ended
}

/// Warns if hashes in another system's users table are in forms that do not fit the settings: people would be told that
/// their password was changed, and their login would refuse it.
async fn warn_of_hashes(database: &Database, new: &NewHashes) {
    match database.survey_of_hashes().await {
        Ok(Some(survey)) => {
            for problem in new.problems(&survey) {
                warn!("{problem} (among the first rows of {}; `adopt --dry-run` counts all)", survey.table);
            }
        }
        Ok(None) => {}
        Err(error) => warn!(
            error = &error as &dyn std::error::Error,
            "the hashes in the users table could not be checked; see `doctor`"
        ),
    }
}

/// Describes what is served, in one line.
fn summary(settings: &Settings, at: &ListenAddress) -> Result<String> {
    let public_url = settings.http.public_url.of(at);
    let dialects = settings.stand_in_at(&public_url)?;
    let names: Vec<&str> =
        dialects.iter().filter(|dialect| dialect.client.is_some()).map(|dialect| dialect.name).collect();
    let dialects = if names.is_empty() { "no dialect".to_owned() } else { names.join(", ") };
    let (profile, database) = (settings.profile().name(), settings.database.address.engine_name());
    let (mail, remaining) = (settings.mail_route(), settings.open_weaknesses()?.contracts.len());
    Ok(format!(
        "serving {dialects} at {public_url}: profile {profile}, {database}, {mail}; {remaining} known weaknesses of the \
         contracts and defaults, see `doctor --verbose`"
    ))
}

/// Keeps the memory of this process, with its keys and the secrets of requests, out of core dumps, and other processes of
/// the same user from reading it (`PR_SET_DUMPABLE`; `ptrace` is refused, too).
fn forbid_core_dumps() -> io::Result<()> {
    // The limit alone would not stop a kernel that pipes dumps to a program.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// A service with its bound listeners, ready to run.
struct BoundServer {
    bound: Bound,
    /// The second listener, for operators.
    admin: Option<Bound>,
    service: Service,
}

impl BoundServer {
    async fn new(settings: &Settings, demo: Option<&Demo>) -> Result<Self> {
        // Bind before opening the database: a second server on this port must not disturb the first.
        let bound = bind("listen", &settings.http.listen)?;
        let admin = settings.http.admin_listen.as_ref();
        let admin = admin.map(|admin| bind("admin_listen", admin)).transpose()?;
        let roots = deployment::roots(settings).await?;
        let public_url = settings.http.public_url.of(&bound.at);
        let service = Service::new(settings, &roots, &public_url, demo).await?;
        Ok(Self { bound, admin, service })
    }

    /// Serves until a signal, then drains as described at [`Shutdown`].
    async fn run(self, serve: Serve, shutdown: Shutdown) -> Result<ExitCode> {
        let Self { bound: Bound { listener, at, file }, admin, service } = self;
        let admin = admin.zip(service.admin.clone()).map(|(bound, api)| Admin::start(serve, bound, api));
        let (api, resets, begun) = (service.api.clone(), service.resets.clone(), shutdown.begun());
        let mut running = service.start();
        let stop = Box::pin(async move {
            begun.await;
            resets.drain();
            sleep(NOTICE).await;
        });
        let server = tokio::spawn(serve(listener, api, stop));
        print(&match &at {
            ListenAddress::Tcp(address) => format!("listening on http://{address}\n"),
            ListenAddress::Unix(_) => format!("listening on {at}\n"),
        });
        let ending = shutdown.within(async {
            tokio::select! {
                ended = server => ended.context("the server panicked")?.context("the server failed"),
                // Ending is better than accepting requests whose mail is never sent.
                () = running.broken() => bail!("the worker panicked"),
            }
        });
        let ending = ending.await;
        drop(file);
        running.finish(&shutdown).await;
        // The metrics listener closes last, so that the drain can be observed.
        drop(admin);
        match ending {
            None => warn!("drain timeout: requests in flight were aborted after {TIMEOUT:?}"),
            Some(ended) => ended?,
        }
        info!("shut down");
        Ok(ExitCode::SUCCESS)
    }
}

/// The running second listener. It is aborted when this is dropped, because no scrape needs to be finished.
struct Admin {
    server: JoinHandle<()>,
    _file: Option<SocketFile>,
}

impl Admin {
    fn start(serve: Serve, bound: Bound, api: Api) -> Self {
        let Bound { listener, at, file } = bound;
        print(&match &at {
            ListenAddress::Tcp(address) => format!("metrics on http://{address}/metrics\n"),
            ListenAddress::Unix(_) => format!("metrics on {at}\n"),
        });
        let server = serve(listener, api, Box::pin(pending()));
        let server = tokio::spawn(async move {
            if let Err(error) = server.await {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "the metrics listener failed; /metrics is unavailable"
                );
            }
        });
        Self { server, _file: file }
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::getrlimit;

    use super::*;

    #[test]
    fn core_dumps_are_off() {
        forbid_core_dumps().unwrap();
        assert_eq!(getrlimit(Resource::Core), Rlimit { current: Some(0), maximum: Some(0) });
        #[cfg(target_os = "linux")]
        assert_eq!(
            rustix::process::dumpable_behavior().unwrap(),
            rustix::process::DumpableBehavior::NotDumpable
        );
    }
}
