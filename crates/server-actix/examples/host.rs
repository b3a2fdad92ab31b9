//! A host application on actix-web with its own page, state and 404 response; polyreset's routes are under `/accounts`.
//!
//! Run `cargo run -p server-actix --example host-actix`, then for example
//! `curl http://127.0.0.1:3000/accounts/auth/forgot-password -H 'Content-Type: application/json' -d '{"email":"a@example.com"}'`

use std::error::Error;

use actix_web::{App, HttpServer, http::StatusCode, web};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let polyreset = reset_app::Embedded::start(&[("public_url", "http://127.0.0.1:3000/accounts")]).await?;
    let api = polyreset.api();
    let page = async |name: web::Data<&'static str>| format!("This is {}'s own page.\n", **name);
    let app = move || {
        App::new()
            .app_data(web::Data::new("the host"))
            .route("/", web::get().to(page))
            .service(web::scope("/accounts").configure(server_actix::configure(api.clone())))
            .default_service(web::to(async || ("The host has no such page.\n", StatusCode::NOT_FOUND)))
    };
    let server = HttpServer::new(app).bind("127.0.0.1:3000")?;
    println!("listening on http://127.0.0.1:3000");
    server.run().await?;
    polyreset.stop().await;
    Ok(())
}
