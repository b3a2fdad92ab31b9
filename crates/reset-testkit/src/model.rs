//! A model of a ticket's life: clients, the owner, an attacker, workers and the clock act in any order on one account, and
//! after every action the model checks what must always hold.
//!
//! * No secret sets a password twice, and none that was issued before a completed reset or a dispute does.
//! * The password changes with a completed reset and with a dispute, and with nothing else.
//! * No accepted request is lost: when everything has settled, its mail was sent, unless a later request, a reset or a
//!   dispute made it obsolete; and the secret of the newest mail works.
//!
//! Short schedules are tried exhaustively on the store in memory; random ones are part of the store contract.

mod action;
mod random;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use reset_core::{
    Notices, Resets,
    account::{Account, NewAccount},
    deliver::{LEASE, Prepared, ReadyMail},
    email::EmailAddress,
    exchange::Exchange,
    issue_policy::{Delivery, IssuePolicies, IssuePolicy},
    job::Job,
    keys::{HmacKey, Keys},
    password::{NewPassword, PASSWORD_MAX, Policy},
    ports::{Adapters, Clock as _, Store},
    request::{Disclosure, ResetRequest},
    secret::{Scope, SecretFormat, SixDigits, TaggedHex, TicketSecret},
    time::Timestamp,
};

pub use self::{action::Action, random::random_schedules};
use crate::memory::{Memory, SentKind};

/// Lifetime of every secret.
const LIFE: Duration = Duration::from_secs(900);
/// Longer than a lease.
const PAUSE: Duration = LEASE.saturating_add(Duration::from_secs(1));
/// Guesses per code.
const MAX_ATTEMPTS: u32 = 3;

/// A secret that a mail or a response has handed out.
struct Handed {
    secret: TicketSecret,
    is_code: bool,
    dialect: &'static str,
    at: Timestamp,
    /// Whether a completed reset or a dispute came later.
    is_over: bool,
}

/// A job that a worker has claimed, and its mail.
struct ClaimedJob {
    job: Job,
    ready: Option<Box<ReadyMail>>,
}

/// The world on a store.
pub struct Model {
    memory: Memory,
    store: Arc<dyn Store>,
    address: EmailAddress,
    resets: Resets,
    tokens: TaggedHex<24>,
    claimed: Vec<ClaimedJob>,
    /// When a worker last claimed a job.
    claimed_at: Timestamp,
    handed: Vec<Handed>,
    notices: Vec<String>,
    /// Mails that were already looked at.
    mails_seen: usize,
    /// Completed resets and disputes.
    changes: i64,
    /// The kind of the last request, and when it was made, unless a reset or a dispute came later.
    awaited: Option<(bool, Timestamp)>,
    guesses: u32,
}

impl Model {
    /// Creates the world of an account on a store without waiting jobs.
    ///
    /// # Panics
    /// Panics if the store fails.
    pub async fn new(memory: Memory, store: Arc<dyn Store>, email: &str) -> Self {
        let address = EmailAddress::parse(email).expect("an address");
        let root = HmacKey::shared(&[3; 32]);
        let tokens = TaggedHex::<24>::new(root.derive("tokens"));
        let policy = |format: Arc<dyn SecretFormat>, scope, delivery| IssuePolicy {
            format,
            scope,
            lifetime: LIFE,
            delivery,
        };
        let link = Delivery::Link { page: "https://app.example/reset".into(), parameter: "token" };
        let of = |dialect, primary| IssuePolicies { dialect, primary, fallback: None };
        let policies = vec![
            of("link", policy(Arc::new(tokens.clone()), Scope::Global, link)),
            of("code", policy(Arc::new(SixDigits), Scope::Account, Delivery::Code)),
        ];
        let notices = Notices { owner: true, dispute_page: Some("https://app.example/not-me".to_owned()) };
        let adapters = Adapters { store: store.clone(), ..memory.adapters() };
        let resets = Resets::within(
            reset_core::budget::Budgeting::default(),
            adapters,
            Keys::new(&root),
            policies,
            notices,
        );
        let account = NewAccount {
            email: email.to_owned(),
            username: None,
            name: None,
            locale: None,
            password_hash: "old".to_owned(),
            created_at: memory.clock.now(),
        };
        store.add_account(&address, account).await.expect("an empty store");
        let (mails_seen, claimed_at) = (memory.mailer.sent().len(), memory.clock.now());
        Self {
            memory,
            store,
            address,
            claimed_at,
            resets,
            tokens,
            claimed: Vec::new(),
            handed: Vec::new(),
            notices: Vec::new(),
            mails_seen,
            changes: 0,
            awaited: None,
            guesses: 0,
        }
    }

