//! The three libraries inside host applications with their own routes, state and 404 response. The service's routes
//! work under the host's prefix, and the host handles all other paths.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue panics")]

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread,
};

use conformance::http::{Connection, RawResponse};
use http::{Method, Response, StatusCode};
use reset_core::{
    Resets,
    keys::{HmacKey, Keys},
};
use reset_http::{
    Api, Dialect, Endpoint, Peer, ServeOptions, openapi,
    route::{Call, EndpointKind, ErrorRenderer},
};
use reset_pages::hosted::PagesSettings;
use reset_testkit::memory::Memory;

/// A host application: its name, and a function that serves the service's routes under `/accounts`.
type Host = (&'static str, fn(TcpListener, Api));

const HOSTS: [Host; 3] = [("axum", axum_host), ("actix", actix_host), ("warp", warp_host)];

fn axum_host(listener: TcpListener, api: Api) {
    use axum::{Router, extract::State, routing::get};
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let host = Router::new()
            .route("/host", get(async |State(name): State<&'static str>| name))
            .nest("/accounts", server_axum::router(api))
            .fallback(async || (StatusCode::NOT_FOUND, "host's 404"))
            .with_state("host");
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        axum::serve(listener, host.into_make_service_with_connect_info::<SocketAddr>()).await.unwrap();
    });
}

fn actix_host(listener: TcpListener, api: Api) {
    use actix_web::{App, HttpServer, http::StatusCode, web};
    let app = move || {
        App::new()
            .app_data(web::Data::new("host"))
            .route("/host", web::get().to(async |name: web::Data<&'static str>| **name))
            .service(web::scope("/accounts").configure(server_actix::configure(api.clone())))
            .default_service(web::to(async || ("host's 404", StatusCode::NOT_FOUND)))
    };
    let server = HttpServer::new(app).workers(1).listen(listener).unwrap().run();
    actix_web::rt::System::new().block_on(server).unwrap();
}

fn warp_host(listener: TcpListener, api: Api) {
    use warp::Filter;
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let host = warp::path!("host").and(warp::get()).map(|| "host");
        let not_found = warp::any().map(|| warp::reply::with_status("host's 404", StatusCode::NOT_FOUND));
        let app = host.or(warp::path("accounts").and(server_warp::filter(api))).or(not_found);
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        warp::serve(app).incoming(listener).run().await;
    });
}

/// Public URL of the host applications, with the prefix of the service.
const PUBLIC_URL: &str = "http://127.0.0.1:8080/accounts";

fn root_key() -> HmacKey {
    HmacKey::root(&[5; 32]).unwrap()
}

/// Returns every dialect under the prefix of the host, with the hosted pages.
fn every_dialect() -> Vec<Dialect> {
    let dialects = reset_dialects::with(&reset_dialects::all_on(), &root_key(), PUBLIC_URL).unwrap();
    reset_pages::complete(dialects, Some(PagesSettings::defaults(&root_key(), PUBLIC_URL)), None)
}

/// Returns the dialects, and one more whose only route returns the client's address.
fn api() -> Api {
    let mut all = every_dialect();
    let peer = async |_: Arc<()>, call: Call| {
        let peer = call.request.extensions().get::<Peer>().map(|peer| peer.0.to_string());
        Ok::<_, Response<bytes::Bytes>>(Response::new(peer.unwrap_or_default().into()))
    };
    let errors = ErrorRenderer::Fixed(|_| Response::default());
    let mut mirror = Dialect::bare("mirror", errors, openapi::whole([]));
    mirror.rows =
        vec![("/peer".into(), vec![Endpoint::new(Method::GET, EndpointKind::Read, &Arc::new(()), peer)])];
    all.push(mirror);
    let memory = Memory::new(1);
    let resets = Resets::new(memory.adapters(), Keys::new(&root_key()), Vec::new(), false);
    Api::new(resets, all, ServeOptions { body_limit: 100, ..ServeOptions::default() })
}

/// Starts the host application on a thread that runs until the process ends.
fn start((_, serve): Host) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || serve(listener, api()));
    address
}

fn send(address: SocketAddr, method: &str, path: &str, body: &str) -> RawResponse {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    Connection::open(address).unwrap().send(request.as_bytes()).unwrap()
}

