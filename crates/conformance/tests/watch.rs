//! That the search of every server's log finds what must not be there: with servers that say it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    thread,
};

use conformance::{http::post, server::Deployment};

/// Scripts in the place of a server's commands: `sh serve` and `sh user`. It listens nowhere, and says `said`.
fn scripts(folder: &Path, address: SocketAddr, said: &str) {
    let serve = format!(
        "echo \"level $POLYRESET_LOG\" >&2\n{said}\necho 'listening on http://{address}'\nexec sleep 60\n"
    );
    fs::write(folder.join("serve"), serve).unwrap();
    fs::write(folder.join("user"), "cat >/dev/null\n").unwrap();
}

/// What the end of a server that says `said` is told, or nothing.
fn ending(said: &str) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    scripts(folder.path(), address, said);
    let mut deployment = Deployment::new("/bin/sh", folder.path()).watched();
    deployment.set("POLYRESET_WORTHAI__JWT_SECRET", "a-secret-of-the-deployment");
    deployment.set("POLYRESET_MAIL_URL", "smtp://user:relay-password@mail.example.com");
    deployment.add_user("ann.lee@example.com", "the old password").unwrap();
    let server = deployment.start().unwrap();
    // Somebody at its address who hangs up: what was sent is known all the same.
    let other = thread::spawn(move || drop(listener.accept().unwrap()));
    let body = r#"{"otp":"2525c61f24b40a95dd2e6c0f347a6423","newPassword":"a new password"}"#;
    post(address, "/api/auth/email/reset-password", body).unwrap_err();
    other.join().unwrap();
    assert!(deployment.logged().starts_with("level trace"), "{}", deployment.logged());
    let failed = catch_unwind(AssertUnwindSafe(|| server.kill())).err()?;
    Some(*failed.downcast::<String>().unwrap())
}

#[test]
fn a_server_that_says_what_it_must_not_fails_its_test_with_the_kind_and_the_line() {
    for (said, expected) in [
        ("echo to ann.lee@example.com >&2", "log, line 2: Address, plain"),
        ("echo to ann.lee@example.com", "printed, line 1: Address, plain"),
        ("echo a=ann.lee%40example.com >&2", "log, line 2: Address, percent-encoded"),
        ("echo the old password >&2", "log, line 2: Password, plain"),
        ("echo; echo a new password >&2", "log, line 2: Password, plain"),
        ("echo 2525c61f24b40a95dd2e6c0f347a6423 >&2", "log, line 2: Token, plain"),
        ("echo a-secret-of-the-deployment >&2", "log, line 2: Setting, plain"),
        ("echo relay-password >&2", "log, line 2: Setting, plain"),
    ] {
        let told = ending(said).unwrap_or_else(|| panic!("{said}: nothing was found"));
        assert!(told.lines().any(|line| line == expected), "{said}: {told}");
        assert!(!told.contains("ann.lee") && !told.contains("password"), "the search repeats it: {told}");
    }
}

#[test]
fn a_server_that_says_nothing_of_it_ends_in_peace() {
    assert_eq!(ending("echo a job was mailed >&2"), None);
}
