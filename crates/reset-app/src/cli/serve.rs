//! `serve`: puts the parts together, runs them, and takes them apart in the right order.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use tokio::time::sleep;
use tracing::{info, warn};

use super::{Global, print};
use crate::{
    Serve,
    demo::{self, Demo},
    deployment,
    engine::Engine,
    listener::{self, Bound},
    settings::{Listen, Settings},
    shutdown::{NOTICE, PATIENCE, Shutdown},
    telemetry,
};

#[derive(Args, Default)]
pub(super) struct Arguments {
    /// Try it out: a throw-away database with two accounts, mails on the terminal and in ./mail
    #[arg(long)]
    demo: bool,
}

pub(super) async fn run(global: &Global, arguments: Arguments, serve: Serve) -> Result<ExitCode> {
    let mut inputs = global.inputs()?;
    let demo = if arguments.demo { Some(Demo::new(&mut inputs)?) } else { None };
    let settings = Settings::read(inputs)?;
    telemetry::log(&settings.log);
    let shutdown = Shutdown::on_signals()?;
    if demo.is_some() {
        Demo::fits(&settings)?;
    }
    let service = Service::new(&settings, demo.as_ref()).await?;
    for bound in settings.bounds()? {
        info!("bound: {bound}");
    }
    for weakness in settings.weaknesses()? {
        warn!("open: {weakness}");
    }
    let mut invitation = None;
    if let Some(demo) = &demo {
        let at = &service.bound.at;
        let public_url = settings.http.public_url.of(at);
        let served = settings.stand_in_at(&public_url)?;
        demo.introduce(&service.engine.resets, at, &public_url, &served).await?;
        invitation = Some(demo::invitation(&public_url));
    }
    let ended = service.run(serve, shutdown, invitation).await;
    if let Some(demo) = demo {
        demo.remove()?;
    }
    ended
}

/// Everything that is ready to run.
struct Service {
    bound: Bound,
    engine: Engine,
}

impl Service {
    async fn new(settings: &Settings, demo: Option<&Demo>) -> Result<Self> {
        // Before the database is touched: a second server on this port must not disturb the first.
        let bound = listener::bind(&settings.http.listen)?;
        let roots = settings.database.secret.roots(&*deployment::entropy())?;
        let public_url = settings.http.public_url.of(&bound.at);
        let engine = Engine::new(settings, &roots, &public_url, demo).await?;
        Ok(Self { bound, engine })
    }

    /// Serves until a signal, then drains as [`Shutdown`] says.
    async fn run(self, serve: Serve, shutdown: Shutdown, invitation: Option<String>) -> Result<ExitCode> {
        let Self { bound: Bound { listener, at, file }, engine } = self;
        let (api, resets, begun) = (engine.api.clone(), engine.resets.clone(), shutdown.begun());
        let mut running = engine.start();
        let stop = Box::pin(async move {
            begun.await;
            resets.drain();
            sleep(NOTICE).await;
        });
        let server = tokio::spawn(serve(listener, api, stop));
        print(&match &at {
            Listen::Tcp(address) => format!("listening on http://{address}\n"),
            Listen::Unix(_) => format!("listening on {at}\n"),
        });
        if let Some(invitation) = invitation {
            print(&invitation);
        }
        let ending = shutdown.within(async {
            tokio::select! {
                ended = server => ended.context("the server panicked")?.context("the server ended"),
                // Accepting what nobody mails would be worse than ending.
                () = running.broken() => bail!("the courier panicked"),
            }
        });
        let ending = ending.await;
        drop(file);
        running.finish(&shutdown).await;
        match ending {
            None => warn!("requests were cut off: the drain took longer than {PATIENCE:?}"),
            Some(ended) => ended?,
        }
        info!("ended");
        Ok(ExitCode::SUCCESS)
    }
}
