//! `serve --demo` for a first-time user: output, start page, mailbox, and signing in with the new password.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use conformance::{
    clients,
    http::{RawResponse, get},
    server::TestDeployment,
};
use tempfile::TempDir;

use super::{TIMEOUT, send_form};

const ALICE: &str = "alice@example.com";
const NEW: &str = "A-new-passw0rd-of-mine";

/// Returns a demo with the default settings, except for port and hash. Its mails are filed in the folder.
fn demo() -> (TestDeployment, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut deployment = TestDeployment::new(crate::BINARY, folder.path());
    for name in ["POLYRESET_DATABASE_URL", "POLYRESET_MAIL_URL", "POLYRESET_PUBLIC_URL"] {
        deployment.unset(name);
    }
    deployment.set("POLYRESET_LOG", "trace");
    (deployment, folder)
}

/// Waits until the mailbox lists at least `count` mails, and opens the newest.
fn newest(address: SocketAddr, count: usize) -> RawResponse {
    let started = Instant::now();
    loop {
        let list = get(address, "/mailbox").unwrap().body;
        let mails: Vec<&str> = list.split("href=\"mail?").skip(1).collect();
        if mails.len() >= count {
            let target = format!("/mail?{}", mails[0].split('"').next().unwrap());
            return get(address, &target).unwrap();
        }
        assert!(started.elapsed() < TIMEOUT, "{} of {count} mails", mails.len());
        thread::sleep(Duration::from_millis(5));
    }
}

/// Returns the password that the terminal output shows after an address.
fn password_of(printed: &str, email: &str) -> String {
    let line = printed.lines().find(|line| line.trim_start().starts_with(email)).unwrap();
    line.split_whitespace().nth(1).unwrap().to_owned()
}

#[test]
fn the_printed_url_leads_to_a_page_that_starts_a_reset_in_every_dialect() {
    let (deployment, folder) = demo();
    let server = deployment.start_demo().unwrap();
    let (address, printed) = (server.address, deployment.printed());
    let first = format!("polyreset demo: open http://{address}/ in a browser");
    assert_eq!(printed.lines().next(), Some(first.as_str()), "{printed}");
    let start = get(address, "/").unwrap();
    let old = password_of(&printed, ALICE);
    let sign_in = get(address, "/sign-in").unwrap();
    assert!(sign_in.body.contains(&format!("<code>{old}</code>")), "{}", sign_in.body);
    assert_eq!(get(address, "/forgot").unwrap().status, 200);
    for link in ["mailbox", "sign-in", "docs", "dialects"] {
        assert!(start.body.contains(&format!("href=\"{link}\"")), "{link}");
        assert_eq!(get(address, &format!("/{link}")).unwrap().status, 200, "{link}");
    }

    let mut mails = 0;
    for dialect in clients::all().iter().map(|client| client.dialect) {
        let response =
            send_form(address, "/ask", "", &format!("dialect={dialect}&email=alice%40example.com"));
        let is_accepted =
            ["200 OK", "202 Accepted", "204 No Content"].iter().any(|shown| response.body.contains(shown));
        assert!(response.status == 200 && is_accepted, "{dialect}: {}", response.body);
        mails += 1;
        let mail = newest(address, mails).body;
        let password = format!("{NEW}-{dialect}");
        let done = if let Some((_, link)) = mail.split_once("<a href=\"http://") {
            let target = link.split('"').next().unwrap().replace("&#38;", "&");
            let arrival = get(address, target.strip_prefix(&address.to_string()).unwrap()).unwrap();
            let cookie = arrival.header("set-cookie").unwrap().split(';').next().unwrap();
            let link = arrival.body.split("link=").nth(1).unwrap().get(..16).unwrap();
            send_form(address, "/reset", cookie, &format!("link={link}&password={password}"))
        } else {
            let code = mail.lines().find(|line| line.len() == 6 && line.parse::<u32>().is_ok()).unwrap();
            let form = format!("by=code&email=alice%40example.com&code={code}&password={password}");
            send_form(address, "/reset", "", &form)
        };
        assert_eq!(done.status, 200, "{dialect}: {}", done.body);
        // The notice of the changed password.
        mails += 1;
        assert!(newest(address, mails).body.contains("password was changed"), "{dialect}");
        let sign_in = |password: &str| {
            send_form(address, "/sign-in", "", &format!("email=alice%40example.com&password={password}"))
                .status
        };
        assert_eq!((sign_in(&password), sign_in(&old)), (200, 403), "{dialect}");
    }

    // Secrets that the demo pages show are not logged. The mails are also printed and filed in the folder.
    let logged = deployment.logged();
    assert!(!logged.contains("@example.com") && !logged.contains(NEW) && !logged.contains(&old), "{logged}");
    assert!(
        !logged.contains("can read the demo"),
        "a loopback address cannot be reached by others: {logged}"
    );
    assert!(deployment.printed().matches("Subject: ").count() >= mails);
    assert!(folder.path().join("mail").read_dir().unwrap().count() >= mails);
}

