//! polyreset inside a host application that has its own HTTP server but uses polyreset's database, mail and worker.

use anyhow::{Result, bail};
use reset_http::Api;
use tracing::error;

use crate::{
    deployment,
    service::{Running, Service},
    settings::{Inputs, Settings, keys},
    shutdown::Shutdown,
};

/// A deployment without a listener: settings, database, mail, and a running worker.
///
/// The settings are those of the binaries (`docs/settings.md`), from the environment and the file that
/// `POLYRESET_CONFIG` names. `listen` and `log` have no effect: the host owns sockets and logging. `admin_listen`
/// enables the metrics for [`admin`](Embedded::admin) and opens no socket.
pub struct Embedded {
    api: Api,
    admin: Option<Api>,
    running: Running,
}

impl Embedded {
    /// Opens the database and starts the worker on the current runtime. `set` overrides the environment: pairs of key and
    /// value, such as `("px0.code_ttl", "10m")`.
    ///
    /// # Errors
    /// Returns one sentence that names the setting. `public_url` must be set: without a listener, it has no default.
    pub async fn start(set: &[(&str, &str)]) -> Result<Self> {
        let flags =
            set.iter().map(|(key, value)| ("set by the host", (*key).to_owned(), (*value).to_owned()));
        let inputs = Inputs {
            flags: flags.collect(),
            environment: reset_settings::environment::variables()?,
            ..Inputs::default()
        };
        let settings = Settings::read(inputs)?;
        settings.unread.log();
        if !settings.is_given(&keys::PUBLIC_URL) {
            bail!("public_url is required: links in mails are built from it");
        }
        if settings.http.upstream.is_some() {
            bail!(
                "upstream_url has no effect here: the host application answers every request that is not polyreset's"
            );
        }
        if let Err(error) = settings.check_mail_is_deliverable() {
            error!("{error}");
        }
        let roots = deployment::roots(&settings).await?;
        let engine = Service::new(&settings, &roots, &settings.likely_url(), None).await?;
        Ok(Self { api: engine.api.clone(), admin: engine.admin.clone(), running: engine.start() })
    }

    /// Returns the routes, for `server_axum::router`, `server_actix::configure` or `server_warp::filter`.
    pub fn api(&self) -> Api {
        self.api.clone()
    }

    /// Returns the route `/metrics`, which must not be publicly reachable; `None` unless `admin_listen` is set.
    pub fn admin(&self) -> Option<Api> {
        self.admin.clone()
    }

    /// Stops the worker after its current deliveries. Call this after the host's server has stopped: requests in flight
    /// may still queue jobs. Deliveries that do not finish within ten seconds are retried at the next start.
    pub async fn stop(self) {
        self.running.finish(&Shutdown::now()).await;
    }
}
