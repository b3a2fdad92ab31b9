//! The test bench of the use cases: four dialects on in-memory adapters with a frozen clock.

use std::{sync::Arc, time::Duration};

use reset_core::{
    Notices, Resets,
    account::NewAccount,
    budget::Budgeting,
    client_events::EventLimits,
    email::EmailAddress,
    error::{ExchangeError, RedeemError, RequestError},
    event::{Event, EventKind, Network},
    exchange::Exchange,
    issue_policy::{Delivery, FallbackPolicy, IssuePolicies, IssuePolicy},
    job::Outcome,
    keys::{HmacKey, Keyring, Keys},
    password::{NewPassword, PASSWORD_MAX, Policy},
    ports::{Accounts, Adapters},
    request::{Disclosure, ResetRequest},
    secret::{LongCode, Scope, SecretFormat, Seed, SixDigits, TaggedHex, TicketSecret},
    ticket::TicketKind,
    time::Timestamp,
};
use reset_testkit::memory::{Memory, SentMail};

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const LIFE: Duration = Duration::from_secs(15 * 60);
const POLICY: Policy = Policy { min: 8, four_classes: false, refuse_common: false, max_bytes: PASSWORD_MAX };

pub(crate) struct UseCaseBench {
    pub(crate) memory: Memory,
    pub(crate) resets: Resets,
    tokens: TaggedHex<24>,
}

/// Returns a bench with four dialects. `code` issues global six-digit codes, at most two of them live, and long codes
/// beyond that. `pair` issues codes per account that are exchanged for a token, with a link as fallback. `link` issues
/// tokens in links. `tiny` issues global codes from a space of four.
pub(crate) fn bench() -> UseCaseBench {
    let memory = Memory::new(1);
    let adapters = memory.adapters();
    bench_with(memory, adapters)
}

/// Returns the same bench over `adapters`, which may replace some of `memory`.
pub(crate) fn bench_with(memory: Memory, adapters: Adapters) -> UseCaseBench {
    over(memory, adapters, &[9], Budgeting::default())
}

/// Returns the same bench with budgets.
pub(crate) fn bench_within(budgeting: Budgeting) -> UseCaseBench {
    let memory = Memory::new(1);
    let adapters = memory.adapters();
    over(memory, adapters, &[9], budgeting)
}

/// Builds the use cases over `adapters`. Keys are derived from the first of `roots`; keys of the others are accepted.
fn over(memory: Memory, adapters: Adapters, roots: &[u8], budgeting: Budgeting) -> UseCaseBench {
    let mut roots = roots.iter().map(|root| HmacKey::root(&[*root; 32]).unwrap());
    let roots = Keyring::new(roots.next().unwrap(), roots);
    let tokens = TaggedHex::<24>::new(roots.derive("tags"));
    let policy = |format: Arc<dyn SecretFormat>, scope, delivery| IssuePolicy {
        format,
        scope,
        lifetime: LIFE,
        delivery,
    };
    let link = Delivery::Link { page: "https://app.example/reset?lang=en".into(), parameter: "token" };
    let via_redirect = Delivery::LinkViaRedirect {
        page: "https://app.example/open".into(),
        otherwise: "https://app.example/reset".into(),
        parameter: "token",
    };
    let template =
        Delivery::LinkTemplate { url: "https://app.example/#/confirm/{uid}/{token}?token={token}".into() };
    let policies = vec![
        IssuePolicies {
            dialect: "code",
            primary: policy(Arc::new(SixDigits), Scope::Global, Delivery::Code),
            fallback: Some(FallbackPolicy {
                max_live: Some(2),
                policy: policy(Arc::new(LongCode), Scope::Global, Delivery::Code),
            }),
        },
        IssuePolicies {
            dialect: "pair",
            primary: policy(Arc::new(SixDigits), Scope::Account, Delivery::Code),
            fallback: Some(FallbackPolicy {
                max_live: None,
                policy: policy(Arc::new(tokens.clone()), Scope::Global, via_redirect),
            }),
        },
        IssuePolicies {
            dialect: "link",
            primary: policy(Arc::new(tokens.clone()), Scope::Global, link),
            fallback: None,
        },
        IssuePolicies {
            dialect: "template",
            primary: policy(Arc::new(tokens.clone()), Scope::Global, template),
            fallback: None,
        },
        IssuePolicies {
            dialect: "tiny",
            primary: policy(Arc::new(OneOfFour), Scope::Global, Delivery::Code),
            fallback: None,
        },
    ];
    let notices = Notices { owner: true, dispute_page: Some("https://app.example/not-me".to_owned()) };
    let resets = Resets::within(budgeting, adapters, Keys::rotated(&roots), policies, notices);
    UseCaseBench { memory, resets, tokens }
}

impl UseCaseBench {
    /// Returns the bench with the same store, mailbox and clock under another secret.
    pub(crate) fn under_another_key(self) -> Self {
        self.under(&[8], Budgeting::default())
    }

    /// Returns the bench under the first of `roots`; keys of the others are accepted. Every bench starts with root 9.
    pub(crate) fn under(self, roots: &[u8], budgeting: Budgeting) -> Self {
        let adapters = self.memory.adapters();
        over(self.memory, adapters, roots, budgeting)
    }