#[test]
fn a_demo_rejects_an_existing_database_and_warns_on_a_public_address() {
    let (mut deployment, folder) = demo();
    deployment.set("POLYRESET_DATABASE_URL", &format!("sqlite://{}", deployment.database().display()));
    deployment.set("POLYRESET_MAIL_URL", &format!("file://{}", folder.path().join("mail").display()));
    deployment.set("POLYRESET_LISTEN", "0.0.0.0:0");
    deployment.set("POLYRESET_PUBLIC_URL", "https://accounts.example.com");
    let server = deployment.start_demo().unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], server.address.port()));
    assert!(deployment.logged().contains("can read the demo's mailbox"), "{}", deployment.logged());
    send_form(address, "/ask", "", "dialect=strapi&email=bob%40example.com");
    let mail = newest(address, 1).body;
    assert!(mail.contains("<a href=\"https://accounts.example.com/reset?code="), "{mail}");
    for form in ["email=real%40example.org&password=x", "email=nobody&password=x"] {
        assert_eq!(send_form(address, "/sign-in", "", form).status, 403, "{form}");
    }
    assert_eq!(send_form(address, "/ask", "", "dialect=strapi&email=real%40example.org").status, 400);
    drop(server);
    // The database exists now, so a second demo must not use it.
    let refused = deployment.run(&["serve", "--demo"], "").unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("already exists"), "{said}");
    deployment.set("POLYRESET_DATABASE_URL", "postgres://127.0.0.1:1/app");
    deployment.set("POLYRESET_SECRET", &"ab01020304050607".repeat(4));
    let refused = deployment.run(&["serve", "--demo"], "").unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("serve --demo creates its own SQLite database"), "{said}");
}

#[test]
fn the_mailbox_shows_mails_that_cannot_be_filed() {
    let (deployment, folder) = demo();
    std::fs::write(folder.path().join("mail"), "").unwrap();
    let server = deployment.start_demo().unwrap();
    assert!(deployment.logged().contains("./mail cannot be written"), "{}", deployment.logged());
    send_form(server.address, "/ask", "", "dialect=worthai&email=bob%40example.com");
    assert!(newest(server.address, 1).body.contains("reset_token="));
}

#[test]
fn without_a_demo_its_pages_are_neither_served_nor_documented() {
    let (deployment, _folder) = super::deployment();
    let server = deployment.start().unwrap();
    for path in ["/mailbox", "/mail?id=1", "/mail/html?id=1", "/ask", "/sign-in"] {
        assert_eq!(get(server.address, path).unwrap().status, 404, "{path}");
    }
    assert_eq!(get(server.address, "/").unwrap().header("location"), Some("http://127.0.0.1:8080/forgot"));
    let document = get(server.address, "/openapi.yaml").unwrap().body;
    assert!(
        document.contains("/healthz:") && !document.contains("/forgot:") && !document.contains("/mailbox:")
    );
    let (deployment, _folder) = demo();
    let server = deployment.start_demo().unwrap();
    let document = get(server.address, "/openapi.json").unwrap().body;
    assert!(
        !document.contains("\"/mailbox\"")
            && document.contains(ALICE)
            && !document.contains("user@example.com")
    );
}
