//! A server that stops answering without closing anything, as one does whose machine loses its power.

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

use super::{
    Server, at, job, on_each_server,
    outage::quick,
    servers::{Fresh, mysql, postgres},
    told,
};
use crate::{
    Options,
    server::{ServerEngine, ServerStore},
};

on_each_server! {
    silence_ends_a_job_within_the_limits_and_later_ones_go_on,
    silence_during_a_commit_is_told_as_what_it_is,
    a_store_is_closed_though_its_server_is_silent,
}

/// How long a task may take in the worst case: a statement of two seconds and its grace, twice a new connection.
const WORST: Duration = Duration::from_secs(9);

/// Something in between that can be made to swallow everything.
struct Proxy {
    address: SocketAddr,
    forwards: watch::Sender<bool>,
    work: AbortHandle,
}

impl Proxy {
    async fn before(fresh: &Fresh) -> Self {
        let url = url::Url::parse(&fresh.url()).unwrap();
        let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (forwards, watched) = watch::channel(true);
        let work = tokio::spawn(async move {
            let mut all = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                all.spawn(pass(client, server.clone(), watched.clone()));
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

/// Forwards one connection until the silence begins. It stays open for ever, and is never heard of again.
async fn pass(mut client: TcpStream, server: String, mut forwards: watch::Receiver<bool>) {
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

async fn silence_ends_a_job_within_the_limits_and_later_ones_go_on(server: Server) {
    let Some(fresh) = server.fresh().await else { return };
    let proxy = Proxy::before(&fresh).await;
    let store = quick(&proxy.url(&fresh)).open().await.unwrap();
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
    assert!(store.next_due().await.is_err());
    assert!(began.elapsed() < WORST, "{:?}", began.elapsed());
    proxy.forwards.send_replace(true);
    // A try to connect that began in the silence is still to fail, and whoever waits for it fails with it.
    let began = Instant::now();
    while store.ready().await.is_err() {
        assert!(began.elapsed() < WORST, "{:?}", began.elapsed());
    }
    all_at_once("after").await.into_iter().for_each(|pushed| pushed.unwrap());
    store.ready().await.unwrap();
    let claimed = store.claim(10, at(0), at(60)).await.unwrap();
    let mut names: Vec<_> = claimed.iter().map(|one| one.id.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["after0", "after1", "after2", "before0", "before1", "before2"]);
}

async fn silence_during_a_commit_is_told_as_what_it_is(server: Server) {
    let Some(fresh) = server.fresh().await else { return };
    let proxy = Proxy::before(&fresh).await;
    let url = proxy.url(&fresh);
    let options = quick(&url).options;
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
        // Until the other thread has seen it.
        std::thread::sleep(Duration::from_millis(100));
        Ok(())
    });
    let said = told(&written.await.unwrap_err());
    assert!(said.contains("the connection broke during the commit"), "{said}");
    assert!(began.elapsed() < WORST, "{:?}", began.elapsed());
}

async fn a_store_is_closed_though_its_server_is_silent(server: Server) {
    let Some(fresh) = server.fresh().await else { return };
    let proxy = Proxy::before(&fresh).await;
    let database = quick(&proxy.url(&fresh));
    // One connection, so that it is the one in use.
    let options = Options { connections: 1, ..database.options.clone() };
    let store = database.with(options).open().await.unwrap();
    store.push(&job("before")).await.unwrap();
    proxy.forwards.send_replace(false);
    let pushing = store.clone();
    let under_way = tokio::spawn(async move { pushing.push(&job("during")).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    under_way.abort();
    let _gone = under_way.await;
    let began = Instant::now();
    tokio::task::spawn_blocking(|| drop(store)).await.unwrap();
    assert!(began.elapsed() < WORST, "{:?}", began.elapsed());
}
