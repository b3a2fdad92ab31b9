//! A host application on warp with its own page and 404 response; polyreset's routes are under `/accounts`.
//!
//! Run `cargo run -p server-warp --example host-warp`, then for example
//! `curl http://127.0.0.1:3000/accounts/auth/forgot-password -H 'Content-Type: application/json' -d '{"email":"a@example.com"}'`

use std::error::Error;

use tokio::{net::TcpListener, signal::ctrl_c};
use warp::{Filter, http::StatusCode, reply::with_status};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let polyreset = reset_app::Embedded::start(&[("public_url", "http://127.0.0.1:3000/accounts")]).await?;
    let page = warp::path::end().and(warp::get()).map(|| "This is the host's own page.\n");
    let ours = warp::path("accounts").and(server_warp::filter(polyreset.api()));
    let not_found = warp::any().map(|| with_status("The host has no such page.\n", StatusCode::NOT_FOUND));
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}", listener.local_addr()?);
    let stop = async { ctrl_c().await.unwrap_or(()) };
    warp::serve(page.or(ours).or(not_found)).incoming(listener).graceful(stop).run().await;
    polyreset.stop().await;
    Ok(())
}
