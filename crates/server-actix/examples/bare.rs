//! A bare actix application that refuses a body as JSON: what `cargo xtask bench` measures ours against.

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