    /// Performs an action. Actions that are impossible now change nothing.
    ///
    /// # Errors
    /// Returns what does not hold.
    ///
    /// # Panics
    /// Panics if the store fails.
    pub async fn perform(&mut self, action: Action) -> Result<(), String> {
        match action {
            Action::RequestLink => self.request(false).await,
            Action::RequestCode => self.request(true).await,
            Action::Claim => {
                self.claim().await;
            }
            Action::Finish | Action::Die | Action::DieAfterMail => self.end_claim(action).await,
            Action::UseNewest => self.redeem(self.handed.len().checked_sub(1)).await?,
            Action::UseOldest => self.redeem((!self.handed.is_empty()).then_some(0)).await?,
            Action::Exchange => {
                if let Some(newest) = self.handed.iter().rposition(|one| one.is_code) {
                    self.exchange(newest).await?;
                }
            }
            Action::Guess => {
                let wrong = self.wrong_code();
                if self.try_exchange(&wrong).await.is_some() {
                    return Err("a wrong code was exchanged".to_owned());
                }
            }
            Action::Dispute => self.dispute().await,
            Action::Pause => self.memory.clock.advance(PAUSE),
            Action::Expire => self.memory.clock.advance(LIFE),
        }
        self.read_mails();
        let epoch = self.account().await.epoch;
        if epoch == self.changes {
            Ok(())
        } else {
            Err(format!("{} changes, but epoch {epoch}", self.changes))
        }
    }

    /// Lets workers finish everything, and uses the secret that the last request must have led to.
    ///
    /// # Errors
    /// Returns what does not hold.
    ///
    /// # Panics
    /// Panics if the store fails.
    pub async fn settle(&mut self) -> Result<(), String> {
        self.claimed.clear();
        for _ in 0..3 {
            while self.claim().await {
                self.end_claim(Action::Finish).await;
            }
            self.memory.clock.advance(PAUSE);
        }
        self.read_mails();
        let waiting = self.store.oldest_waiting().await.expect("the store works");
        if waiting.is_some() {
            return Err("a job is still waiting".to_owned());
        }
        let Some((is_code, requested_at)) = self.awaited else { return Ok(()) };
        let dialect = if is_code { "code" } else { "link" };
        let of_request = |one: &Handed| one.dialect == dialect && one.at >= requested_at;
        let mailed: Vec<usize> =
            (0..self.handed.len()).filter(|place| of_request(&self.handed[*place])).collect();
        if mailed.is_empty() {
            return Err("the last request was not mailed".to_owned());
        }
        // A worker that was slow may have mailed the secret of an earlier request last.
        let now = self.memory.clock.now();
        let may_work = mailed.iter().any(|place| now < self.handed[*place].at.plus(LIFE));
        let (before, guesses) = (self.changes, self.guesses);
        for place in mailed.into_iter().rev() {
            if self.changes == before {
                self.redeem(Some(place)).await?;
            }
        }
        // Too many guesses end a code.
        if self.changes == before && may_work && (!is_code || guesses == 0) {
            return Err("no mailed secret of the last request works".to_owned());
        }
        Ok(())
    }

    /// Returns everything that decides what can happen next, except the contents of the store.
    pub fn fingerprint(&self) -> String {
        let now = self.memory.clock.now();
        let handed: Vec<_> =
            self.handed.iter().map(|one| (one.is_code, one.is_over, now.since(one.at))).collect();
        let claimed: Vec<_> =
            self.claimed.iter().map(|one| (one.job.seq, one.job.claims, one.ready.is_some())).collect();
        let awaited = self.awaited.map(|(is_code, at)| (is_code, now.since(at)));
        let since_claim = now.since(self.claimed_at).min(PAUSE);
        let counts = (self.notices.len(), self.changes, self.guesses);
        format!("{handed:?} {claimed:?} {since_claim:?} {awaited:?} {counts:?}")
    }

    async fn request(&mut self, is_code: bool) {
        let request = ResetRequest {
            dialect: if is_code { "code" } else { "link" },
            email: Some(self.address.clone()),
            redirect_to: None,
            locale: None,
            network: None,
            reference: self.resets.reference(),
            disclosure: Disclosure::Never,
        };
        self.resets.request(request).await.expect("the store works");
        self.awaited = Some((is_code, self.memory.clock.now()));
    }

    /// Claims and prepares a job. Returns whether there was one.
    async fn claim(&mut self) -> bool {
        self.claimed_at = self.memory.clock.now();
        let Some(job) = self.resets.claim(1).await.expect("the store works").pop() else { return false };
        let ready = match self.resets.prepare(&job).await.expect("the store works") {
            Prepared::Mail(ready) => Some(ready),
            Prepared::Settled(settlement) => {
                self.resets.settle(&job, &settlement).await.expect("the store works");
                None
            }
        };
        self.claimed.push(ClaimedJob { job, ready });
        true
    }

