//! A minimal axum application that rejects every request with JSON. `cargo xtask bench` compares server-axum with it.

use axum::{
    Router,
    body::Bytes,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::post,
};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let refuse = async |body: Bytes| {
        let known = body.starts_with(b"{\"newPassword\"");
        let text = if known { r#"{"error":"no"}"# } else { r#"{"error":"what?"}"# };
        (StatusCode::UNAUTHORIZED, [(header::CONTENT_TYPE, "application/json")], text).into_response()
    };
    let app = Router::new().route("/refuse", post(refuse));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await
}
