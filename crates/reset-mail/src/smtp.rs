//! Mails by SMTP: a few connections, used again while they are warm.

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
    failure::{Stage, Why},
    session::{Server, Session},
};
use crate::{BadMailSettings, DiagnosisStep, SmtpSettings, message::ComposedMail};

/// Mails on their way at one time, hence connections too. More than a handful look like an attack to many
/// servers, and one carries thousands of mails a second. Two more than one domain may hold by default.
pub(crate) const CONNECTIONS: usize = crate::PER_DOMAIN + 2;

/// How long a connection may lie idle. Servers hang up after 30 s and more.
const IDLE: Duration = Duration::from_secs(20);

/// One mail server and the connections to it.
pub(crate) struct Smtp {
    server: Server,
    turns: Semaphore,
    idle: Mutex<Idle>,
}

/// What a diagnosis found at a stage.
type Found = (Stage, Result<String, String>);

/// Connections without work, the warmest last.
#[derive(Default)]
struct Idle {
    sessions: Vec<(Instant, Session)>,
    /// Whether a task is about that hangs up what lies too long.
    swept: bool,
}

impl Smtp {
    pub(crate) fn new(settings: SmtpSettings, hello: ClientId) -> Result<Arc<Self>, BadMailSettings> {
        let server = Server::new(settings, hello)?;
        Ok(Arc::new(Self { server, turns: Semaphore::new(CONNECTIONS), idle: Mutex::default() }))
    }

    /// Sends one mail.
    ///
    /// A time-out after the final dot leaves open whether the server took it. The next try then repeats
    /// mail and `Message-ID`: a duplicate is better than a loss.
    pub(crate) async fn send(self: &Arc<Self>, letter: &ComposedMail) -> Result<Reply, Failure> {
        let sent = timeout(self.server.patience.whole, self.attempt(letter)).await;
        sent.unwrap_or_else(|_| Err(Stage::Turn.failed(Why::Timeout)))
    }

    async fn attempt(self: &Arc<Self>, letter: &ComposedMail) -> Result<Reply, Failure> {
        let _turn = self.turns.acquire().await.expect("the semaphore is never closed");
        if let Some(mut session) = self.take()
            && session.wake().await.is_ok()
        {
            match self.deliver(session, letter).await {
                Err(failure) if failure.is_stale_connection() => {}
                outcome => return outcome,
            }
        }
        self.deliver(self.server.open().await?, letter).await
    }

    /// Hands the letter over and keeps the connection, if it is still good for another.
    async fn deliver(
        self: &Arc<Self>,
        mut session: Session,
        letter: &ComposedMail,
    ) -> Result<Reply, Failure> {
        let outcome = session.deliver(&letter.from, &letter.to, &letter.bytes).await;
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
        if !mem::replace(&mut idle.swept, true) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hangs up every idle connection.
    pub(crate) async fn shutdown(&self) {
        let sessions = mem::take(&mut self.idle().sessions);
        for (_, session) in sessions {
            session.quit().await;
        }
    }

    /// Goes as far as MAIL FROM on a fresh connection.
    pub(crate) async fn check(&self) -> Result<(), Failure> {
        let opened = timeout(self.server.patience.whole, self.server.open()).await;
        opened.unwrap_or_else(|_| Err(Stage::Turn.failed(Why::Timeout)))?.quit().await;
        Ok(())
    }

    /// Every step up to the first that fails. Nothing is sent.
    pub(crate) async fn diagnose(&self, from: &Address, setting: &'static str) -> Vec<DiagnosisStep> {
        let mut found = Vec::new();
        if let Err(failure) = self.walk(from, &mut found).await {
            found.push((failure.stage, Err(failure.sentence(&self.server.place(), setting))));
        }
        found
            .into_iter()
            .map(|(stage, result)| DiagnosisStep { setting, name: stage.name(), result })
            .collect()
    }

    async fn walk(&self, from: &Address, found: &mut Vec<Found>) -> Result<(), Failure> {
        let server = &self.server;
        let mut done = |stage: Stage, text: String| found.push((stage, Ok(text)));
        let addresses = server.resolve().await?;
        done(Stage::Dns, format!("{} address(es)", addresses.len()));
        let tcp = server.dial(&addresses).await?;
        done(Stage::Tcp, server.place());
        let mut session = server.greet(tcp).await?;
        done(Stage::Hello, if session.encrypted { "greeted under TLS" } else { "greeted" }.to_owned());
        if !session.encrypted {
            server.secure(&mut session).await?;
            done(
                Stage::StartTls,
                if session.encrypted { "encrypted" } else { "not offered, mail goes in plain text" }
                    .to_owned(),
            );
        }
        server.log_in(&mut session).await?;
        done(Stage::Auth, if server.logs_in() { "logged in" } else { "no credentials set" }.to_owned());
        session.address(from, from).await?;
        session.reset().await?;
        done(Stage::Rcpt, "sender accepted, also as recipient; nothing sent".to_owned());
        session.quit().await;
        Ok(())
    }
}

/// Hangs up what lies too long, until nothing lies any more. It looks rarely, so that a connection may lie
/// for up to twice [`IDLE`]; it is not used again then.
async fn sweep(smtp: Weak<Smtp>) {
    loop {
        sleep(IDLE).await;
        let Some(smtp) = smtp.upgrade() else { return };
        let (stale, last): (Vec<_>, bool) = {
            let mut idle = smtp.idle();
            let stale = idle.sessions.extract_if(.., |(since, _)| since.elapsed() >= IDLE).collect();
            idle.swept = !idle.sessions.is_empty();
            (stale, !idle.swept)
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
