//! A minimal actix application that rejects every request with JSON. `cargo xtask bench` compares server-actix with it.

use actix_web::{App, HttpResponse, HttpServer, web};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let refuse = async |body: web::Bytes| {
        let known = body.starts_with(b"{\"newPassword\"");
        let text = if known { r#"{"error":"no"}"# } else { r#"{"error":"what?"}"# };
        HttpResponse::Unauthorized().content_type("application/json").body(text)
    };
    let server = HttpServer::new(move || App::new().route("/refuse", web::post().to(refuse)));
    let server = server.bind("127.0.0.1:0")?;
    println!("listening on http://{}", server.addrs()[0]);
    server.run().await
}
