//! Everything behind the listener: the use cases with their adapters, the API routes on top of them, and the background
//! tasks. `serve` adds a socket, a host application its own server.

use std::{fs::File, sync::Arc, time::Duration};

use anyhow::{Error, Result, bail};
use reset_core::{
    Notices, Resets,
    keys::{Keyring, Keys},
    ports::{Adapters, Store, Webhook},
};

use reset_http::{
    Api, Dialect, ServeOptions,
    observer::Observer,
    shadow::{Shadow, ShadowObserver},
};
use reset_mail::MailService;
use reset_pages::{
    hosted::{self, PagesSettings},
    service,
};
use tokio::{sync::oneshot, task::JoinHandle, time::sleep};
use tracing::warn;

use crate::{
    admin::{self, MetricsSource},
    demo::Demo,
    deployment,
    metrics::{Counted, Metrics, MetricsReport},
    settings::Settings,
    shadow::ShadowCounts,
    shutdown::{Shutdown, TIMEOUT},
    worker,
};

/// Interval between checks of the mail server, for `/readyz`.
const MAIL_CHECK_EVERY: Duration = Duration::from_secs(30);

/// An assembled service that is not running yet.
pub(crate) struct Service {
    pub(crate) resets: Resets,
    pub(crate) api: Api,
    /// Routes of the metrics listener, if configured.
    pub(crate) admin: Option<Api>,
    mail: Arc<MailService>,
    /// The results of comparisons, in shadow mode.
    comparisons: Option<Arc<ShadowCounts>>,
    /// Retention of audit events.
    retention: Duration,
    /// Lock of the SQLite file, if this is the only process that serves from it.
    lock: Option<File>,
}

impl Service {
    /// Opens the database and builds the service on it. Links are built from `public_url`; a demo adds its pages and its
    /// mailbox.
    pub(crate) async fn new(
        settings: &Settings,
        roots: &Keyring,
        public_url: &str,
        demo: Option<&Demo>,
    ) -> Result<Self> {
        let new_database = deployment::new_database(settings);
        let store = deployment::store(settings).await?;
        if let Some(path) = new_database.filter(|_| demo.is_none() && settings.users.is_none()) {
            warn!(
                "created a new database at {}: it has no accounts; if you expected an existing one, check database_url \
                 and that its volume is mounted",
                path.display()
            );
        }
        let lock =
            settings.database.address.file().map(deployment::lock_as_sole_server).transpose()?.flatten();
        if lock.is_some() {
            // This is the only worker, so every claimed job was claimed by a process that has crashed.
            store.release(deployment::clock().now()).await?;
        }
        let mail = match demo {
            Some(demo) => demo.mail(settings, public_url).await?,
            None => deployment::mail(settings, vec![settings.mail.transport.clone()], public_url)?,
        };
        mail.check_directories().await.map_err(Error::msg)?;
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
        let comparisons = settings.http.shadow.then(|| Arc::new(ShadowCounts::new(metrics.clone())));
        let shadow = match &comparisons {
            Some(_) if demo.is_some() => bail!("upstream_mode is shadow, but a demo has no back end"),
            Some(counts) => Some(Arc::new(duplicate(settings, roots, public_url, &resets, counts)?)),
            None => None,
        };
        let shared = deployment::counters(settings, roots).await?;
        let observer = metrics.clone().map(|metrics| metrics as Arc<dyn Observer>);
        let options = ServeOptions { shared, observer, shadow, ..settings.serving()? };
        let api = Api::new(resets.clone(), dialects, options);
        let admin = metrics.map(|metrics| {
            let report: Arc<dyn MetricsSource> = Arc::new(MetricsReport { metrics, resets: resets.clone() });
            let token = settings.http.admin_token.clone();
            Api::new(
                resets.clone(),
                vec![admin::dialect(&report)],
                ServeOptions { token, ..Default::default() },
            )
        });
        Ok(Self { resets, api, admin, mail, comparisons, retention: settings.audit_retention, lock })
    }

    /// Starts the worker and the other background tasks.
    pub(crate) fn start(self) -> Running {
        let (stop, stopped) = oneshot::channel::<()>();
        let worker = tokio::spawn(worker::run(self.resets.clone(), async {
            let _ = stopped.await;
        }));
        let mut tasks = vec![
            tokio::spawn(watch_mail(self.resets.clone())),
            tokio::spawn(worker::clean_up(self.resets.clone(), self.retention)),
            tokio::spawn(worker::seal(self.resets.clone())),
        ];
        let comparisons = self.comparisons.map(|counts| (counts, self.resets.adapters().store.clone()));
        if let Some((counts, store)) = comparisons.clone() {
            tasks.push(tokio::spawn(async move { counts.store_periodically(&*store).await }));
        }
        Running { worker, stop, tasks, comparisons, mail: self.mail, _lock: self.lock }
    }
}

/// Builds the duplicate of the API for shadow mode: the same dialects, on use cases without an effect.
fn duplicate(
    settings: &Settings,
    roots: &Keyring,
    public_url: &str,
    of: &Resets,
    counts: &Arc<ShadowCounts>,
) -> Result<Shadow> {
    let dialects = settings.dialects(public_url, roots, None)?;
    let without_effect = resets(settings, roots, public_url, of.adapters().dry_run(), &dialects);
    let observer: Arc<dyn ShadowObserver> = counts.clone();
    Ok(Shadow::new(without_effect, dialects, settings.serving()?, service::HEALTH_PATHS, observer))
}

/// Builds the use cases on an existing database, for one administrative command. No background task is started.
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

/// Wraps the adapters so that their calls are counted.
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
    resets
        .ending_sessions(settings.ends_sessions())
        .called(settings.names(public_url))
        .with_outbox(settings.limits.outbox)
        .with_event_limits(settings.limits.events)
}

/// The running worker and the other background tasks.
pub(crate) struct Running {
    worker: JoinHandle<()>,
    stop: oneshot::Sender<()>,
    tasks: Vec<JoinHandle<()>>,
    /// The results of comparisons that are not stored yet, in shadow mode.
    comparisons: Option<(Arc<ShadowCounts>, Arc<dyn Store>)>,
    mail: Arc<MailService>,
    /// Shows other processes that this one serves from the SQLite file.
    _lock: Option<File>,
}

impl Running {
    /// Resolves if the worker ends before it is stopped, which means that it panicked.
    pub(crate) async fn broken(&mut self) {
        let _ = (&mut self.worker).await;
    }

    /// Stops the worker after its current deliveries, or at the deadline of `shutdown`.
    pub(crate) async fn finish(self, shutdown: &Shutdown) {
        self.tasks.iter().for_each(JoinHandle::abort);
        drop(self.stop);
        if !self.worker.is_finished() {
            let stopped = tokio::time::timeout(TIMEOUT, self.worker);
            if !matches!(shutdown.within(stopped).await, Some(Ok(_))) {
                warn!("drain timeout: deliveries were aborted; they are retried after the next start");
            }
        }
        if let Some((counts, store)) = self.comparisons {
            shutdown.within(counts.store(&*store)).await;
        }
        shutdown.within(self.mail.shutdown()).await;
    }
}

/// Checks the mail server periodically, for `/readyz`. Nothing else decides on that state.
async fn watch_mail(resets: Resets) {
    loop {
        resets.check_mail().await;
        sleep(MAIL_CHECK_EVERY).await;
    }
}
