//! Everything behind the listener: the use cases over their adapters, the rows over the use cases, and what
//! works behind the answers. `serve` puts a socket in front of it, a host application its own server.

use std::{collections::HashSet, fs::File, sync::Arc, time::Duration};

use anyhow::{Result, bail};
use reset_core::{
    Resets,
    keys::{Keyring, Keys},
    ports::Adapters,
};
use reset_dialects::{Api, Serving};
use reset_mail::{MailService, Transport};
use tokio::{sync::oneshot, task::JoinHandle, time::sleep};
use tracing::warn;

use crate::{
    courier, deployment,
    settings::Settings,
    shutdown::{PATIENCE, Shutdown},
};

/// Time between two looks at the mail server, for `/readyz`.
const MAIL_CHECK_EVERY: Duration = Duration::from_secs(30);

/// The parts, put together.
pub(crate) struct Engine {
    pub(crate) resets: Resets,
    pub(crate) api: Api,
    mail: Arc<MailService>,
    claim: Option<File>,
}

impl Engine {
    /// Opens the store, and puts everything else over it. Mails go to `transports`, their links to
    /// `public_url`.
    pub(crate) async fn new(
        settings: &Settings,
        roots: &Keyring,
        public_url: &str,
        transports: Vec<Transport>,
    ) -> Result<Self> {
        let store = deployment::store(settings).await?;
        let claim = settings.database.address.file().map(deployment::sole_server).transpose()?.flatten();
        if claim.is_some() {
            // We have the only courier: whatever is taken was taken by a process that is gone.
            store.release(deployment::clock().now()).await?;
        }
        let mail = deployment::mail(settings, transports, public_url)?;
        let hasher = deployment::hasher(settings, settings.passwords.threads)?;
        let (clock, entropy) = (deployment::clock(), deployment::entropy());
        let webhook = deployment::webhook(settings)?;
        let adapters = Adapters { store, mailer: mail.clone(), webhook, hasher, clock, entropy };
        let dialects = reset_dialects::dialects(settings.dialects(public_url, roots)?);
        let recipes = dialects.iter().filter_map(|dialect| dialect.recipes.clone()).collect();
        let resets = Resets::within(
            settings.limits.budgeting.clone(),
            adapters,
            Keys::rotated(roots),
            recipes,
            settings.notify.owner,
        );
        let resets = resets.called(settings.names(public_url));
        let serving = Serving { shared: deployment::counters(settings, roots).await?, ..settings.serving()? };
        let api = Api::new(resets.clone(), dialects, serving);
        let mut paths = HashSet::new();
        if let Some(twice) = api.routes().iter().find(|route| !paths.insert(route.path.as_str())) {
            bail!("worthai.base_path: {} is another dialect's already", twice.path);
        }
        Ok(Self { resets, api, mail, claim })
    }

    /// Starts what works behind the answers.
    pub(crate) fn start(self) -> Running {
        let (stop, stopped) = oneshot::channel::<()>();
        let courier = tokio::spawn(courier::run(self.resets.clone(), async {
            let _ = stopped.await;
        }));
        let chores =
            [tokio::spawn(watch_mail(self.resets.clone())), tokio::spawn(courier::clean_up(self.resets))];
        Running { courier, stop, chores, mail: self.mail, _claim: self.claim }
    }
}

/// The courier and the chores at work.
pub(crate) struct Running {
    courier: JoinHandle<()>,
    stop: oneshot::Sender<()>,
    chores: [JoinHandle<()>; 2],
    mail: Arc<MailService>,
    /// Says to other processes that somebody serves from the database's file.
    _claim: Option<File>,
}

impl Running {
    /// Resolves if the courier ends before it is told to: it panicked.
    pub(crate) async fn broken(&mut self) {
        let _ = (&mut self.courier).await;
    }

    /// Lets the courier finish what it holds, for as long as `shutdown` gives.
    pub(crate) async fn finish(self, shutdown: &Shutdown) {
        self.chores.iter().for_each(JoinHandle::abort);
        drop(self.stop);
        if !self.courier.is_finished() {
            let done = tokio::time::timeout(PATIENCE, self.courier);
            if !matches!(shutdown.within(done).await, Some(Ok(_))) {
                warn!("deliveries were cut off; the next start takes them up again");
            }
        }
        shutdown.within(self.mail.shutdown()).await;
    }
}

/// Keeps `/readyz` truthful about mail.
async fn watch_mail(resets: Resets) {
    loop {
        resets.check_mail().await;
        sleep(MAIL_CHECK_EVERY).await;
    }
}
