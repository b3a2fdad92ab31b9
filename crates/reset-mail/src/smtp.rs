//! Sends mails by SMTP over a small pool of reused connections.

mod failure;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod remedy;
mod reply;
mod server;
mod session;
mod slots;
mod timeouts;
mod tls;
mod wire;

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use lettre::Address;
use tokio::time::{Instant, sleep};

pub(crate) use self::{failure::Failure, reply::Reply};
use self::{
    failure::{Cause, Stage},
    server::Server,
    session::Session,
    slots::{Slot, Slots},
    timeouts::{OF_CHECK, WITH_ALTERNATIVE},
};
use crate::{BadMailSettings, DiagnosisStep, SmtpSettings, message::ComposedMail};

/// How long an idle connection is reused. Servers close theirs after 30 s or more.
const IDLE: Duration = Duration::from_secs(20);

/// One mail server and its connection pool.
pub(crate) struct Smtp {
    server: Server,
    slots: Arc<Slots>,
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
    pub(crate) fn new(settings: SmtpSettings, hello: String) -> Result<Arc<Self>, BadMailSettings> {
        let server = Server::new(settings, hello)?;
        Ok(Arc::new(Self { server, slots: Slots::new(crate::CONNECTIONS), idle: Mutex::default() }))
    }

    /// Sets the limit of connections.
    pub(crate) fn set_connections(&mut self, max: usize) {
        self.slots = Slots::new(max);
    }

    /// Sets the longest wait for each stage before the final dot. Without a setting, it is the standard's, or a short one
    /// if another server exists, so that a server that hangs does not hold up mail that the other could take.
    pub(crate) fn set_timeout(&mut self, setting: Option<Duration>, has_alternative: bool) {
        let cap = setting.or(has_alternative.then_some(WITH_ALTERNATIVE));
        let timeouts = timeouts::Timeouts::default();
        self.server.timeouts = cap.map_or(timeouts, |cap| timeouts.capped(cap));
    }

    /// Returns how many mails the server takes at once.
    pub(crate) fn connections(&self) -> usize {
        self.slots.limit()
    }

    /// Returns whether every connection is held by a mail that is stuck.
    pub(crate) fn is_stuck(&self) -> bool {
        self.slots.are_stuck()
    }

    /// Sends one mail.
    pub(crate) async fn send(self: &Arc<Self>, composed: &ComposedMail) -> Result<Reply, Failure> {
        let slot = self.slots.acquire().await.ok_or_else(|| Stage::Queue.failed(Cause::Busy))?;
        let mut outcome = self.attempt(&slot, composed).await;
        // Meanwhile another mail may have left its connection behind.
        if outcome
            .as_ref()
            .is_err_and(|failure| failure.stage < Stage::Mail && failure.may_be_connection_limit())
            && let Some(reused) = self.reuse(&slot, composed).await
        {
            outcome = reused;
        }
        match outcome {
            Ok(reply) => {
                slot.succeeded();
                Ok(reply)
            }
            Err(failure) => Err(busy_or(&slot, failure)),
        }
    }

    async fn attempt(self: &Arc<Self>, slot: &Slot, composed: &ComposedMail) -> Result<Reply, Failure> {
        if let Some(outcome) = self.reuse(slot, composed).await {
            return outcome;
        }
        let session = self.server.open(self.server.timeouts, || slot.works()).await?;
        self.deliver(session, composed).await
    }

    /// Sends the mail over an idle connection. Returns `None` if there is none, or it turned out to be dead.
    async fn reuse(self: &Arc<Self>, slot: &Slot, composed: &ComposedMail) -> Option<Result<Reply, Failure>> {
        let mut session = self.take()?;
        session.prepare(self.server.timeouts).await.ok()?;
        slot.works();
        match self.deliver(session, composed).await {
            Err(failure) if failure.is_stale_connection() => None,
            outcome => Some(outcome),
        }
    }

