//! Tests that the search of server logs finds secrets and addresses, with servers that leak them.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue panics")]

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    thread,
};

use conformance::{http::post, server::TestDeployment};

/// Writes the scripts `serve` and `user` that replace a server's commands. `serve` runs `leak` and does not listen.
fn scripts(folder: &Path, address: SocketAddr, leak: &str) {
    let serve = format!(
        "echo \"level $POLYRESET_LOG\" >&2\n{leak}\necho 'listening on http://{address}'\nexec sleep 60\n"
    );
    fs::write(folder.join("serve"), serve).unwrap();
    fs::write(folder.join("user"), "cat >/dev/null\n").unwrap();
}

/// Runs a server whose script runs `leak`. Returns the panic message when it ends, or `None` without a panic.
fn panic_at_end(leak: &str) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    scripts(folder.path(), address, leak);
    let mut deployment = TestDeployment::new("/bin/sh", folder.path()).watched();
    deployment.set("POLYRESET_WORTHAI__JWT_SECRET", "a-secret-of-the-deployment");
    deployment.set("POLYRESET_MAIL_URL", "smtp://user:relay-password@mail.example.com");
    deployment.add_user("ann.lee@example.com", "the old password").unwrap();
    let server = deployment.start().unwrap();
    // A listener at the address closes the connection. The request is collected all the same.
    let other = thread::spawn(move || drop(listener.accept().unwrap()));
    let body = r#"{"otp":"2525c61f24b40a95dd2e6c0f347a6423","newPassword":"a new password"}"#;
    post(address, "/api/auth/email/reset-password", body).unwrap_err();
    other.join().unwrap();
    assert!(deployment.logged().starts_with("level trace"), "{}", deployment.logged());
    let failed = catch_unwind(AssertUnwindSafe(|| server.kill())).err()?;
    Some(*failed.downcast::<String>().unwrap())
}

#[test]
fn a_server_that_logs_a_secret_fails_its_test_with_kind_and_line() {
    for (leak, expected) in [
        ("echo to ann.lee@example.com >&2", "log, line 2: Address, plain"),
        ("echo to ann.lee@example.com", "printed, line 1: Address, plain"),
        ("echo a=ann.lee%40example.com >&2", "log, line 2: Address, percent-encoded"),
        ("echo the old password >&2", "log, line 2: Password, plain"),
        ("echo; echo a new password >&2", "log, line 2: Password, plain"),
        ("echo 2525c61f24b40a95dd2e6c0f347a6423 >&2", "log, line 2: Token, plain"),
        ("echo a-secret-of-the-deployment >&2", "log, line 2: Setting, plain"),
        ("echo relay-password >&2", "log, line 2: Setting, plain"),
    ] {
        let message = panic_at_end(leak).unwrap_or_else(|| panic!("{leak}: no leak was found"));
        assert!(message.lines().any(|line| line == expected), "{leak}: {message}");
        assert!(
            !message.contains("ann.lee") && !message.contains("password"),
            "the message repeats the secret: {message}"
        );
    }
}

#[test]
fn a_server_without_a_leak_ends_without_a_panic() {
    assert_eq!(panic_at_end("echo a job was mailed >&2"), None);
}
