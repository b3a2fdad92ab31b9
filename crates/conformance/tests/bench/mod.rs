//! A server on a free port with in-memory adapters and a running worker.

use std::{
    net::{SocketAddr, TcpListener},
    thread,
    time::{Duration, Instant},
};

use conformance::clients::{self, PUBLIC_URL};
use reset_app::{Listener, ServeFuture, Stop};
use reset_core::{
    Resets,
    account::NewAccount,
    email::EmailAddress,
    keys::{HmacKey, Keys},
    ports::{Accounts, Clock},
};
use reset_http::{Api, Dialect, ServeOptions};
use reset_pages::{demo::DemoSettings, hosted::PagesSettings};
use reset_testkit::memory::{Memory, SentMail};
use tokio::{runtime::Runtime, sync::oneshot};

/// A server: its name and its `serve` function.
pub(crate) type FrontEnd = (&'static str, fn(Listener, Api, Stop) -> ServeFuture);

/// All three servers.
pub(crate) const FRONT_ENDS: &[FrontEnd] =
    &[("axum", server_axum::serve), ("actix", server_actix::serve), ("warp", server_warp::serve)];

/// A running server.
pub(crate) struct RunningServer {
    pub(crate) address: SocketAddr,
    pub(crate) memory: Memory,
    _stop: oneshot::Sender<()>,
    _runtime: Runtime,
}

/// Returns the root key of every server in these tests.
pub(crate) fn root_key() -> HmacKey {
    HmacKey::root(&[5; 32]).unwrap()
}

/// Returns every dialect, with `settings` overriding the defaults, the hosted pages and, if given, a demo.
pub(crate) fn every_dialect(settings: &[(&str, &str)], demo: Option<DemoSettings>) -> Vec<Dialect> {
    let pages = PagesSettings::defaults(&root_key(), PUBLIC_URL);
    reset_pages::complete(clients::dialects(settings, &root_key()), Some(pages), demo)
}

impl RunningServer {
    /// Starts `front_end` with one account, `user@example.com`.
    pub(crate) fn start(front_end: &FrontEnd, dialects: Vec<Dialect>) -> Self {
        Self::start_with(front_end, dialects, ServeOptions::default())
    }

    /// Like [`Self::start`], with other options.
    pub(crate) fn start_with(front_end: &FrontEnd, dialects: Vec<Dialect>, options: ServeOptions) -> Self {
        Self::start_at(front_end, dialects, options, SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Like [`Self::start_with`], at this address.
    pub(crate) fn start_at(
        front_end: &FrontEnd,
        dialects: Vec<Dialect>,
        options: ServeOptions,
        address: SocketAddr,
    ) -> Self {
        Self::start_built(front_end, dialects, address, |_| options)
    }

    /// Like [`Self::start_at`], with options that depend on the adapters.
    pub(crate) fn start_built(
        front_end: &FrontEnd,
        dialects: Vec<Dialect>,
        address: SocketAddr,
        options: impl FnOnce(&Memory) -> ServeOptions,
    ) -> Self {
        let runtime = Runtime::new().unwrap();
        let memory = Memory::new(1);
        let policies = dialects.iter().filter_map(|dialect| dialect.policies.clone()).collect();
        let resets = Resets::new(memory.adapters(), Keys::new(&root_key()), policies, true);
        let api = Api::new(resets.clone(), dialects, options(&memory));
        runtime.block_on(add(&memory, "user@example.com"));
        runtime.spawn(async move {
            loop {
                for job in resets.claim(8).await.unwrap() {
                    resets.deliver(&job).await.unwrap();
                }
                let _ = tokio::time::timeout(Duration::from_millis(5), resets.job_queued()).await;
            }
        });
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serve = front_end.1;
        runtime.spawn(async move {
            let stop: Stop = Box::pin(async { stopped.await.unwrap_or(()) });
            serve(Listener::Tcp(listener), api, stop).await.unwrap();
        });
        Self { address, memory, _stop: stop, _runtime: runtime }
    }

    /// Waits for the next mail and takes it.
    pub(crate) fn next_mail(&self) -> SentMail {
        let started = Instant::now();
        loop {
            let mut mails = self.memory.mailer.take();
            match mails.len() {
                0 => assert!(started.elapsed() < Duration::from_secs(10), "no mail"),
                1 => return mails.remove(0),
                more => panic!("{more} mails"),
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

async fn add(memory: &Memory, email: &str) {
    let account = NewAccount {
        email: email.to_owned(),
        username: Some("user".to_owned()),
        name: None,
        locale: None,
        password_hash: "old".to_owned(),
        created_at: memory.clock.now(),
    };
    memory.store.add_account(&EmailAddress::parse(email).unwrap(), account).await.unwrap();
}
