//! `serve`: puts the parts together, runs them, and takes them apart in the right order.

use std::{collections::HashSet, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use clap::Args;
use reset_core::{
    Resets,
    keys::{Key, Keys},
    ports::{Adapters, Store},
};
use reset_dialects::Api;
use reset_mail::MailService;
use tokio::{sync::oneshot, task::JoinHandle, time::sleep};
use tracing::{info, warn};

use super::{Global, print};
use crate::{
    Serve, courier,
    demo::Demo,
    deployment,
    listener::{self, Bound},
    settings::{Listen, Settings},
    shutdown::{PATIENCE, Shutdown},
    telemetry,
};

/// Time between two looks at the mail server, for `/readyz`.
const MAIL_CHECK_EVERY: Duration = Duration::from_secs(30);

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
    let service = Service::new(&settings, demo.as_ref()).await?;
    for weakness in settings.weaknesses()? {
        warn!("open: {weakness}");
    }
    if let Some(demo) = &demo {
        demo.introduce(&service.resets, &service.bound.at, &settings.stand_in()?).await?;
    }
    let ended = service.run(serve, shutdown).await;
    if let Some(demo) = demo {
        demo.remove()?;
    }
    ended
}

/// Everything that is ready to run.
struct Service {
    bound: Bound,
    resets: Resets,
    api: Api,
    mail: Arc<MailService>,
}

impl Service {
    async fn new(settings: &Settings, demo: Option<&Demo>) -> Result<Self> {
        let store = deployment::store(settings).await?;
        let root = settings.database.secret.root(&*deployment::entropy())?;
        let bound = listener::bind(&settings.http.listen)?;
        if settings.database.address.file().is_some() {
            // We hold the only couriers: whatever is taken was taken by a process that is gone.
            store.release(deployment::clock().now()).await?;
        }
        let public_url = settings.http.public_url.of(&bound.at);
        let transports = demo.and_then(|_| Demo::transports(settings));
        let transports = transports.unwrap_or_else(|| vec![settings.mail.transport.clone()]);
        let mail = deployment::mail(settings, transports, &public_url)?;
        let (resets, api) = use_cases(settings, &public_url, &root, store, mail.clone())?;
        Ok(Self { bound, resets, api, mail })
    }

    /// Serves until a signal, then drains as [`Shutdown`] says.
    async fn run(self, serve: Serve, shutdown: Shutdown) -> Result<ExitCode> {
        let Self { bound: Bound { listener, at, file }, resets, api, mail } = self;
        let (stop_courier, stopped) = oneshot::channel::<()>();
        let mut courier = tokio::spawn(courier::run(resets.clone(), async {
            let _ = stopped.await;
        }));
        let chores = [tokio::spawn(watch_mail(resets.clone())), tokio::spawn(courier::clean_up(resets))];
        let server = tokio::spawn(serve(listener, api, Box::pin(shutdown.begun())));
        print(&match &at {
            Listen::Tcp(address) => format!("listening on http://{address}\n"),
            Listen::Unix(_) => format!("listening on {at}\n"),
        });

        let ending = shutdown.within(async {
            tokio::select! {
                ended = server => ended.context("the server panicked")?.context("the server ended"),
                // Accepting what nobody mails would be worse than ending.
                _ = &mut courier => bail!("the courier panicked"),
            }
        });
        let ending = ending.await;
        drop(file);
        chores.iter().for_each(JoinHandle::abort);
        drop(stop_courier);
        if !courier.is_finished() {
            finish(&shutdown, courier).await;
        }
        shutdown.within(mail.shutdown()).await;
        match ending {
            None => warn!("requests were cut off: the drain took longer than {PATIENCE:?}"),
            Some(ended) => ended?,
        }
        info!("ended");
        Ok(ExitCode::SUCCESS)
    }
}

/// Lets the courier finish what it holds, for as long as there is time.
async fn finish(shutdown: &Shutdown, courier: JoinHandle<()>) {
    let done = tokio::time::timeout(PATIENCE, courier);
    if !matches!(shutdown.within(done).await, Some(Ok(_))) {
        warn!("deliveries were cut off; the next start takes them up again");
    }
}

/// The use cases over the adapters, and the dialects over the use cases.
fn use_cases(
    settings: &Settings,
    public_url: &str,
    root: &Key,
    store: Arc<dyn Store>,
    mailer: Arc<MailService>,
) -> Result<(Resets, Api)> {
    let hasher = deployment::hasher(settings, settings.passwords.threads)?;
    let (clock, entropy) = (deployment::clock(), deployment::entropy());
    let adapters = Adapters { store, mailer, hasher, clock, entropy };
    let dialects = reset_dialects::dialects(settings.dialects(public_url, root)?);
    let recipes = dialects.iter().filter_map(|dialect| dialect.recipes.clone()).collect();
    let resets = Resets::new(adapters, Keys::new(root), recipes, settings.notify_owner);
    let api = Api::new(resets.clone(), dialects, settings.serving()?);
    let mut paths = HashSet::new();
    if let Some(twice) = api.routes().iter().find(|route| !paths.insert(route.path.as_str())) {
        bail!("worthai.base_path: {} is another dialect's already", twice.path);
    }
    Ok((resets, api))
}

/// Keeps `/readyz` truthful about mail.
async fn watch_mail(resets: Resets) {
    loop {
        resets.check_mail().await;
        sleep(MAIL_CHECK_EVERY).await;
    }
}