    /// Ends the oldest claim: its worker finishes or dies.
    async fn end_claim(&mut self, how: Action) {
        if self.claimed.is_empty() {
            return;
        }
        let ClaimedJob { job, ready } = self.claimed.remove(0);
        let Some(ready) = ready.filter(|_| how != Action::Die) else { return };
        let settlement = self.resets.send(&job, &ready).await;
        if how == Action::Finish {
            self.resets.settle(&job, &settlement).await.expect("the store works");
        }
    }

    /// Uses a secret, after an exchange if it is a code.
    async fn redeem(&mut self, which: Option<usize>) -> Result<(), String> {
        let Some(which) = which else { return Ok(()) };
        let which = if self.handed[which].is_code {
            let Some(token) = self.exchange(which).await? else { return Ok(()) };
            token
        } else {
            which
        };
        let Handed { secret, dialect, is_over, at, .. } = &self.handed[which];
        if self.resets.redeem(dialect, secret, password(), None, None).await.is_err() {
            return Ok(());
        }
        // A worker that repeats a delivery restarts the lifetime.
        let expired = self.memory.clock.now() >= (*at).max(self.claimed_at).plus(LIFE);
        if *is_over || expired {
            return Err("a secret set the password after its end".to_owned());
        }
        self.password_changed();
        Ok(())
    }

    /// Exchanges a code, and returns the place of its token.
    async fn exchange(&mut self, code: usize) -> Result<Option<usize>, String> {
        let is_over = self.handed[code].is_over;
        let secret = SixDigits::parse(self.handed[code].secret.reveal()).expect("a code");
        let Some(token) = self.try_exchange(&secret).await else { return Ok(None) };
        if is_over {
            return Err("a code was exchanged after a reset".to_owned());
        }
        let at = self.memory.clock.now();
        self.handed.push(Handed { secret: token, is_code: false, dialect: "code", at, is_over: false });
        Ok(Some(self.handed.len() - 1))
    }

    async fn try_exchange(&mut self, code: &TicketSecret) -> Option<TicketSecret> {
        let exchange = Exchange {
            dialect: "code",
            email: &self.address,
            code,
            max_attempts: MAX_ATTEMPTS,
            format: &self.tokens,
            lifetime: LIFE,
            network: None,
        };
        let exchanged = self.resets.exchange(exchange).await.ok();
        self.guesses += u32::from(exchanged.is_none());
        exchanged.map(|exchanged| exchanged.token)
    }

    /// Returns a code that no mail carried.
    fn wrong_code(&self) -> TicketSecret {
        let mut codes = (0..).map(|number| format!("{number:06}"));
        let wrong = codes.find(|code| self.handed.iter().all(|one| one.secret.reveal() != code.as_str()));
        SixDigits::parse(&wrong.expect("there are more codes than mails")).expect("six digits")
    }

    async fn dispute(&mut self) {
        let Some(token) = self.notices.last().cloned() else { return };
        let before = self.account().await.epoch;
        let _ = self.resets.open_dispute(&token, None).await;
        // A second press of the button changes nothing.
        if self.account().await.epoch > before {
            self.password_changed();
        }
    }

    fn password_changed(&mut self) {
        self.changes += 1;
        self.awaited = None;
        self.handed.iter_mut().for_each(|one| one.is_over = true);
    }

    /// Takes note of the secrets in new mails.
    fn read_mails(&mut self) {
        let (sent, now) = (self.memory.mailer.sent(), self.memory.clock.now());
        for mail in &sent[self.mails_seen..] {
            let value = || mail.secret.rsplit('=').next().unwrap_or_default();
            match mail.kind {
                SentKind::Changed => self.notices.push(value().to_owned()),
                kind => {
                    let is_code = kind == SentKind::Code;
                    let secret =
                        if is_code { SixDigits::parse(&mail.secret) } else { self.tokens.parse(value()) };
                    let secret = secret.expect("a secret of the dialect");
                    // A worker that did not learn of the first mail sends it again, and it is valid from then on.
                    let same = |one: &&mut Handed| one.secret.reveal() == secret.reveal();
                    if let Some(again) = self.handed.iter_mut().find(same) {
                        again.at = now;
                        continue;
                    }
                    let dialect = if is_code { "code" } else { "link" };
                    self.handed.push(Handed { secret, is_code, dialect, at: now, is_over: false });
                }
            }
        }
        self.mails_seen = sent.len();
    }

    async fn account(&self) -> Account {
        self.store.account_by_email(&self.address).await.expect("the store works").expect("the account")
    }
}

fn password() -> NewPassword {
    let policy = Policy { min: 1, four_classes: false, refuse_common: false, max_bytes: PASSWORD_MAX };
    policy.accept("a new password").expect("an acceptable password")
}