#[test]
fn routes_work_under_the_hosts_prefix_and_the_host_handles_other_paths() {
    const TRIGGER: &str = "/accounts/v1/auth/password-reset/trigger";
    let missing = r#"{"error":"email is required"}"#;
    for host in HOSTS {
        let address = start(host);
        for (method, path, body, status, expected) in [
            ("POST", TRIGGER, "{}", 400, missing),
            (
                "POST",
                "/accounts/auth/forgot-password",
                r#"{"email":"ghost@example.com"}"#,
                200,
                r#"{"ok":true}"#,
            ),
            ("GET", TRIGGER, "", 405, r#"{"error":"method not allowed"}"#),
            ("HEAD", "/accounts/healthz", "", 200, ""),
            ("POST", TRIGGER, &"x".repeat(101), 413, r#"{"error":"request body is too large"}"#),
            ("POST", "/accounts/v1/auth/password-reset/trigger/", "{}", 404, "host's 404"),
            ("POST", "/accounts/v1/auth/password-reset/%74rigger", "{}", 404, "host's 404"),
            ("POST", "/v1/auth/password-reset/trigger", "{}", 404, "host's 404"),
            ("GET", "/accounts/v1/auth/nothing", "", 404, "host's 404"),
            ("GET", "/nothing", "", 404, "host's 404"),
            ("GET", "/host", "", 200, "host"),
        ] {
            let answer = send(address, method, path, body);
            assert_eq!(
                (answer.status, answer.body.as_str()),
                (status, expected),
                "{}: {method} {path}",
                host.0
            );
        }
    }
}

#[test]
fn every_route_works_only_under_the_hosts_prefix() {
    let dialects = every_dialect();
    for host in HOSTS {
        let address = start(host);
        for (path, _) in dialects.iter().flat_map(|dialect| &dialect.rows) {
            let served = send(address, "DELETE", &format!("/accounts{path}"), "");
            assert_eq!(served.status, 405, "{}: {path}", host.0);
            let unserved = send(address, "DELETE", path, "");
            assert_eq!((unserved.status, unserved.body.as_str()), (404, "host's 404"), "{}: {path}", host.0);
        }
    }
}

#[test]
fn the_clients_address_is_known() {
    for host in HOSTS {
        let answer = send(start(host), "GET", "/accounts/peer", "");
        assert_eq!((answer.status, answer.body.as_str()), (200, "127.0.0.1"), "{}", host.0);
    }
}

#[test]
fn pages_and_their_cookies_stay_under_the_hosts_prefix() {
    for host in HOSTS {
        let address = start(host);
        let forgot = send(address, "GET", "/accounts/forgot?lang=de", "");
        assert!(
            forgot.status == 200 && forgot.body.contains("<form method=\"post\" action=\"forgot\""),
            "{}",
            host.0
        );
        let cookie = forgot.header("set-cookie").unwrap();
        assert_eq!(
            cookie, "polyreset-lang=de; Path=/accounts/; Max-Age=31536000; HttpOnly; SameSite=Lax",
            "{}",
            host.0
        );
        // A forged secret in a cookie with the name of a genuine one.
        let request = "GET /accounts/reset?by=link&link=23d4b5f27de036a8 HTTP/1.1\r\nhost: x\r\n\
                       cookie: polyreset-reset-23d4b5f27de036a8=pages.x\r\n\r\n";
        let dead = Connection::open(address).unwrap().send(request.as_bytes()).unwrap();
        let cookie = dead.header("set-cookie").unwrap();
        assert_eq!(
            cookie,
            "polyreset-reset-23d4b5f27de036a8=; Path=/accounts/reset; Max-Age=0; HttpOnly; SameSite=Strict",
            "{}",
            host.0
        );
        let redirect = send(address, "GET", "/accounts/.well-known/change-password", "");
        assert_eq!(
            (redirect.status, redirect.header("location")),
            (303, Some("http://127.0.0.1:8080/accounts/forgot")),
            "{}",
            host.0
        );
    }
}

/// The page at `/accounts/docs` links to `docs/swagger-ui.css`, `openapi.json` and others with relative URLs.
#[test]
fn every_link_of_the_api_page_works_under_the_hosts_prefix() {
    for host in HOSTS {
        let address = start(host);
        let page = send(address, "GET", "/accounts/docs", "");
        assert_eq!(page.status, 200, "{}", host.0);
        let attributes = page.body.split(" href=\"").chain(page.body.split(" src=\"")).skip(1);
        let links: Vec<&str> = attributes.filter_map(|rest| Some(rest.split_once('"')?.0)).collect();
        assert!(links.len() >= 5, "{links:?}");
        for link in links.into_iter().filter(|link| !link.contains(['<', ','])) {
            let answer = send(address, "GET", &format!("/accounts/{link}"), "");
            assert_eq!(answer.status, 200, "{}: {link}", host.0);
        }
        // A relative server URL is relative to the location of the document (OpenAPI 3.1, 4.8.5).
        let document = send(address, "GET", "/accounts/openapi.json", "");
        assert!(document.body.contains("\"url\": \".\""), "{}", host.0);
    }
}
