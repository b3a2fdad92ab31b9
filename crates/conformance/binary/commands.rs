//! Commands of the operator and their errors.

use std::{fs, os::unix::net::UnixStream, process::Stdio};

use conformance::http::{Connection, get};

use super::{deployment, px0, reset_mail};

#[test]
fn accounts_are_added_verified_blocked_and_unblocked() {
    let (deployment, _folder) = deployment();
    deployment.add_user("Ann@Example.com", "correct horse").unwrap();
    assert!(deployment.accepts("ann@example.com", "correct horse").unwrap());
    assert!(!deployment.accepts("ann@example.com", "wrong horse").unwrap());
    let code = |args: &[&str], stdin: &str| deployment.run(args, stdin).unwrap().status.code();
    assert_eq!(code(&["user", "verify", "ghost@example.com", "--password-stdin"], "x"), Some(2));
    assert_eq!(code(&["user", "block", "ann@example.com"], ""), Some(0));
    assert_eq!(code(&["user", "unblock", "ANN@example.com"], ""), Some(0));
    assert_ne!(code(&["user", "block", "ghost@example.com"], ""), Some(0));
    let taken = deployment.run(&["user", "add", "ann@EXAMPLE.com", "--password-stdin"], "x").unwrap();
    let error = String::from_utf8_lossy(&taken.stderr);
    assert!(
        !taken.status.success() && error.contains("already exists") && error.lines().count() == 1,
        "{error}"
    );
}

#[test]
fn a_piped_password_may_end_with_a_line_break() {
    let (deployment, _folder) = deployment();
    deployment.add_user("ann@example.com", "correct horse\n").unwrap();
    assert!(deployment.accepts("ann@example.com", "correct horse").unwrap());
}

#[test]
fn migrations_are_checked_and_applied() {
    let (deployment, _folder) = deployment();
    let code = |args: &[&str]| deployment.run(args, "").unwrap().status.code();
    assert_eq!(code(&["migrate", "--check"]), Some(1));
    assert_eq!(code(&["migrate"]), Some(0));
    assert_eq!(code(&["migrate"]), Some(0));
    assert_eq!(code(&["migrate", "--check"]), Some(0));
}

#[test]
fn the_openapi_document_is_printed_as_in_the_repository() {
    let (deployment, _folder) = deployment();
    let openapi = concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi/");
    for format in ["json", "yaml"] {
        let printed = deployment.run(&["openapi", "--format", format], "").unwrap();
        let file = fs::read_to_string(format!("{openapi}openapi.{format}")).unwrap();
        assert_eq!(String::from_utf8(printed.stdout).unwrap(), file);
    }
    let slice = deployment.run(&["openapi", "--format", "yaml", "--dialect", "px0"], "").unwrap();
    let slice = String::from_utf8(slice.stdout).unwrap();
    assert!(fs::read_to_string(format!("{openapi}px0.yaml")).unwrap().ends_with(&slice) && !slice.is_empty());
    let unknown = deployment.run(&["openapi", "--dialect", "nothing"], "").unwrap();
    assert!(!unknown.status.success());
}

#[test]
fn doctor_names_the_failing_check_and_succeeds_when_all_pass() {
    let (mut deployment, _folder) = deployment();
    deployment.run(&["migrate"], "").unwrap();
    let well = deployment.run(&["doctor"], "").unwrap();
    assert!(well.status.success(), "{}", String::from_utf8_lossy(&well.stdout));
    deployment.set("POLYRESET_MAIL_URL", "smtp://127.0.0.1:9");
    let ill = deployment.run(&["doctor"], "").unwrap();
    let said = String::from_utf8_lossy(&ill.stdout);
    assert_eq!(ill.status.code(), Some(1), "{said}");
    assert!(
        said.lines().any(|line| line.starts_with("FAIL") && line.to_lowercase().contains("tcp")),
        "{said}"
    );
}

#[test]
fn the_server_listens_on_a_unix_socket_and_removes_it_at_exit() {
    let (mut deployment, folder) = deployment();
    deployment.add_user("ann@example.com", "correct horse").unwrap();
    let socket = folder.path().join("reset.sock");
    deployment.set("POLYRESET_LISTEN", &format!("unix:{}", socket.display()));
    let mut child =
        deployment.command(&["serve"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let started = std::time::Instant::now();
    while UnixStream::connect(&socket).is_err() {
        assert!(started.elapsed() < super::TIMEOUT, "no socket");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let mut connection = Connection::open(socket.clone()).unwrap();
    assert_eq!(connection.get("/healthz").unwrap().status, 200);
    let step = px0().request_for("ann@example.com");
    assert_eq!(connection.post(&step.path, &step.body).unwrap().status, 200);
    reset_mail(&deployment, "ann@example.com");
    #[expect(clippy::disallowed_methods, reason = "the standard library sends no SIGTERM")]
    std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(child.wait().unwrap().success());
    assert!(!socket.exists());
}

#[test]
fn a_second_server_on_the_same_port_reports_listen() {
    let (mut deployment, _folder) = deployment();
    let server = deployment.start().unwrap();
    assert_eq!(get(server.address, "/healthz").unwrap().status, 200);
    deployment.set("POLYRESET_LISTEN", &server.address.to_string());
    let second = deployment.run(&["serve"], "").unwrap();
    let error = String::from_utf8_lossy(&second.stderr);
    assert!(!second.status.success() && error.contains("listen"), "{error}");
}
