//! An operator's monitoring: the second listener and its figures.

use std::net::SocketAddr;

use conformance::{
    http::{RawResponse, get, post},
    server::{Deployment, Server},
};

use super::{TIMEOUT, deployment, reset_mail};

const PERSON: &str = "user@example.com";
const ROW: &str = r#"dialect="px0",route="/v1/auth/password-reset"#;

/// Starts it with a second listener, and tells where that is.
fn watched(deployment: &mut Deployment) -> (Server, SocketAddr) {
    deployment.set("POLYRESET_ADMIN_LISTEN", "127.0.0.1:0");
    let server = deployment.start().unwrap();
    let printed = deployment.printed();
    let told = printed.split("metrics on http://").last().unwrap();
    (server, told.split("/metrics").next().unwrap().parse().unwrap())
}

fn figures(admin: SocketAddr) -> RawResponse {
    let answer = get(admin, "/metrics").unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer
}

/// A figure by the beginning of its line.
fn figure(admin: SocketAddr, name: &str) -> f64 {
    let body = figures(admin).body;
    let line = body.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}:\n{body}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

fn until(admin: SocketAddr, name: &str, wanted: impl Fn(f64) -> bool) {
    let begun = std::time::Instant::now();
    while !wanted(figure(admin, name)) {
        assert!(begun.elapsed() < TIMEOUT, "{name} is {}", figure(admin, name));
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_reset_is_counted_and_nothing_in_the_figures_tells_whose() {
    let (mut deployment, _folder) = deployment();
    deployment.add_user(PERSON, "the old password").unwrap();
    let (server, admin) = watched(&mut deployment);
    let ask = |email: &str| {
        let body = format!(r#"{{"email":"{email}"}}"#);
        post(server.address, "/v1/auth/password-reset/trigger", &body).unwrap().status
    };
    assert_eq!((ask(PERSON), ask("ghost@example.com")), (200, 404));
    let code = reset_mail(&deployment, PERSON).code().unwrap().to_owned();
    let body = format!(r#"{{"code":"{code}","new_password":"A-new-passw0rd"}}"#);
    assert_eq!(post(server.address, "/v1/auth/password-reset/reset", &body).unwrap().status, 200);
    get(server.address, "/somebody's/path?token=secret").unwrap();
    until(admin, r#"polyreset_mails_total{outcome="accepted"}"#, |mails| mails >= 2.0);
    until(admin, "polyreset_outbox_waiting", |waiting| waiting == 0.0);

    let requests = |rest: &str| figure(admin, &format!("polyreset_http_requests_total{{{ROW}{rest}"));
    assert!((requests(r#"/trigger",method="POST",status="200"}"#) - 1.0).abs() < 0.1);
    assert!((requests(r#"/trigger",method="POST",status="404"}"#) - 1.0).abs() < 0.1);
    assert!((requests(r#"/reset",method="POST",status="200"}"#) - 1.0).abs() < 0.1);
    assert!(figure(admin, r#"polyreset_http_requests_total{dialect="",route=""#) >= 1.0);
    assert!(figure(admin, r#"polyreset_hash_duration_seconds_count{work="hash"}"#) >= 1.0);
    assert!((figure(admin, "polyreset_ready") - 1.0).abs() < 0.1);
    let answer = figures(admin);
    assert!(
        answer.header("content-type").unwrap().starts_with("application/openmetrics-text; version=1.0.0")
    );
    for absent in ["example.com", &code, "somebody", "secret", "A-new"] {
        assert!(!answer.body.contains(absent), "{absent} is in\n{}", answer.body);
    }
}

#[test]
fn what_waits_because_mail_is_down_has_a_number_and_an_age() {
    let (mut deployment, folder) = deployment();
    let file = folder.path().join("no-directory");
    std::fs::write(&file, "").unwrap();
    deployment.set("POLYRESET_MAIL_URL", &format!("file://{}", file.display()));
    deployment.add_user(PERSON, "the old password").unwrap();
    let (server, admin) = watched(&mut deployment);
    post(server.address, "/auth/forgot-password", r#"{"email":"user@example.com"}"#).unwrap();
    until(admin, r#"polyreset_mails_total{outcome="put_off"}"#, |mails| mails >= 1.0);
    assert!((figure(admin, "polyreset_outbox_waiting") - 1.0).abs() < 0.1);
    until(admin, "polyreset_outbox_oldest_seconds", |age| age > 0.0);
    until(admin, "polyreset_mail_works", |works| works == 0.0);
}

#[test]
fn figures_are_on_the_second_listener_and_nothing_else_is() {
    let (mut deployment, _folder) = deployment();
    let (server, admin) = watched(&mut deployment);
    assert_eq!(get(server.address, "/metrics").unwrap().status, 404);
    for path in ["/", "/healthz", "/forgot", "/openapi.yaml", "/metrics/"] {
        assert_eq!(get(admin, path).unwrap().status, 404, "{path}");
    }
    let refused = post(admin, "/metrics", "{}").unwrap();
    assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
    assert_eq!(post(admin, "/auth/forgot-password", "{}").unwrap().status, 404);
    // Both ends go together.
    assert!(server.terminate().unwrap().success());
    assert!(get(admin, "/metrics").is_err());
}

#[test]
fn a_second_listener_that_cannot_be_is_told_by_its_own_name() {
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
