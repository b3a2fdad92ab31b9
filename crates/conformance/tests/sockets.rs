//! Runs some of the recorded cases over a Unix socket, on every server.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue panics")]

use std::{fs, os::unix::net::UnixListener, path::Path};

use conformance::{
    case,
    clients::{self, PUBLIC_URL},
    http::Connection,
};
use reset_app::{Listener, ServeFuture, Stop};
use reset_core::{
    Resets,
    keys::{HmacKey, Keys},
};
use reset_http::Api;
use reset_pages::hosted::PagesSettings;
use reset_testkit::memory::Memory;
use tokio::runtime::Runtime;

type FrontEnd = (&'static str, fn(Listener, Api, Stop) -> ServeFuture);

const FRONT_ENDS: [FrontEnd; 3] =
    [("axum", server_axum::serve), ("actix", server_actix::serve), ("warp", server_warp::serve)];

/// Returns all routes over a store without accounts.
fn api() -> Api {
    let root = HmacKey::root(&[5; 32]).unwrap();
    let pages = PagesSettings::defaults(&root, PUBLIC_URL);
    let dialects = reset_pages::complete(clients::dialects(&[], &root), Some(pages), None);
    let policies = dialects.iter().filter_map(|dialect| dialect.policies.clone()).collect();
    let resets = Resets::new(Memory::new(1).adapters(), Keys::new(&root), policies, true);
    Api::new(resets, dialects, reset_http::ServeOptions::default())
}

#[test]
fn a_unix_socket_serves_the_recorded_responses() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let cases = case::parse(&fs::read_to_string(folder.join("own.http")).unwrap()).unwrap();
    let runtime = Runtime::new().unwrap();
    for (name, serve) in FRONT_ENDS {
        let socket = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.sock"));
        let _ = fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).unwrap();
        listener.set_nonblocking(true).unwrap();
        let api = api();
        let served = runtime.spawn(async move {
            serve(Listener::Unix(listener), api, Box::pin(std::future::pending())).await
        });
        for case in &cases {
            let answer = Connection::open(socket.clone()).unwrap().send(&case.request);
            answer
                .and_then(|answer| case.compare(&answer))
                .unwrap_or_else(|error| panic!("{name}: {error:#}"));
        }
        served.abort();
        fs::remove_file(&socket).unwrap();
    }
}
