//! polyreset inside a host application that brings the server but takes our database, mailer and worker.

use anyhow::{Result, bail};
use reset_http::Api;

use crate::{
    deployment,
    service::{Running, Service},
    settings::{Inputs, Settings, keys},
    shutdown::Shutdown,
};

/// A deployment without a listener: settings, database, mail, and the worker at work.
///
/// The settings are those of the binaries (docs/settings.md), from the environment and the file that
/// `POLYRESET_CONFIG` names. `listen` and `log` mean nothing here: sockets and logs are the host's. `admin_listen`
/// has figures counted, for [`admin`](Embedded::admin), and opens nothing.
pub struct Embedded {
    api: Api,
    admin: Option<Api>,
    running: Running,
}

impl Embedded {
    /// Opens everything and starts the worker on the current runtime. `set` goes before the environment:
    /// pairs of key and value, such as `("px0.code_ttl", "10m")`.
    ///
    /// # Errors
    /// One sentence that names the setting. `public_url` must be set: without a listener of ours there is
    /// nothing to guess it from.
    pub async fn start(set: &[(&str, &str)]) -> Result<Self> {
        let flags = set.iter().map(|(key, value)| ("the host", (*key).to_owned(), (*value).to_owned()));
        let inputs = Inputs {
            flags: flags.collect(),
            environment: reset_settings::environment::variables()?,
            ..Inputs::default()
        };
        let settings = Settings::read(inputs)?;
        settings.unread.log();
        if !settings.is_given(&keys::PUBLIC_URL) {
            bail!("public_url must be set: mailed links lead there");
        }
        let roots = settings.database.secret.roots(&*deployment::entropy())?;
        let engine = Service::new(&settings, &roots, &settings.likely_url(), None).await?;
        Ok(Self { api: engine.api.clone(), admin: engine.admin.clone(), running: engine.start() })
    }

    /// The rows, for `server_axum::router`, `server_actix::configure` or `server_warp::filter`.
    pub fn api(&self) -> Api {
        self.api.clone()
    }

    /// The row `/metrics`, to be mounted where strangers do not get; nothing unless `admin_listen` is set.
    pub fn admin(&self) -> Option<Api> {
        self.admin.clone()
    }

    /// Lets the worker finish the deliveries that it holds. To be called when the host's server has ended:
    /// requests in flight may still accept jobs. What is not finished within ten seconds is taken up again
    /// at the next start.
    pub async fn stop(self) {
        self.running.finish(&Shutdown::now()).await;
    }
}