    /// Returns the bench in a deployment with the name `name`.
    pub(crate) fn called(self, name: &str) -> Self {
        let bench = self.under(&[9], Budgeting::default());
        Self { resets: bench.resets.called(vec![name.to_owned()]), ..bench }
    }

    /// Returns the bench with limits of the events that clients cause.
    pub(crate) fn with_event_limits(self, limits: EventLimits) -> Self {
        Self { resets: self.resets.with_event_limits(limits), ..self }
    }

    pub(crate) async fn account(&self, email: &str) {
        self.account_in(email, None).await;
    }

    pub(crate) async fn account_in(&self, email: &str, locale: Option<&str>) {
        let account = NewAccount {
            email: email.to_owned(),
            username: None,
            name: None,
            locale: locale.map(str::to_owned),
            password_hash: "old".to_owned(),
            created_at: self.resets.adapters().clock.now(),
        };
        self.memory.store.add_account(&address(email), account).await.unwrap();
    }

    pub(crate) async fn request(&self, dialect: &'static str, email: &str) {
        self.try_request(dialect, email, Disclosure::Never).await.unwrap();
    }

    pub(crate) async fn request_with_redirect(
        &self,
        dialect: &'static str,
        email: &str,
        target: Option<&str>,
    ) {
        let (reference, disclosure) = (self.resets.reference(), Disclosure::Never);
        let (email, redirect_to) = (EmailAddress::parse(email).ok(), target.map(ToOwned::to_owned));
        let (locale, network) = (None, Some(network()));
        let request = ResetRequest { dialect, email, redirect_to, locale, network, reference, disclosure };
        self.resets.request(request).await.unwrap();
    }

    pub(crate) async fn try_request(
        &self,
        dialect: &'static str,
        email: &str,
        disclosure: Disclosure,
    ) -> Result<(), RequestError> {
        let reference = self.resets.reference();
        let redirect_to = (dialect == "link").then(|| "https://app.example/done".to_owned());
        let email = EmailAddress::parse(email).ok();
        self.resets
            .request(ResetRequest {
                dialect,
                email,
                redirect_to,
                locale: None,
                network: Some(network()),
                reference,
                disclosure,
            })
            .await
    }

    /// Runs jobs until none is due.
    pub(crate) async fn run_worker(&self) {
        loop {
            let jobs = self.resets.claim(10).await.unwrap();
            if jobs.is_empty() {
                return;
            }
            for job in jobs {
                self.resets.deliver(&job).await.unwrap();
            }
        }
    }

    /// Requests a reset, runs the worker, and takes the only mail.
    pub(crate) async fn reset_mail(&self, dialect: &'static str, email: &str) -> SentMail {
        self.request(dialect, email).await;
        self.run_worker().await;
        let mut mails = self.memory.mailer.take();
        assert_eq!(mails.len(), 1);
        mails.remove(0)
    }

    /// Runs the worker and discards its mails, then requests a code and takes its mail.
    pub(crate) async fn next_reset_mail(&self, email: &str) -> SentMail {
        self.run_worker().await;
        self.memory.mailer.take();
        self.reset_mail("code", email).await
    }

    pub(crate) fn token(&self, mail: &SentMail) -> TicketSecret {
        self.tokens.parse(mail.secret.rsplit('=').next().unwrap()).unwrap()
    }

    pub(crate) async fn redeem(
        &self,
        dialect: &'static str,
        secret: &TicketSecret,
    ) -> Result<(), RedeemError> {
        self.resets.redeem(dialect, secret, password("a new password"), Some(network()), None).await.map(drop)
    }

    pub(crate) async fn hash_of(&self, email: &str) -> String {
        let account = self.memory.store.account_by_email(&address(email)).await.unwrap().unwrap();
        self.memory.store.password_hash(&account.id).await.unwrap().unwrap()
    }

    pub(crate) fn outcomes(&self) -> Vec<Option<Outcome>> {
        self.memory.store.jobs().into_iter().map(|(_, outcome)| outcome).collect()
    }

    pub(crate) async fn exchange(
        &self,
        email: &str,
        code: &TicketSecret,
    ) -> Result<TicketSecret, ExchangeError> {
        let exchange = Exchange {
            dialect: "pair",
            email: &address(email),
            code,
            max_attempts: 3,
            format: &self.tokens,
            lifetime: LIFE,
            network: Some(network()),
        };
        self.resets.exchange(exchange).await.map(|exchanged| exchanged.token)
    }
}

/// Codes that collide often: `000000` to `000003`.
struct OneOfFour;

impl SecretFormat for OneOfFour {
    fn kind(&self) -> TicketKind {
        TicketKind::Code
    }

    fn mint(&self, seed: &Seed) -> TicketSecret {
        let mut byte = [0];
        seed.fill(&mut byte);
        code(&format!("00000{}", byte[0] % 4))
    }
}

/// Returns the network of the client.
pub(crate) fn network() -> Network {
    Network::of([192, 0, 2, 7].into())
}

/// Returns an event at `now`.
pub(crate) fn happened(now: Timestamp) -> Event {
    Event::new(EventKind::Tried, now)
}

pub(crate) fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

pub(crate) fn password(text: &str) -> NewPassword {
    POLICY.accept(text).unwrap()
}

pub(crate) fn code(text: &str) -> TicketSecret {
    SixDigits::parse(text).unwrap()
}
