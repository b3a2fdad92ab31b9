//! Monitoring: the admin listener and its metrics.

use std::net::SocketAddr;

use conformance::{
    clients,
    http::{self, Connection, RawResponse, get, post},
    server::{Server, TestDeployment},
};

use super::{TIMEOUT, deployment, px0, reset_mail};

const PERSON: &str = "user@example.com";
const ROW: &str = r#"dialect="px0",route="/v1/auth/password-reset"#;

/// Starts a server with an admin listener, and returns the address of that listener.
pub(super) fn start_with_admin(deployment: &mut TestDeployment) -> (Server, SocketAddr) {
    deployment.set("POLYRESET_ADMIN_LISTEN", "127.0.0.1:0");
    let server = deployment.start().unwrap();
    let printed = deployment.printed();
    let told = printed.split("metrics on http://").last().unwrap();
    (server, told.split("/metrics").next().unwrap().parse().unwrap())
}

fn metrics(admin: SocketAddr) -> RawResponse {
    let answer = get(admin, "/metrics").unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer
}

/// Returns the value of the metric whose line starts with `name`.
pub(super) fn metric(admin: SocketAddr, name: &str) -> f64 {
    let body = metrics(admin).body;
    let line = body.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}:\n{body}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

pub(super) fn until(admin: SocketAddr, name: &str, wanted: impl Fn(f64) -> bool) {
    let started = std::time::Instant::now();
    while !wanted(metric(admin, name)) {
        assert!(started.elapsed() < TIMEOUT, "{name} is {}", metric(admin, name));
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_reset_is_counted_without_an_address_or_a_secret() {
    let (mut deployment, _folder) = deployment();
    deployment.add_user(PERSON, "the old password").unwrap();
    let (server, admin) = start_with_admin(&mut deployment);
    let request = |email: &str| http::send(server.address, &px0().request_for(email)).unwrap().status;
    assert_eq!((request(PERSON), request("ghost@example.com")), (200, 404));
    let code = reset_mail(&deployment, PERSON).code().unwrap().to_owned();
    let reset = px0().redeem_with(&code, "A-new-passw0rd");
    assert_eq!(http::send(server.address, &reset).unwrap().status, 200);
    get(server.address, "/somebody's/path?token=secret").unwrap();
    until(admin, r#"polyreset_mails_total{outcome="accepted"}"#, |mails| mails >= 2.0);
    until(admin, "polyreset_outbox_waiting", |waiting| waiting == 0.0);

    let requests = |rest: &str| metric(admin, &format!("polyreset_http_requests_total{{{ROW}{rest}"));
    assert!((requests(r#"/trigger",method="POST",status="200"}"#) - 1.0).abs() < 0.1);
    assert!((requests(r#"/trigger",method="POST",status="404"}"#) - 1.0).abs() < 0.1);
    assert!((requests(r#"/reset",method="POST",status="200"}"#) - 1.0).abs() < 0.1);
    assert!(metric(admin, r#"polyreset_http_requests_total{dialect="",route=""#) >= 1.0);
    assert!(metric(admin, r#"polyreset_hash_duration_seconds_count{work="hash"}"#) >= 1.0);
    assert!((metric(admin, "polyreset_ready") - 1.0).abs() < 0.1);
    let answer = metrics(admin);
    assert!(
        answer.header("content-type").unwrap().starts_with("application/openmetrics-text; version=1.0.0")
    );
    for absent in ["example.com", &code, "somebody", "secret", "A-new"] {
        assert!(!answer.body.contains(absent), "{absent} is in\n{}", answer.body);
    }
}

#[test]
fn mail_outage_is_visible_as_waiting_jobs_and_their_age() {
    let (mut deployment, folder) = deployment();
    let file = folder.path().join("no-directory");
    std::fs::write(&file, "").unwrap();
    deployment.set("POLYRESET_MAIL_URL", &format!("file://{}", file.display()));
    deployment.add_user(PERSON, "the old password").unwrap();
    let (server, admin) = start_with_admin(&mut deployment);
    http::send(server.address, &clients::named("strapi").request_for(PERSON)).unwrap();
    until(admin, r#"polyreset_mails_total{outcome="put_off"}"#, |mails| mails >= 1.0);
    assert!((metric(admin, "polyreset_outbox_waiting") - 1.0).abs() < 0.1);
    until(admin, "polyreset_outbox_oldest_seconds", |age| age > 0.0);
    until(admin, "polyreset_mail_works", |works| works == 0.0);
}

#[test]
fn the_admin_listener_serves_only_metrics() {
    let (mut deployment, _folder) = deployment();
    let (server, admin) = start_with_admin(&mut deployment);
    assert_eq!(get(server.address, "/metrics").unwrap().status, 404);
    for path in ["/", "/healthz", "/forgot", "/openapi.yaml", "/metrics/"] {
        assert_eq!(get(admin, path).unwrap().status, 404, "{path}");
    }
    let refused = post(admin, "/metrics", "{}").unwrap();
    assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
    assert_eq!(post(admin, "/auth/forgot-password", "{}").unwrap().status, 404);
    // Both listeners close together.
    assert!(server.terminate().unwrap().success());
    assert!(get(admin, "/metrics").is_err());
}

#[test]
fn admin_listener_with_a_token_answers_nothing_without_it() {
    let token = "2b7e151628aed2a6abf7158809cf4f3c";
    let (mut deployment, _folder) = deployment();
    deployment.set("POLYRESET_ADMIN_TOKEN", token);
    let (server, admin) = start_with_admin(&mut deployment);
    let send = |method: &str, path: &str, header: &str| {
        let head = format!("{method} {path} HTTP/1.1\r\nhost: x\r\n{header}content-length: 0\r\n\r\n");
        Connection::open(admin).unwrap().send(head.as_bytes()).unwrap()
    };
    let wrong = [
        String::new(),
        "authorization: Bearer 2b7e151628aed2a6abf7158809cf4f3d\r\n".to_owned(),
        format!("authorization: Basic {token}\r\n"),
        format!("authorization: {token}\r\n"),
        format!("authorization: Bearer {token}\r\nauthorization: Bearer {token}\r\n"),
        format!("x-authorization: Bearer {token}\r\n"),
        format!("cookie: authorization=Bearer {token}\r\n"),
    ];
    for header in &wrong {
        for (method, path) in [
            ("GET", "/metrics"),
            ("POST", "/metrics"),
            ("OPTIONS", "/metrics"),
            ("DELETE", "/metrics"),
            ("GET", "/METRICS"),
            ("GET", "/metrics/"),
            ("GET", "/"),
            ("GET", "/healthz"),
            ("GET", &format!("/metrics?token={token}")),
        ] {
            let refused = send(method, path, header);
            assert_eq!(
                (refused.status, refused.header("www-authenticate")),
                (401, Some("Bearer")),
                "{method} {path}"
            );
            assert!(!refused.body.contains("polyreset_"), "{method} {path} {header}");
        }
    }
    let right = format!("Authorization: bearer {token}\r\n");
    let answer = send("GET", "/metrics", &right);
    assert!(answer.status == 200 && answer.body.contains("polyreset_outbox_waiting"), "{}", answer.body);
    assert_eq!((send("POST", "/metrics", &right).status, send("GET", "/", &right).status), (405, 404));
    // The public listener requires no token, and the command works.
    assert_eq!(get(server.address, "/healthz").unwrap().status, 200);
    deployment.set("POLYRESET_LISTEN", &server.address.to_string());
    let health = deployment.run(&["healthcheck"], "").unwrap();
    assert!(health.status.success(), "{}", String::from_utf8_lossy(&health.stderr));
    assert!(!deployment.logged().contains(token));
}

#[test]
fn an_invalid_admin_listener_is_reported_by_the_name_of_its_setting() {
    let (mut deployment, folder) = deployment();
    let socket = format!("unix:{}", folder.path().join("admin.sock").display());
    deployment.set("POLYRESET_LISTEN", &socket);
    deployment.set("POLYRESET_ADMIN_LISTEN", &socket);
    let refused = deployment.run(&["serve"], "").unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("admin_listen is the same as listen"), "{said}");
    deployment.set("POLYRESET_ADMIN_LISTEN", "everywhere");
    let refused = deployment.run(&["serve"], "").unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("POLYRESET_ADMIN_LISTEN"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    deployment.set("POLYRESET_LISTEN", "127.0.0.1:0");
    deployment.set("POLYRESET_ADMIN_LISTEN", &taken.local_addr().unwrap().to_string());
    let refused = deployment.run(&["serve"], "").unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("admin_listen: 127.0.0.1:"), "{said}");
}
