//! A minimal warp application that rejects every request with JSON. `cargo xtask bench` compares server-warp with it.

use bytes::Bytes;
use warp::{Filter, http::StatusCode, reply};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let refuse = warp::path!("refuse").and(warp::post()).and(warp::body::bytes()).map(|body: Bytes| {
        let known = body.starts_with(b"{\"newPassword\"");
        let text = if known { r#"{"error":"no"}"# } else { r#"{"error":"what?"}"# };
        let answer = reply::with_header(text, "content-type", "application/json");
        reply::with_status(answer, StatusCode::UNAUTHORIZED)
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    warp::serve(refuse).incoming(listener).run().await;
    Ok(())
}
