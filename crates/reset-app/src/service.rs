//! Everything behind the listener: the use cases over their adapters, the rows over the use cases, and what
//! works behind the answers. `serve` puts a socket in front of it, a host application its own server.

use std::{fs::File, sync::Arc, time::Duration};

use anyhow::Result;
use reset_core::{
    Notices, Resets,
    keys::{Keyring, Keys},
    ports::{Adapters, Store, Webhook},
};

use reset_http::{Api, Dialect, ServeOptions, observer::Observer};
use reset_mail::MailService;
use reset_pages::hosted::{self, PagesSettings};
use tokio::{sync::oneshot, task::JoinHandle, time::sleep};
use tracing::warn;

use crate::{
    admin::{self, MetricsSource},
    demo::Demo,
    deployment,
    metrics::{Counted, Metrics, MetricsReport},
    settings::Settings,
    shutdown::{Shutdown, TIMEOUT},
    worker,
};

/// Time between two looks at the mail server, for `/readyz`.
const MAIL_CHECK_EVERY: Duration = Duration::from_secs(30);

/// The parts, put together.
pub(crate) struct Service {
    pub(crate) resets: Resets,
    pub(crate) api: Api,
    /// What the second listener serves, where there is one.
    pub(crate) admin: Option<Api>,
    mail: Arc<MailService>,
    /// How long events are kept.
    retention: Duration,
    claim: Option<File>,
}

impl Service {
    /// Opens the store, and puts everything else over it. Links lead to `public_url`; a demo has pages and a mailbox
    /// of its own.
    pub(crate) async fn new(
        settings: &Settings,
        roots: &Keyring,
        public_url: &str,
        demo: Option<&Demo>,
    ) -> Result<Self> {
        let store = deployment::store(settings).await?;
        let claim = settings.database.address.file().map(deployment::sole_server).transpose()?.flatten();
        if claim.is_some() {
            // We have the only worker: whatever is taken was taken by a process that is gone.
            store.release(deployment::clock().now()).await?;
        }
        let mail = match demo {
            Some(demo) => demo.mail(settings, public_url).await?,
            None => deployment::mail(settings, vec![settings.mail.transport.clone()], public_url)?,
        };
        let mail = Arc::new(mail);
        let with_demo =
            demo.map(|demo| move |pages: &mut Option<PagesSettings>| demo.pages(pages, public_url));
        let with_demo = with_demo.as_ref().map(|with_demo| with_demo as &dyn Fn(&mut _) -> _);
        let dialects = settings.dialects(public_url, roots, with_demo)?;
        let mut adapters = adapters(settings, store, mail.clone(), settings.passwords.threads)?;
        let metrics = settings.http.admin_listen.as_ref().map(|_| Arc::new(Metrics::new()));
        if let Some(metrics) = &metrics {
            adapters = counted(adapters, metrics);
        }
        let resets = resets(settings, roots, public_url, adapters, &dialects);
        let shared = deployment::counters(settings, roots).await?;
        let observer = metrics.clone().map(|metrics| metrics as Arc<dyn Observer>);
        let api =
            Api::new(resets.clone(), dialects, ServeOptions { shared, observer, ..settings.serving()? });
        let admin = metrics.map(|metrics| {
            let report: Arc<dyn MetricsSource> = Arc::new(MetricsReport { metrics, resets: resets.clone() });
            Api::new(resets.clone(), vec![admin::dialect(&report)], ServeOptions::default())
        });
        Ok(Self { resets, api, admin, mail, retention: settings.audit_retention, claim })
    }

    /// Starts what works behind the answers.
    pub(crate) fn start(self) -> Running {
        let (stop, stopped) = oneshot::channel::<()>();
        let worker = tokio::spawn(worker::run(self.resets.clone(), async {
            let _ = stopped.await;
        }));
        let chores = [
            tokio::spawn(watch_mail(self.resets.clone())),
            tokio::spawn(worker::clean_up(self.resets.clone(), self.retention)),
            tokio::spawn(worker::seal(self.resets)),
        ];
        Running { worker, stop, chores, mail: self.mail, _claim: self.claim }
    }
}

/// The use cases over a store that exists, for one command of an administrator: nothing works behind it.
pub(crate) async fn administration(settings: &Settings) -> Result<Resets> {
    let store = deployment::existing_store(settings).await?;
    let (roots, public_url) = (settings.database.secret.existing_roots()?, settings.likely_url());
    let mail = deployment::mail(settings, vec![settings.mail.transport.clone()], &public_url)?;
    let mail = Arc::new(mail);
    let dialects = settings.dialects(&public_url, &roots, None)?;
    let adapters = adapters(settings, store, mail, 1)?;
    Ok(resets(settings, &roots, &public_url, adapters, &dialects))
}

fn adapters(
    settings: &Settings,
    store: Arc<dyn Store>,
    mailer: Arc<MailService>,
    threads: usize,
) -> Result<Adapters> {
    let (hasher, webhook) = (deployment::hasher(settings, threads)?, deployment::webhook(settings)?);
    Ok(Adapters {
        store,
        mailer,
        webhook,
        hasher,
        clock: deployment::clock(),
        entropy: deployment::entropy(),
    })
}

/// The same, counted.
fn counted(adapters: Adapters, metrics: &Arc<Metrics>) -> Adapters {
    let Adapters { mailer, webhook, hasher, .. } = adapters;
    let webhook =
        webhook.map(|inner| Arc::new(Counted { inner, metrics: metrics.clone() }) as Arc<dyn Webhook>);
    Adapters {
        mailer: Arc::new(Counted { inner: mailer, metrics: metrics.clone() }),
        webhook,
        hasher: Arc::new(Counted { inner: hasher, metrics: metrics.clone() }),
        ..adapters
    }
}

fn resets(
    settings: &Settings,
    roots: &Keyring,
    public_url: &str,
    adapters: Adapters,
    dialects: &[Dialect],
) -> Resets {
    let policies = dialects.iter().filter_map(|dialect| dialect.policies.clone()).collect();
    let owner = settings.notify.owner;
    let pages = dialects.iter().any(|dialect| dialect.name == hosted::NAME);
    let dispute_page = (owner && pages).then(|| format!("{public_url}/not-me"));
    let notices = Notices { owner, dispute_page };
    let budgeting = settings.limits.budgeting.clone();
    let resets = Resets::within(budgeting, adapters, Keys::rotated(roots), policies, notices);
    resets.called(settings.names(public_url))
}

/// The worker and the chores at work.
pub(crate) struct Running {
    worker: JoinHandle<()>,
    stop: oneshot::Sender<()>,
    chores: [JoinHandle<()>; 3],
    mail: Arc<MailService>,
    /// Says to other processes that somebody serves from the database's file.
    _claim: Option<File>,
}

impl Running {
    /// Resolves if the worker ends before it is told to: it panicked.
    pub(crate) async fn broken(&mut self) {
        let _ = (&mut self.worker).await;
    }

    /// Lets the worker finish what it holds, for as long as `shutdown` gives.
    pub(crate) async fn finish(self, shutdown: &Shutdown) {
        self.chores.iter().for_each(JoinHandle::abort);
        drop(self.stop);
        if !self.worker.is_finished() {
            let done = tokio::time::timeout(TIMEOUT, self.worker);
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