    /// Sends the mail, and returns the connection to the pool if it is still usable.
    async fn deliver(
        self: &Arc<Self>,
        mut session: Session,
        composed: &ComposedMail,
    ) -> Result<Reply, Failure> {
        let outcome = session.deliver(&composed.from, &composed.to, &composed.bytes).await;
        match &outcome {
            Err(failure) if failure.may_be_connection_limit() => {
                tokio::spawn(session.quit());
            }
            Err(failure) if !failure.leaves_connection_usable() => {}
            _ => self.put(session),
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

    /// Uses an idle connection, or opens one, logs in and quits. A busy server works: while every slot is held by a mail,
    /// or the server limits connections, none is opened.
    pub(crate) async fn check(self: &Arc<Self>) -> Result<(), Failure> {
        let Some(slot) = self.slots.try_acquire() else {
            return if self.is_stuck() { Err(Stage::Queue.failed(Cause::Timeout)) } else { Ok(()) };
        };
        let timeouts = self.server.timeouts.capped(OF_CHECK);
        // The idle connections may be as many as the server allows.
        if let Some(mut session) = self.take()
            && session.prepare(timeouts).await.is_ok()
            && session.reset().await.is_ok()
        {
            self.put(session);
            return Ok(());
        }
        match self.server.open(timeouts, || slot.works()).await {
            Ok(session) => {
                session.quit().await;
                Ok(())
            }
            Err(failure) => match busy_or(&slot, failure) {
                Failure { cause: Cause::Busy, .. } => Ok(()),
                failure => Err(failure),
            },
        }
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

    /// Sends one mail over a connection of its own, and returns the server's whole reply to it.
    pub(crate) async fn send_sample(&self, composed: &ComposedMail) -> Result<String, Failure> {
        let mut session = self.server.open(self.server.timeouts, || {}).await?;
        let lines = session.transfer(&composed.from, &composed.to, &composed.bytes).await?;
        session.quit().await;
        Ok(format!("{} {}", lines.code, lines.texts.join(" ")))
    }

    /// Describes why a sample mail was not sent. The recipient is not the sender, as it is in a diagnosis.
    pub(crate) fn describe_sample(&self, failure: &Failure, setting: &str) -> String {
        let endpoint = self.server.endpoint();
        match (failure.stage, &failure.cause) {
            (Stage::Rcpt, Cause::Reply(reply)) => format!(
                "{endpoint} rejected the recipient ({reply}): correct the address, or allow this host to relay to it."
            ),
            (Stage::Data | Stage::Transfer | Stage::Message, Cause::Reply(reply)) => format!(
                "{endpoint} rejected the message ({reply}): the mail server's log or its provider's console has the reason, \
                 such as an unverified sender, an exceeded quota or the content."
            ),
            _ => failure.describe(&endpoint, setting),
        }
    }

    async fn run_steps(&self, from: &Address, findings: &mut Vec<Finding>) -> Result<(), Failure> {
        let (server, timeouts) = (&self.server, self.server.timeouts.capped(OF_CHECK));
        let mut passed = |stage: Stage, text: &str| findings.push((stage, Ok(text.to_owned())));
        let addresses = server.resolve(timeouts).await?;
        passed(Stage::Dns, &format!("{} address(es)", addresses.len()));
        let tcp = server.dial(timeouts, &addresses).await?;
        passed(Stage::Tcp, &server.endpoint());
        let mut session = server.greet(timeouts, tcp).await?;
        let implicit = session.is_encrypted();
        passed(Stage::Hello, if implicit { "greeted under TLS" } else { "greeted" });
        if !implicit {
            session = server.start_tls(session).await?;
            let encrypted = session.is_encrypted();
            passed(Stage::StartTls, if encrypted { "encrypted" } else { server.plain_reason() });
        }
        server.log_in(&mut session).await?;
        passed(Stage::Auth, if server.logs_in() { "logged in" } else { "no credentials set" });
        session.set_envelope(from, from).await?;
        session.reset().await?;
        passed(
            Stage::Rcpt,
            "sender accepted, also as recipient; nothing sent. A rejection at DATA, such as an exceeded quota or an \
             unverified sender, shows only when a mail is sent",
        );
        session.quit().await;
        Ok(())
    }
}

/// Returns the failure, or that the server is busy if it has only reached its limit of connections.
fn busy_or(slot: &Slot, failure: Failure) -> Failure {
    let replied = matches!(failure.cause, Cause::Reply(_));
    if failure.may_be_connection_limit() && slot.was_rejected(replied) {
        failure.stage.failed(Cause::Busy)
    } else {
        failure
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
