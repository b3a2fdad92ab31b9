//! A host application on axum with its own page, state and 404 response; polyreset's routes are under `/accounts`.
//!
//! Run `cargo run -p server-axum --example host-axum`, then for example
//! `curl http://127.0.0.1:3000/accounts/auth/forgot-password -H 'Content-Type: application/json' -d '{"email":"a@example.com"}'`

use std::{error::Error, net::SocketAddr};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use tokio::{net::TcpListener, signal::ctrl_c};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let polyreset = reset_app::Embedded::start(&[("public_url", "http://127.0.0.1:3000/accounts")]).await?;
    let app = Router::new()
        .route("/", get(async |State(name): State<&'static str>| format!("This is {name}'s own page.\n")))
        .nest("/accounts", server_axum::router(polyreset.api()))
        .fallback(async || (StatusCode::NOT_FOUND, "The host has no such page.\n"))
        .with_state("the host");
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(async { ctrl_c().await.unwrap_or(()) })
        .await?;
    polyreset.stop().await;
    Ok(())
}
