//! Sends mails by SMTP over a small pool of reused connections.

mod failure;
mod session;
mod wire;

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use lettre::{Address, transport::smtp::extension::ClientId};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, timeout},
};

pub(crate) use self::failure::{Failure, Reply};
use self::{
    failure::{Cause, Stage},
    session::{Server, Session},
};
use crate::{BadMailSettings, DiagnosisStep, SmtpSettings, message::ComposedMail};

/// Limit of concurrent mails, and therefore of connections. To many servers, more than a handful look like an attack,
/// and one connection carries thousands of mails per second. The limit is two above the default per-domain limit.
pub(crate) const CONNECTIONS: usize = crate::PER_DOMAIN + 2;

/// How long an idle connection is reused. Servers close theirs after 30 s or more.
const IDLE: Duration = Duration::from_secs(20);

/// One mail server and its connection pool.
pub(crate) struct Smtp {
    server: Server,
    permits: Semaphore,
    idle: Mutex<Idle>,
}

/// The finding of a diagnosis at one stage.
type Finding = (Stage, Result<String, String>);

/// Idle connections, the most recently used last.
#[derive(Default)]
struct Idle {
    sessions: Vec<(Instant, Session)>,
    /// Whether a task is running that closes expired connections.
    sweeping: bool,
}

impl Smtp {
    pub(crate) fn new(settings: SmtpSettings, hello: ClientId) -> Result<Arc<Self>, BadMailSettings> {
        let server = Server::new(settings, hello)?;
        Ok(Arc::new(Self { server, permits: Semaphore::new(CONNECTIONS), idle: Mutex::default() }))
    }

    /// Sends one mail.
    ///
    /// After a timeout behind the final dot it is unknown whether the server accepted the mail. The next attempt sends
    /// it again with the same `Message-ID`: a duplicate is better than a loss.
    pub(crate) async fn send(self: &Arc<Self>, composed: &ComposedMail) -> Result<Reply, Failure> {
        let sent = timeout(self.server.timeouts.total, self.attempt(composed)).await;
        sent.unwrap_or_else(|_| Err(Stage::Queue.failed(Cause::Timeout)))
    }

    async fn attempt(self: &Arc<Self>, composed: &ComposedMail) -> Result<Reply, Failure> {
        let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
        if let Some(mut session) = self.take()
            && session.prepare().await.is_ok()
        {
            match self.deliver(session, composed).await {
                Err(failure) if failure.is_stale_connection() => {}
                outcome => return outcome,
            }
        }
        self.deliver(self.server.open().await?, composed).await
    }

    /// Sends the mail, and returns the connection to the pool if it is still usable.
    async fn deliver(
        self: &Arc<Self>,
        mut session: Session,
        composed: &ComposedMail,
    ) -> Result<Reply, Failure> {
        let outcome = session.deliver(&composed.from, &composed.to, &composed.bytes).await;
        if outcome.as_ref().err().is_none_or(Failure::leaves_connection_usable) {
            self.put(session);
        }
        outcome
    }

    fn take(&self) -> Option<Session> {
        self.idle().sessions.pop_if(|(since, _)| since.elapsed() < IDLE).map(|(_, session)| session)
    }

    fn put(self: &Arc<Self>, session: Session) {
        let mut idle = self.idle();
        idle.sessions.push((Instant::now(), session));
        if !mem::replace(&mut idle.sweeping, true) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes every idle connection.
    pub(crate) async fn shutdown(&self) {
        let sessions = mem::take(&mut self.idle().sessions);
        for (_, session) in sessions {
            session.quit().await;
        }
    }

    /// Opens a fresh connection, logs in and quits.
    pub(crate) async fn check(&self) -> Result<(), Failure> {
        let opened = timeout(self.server.timeouts.total, self.server.open()).await;
        opened.unwrap_or_else(|_| Err(Stage::Queue.failed(Cause::Timeout)))?.quit().await;
        Ok(())
    }

    /// Runs every step up to the first that fails, without sending a mail.
    pub(crate) async fn diagnose(&self, from: &Address, setting: &'static str) -> Vec<DiagnosisStep> {
        let mut findings = Vec::new();
        if let Err(failure) = self.run_steps(from, &mut findings).await {
            findings.push((failure.stage, Err(failure.describe(&self.server.endpoint(), setting))));
        }
        findings
            .into_iter()
            .map(|(stage, result)| DiagnosisStep { setting, name: stage.name(), result })
            .collect()
    }

    async fn run_steps(&self, from: &Address, findings: &mut Vec<Finding>) -> Result<(), Failure> {
        let server = &self.server;
        let mut passed = |stage: Stage, text: String| findings.push((stage, Ok(text)));
        let addresses = server.resolve().await?;
        passed(Stage::Dns, format!("{} address(es)", addresses.len()));
        let tcp = server.dial(&addresses).await?;
        passed(Stage::Tcp, server.endpoint());
        let mut session = server.greet(tcp).await?;
        passed(Stage::Hello, if session.encrypted { "greeted under TLS" } else { "greeted" }.to_owned());
        if !session.encrypted {
            server.start_tls(&mut session).await?;
            passed(
                Stage::StartTls,
                if session.encrypted { "encrypted" } else { "not offered, mail is sent in plain text" }
                    .to_owned(),
            );
        }
        server.log_in(&mut session).await?;
        passed(Stage::Auth, if server.logs_in() { "logged in" } else { "no credentials set" }.to_owned());
        session.set_envelope(from, from).await?;
        session.reset().await?;
        passed(Stage::Rcpt, "sender accepted, also as recipient; nothing sent".to_owned());
        session.quit().await;
        Ok(())
    }
}

/// Closes expired connections until the pool is empty. It runs once per [`IDLE`], so a connection can stay open for up
/// to twice that time, but it is not reused after [`IDLE`].
async fn sweep(smtp: Weak<Smtp>) {
    loop {
        sleep(IDLE).await;
        let Some(smtp) = smtp.upgrade() else { return };
        let (stale, last): (Vec<_>, bool) = {
            let mut idle = smtp.idle();
            let stale = idle.sessions.extract_if(.., |(since, _)| since.elapsed() >= IDLE).collect();
            idle.sweeping = !idle.sessions.is_empty();
            (stale, !idle.sweeping)
        };
        for (_, session) in stale {
            session.quit().await;
        }
        if last {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
