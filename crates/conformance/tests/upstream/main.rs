//! A back end behind each of the three servers (`upstream_url`): what is not polyreset's reaches it and comes back unchanged.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue panics")]

mod back_end;
#[path = "../bench/mod.rs"]
mod bench;
mod failing;
mod heads;
mod owning;
mod shadow;
mod streaming;

use std::time::Duration;

use back_end::BackEnd;
use bench::{FRONT_ENDS, RunningServer, every_dialect};
use http::Uri;
use reset_http::{
    ServeOptions, TrustedProxies,
    upstream::{UpstreamHost, UpstreamOptions},
};

/// A back end that is slower than this has failed.
const TIMEOUT: Duration = Duration::from_millis(400);

/// Returns the options of a server in front of the back end at `address`.
fn options(address: std::net::SocketAddr) -> UpstreamOptions {
    UpstreamOptions {
        origin: format!("http://{address}").parse::<Uri>().unwrap(),
        host: UpstreamHost::Request,
        cors: false,
        connect_timeout: TIMEOUT,
        timeout: TIMEOUT,
    }
}

/// Runs `test` with each server in front of a back end of its own.
fn with_each(test: impl Fn(&RunningServer, &BackEnd)) {
    with_each_of(|upstream| upstream, &[], test);
}

/// Like [`with_each`], with changed options and with these proxies trusted.
fn with_each_of(
    change: impl Fn(UpstreamOptions) -> UpstreamOptions,
    proxies: &[&str],
    test: impl Fn(&RunningServer, &BackEnd),
) {
    for front_end in FRONT_ENDS {
        let back_end = BackEnd::start();
        let networks = proxies.iter().map(|network| network.parse().unwrap()).collect();
        let options = ServeOptions {
            upstream: Some(change(options(back_end.address))),
            proxies: TrustedProxies { networks, local: false },
            ..ServeOptions::default()
        };
        let server = RunningServer::start_with(front_end, every_dialect(&[], None), options);
        println!("{}", front_end.0);
        test(&server, &back_end);
    }
}
