//! A server that stops responding without closing its connections, like a host that loses its power.

use std::{
    future::pending,
    net::SocketAddr,
    time::{Duration, Instant},
};

use diesel::connection::SimpleConnection;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{AbortHandle, JoinSet},
};

use reset_testkit::contract::claim_any;

use super::{
    Server, at, error_chain, job, on_each_server,
    outage::with_short_timeouts,
    servers::{Fresh, mysql, postgres},
};
use crate::{
    Options,
    server::{ServerEngine, ServerStore},
};

on_each_server! {
    task_on_a_silent_server_times_out_and_later_tasks_succeed,
    silence_during_a_commit_is_reported_as_such,
    store_closes_although_its_server_is_silent,
}

/// Maximum duration of a task: a statement of two seconds with its grace period, and two reconnects.
const WORST: Duration = Duration::from_secs(9);

/// A proxy in front of a server. It can stop forwarding without closing its connections.
struct Proxy {
    address: SocketAddr,
    forwards: watch::Sender<bool>,
    work: AbortHandle,
}

impl Proxy {
    async fn in_front_of(fresh: &Fresh) -> Self {
        let url = url::Url::parse(&fresh.url()).unwrap();
        let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (forwards, watched) = watch::channel(true);
        let work = tokio::spawn(async move {
            let mut all = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                all.spawn(forward(client, server.clone(), watched.clone()));
            }
        });
        Self { address, forwards, work: work.abort_handle() }
    }

    fn url(&self, fresh: &Fresh) -> String {
        let mut url = url::Url::parse(&fresh.url()).unwrap();
        url.set_port(Some(self.address.port())).unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.into()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.work.abort();
    }
}

/// Forwards one connection until the proxy goes silent. The connection stays open, but transfers nothing more.
async fn forward(mut client: TcpStream, server: String, mut forwards: watch::Receiver<bool>) {
    if *forwards.borrow() {
        let mut server = TcpStream::connect(server).await.unwrap();
        tokio::select! {
            _ = copy_bidirectional(&mut client, &mut server) => return,
            _ = forwards.wait_for(|on| !on) => {}
        }
        pending::<()>().await;
    }
    pending::<()>().await;
}

async fn task_on_a_silent_server_times_out_and_later_tasks_succeed(server: Server) {
    let Some(fresh) = server.fresh().await else { return };
    let proxy = Proxy::in_front_of(&fresh).await;
    let store = with_short_timeouts(&proxy.url(&fresh)).open().await.unwrap();
    let all_at_once = |name: &'static str| {
        let mut all = JoinSet::new();
        for number in 0..3 {
            let store = store.clone();
            all.spawn(async move { store.push(&job(&format!("{name}{number}"))).await });
        }
        all.join_all()
    };
    all_at_once("before").await.into_iter().for_each(|pushed| pushed.unwrap());
    proxy.forwards.send_replace(false);
    let began = Instant::now();
    assert!(all_at_once("during").await.iter().all(Result::is_err));
    assert!(began.elapsed() < WORST, "{:?}", began.elapsed());
    let began = Instant::now();
    assert!(store.oldest_waiting().await.is_err());
    assert!(began.elapsed() < WORST, "{:?}", began.elapsed());
    proxy.forwards.send_replace(true);
    // A connection attempt that started during the silence still fails, and so do the tasks that wait for it.
    let began = Instant::now();
    while store.ready().await.is_err() {
        assert!(began.elapsed() < WORST, "{:?}", began.elapsed());
    }
    all_at_once("after").await.into_iter().for_each(|pushed| pushed.unwrap());
    store.ready().await.unwrap();
    let claimed = claim_any(&store, 10, at(0), at(60)).await.unwrap();
    let mut names: Vec<_> = claimed.iter().map(|one| one.id.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["after0", "after1", "after2", "before0", "before1", "before2"]);
}

async fn silence_during_a_commit_is_reported_as_such(server: Server) {
    let Some(fresh) = server.fresh().await else { return };
    let proxy = Proxy::in_front_of(&fresh).await;
    let url = proxy.url(&fresh);
    let options = with_short_timeouts(&url).options;
    match server {
        Server::Postgres => commit_in_silence(postgres(&url, options), &proxy).await,
        Server::Mariadb => commit_in_silence(mysql(&url, options), &proxy).await,
    }
}

async fn commit_in_silence<E: ServerEngine>(engine: E, proxy: &Proxy) {
    let store = ServerStore::open(engine, None).await.unwrap();
    let forwards = proxy.forwards.clone();
    let began = Instant::now();
    let written = store.write(move |db| {
        db.batch_execute("SELECT 1")?;
        forwards.send_replace(false);
        // Wait until the proxy has stopped forwarding.
        std::thread::sleep(Duration::from_millis(100));
        Ok(())
    });
    let error = error_chain(&written.await.unwrap_err());
    assert!(error.contains("the connection broke during the commit"), "{error}");
    assert!(began.elapsed() < WORST, "{:?}", began.elapsed());
}

async fn store_closes_although_its_server_is_silent(server: Server) {
    let Some(fresh) = server.fresh().await else { return };
    let proxy = Proxy::in_front_of(&fresh).await;
    let database = with_short_timeouts(&proxy.url(&fresh));
    // With a single connection, it is the one in use.
    let options = Options { connections: 1, ..database.options.clone() };
    let store = database.with(options).open().await.unwrap();
    store.push(&job("before")).await.unwrap();
    proxy.forwards.send_replace(false);
    let pushing = store.clone();
    let push = tokio::spawn(async move { pushing.push(&job("during")).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    push.abort();
    let _aborted = push.await;
    let began = Instant::now();
    tokio::task::spawn_blocking(|| drop(store)).await.unwrap();
    assert!(began.elapsed() < WORST, "{:?}", began.elapsed());
}
